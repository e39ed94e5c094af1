"""Rows of text -> utterances: what all readers share that learn of a corpus from a table or from its paths."""

import re
import zlib
from collections.abc import Sequence
from dataclasses import fields

import pandas as pd

from data.corpora.reading import Corpus, Source
from data.errors import UserError, listed
from data.utterance import NUMBERS, Utterance

FIELDS = [field.name for field in fields(Utterance) if field.name != "shard"]
COLUMN_NAMES = [*FIELDS, "fold"]

_GENDERS = {
    **dict.fromkeys(("f", "female", "w", "woman", "weiblich", "frau"), "female"),
    **dict.fromkeys(("m", "male", "man", "maennlich", "männlich", "mann"), "male"),
}
_ROLES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "devel", "development"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
    "": "",
}
_LONGEST_NAME = 180  # bytes; file systems take 255, and partial files and lists have endings
_BUCKETS = 16  # shards of a corpus that names neither speakers nor sessions


def corpus_of_rows(source: Source, rows: pd.DataFrame, notes: Sequence[str] = ()) -> Corpus:
    """Utterances of a table's rows.

    Args:
        source: the corpus.
        rows: columns named as the fields of `Utterance`, ``path`` among them, all text, empty where there is nothing.
            There may be ``fold``, too, with names of folds or the roles in one fold. The index is the number of the row
            in the table.
        notes: on how the rows were read.

    Returns:
        The corpus. Ids that are not given are the paths without their endings, and the times within the file.

    Raises:
        UserError: a file with two rows that are not parts of it, numbers that are none, no emotions.
    """
    where = f"corpora.{source.name}"
    rows = rows.assign(**{name: _numbers(rows[name], where) for name in NUMBERS if name in rows})
    _check_one_row_per_utterance(rows, where)
    _check_emotions(rows, source)
    if "gender" in rows:
        genders = rows["gender"].str.lower()
        rows["gender"] = genders.map(_GENDERS).fillna(genders)
    if "id" not in rows:
        rows["id"] = default_ids(rows)
    rows["shard"] = _shards(rows)
    if "speaker" not in rows or (rows["speaker"] == "").all():
        notes = [*notes, no_speakers(where)]
    folds = folds_of_rows(rows, where) if "fold" in rows else None
    rows = rows.assign(**{name: rows.get(name, "") for name in ("speaker", "emotion")})
    names = [name for name in (*FIELDS, "shard") if name in rows]
    values = [[None if cell != cell else cell for cell in rows[name].tolist()] for name in names]  # NaN: no number
    utterances = [Utterance(**dict(zip(names, row, strict=True))) for row in zip(*values, strict=True)]
    return Corpus(utterances, folds, list(notes))


def no_speakers(where: str) -> str:
    """What it means that a corpus names no speakers."""
    return (
        f"{where}: nothing says who is speaking, so tasks cannot keep test speakers out of training: only "
        "split.scheme: random, official or file remain, and no result says anything about unseen speakers"
    )


def default_ids(rows: pd.DataFrame) -> pd.Series:
    """Paths without their endings, with them where two files differ in nothing else; then the times, in ms."""
    paths = rows["path"]
    stems = paths.str.replace(r"\.[^./]*$", "", regex=True)
    files = pd.Series(paths.unique())
    shared = files.str.replace(r"\.[^./]*$", "", regex=True)
    ids = stems.where(~stems.isin(set(shared[shared.duplicated()])), paths)
    for name in ("start", "end"):
        if name in rows:
            times = (rows[name] * 1000).round().astype("Int64").astype("string").str.zfill(7)
            ids = ids.where(rows[name].isna(), ids + ("_" if name == "start" else "-") + times.fillna(""))
    return ids.astype(object)


def folds_of_rows(rows: pd.DataFrame, where: str) -> pd.DataFrame:
    """The folds of a column ``fold``: in which fold an utterance is tested, or its role in a single one.

    Raises:
        UserError: some rows name a role, and others something else: what is trained on would be tested, too.
    """
    roles = rows["fold"].str.lower().map(_ROLES)
    other = sorted(set(rows["fold"][roles.isna()]))
    if other and (named := sorted(set(rows["fold"][roles.notna()]) - {""})):
        raise UserError(
            f"{where}: the column of folds names roles ({', '.join(named)}) and something else ({', '.join(other)}). "
            "Write train, validation or test, or nothing for utterances that play no role."
        )
    known = {"fold_0": roles} if roles.notna().all() else {"fold": rows["fold"]}
    return pd.DataFrame({"id": rows["id"], **known})


def file_name(text: str) -> str:
    """A text as part of a file's name; of a long one its beginning and a checksum."""
    name = re.sub(r"[^\w.+-]", "_", text) or "none"
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    return f"{name.encode()[:_LONGEST_NAME].decode(errors='ignore')}-{zlib.crc32(text.encode()):08x}"


def _numbers(column: pd.Series, where: str) -> pd.Series:
    """A column's numbers, with a decimal point or comma; NaN where there is nothing."""
    numbers = pd.to_numeric(column.str.replace(",", ".", regex=False), errors="coerce")
    wrong = column[numbers.isna() & (column != "")]
    if len(wrong):
        kind = "seconds" if column.name in ("start", "end") else "a number"
        found = [f"row {number}: {cell!r}" for number, cell in wrong.items()]
        raise UserError(f"{where}: {len(found)} cells of {column.name} are not {kind}:\n{listed(found)}")
    return numbers.astype(float)


def _check_one_row_per_utterance(rows: pd.DataFrame, where: str) -> None:
    parts = [name for name in ("path", "start", "end") if name in rows]
    repeated = rows[rows.duplicated(parts, keep=False)]
    if len(repeated):
        numbers = repeated.groupby("path").apply(lambda same: ", ".join(map(str, same.index)), include_groups=False)
        found = [f"{path}: rows {of_path}" for path, of_path in numbers.items()]
        files = "1 file has" if len(found) == 1 else f"{len(found)} files have"
        parts_of_it = "name the columns with their start and end" if len(parts) == 1 else "fill in their start and end"
        raise UserError(
            f"{where}: {files} more than one row. Keep one row of each or, if the rows are parts of a long recording, "
            f"{parts_of_it} in seconds:\n{listed(found)}"
        )


def _check_emotions(rows: pd.DataFrame, source: Source) -> None:
    where = f"corpora.{source.name}"
    other_targets = {*NUMBERS, "votes"} - {"start", "end"}
    if any(name in rows and (rows[name].notna() & (rows[name] != "")).any() for name in other_targets):
        return
    if "emotion" not in rows:
        raise UserError(
            f"{where}: nothing names the emotions. Give columns.emotion, or a group (?P<emotion>...) in the pattern."
        )
    empty = rows[rows["emotion"] == ""]
    if len(empty) and "" not in source.settings.exclude.get("emotion", []):
        found = [f"row {number}: {path}" for number, path in empty["path"].items()]
        raise UserError(
            f"{where}: {len(found)} of {len(rows)} rows have no emotion. Fill them in, or leave them out with "
            f'exclude: {{emotion: [""]}}:\n{listed(found)}'
        )


def _shards(rows: pd.DataFrame) -> pd.Series:
    """A session, else a speaker, else one of a few parts by the id: it must not depend on what else there is."""
    for name in ("session", "speaker"):
        if name in rows and (rows[name] != "").any():
            prefix = f"{name}-"
            return rows[name].map({value: prefix + file_name(value) for value in rows[name].unique()})
    return rows["id"].map(lambda name: f"part-{zlib.crc32(name.encode()) % _BUCKETS:02d}")
