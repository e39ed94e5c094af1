"""What a reader is given, and what it makes of a corpus."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data.corpus_settings import CorpusSettings
from data.utterance import Utterance


@dataclass(frozen=True)
class Source:
    """Where a corpus is, and how it is to be read.

    Attributes:
        name: the corpus's, for errors: ``corpora.<name>.<key>``.
        root: its folder.
        tables: ``data/tables/<name>``, for tables that are not in its folder; it need not exist.
        settings: the reader's parameters.
    """

    name: str
    root: Path
    tables: Path
    settings: CorpusSettings


@dataclass(frozen=True)
class Corpus:
    """A corpus as its reader finds it.

    Attributes:
        utterances: all of them, in any order.
        folds: the folds it brings, for ``split.scheme: official``: ``id, fold`` or ``id, fold_0, fold_1, ...`` with
            roles; None if it has none.
        notes: what had to be assumed, and what follows from it, a sentence each.
    """

    utterances: Sequence[Utterance]
    folds: pd.DataFrame | None = None
    notes: Sequence[str] = ()
