"""Any corpus of audio files and a table, or of audio files whose paths say what they are. No code is needed for it.

::

    corpora:
      ours:
        reader: table
        table: labels.csv                      # in corpora/ours or in data/tables/ours
        columns: {path: file, emotion: label, speaker: who}

      theirs:
        reader: table
        pattern: (?P<speaker>[A-Z]+)/(?P<emotion>[a-z]+)_\\d+\\.wav$

Where both are given, the pattern says what the table lacks.
"""

import re
from typing import Annotated

import pandas as pd
from pydantic import AfterValidator, model_validator

from data.corpora.paths import Pattern, audio_files, locate_files, match_paths
from data.corpora.reading import Corpus, Source
from data.corpora.rows import COLUMN_NAMES, corpus_of_rows
from data.corpus_settings import CorpusSettings
from data.errors import UserError, listed, nearest
from data.folder_listing import matching
from data.table_files import find_table, read_table

_MOST_COMPARED = 20_000  # pairs of a name and a file: comparing them takes a second or so


def _known_columns(columns: dict[str, str]) -> dict[str, str]:
    for name in columns:
        if name not in COLUMN_NAMES:
            raise ValueError(
                f"no such column {name!r}{nearest(name, COLUMN_NAMES)} (there are {', '.join(COLUMN_NAMES)})"
            )
    return columns


class Parameters(CorpusSettings):
    """``corpora.<name>`` with ``reader: table``.

    Attributes:
        table: a CSV, TSV, JSONL, Parquet or Excel file in the corpus's folder or in data/tables/<name>.
        columns: manifest column -> the table's; ``path`` is needed, and ``fold`` may be one.
        pattern: a regular expression that is searched in each path below the corpus's folder, with forward slashes; its
            named groups are manifest columns.
        files: which files there are, e.g. ``wav/**/*.wav``; null: all audio files, or those that the table names.
    """

    table: str | None = None
    columns: Annotated[dict[str, str], AfterValidator(_known_columns)] = {}
    pattern: Pattern | None = None
    files: str | None = None

    @model_validator(mode="after")
    def _one_of_them_says_what_there_is(self):
        if self.table is None and self.pattern is None:
            raise ValueError("give a table with its columns, a pattern over the paths, or both")
        if (self.table is None) != (not self.columns):
            raise ValueError("table and columns go together")
        if self.table is not None and "path" not in self.columns:
            raise ValueError("columns needs path, the table's column with the audio files")
        if self.table is not None and (self.table.startswith(("/", "..")) or "\\" in self.table):
            raise ValueError(
                f"table: {self.table!r}: expected a path below the corpus's folder or data/tables, with forward slashes"
            )
        if both := sorted(set(self.columns) & set(re.compile(self.pattern or "").groupindex)):
            raise ValueError(f"columns and pattern both say {', '.join(both)}; leave it to one of them")
        return self


def read_corpus(source: Source) -> Corpus:
    """Read the table, the paths, or both.

    Raises:
        UserError: no such table or column, files that are not there, paths that the pattern does not match, or rows
            that contradict each other.
    """
    settings = source.settings
    files = audio_files(source.root)
    if settings.files is not None:
        files = matching(files, settings.files)
    if not files:
        wanted = f"no file is like {settings.files}" if settings.files else "no audio file"
        raise UserError(f"{source.root}: {wanted}. The corpus's folder, or a link to it, goes there.")
    notes: list[str] = []
    if settings.table is None:
        rows = pd.DataFrame({"path": files}, index=pd.RangeIndex(1, len(files) + 1))
    else:
        rows, notes = _read_rows(source, files)
    if settings.pattern is not None:
        rows = rows.assign(**match_paths(rows["path"], settings.pattern, f"corpora.{source.name}.pattern"))
    return corpus_of_rows(source, rows, notes)


def _read_rows(source: Source, files: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """The table's columns by their names here, the paths as they are in the corpus's folder."""
    where = f"corpora.{source.name}"
    path = find_table(source.settings.table, source.root, source.tables, f"{where}.table")
    table, notes = read_table(path)
    for name, column in source.settings.columns.items():
        if column not in table:
            raise UserError(
                f"{where}.columns.{name}: {path} has no column {column!r}{nearest(column, table)} "
                f"(there are {', '.join(table)})"
            )
    rows = pd.DataFrame({name: table[column] for name, column in source.settings.columns.items()})
    nameless = rows.index[rows["path"] == ""]
    if len(nameless):
        raise UserError(f"{path}: {len(nameless)} rows have no path:\n{listed([f'row {row}' for row in nameless])}")
    found = locate_files(rows["path"].unique(), files)
    missing = sorted(name for name, file in found.items() if file is None)
    if missing:
        unused = sorted(set(files) - set(found.values()))
        near = unused if len(missing) * len(unused) <= _MOST_COMPARED else []
        told = [name + nearest(name.replace("\\", "/"), near) for name in missing]
        raise UserError(
            f"{path}: {len(missing)} of {len(found)} files are not in {source.root} (or several fit), whose paths look "
            f"like {files[0]}. Correct the table, or complete your copy:\n{listed(told)}"
        )
    return rows.assign(path=rows["path"].map(found)), notes
