"""All utterances of a corpus, one row each: the common language of all later stages."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from data.concatenation import ConcatSettings, concatenate, concatenate_folds
from data.corpora import Source, known_emotions, read_corpus
from data.corpus_settings import CorpusSettings
from data.csv_files import read_texts, with_numbers
from data.errors import UserError, listed, nearest
from data.folder_listing import missing_files
from data.sharding import sharding_notes, shards_by_size
from data.times import check_times
from data.utterance import COLUMNS, NUMBERS

CORPORA_FOLDER = Path("corpora")
TABLES_FOLDER = Path("data/tables")


def corpus_root(name: str) -> Path:
    """Where a corpus lives: a folder, or a link to one; the same path for everyone on a team."""
    return CORPORA_FOLDER / name


def tables_folder(name: str) -> Path:
    """Where the tables and folds of a corpus go that are not in its folder."""
    return TABLES_FOLDER / name


def check_corpus_folders(names: Iterable[str]) -> list[str]:
    """Refuse corpus folders that cannot be right.

    Returns:
        The corpora that are not here. That is no error: a colleague may have their features only.

    Raises:
        UserError: one is not a folder, or two of them are the same folder.
    """
    missing, owners = [], {}
    for name in names:
        root = corpus_root(name)
        if not root.exists():
            missing.append(name)
            continue
        _check_is_folder(name)
        if (owner := owners.setdefault(root.resolve(), name)) != name:
            raise UserError(
                f"{corpus_root(owner)} and {root} are the same folder. Give each corpus its own, or use one name: "
                f"a task that needs other classes or utterances is another entry of tasks, not of corpora."
            )
    return missing


class Manifest(NamedTuple):
    """What a corpus holds.

    Attributes:
        rows: `COLUMNS`, one row per utterance, sorted by id.
        folds: those that it brings, ``id`` first; None if it has none.
        notes: what had to be assumed, and what follows from it.
        parts: what long utterances are made of (`data.concatenation`); None where each one is a recording.
    """

    rows: pd.DataFrame
    folds: pd.DataFrame | None
    notes: Sequence[str]
    parts: pd.DataFrame | None = None


def build_manifest(name: str, settings: CorpusSettings) -> Manifest:
    """Read a corpus.

    Raises:
        UserError: the folder is missing or not this corpus, ids are duplicate, an audio file is missing, or an
            utterance's times are not within its file.
    """
    root = corpus_root(name)
    if not root.exists():
        raise UserError(
            f"there is no corpus folder {root}. Put the corpus there, or a link to it: ln -s /where/it/is {root}"
        )
    _check_is_folder(name)
    corpus = read_corpus(Source(name, root, tables_folder(name), settings))
    values = {column: [getattr(one, column) for one in corpus.utterances] for column in COLUMNS}
    manifest = pd.DataFrame(values).astype(dict.fromkeys(NUMBERS, float))
    exclude = f"corpora.{name}.exclude"
    for column, values in settings.exclude.items():
        known = known_emotions(settings.reader) if column == "emotion" else None
        manifest = manifest[~has_value(manifest, column, values, f"{exclude}.{column}", known)]
    manifest = manifest.sort_values("id", ignore_index=True)
    duplicates = sorted(set(manifest["id"][manifest["id"].duplicated()]))
    if duplicates:
        raise UserError(f"{root}: {len(duplicates)} duplicate utterance ids:\n{listed(duplicates)}")
    missing = missing_files(root, manifest["path"])
    if missing:
        raise UserError(
            f"{root}: {len(missing)} annotated utterances have no audio file. "
            f"Copy them from the release, or leave them out with {exclude}:\n{listed(missing)}"
        )
    if manifest.empty:
        raise UserError(f"{root}: {exclude} leaves no utterance.")
    check_times(root, manifest)
    folds = corpus.folds
    folds = None if folds is None else folds[folds["id"].isin(manifest["id"])].sort_values("id", ignore_index=True)
    whole = Manifest(manifest, folds, corpus.notes)
    if settings.concat is not None:
        whole = _long_utterances(whole, settings.concat)
    if settings.shards == "auto":
        return whole._replace(notes=[*whole.notes, *sharding_notes(name, whole.rows["shard"])])
    return whole._replace(rows=whole.rows.assign(shard=shards_by_size(list(whole.rows["id"]), settings.shards)))


def _long_utterances(manifest: Manifest, concat: ConcatSettings) -> Manifest:
    """A speaker's utterances joined; the folds that the corpus brings are kept if they do not part a speaker."""
    rows, parts = concatenate(manifest.rows, concat)
    folds, notes = (
        manifest.folds,
        [*manifest.notes, f"{len(parts):,} recordings are joined to {len(rows):,} utterances"],
    )
    if folds is not None and (folds := concatenate_folds(folds, rows, parts)) is None:
        notes.append("the folds that this corpus brings part speakers, so it has none for scheme: official")
    return Manifest(rows, folds, notes, parts)


def _check_is_folder(name: str) -> None:
    if not corpus_root(name).is_dir():
        raise UserError(f"{corpus_root(name)} is a file. Unpack the corpus; its folder, or a link to it, goes there.")


def has_value(manifest: pd.DataFrame, column: str, values: list[str], where: str, known=None) -> pd.Series:
    """Which rows have one of some values, compared as text.

    Args:
        manifest: the rows.
        column: of the manifest.
        values: to look for.
        where: the parameter's key, for the error.
        known: all values there can be; those that occur, if it is not given.

    Raises:
        UserError: a value that is not known.
    """
    texts = manifest[column].astype(str)
    known = sorted(set(texts)) if known is None else list(known)
    for value in values:
        if value not in known:
            raise UserError(f"{where}: no {value!r} in this corpus{nearest(value, known)} ({', '.join(known[:12])})")
    return texts.isin(values)


def write_manifest(manifest: pd.DataFrame, path: Path) -> None:
    """Write a manifest as CSV."""
    manifest.to_csv(path, index=False, lineterminator="\n")


def read_manifest(path: Path) -> pd.DataFrame:
    """Read a manifest; texts stay texts (``01`` is a code, ``None`` a word), ratings and times become floats."""
    return with_numbers(read_texts(path, needed=COLUMNS), NUMBERS, path)
