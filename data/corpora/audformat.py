"""A database in audEERING's audformat, such as `audb` downloads: its tables, speakers, ratings and splits.

https://audeering.github.io/audformat, MIT licence; the databases have their own. The package is an extra:
``pip install audformat``.

::

    db.yaml, db.*.csv (or .parquet)     schemes, tables, splits
    the audio files, as the tables name them

Labels are found by their scheme or column: emotion, speaker, gender and so on, also where a table of speakers has them.
Whole files and segments of files both do. Splits of the types train, dev and test become official folds.
"""

from typing import Annotated

import pandas as pd
from pydantic import AfterValidator

from data.corpora.reading import Corpus, Source
from data.corpora.rows import COLUMN_NAMES, corpus_of_rows
from data.corpus_settings import CorpusSettings
from data.errors import UserError, listed, nearest

_USUAL = {  # manifest column -> schemes or columns that databases call it; the first one that has labels
    "emotion": ("emotion",),
    "speaker": ("speaker",),
    "gender": ("gender", "sex"),
    "session": ("session",),
    "text": ("transcription", "transcript", "text", "sentence"),
    "valence": ("valence",),
    "activation": ("activation", "arousal"),
    "dominance": ("dominance",),
}
_RATINGS = ("valence", "activation", "dominance")
_PLACE = ["file", "start", "end"]
_SPLIT_TYPES = ("train", "dev", "test")


def _known_columns(columns: dict[str, str]) -> dict[str, str]:
    for name in columns:
        if name not in COLUMN_NAMES or name in ("path", "start", "end", "fold"):
            raise ValueError(f"no such column {name!r}{nearest(name, _USUAL)} (there are {', '.join(_USUAL)})")
    return columns


class Parameters(CorpusSettings):
    """``corpora.<name>`` with ``reader: audformat``.

    Attributes:
        columns: manifest column -> the database's scheme or column, where its name is not the usual one.
        tables: those that the labels are taken from; null: all that have them.
    """

    columns: Annotated[dict[str, str], AfterValidator(_known_columns)] = {}
    tables: list[str] | None = None


def read_corpus(source: Source) -> Corpus:
    """Read the database in the corpus's folder.

    Raises:
        UserError: audformat is not installed, there is no database, it has no such labels, or its tables contradict
            each other.
    """
    database = _load(source)
    settings, where = source.settings, f"corpora.{source.name}"
    if unknown := [name for name in settings.tables or [] if name not in database.tables]:
        raise UserError(
            f"{where}.tables: no table {unknown[0]!r}{nearest(unknown[0], database.tables)} "
            f"(there are {', '.join(database.tables)})"
        )
    wanted = {**_USUAL, **{column: (name,) for column, name in settings.columns.items()}}
    labels = {column: _labels(database, names, column, settings.tables, where) for column, names in wanted.items()}
    for column, name in settings.columns.items():
        if labels[column] is None:
            known = sorted(
                {*database.schemes, *(named for table in database.tables for named in database[table].columns)}
            )
            raise UserError(
                f"{where}.columns.{column}: the database has no labels {name!r}{nearest(name, known)} "
                f"(there are {', '.join(known)})"
            )
    leading = next((found for column in ("emotion", *wanted) if (found := labels[column]) is not None), None)
    if leading is None:
        raise UserError(
            f"{where}: the database has no labels for emotion. Name its scheme or column: columns: {{emotion: ...}} "
            f"(there are {', '.join(database.schemes)})"
        )
    rows = leading[_PLACE].reset_index(drop=True)
    for column, found in labels.items():
        if found is not None:
            rows[column] = _values_at(rows, found).fillna("").astype(str)
    rows["fold"] = _values_at(rows, leading.assign(value=leading["split"])).fillna("")
    rows = rows.drop(columns="fold") if (rows["fold"] == "").all() else rows
    rows.index += 1
    return corpus_of_rows(source, rows.drop(columns=["file", "start", "end"]).assign(**_text_places(rows)))


def _load(source: Source):
    try:
        import audformat
    except ImportError:
        raise UserError(
            f"corpora.{source.name}.reader: audformat needs the package of that name: pip install audformat"
        ) from None
    if not (source.root / "db.yaml").is_file():
        raise UserError(f"{source.root} does not look like an audformat database: no db.yaml in it.")
    try:
        return audformat.Database.load(str(source.root))
    except Exception as error:  # whatever YAML, CSV and Parquet have to say
        raise UserError(f"{source.root}: cannot be read as an audformat database: {error}") from None


def _labels(database, names: tuple[str, ...], column: str, tables: list[str] | None, where: str) -> pd.DataFrame | None:
    """The labels of a column, and where they are: ``file, start, end, value, split``; None if there are none.

    Each table is asked by itself: taken together, audformat 1.4 mixes up the labels of whole files and of segments.
    """
    chosen = database.tables if column not in ("emotion", *_RATINGS) or tables is None else tables
    for name in names:
        parts = [part for table in chosen if len(part := _labels_of(database, name, table))]
        if not parts:
            continue
        found = pd.concat(parts, ignore_index=True)
        different = found.drop_duplicates([*_PLACE, "value"])
        if different.duplicated(_PLACE).any():
            twice = sorted(set(different["file"][different.duplicated(_PLACE)]))
            raise UserError(
                f"{where}: tables of the database contradict each other about {name!r}. Choose some of them with "
                f"tables: [...] (there are {', '.join(database.tables)}):\n{listed(twice)}"
            )
        if (split_twice := found[found["split"] != ""].drop_duplicates([*_PLACE, "split"])).duplicated(_PLACE).any():
            twice = sorted(set(split_twice["file"][split_twice.duplicated(_PLACE)]))
            raise UserError(f"{where}: some labels are in two splits of the database:\n{listed(twice)}")
        return found.sort_values("split", ascending=False, kind="stable").drop_duplicates(_PLACE)
    return None


def _labels_of(database, name: str, table: str) -> pd.DataFrame:
    labels = database.get(name, tables=[table])[name].dropna()
    index = labels.index
    segmented = "start" in index.names
    times = {
        end: index.get_level_values(end).total_seconds() if segmented else float("nan") for end in ("start", "end")
    }
    split = database.splits.get(database[table].split_id) if database[table].split_id else None
    role = split.type if split is not None and split.type in _SPLIT_TYPES else ""
    places = {"file": index.get_level_values("file").astype(str), **times}
    found = pd.DataFrame({**places, "value": labels.astype(object).to_numpy(), "split": role})
    whole = (found["start"] == 0) & found["end"].isna()
    return found.assign(start=found["start"].mask(whole))


def _values_at(rows: pd.DataFrame, found: pd.DataFrame) -> pd.Series:
    """The values at the rows' places; for segments without a value of their own, that of their file."""
    exact = rows[_PLACE].merge(found[[*_PLACE, "value"]], on=_PLACE, how="left")["value"]
    whole = found[found["start"].isna() & found["end"].isna()].set_index("file")["value"]
    return exact.where(exact.notna(), rows["file"].map(whole))


def _text_places(rows: pd.DataFrame) -> dict[str, pd.Series]:
    times = {end: rows[end].map(lambda time: "" if pd.isna(time) else repr(time)) for end in ("start", "end")}
    return {"path": rows["file"], **times}
