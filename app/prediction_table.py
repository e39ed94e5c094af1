"""Predictions for people: a bar for each class."""

import os
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.prediction_formats import Outputs, Predicted, PredictionWriter, Row

_MOST_IN_FULL = 3  # rows that are printed with a line for each class
_WIDEST_BAR, _NARROWEST_BAR = 30, 4
_EIGHTHS = " ▏▎▍▌▋▊▉"


class TableWriter(PredictionWriter):
    """Prints predictions when all are there: a few of them with a line for each class, more as one table."""

    def __init__(self, console: Console, outputs: Outputs):
        self._console, self._outputs = console, outputs
        self._recordings: list[Predicted] = []

    def write(self, predicted: Predicted) -> None:
        self._recordings.append(predicted)

    def close(self, unusable: Sequence[tuple[str, str]] = ()) -> None:
        if sum(len(predicted.rows) for predicted in self._recordings) <= _MOST_IN_FULL:
            for predicted in self._recordings:
                for row in predicted.rows:
                    self._print_in_full(predicted, row)
        else:
            self._console.print(self._table())

    def _print_in_full(self, predicted: Predicted, row: Row) -> None:
        """A recording, and a line for each class or rating."""
        outputs, names = self._outputs, [printable(name) for name in self._outputs.names]
        when = f"{row.start:.1f} to {row.end:.1f} s"
        heading = Text(printable(predicted.file), style="bold", overflow="fold")
        self._console.print(heading.append(f"  {when} of {predicted.seconds:.1f} s", style="dim not bold"))
        if row.outputs is None:
            self._console.print("  silent")
            return
        width = max(map(len, names))
        bar = max(_NARROWEST_BAR, min(_WIDEST_BAR, self._console.width - width - 12))
        for index, (name, value) in enumerate(zip(names, row.outputs, strict=True)):
            if outputs.of_ratings:
                self._console.print(f"  {name:<{width}}  {value:.2f}", highlight=False)
                continue
            style = "bold green" if index == outputs.best(row) else ""
            self._console.print(
                Text(f"  {name:<{width}}  {self._bar(value, bar)}  {value:.2f}", style=style, no_wrap=True)
            )

    def _table(self) -> Table:
        outputs, console = self._outputs, self._console
        timed = any(len(predicted.rows) > 1 for predicted in self._recordings)
        several = len(self._recordings) > 1
        table = Table(box=None, pad_edge=False, header_style="bold")
        if several:
            table.add_column("file", no_wrap=True)
        if timed:
            table.add_column("seconds", justify="right", no_wrap=True)
        names = [printable(name) for name in outputs.names]
        if not outputs.of_ratings:
            table.add_column("predicted", no_wrap=True, style="bold")
            table.add_column("", justify="right", no_wrap=True)
        fixed = 2 * timed * 7 + (0 if outputs.of_ratings else max(9, *map(len, names)) + 9)
        files = [printable(predicted.file) for predicted in self._recordings]
        left = console.width - fixed - len(names) * (_NARROWEST_BAR + 2)
        longest = max(12, min(max(map(len, files)), left)) if several else 0
        room = (console.width - fixed - longest - several * 2) // len(names) - 2
        bar = max(_NARROWEST_BAR, min(12, room))
        for name in names:
            table.add_column(
                name if outputs.of_ratings else shortened(name, bar), justify="right" if outputs.of_ratings else "left"
            )
        for predicted, file in zip(self._recordings, files, strict=True):
            for row in predicted.rows:
                cells = [_tail(file, longest)] if several else []
                cells += [f"{row.start:.1f}-{row.end:.1f}"] if timed else []
                table.add_row(*map(Text, cells), *self._cells(row, bar))
        return table

    def _cells(self, row: Row, bar: int) -> list[Text]:
        outputs = self._outputs
        if row.outputs is None:
            return [Text("" if outputs.of_ratings else "(silent)", style="dim")]
        if outputs.of_ratings:
            return [Text(f"{value:.2f}") for value in row.outputs]
        best = outputs.best(row)
        bars = [
            Text(self._bar(value, bar), style="green" if index == best else "")
            for index, value in enumerate(row.outputs)
        ]
        return [Text(printable(outputs.names[best])), Text(f"{row.outputs[best]:.2f}"), *bars]

    def _bar(self, share: float, width: int) -> str:
        """A bar of some characters for a share from 0 to 1."""
        if not self._console.encoding.startswith("utf"):
            return ("#" * round(share * width)).ljust(width)
        whole, eighths = divmod(round(share * width * 8), 8)
        return ("█" * whole + _EIGHTHS[eighths]).ljust(width)[:width]


def printable(text: str) -> str:
    """Text that a terminal can show as it is, with a question mark for what would move the cursor or is no text."""
    readable = os.fsencode(text).decode(errors="replace")
    return "".join(character if character.isprintable() else "?" for character in readable)


def shortened(text: str, width: int) -> str:
    """The beginning of a text."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _tail(text: str, width: int) -> str:
    """The end of a text: of a path, what tells files apart."""
    return text if len(text) <= width else f"…{text[1 - width :]}"
