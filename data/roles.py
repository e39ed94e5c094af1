"""splits.csv: a row per utterance, and in each fold's column the role that it plays."""

from pathlib import Path

import pandas as pd

ROLES = ("train", "validation", "test")


def fold_columns(splits: pd.DataFrame) -> list[str]:
    """``fold_0``, ``fold_1``, ... in order."""
    return [column for column in splits.columns if column.startswith("fold_")]


def read_splits(path: Path) -> pd.DataFrame:
    """Read splits.csv; empty roles stay empty strings."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def write_splits(splits: pd.DataFrame, path: Path) -> None:
    """Write splits.csv."""
    splits.to_csv(path, index=False, lineterminator="\n")
