"""All utterances of a corpus, one row each: the common language of all later stages."""

import difflib
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import AfterValidator, Field

from data.corpora import CORPORA
from data.errors import UserError, listed
from data.settings import Settings
from data.utterance import Utterance

COLUMNS = [
    *("id", "path", "speaker", "gender", "session", "dialog", "style", "emotion"),
    *("valence", "activation", "dominance", "start", "end", "text", "shard"),
]
_NUMBERS = [field.name for field in fields(Utterance) if field.type == (float | None)]


def _known_corpus(name: str) -> str:
    if name not in CORPORA:
        raise ValueError(f"no such corpus{nearest(name, CORPORA)} (there are {', '.join(CORPORA)})")
    return name


def _manifest_columns(exclude: dict[str, list[str]]) -> dict[str, list[str]]:
    for column in exclude:
        if column not in COLUMNS:
            raise ValueError(f"no manifest column {column!r}{nearest(column, COLUMNS)}")
    return exclude


def nearest(name: str, valid) -> str:
    """``; did you mean 'x'?`` for the valid name nearest to a misspelt one, or nothing."""
    close = difflib.get_close_matches(str(name), [str(candidate) for candidate in valid], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


ColumnFilter = Annotated[dict[str, list[str]], AfterValidator(_manifest_columns)]


class CorpusSettings(Settings):
    """``corpus``: what to read.

    Attributes:
        name: the reader, a key of `CORPORA`.
        root: the corpus folder, relative to the project.
        exclude: manifest column -> values whose utterances are left out.
    """

    name: Annotated[str, AfterValidator(_known_corpus)]
    root: str = Field(min_length=1)
    exclude: ColumnFilter = {}


def build_manifest(corpus: CorpusSettings) -> pd.DataFrame:
    """Read the corpus and return its manifest: `COLUMNS`, one row per utterance, sorted by id.

    Raises:
        UserError: the folder is missing or not this corpus, ids are duplicate, or an audio file is missing.
    """
    root = Path(corpus.root)
    if not root.is_dir():
        raise UserError(
            f"there is no corpus folder {corpus.root} (corpus.root). "
            f"Put the corpus there, or a link to it: ln -s /where/it/is {corpus.root}"
        )
    utterances = CORPORA[corpus.name].read_utterances(root)
    manifest = pd.DataFrame(utterances, columns=[field.name for field in fields(Utterance)])[COLUMNS]
    for column, values in corpus.exclude.items():
        known = CORPORA[corpus.name].EMOTIONS if column == "emotion" else None
        manifest = manifest[~has_value(manifest, column, values, f"corpus.exclude.{column}", known)]
    manifest = manifest.sort_values("id", ignore_index=True)
    twice = sorted(set(manifest["id"][manifest["id"].duplicated()]))
    if twice:
        raise UserError(f"{root}: {len(twice)} duplicate utterance ids:\n{listed(twice)}")
    missing = [path for path in manifest["path"] if not (root / path).is_file()]
    if missing:
        raise UserError(
            f"{root}: {len(missing)} annotated utterances have no audio file. "
            f"Copy them from the release, or leave them out with corpus.exclude:\n{listed(missing)}"
        )
    if manifest.empty:
        raise UserError(f"{root}: corpus.exclude leaves no utterance.")
    return manifest


def has_value(manifest: pd.DataFrame, column: str, values: list[str], where: str, known=None) -> pd.Series:
    """Which rows have one of some values, compared as text.

    Args:
        manifest: the rows.
        column: of the manifest.
        values: to look for.
        where: the parameter's place, for the error.
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
    manifest = pd.read_csv(path, dtype=str, keep_default_na=False)
    return manifest.assign(**{column: pd.to_numeric(manifest[column]) for column in _NUMBERS})
