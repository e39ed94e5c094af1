"""One row per analysed window, and the CSV of them."""

import contextlib
import csv
import itertools
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from data.errors import UserError
from inference.columns import answer_columns, answer_values
from inference.live.update import Update

_MOST_ROWS = 100_000  # 14 hours at two windows a second

Row = dict[str, str | float | None]


class History:
    """What was predicted so far; the oldest rows make room after many hours. Safe to use from several threads.

    Args:
        names: of the outputs.
        of_ratings: whether they are ratings; classes otherwise.
    """

    def __init__(self, names: Sequence[str], of_ratings: bool):
        self._names, self._of_ratings = list(names), of_ratings
        self._rows: deque[Row] = deque(maxlen=_MOST_ROWS)
        self._saving: TextIO | None = None
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        with self._lock:
            return iter(list(self._rows))

    @property
    def columns(self) -> list[str]:
        """``time, state, predicted, confidence, p_<class>...``; of ratings ``time, state, predicted_<target>...``."""
        return ["time", "state", *answer_columns(self._names, self._of_ratings)]

    def add(self, update: Update) -> None:
        """Append the row of a window.

        Raises:
            UserError: it could not be saved (a full disk); nothing is saved from then on.
        """
        row = self.row_of(update)
        with self._lock:
            self._rows.append(row)
            if self._saving is None:
                return
            try:
                self._writer(self._saving).writerow(_rounded(row))
                self._saving.flush()
            except OSError as error:
                file, self._saving = self._saving, None
                with contextlib.suppress(OSError):
                    file.close()
                raise UserError(f"{file.name}: the history is no longer saved: {error.strerror}.") from error

    def row_of(self, update: Update) -> Row:
        """What is kept of a window, by column; None where nothing was predicted."""
        row: Row = dict.fromkeys(self.columns)
        row |= {"time": update.time, "state": update.state.value}
        if update.answer is None:
            return row
        return row | answer_values(update.answer.outputs, self._names, self._of_ratings)

    def recent(self, seconds: float) -> list[Row]:
        """The rows of the last seconds, oldest first."""
        with self._lock:
            newest = itertools.takewhile(
                lambda row: row["time"] > self._rows[-1]["time"] - seconds, reversed(self._rows)
            )
            return list(newest)[::-1]

    def write(self, path: Path) -> None:
        """Write a CSV of all rows.

        Raises:
            UserError: it cannot be written.
        """
        try:
            with path.open("w", newline="", encoding="utf-8") as file:
                self._write_all(file)
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror}.") from error

    def save_to(self, path: Path) -> None:
        """Write a CSV of all rows so far, and each row to come as it comes: a crash loses none.

        Raises:
            UserError: it cannot be written.
        """
        try:
            with self._lock:
                self._saving = path.open("w", newline="", encoding="utf-8")
                self._write_all(self._saving)
                self._saving.flush()
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror}.") from error

    def close(self) -> None:
        """Close what `save_to` opened."""
        with self._lock:
            if self._saving is not None:
                self._saving.close()
                self._saving = None

    def _write_all(self, file: TextIO) -> None:
        writer = self._writer(file)
        writer.writeheader()
        writer.writerows(_rounded(row) for row in self)

    def _writer(self, file: TextIO) -> csv.DictWriter:
        return csv.DictWriter(file, self.columns, lineterminator="\n")


def _rounded(row: Row) -> Row:
    """Milliseconds, and six decimals of the rest as predictions.csv has them."""
    rounded = {name: f"{value:.6f}" if isinstance(value, float) else value for name, value in row.items()}
    return rounded | {"time": f"{row['time']:.3f}"}
