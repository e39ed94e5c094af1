"""A table of splits: a row per utterance, and in each fold's column the role that it plays."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from data.csv_files import read_texts, with_numbers
from data.utterance import NUMBERS

ROLES = ("train", "validation", "test")


def fold_columns(splits: pd.DataFrame) -> list[str]:
    """``fold_0``, ``fold_1``, ... in order."""
    return [column for column in splits.columns if column.startswith("fold_")]


def read_splits(path: Path) -> pd.DataFrame:
    """Read a table of splits; empty roles stay empty strings, ratings and times become floats."""
    splits = read_texts(path, needed=["id"])
    return with_numbers(splits, [column for column in NUMBERS if column in splits], path)


def write_splits(splits: pd.DataFrame, path: Path) -> None:
    """Write a table of splits as CSV."""
    splits.to_csv(path, index=False, lineterminator="\n")


def shared_speakers(speakers: pd.Series, roles: pd.Series) -> list[str]:
    """The speakers that play more than one role in a fold."""
    count = roles[roles != ""].groupby(speakers).nunique()
    return sorted(count.index[count > 1])


def speakers_also_in(speakers: pd.Series, roles: pd.Series, role: str, others: Sequence[str]) -> list[str]:
    """The speakers of a role that in the same fold also play one of the others; unknown ones do not count."""
    return sorted(set(speakers[roles == role].unique()) & set(speakers[roles.isin(others)].unique()) - {""})
