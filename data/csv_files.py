"""Tables that this project has written, as CSV of texts: they may have been damaged, or edited."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from data.errors import UserError


def read_texts(path: Path, needed: Iterable[str] = ()) -> pd.DataFrame:
    """Read a CSV; all cells are texts, also ``01`` and ``None``.

    Args:
        path: the file.
        needed: columns that it must have.

    Raises:
        UserError: it is missing, no CSV, or lacks a column.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise UserError(f"there is no {path}. Run `dvc repro`, or `dvc pull`.") from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a CSV: {str(error).strip()}") from None
    if missing := [column for column in needed if column not in table]:
        raise UserError(f"{path}: there is no column {', '.join(missing)}.")
    return table


def with_numbers(table: pd.DataFrame, columns: Iterable[str], path: Path) -> pd.DataFrame:
    """The table, some of its columns as numbers; nothing is NaN.

    Raises:
        UserError: a cell is no number.
    """
    try:
        return table.assign(**{column: pd.to_numeric(table[column]) for column in columns})
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: not a number: {error}") from None
