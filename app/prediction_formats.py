"""Predictions of recordings as files that other programs read: CSV, JSON, JSON lines, TextGrids, Audacity's labels."""

import csv
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from data.errors import UserError
from inference.columns import answer_columns, answer_values

_LONGEST_NAME = 255  # bytes, on the usual file systems


@dataclass(frozen=True)
class Row:
    """What is predicted of a part of a recording.

    Attributes:
        start, end: seconds.
        outputs: a probability for each class, or ratings [C]; None of silence.
    """

    start: float
    end: float
    outputs: np.ndarray | None


@dataclass(frozen=True)
class Predicted:
    """What is predicted of a recording.

    Attributes:
        file: as it was given.
        seconds: how long it is.
        rows: in the order of time; they may overlap.
    """

    file: str
    seconds: float
    rows: list[Row]


@dataclass(frozen=True)
class Outputs:
    """What the outputs of a head stand for.

    Attributes:
        names: of classes or ratings, in their order.
        of_ratings: whether they are ratings.
    """

    names: list[str]
    of_ratings: bool

    @property
    def columns(self) -> list[str]:
        """Of a table."""
        return ["file", "start", "end", *answer_columns(self.names, self.of_ratings)]

    def best(self, row: Row) -> int | None:
        """The index of the most probable class; None of silence and of ratings."""
        return None if row.outputs is None or self.of_ratings else int(row.outputs.argmax())

    def values(self, file: str, row: Row) -> dict[str, str | float | None]:
        """Column -> value; None of silence."""
        values = {"file": file, "start": round(row.start, 3), "end": round(row.end, 3)}
        if row.outputs is None:
            return dict.fromkeys(self.columns) | values
        return values | answer_values(row.outputs, self.names, self.of_ratings, digits=6)

    @property
    def tiers(self) -> list[str]:
        """What `texts` names."""
        return self.names if self.of_ratings else ["predicted", "confidence"]

    def texts(self, row: Row | None) -> dict[str, str]:
        """What to show of a row: the class and its probability, or each rating; nothing of silence."""
        if row is None or row.outputs is None:
            return {}
        if (best := self.best(row)) is not None:
            return {"predicted": self.names[best], "confidence": f"{row.outputs[best]:.2f}"}
        return {name: f"{value:.2f}" for name, value in zip(self.names, row.outputs, strict=True)}

    def caption(self, row: Row) -> str:
        """A row in a few words: ``happy 0.87``, or ``valence 3.20, activation 2.10``; nothing of silence."""
        texts = self.texts(row)
        return (
            ", ".join(f"{name} {text}" for name, text in texts.items()) if self.of_ratings else " ".join(texts.values())
        )


class PredictionWriter(ABC):
    """Writes the predictions of one recording after the other."""

    @abstractmethod
    def write(self, predicted: Predicted) -> None:
        """Write a recording's predictions."""

    def close(self, unusable: Iterable[tuple[str, str]] = ()) -> None:  # noqa: B027
        """Write what comes last; ``unusable`` are the files that could not be predicted, and why."""


class CsvWriter(PredictionWriter):
    """A table with `Outputs.columns`; each recording's rows are there as soon as they are predicted."""

    def __init__(self, stream: TextIO, outputs: Outputs):
        self._stream, self._outputs = stream, outputs
        self._writer = csv.DictWriter(stream, outputs.columns, lineterminator="\n")
        self._writer.writeheader()

    def write(self, predicted: Predicted) -> None:
        for row in predicted.rows:
            values = self._outputs.values(predicted.file, row)
            decimals = {"start": 3, "end": 3}
            self._writer.writerow(
                {
                    name: f"{value:.{decimals.get(name, 6)}f}" if isinstance(value, float) else value
                    for name, value in values.items()
                }
            )
        self._stream.flush()


class JsonLinesWriter(PredictionWriter):
    """One object a line, with the table's columns as keys."""

    def __init__(self, stream: TextIO, outputs: Outputs):
        self._stream, self._outputs = stream, outputs

    def write(self, predicted: Predicted) -> None:
        for row in predicted.rows:
            self._stream.write(f"{_json(self._outputs.values(predicted.file, row))}\n")
        self._stream.flush()


class JsonWriter(PredictionWriter):
    """One object: what ``about`` says of the head, ``predictions`` with the table's columns as keys, ``unusable``."""

    def __init__(self, stream: TextIO, outputs: Outputs, about: dict):
        self._stream, self._outputs, self._about = stream, outputs, about
        self._rows: list[dict] = []

    def write(self, predicted: Predicted) -> None:
        self._rows += [self._outputs.values(predicted.file, row) for row in predicted.rows]

    def close(self, unusable: Iterable[tuple[str, str]] = ()) -> None:
        refused = [{"file": file, "reason": reason} for file, reason in unusable]
        content = {**self._about, "predictions": self._rows, "unusable": refused}
        self._stream.write(f"{_json(content, indent=2)}\n")


class FileEachWriter(PredictionWriter):
    """A file for each recording, in a folder; or of a single recording, a stream.

    Args:
        text: what a recording's file holds.
        ending: of its name.
        to: the folder, which is made; or the stream.
    """

    def __init__(self, text: Callable[[Predicted], str], ending: str, to: Path | TextIO):
        self._text, self._ending, self._to = text, ending, to
        self._names: set[str] = set()

    def write(self, predicted: Predicted) -> None:
        text = self._text(predicted)
        if not isinstance(self._to, Path):
            self._to.write(text)
            return
        self._to.mkdir(parents=True, exist_ok=True)
        with open_output(self._to / self._name_for(Path(predicted.file).stem)) as stream:
            stream.write(text)

    def _name_for(self, stem: str) -> str:
        """A name that no other recording's file has: the recording's own, cut and numbered if need be."""
        number, name = 1, ""
        while not name or name.casefold() in self._names:
            ending = f"{f'-{number}' if number > 1 else ''}{self._ending}"
            own = os.fsencode(stem)[: _LONGEST_NAME - len(ending)]
            name = (own.decode(errors="ignore") if len(own) < len(os.fsencode(stem)) else stem) + ending
            number += 1
        self._names.add(name.casefold())
        return name


def open_output(path: Path) -> TextIO:
    """Open a text file to write predictions into.

    Raises:
        UserError: it cannot be written.
    """
    try:
        return path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}.") from error


def textgrid(predicted: Predicted, outputs: Outputs) -> str:
    """A Praat TextGrid: of classes the tiers ``predicted`` and ``confidence``, of ratings a tier for each."""
    intervals = contiguous(predicted)
    tiers = {
        name: [(start, end, texts[name] if (texts := outputs.texts(row)) else "") for start, end, row in intervals]
        for name in outputs.tiers
    }
    bounds = [f"xmin = {intervals[0][0]:.6f}", f"xmax = {intervals[-1][1]:.6f}"]
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", *bounds, "tiers? <exists>"]
    lines += [f"size = {len(tiers)}", "item []:"]
    for number, (name, parts) in enumerate(tiers.items(), start=1):
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_praat(name)}"]
        lines += [f"        {bound}" for bound in bounds] + [f"        intervals: size = {len(parts)}"]
        for index, (start, end, text) in enumerate(parts, start=1):
            lines += [f"        intervals [{index}]:", f"            xmin = {start:.6f}"]
            lines += [f"            xmax = {end:.6f}", f"            text = {_praat(text)}"]
    return "\n".join(lines) + "\n"


def audacity(predicted: Predicted, outputs: Outputs) -> str:
    """An Audacity label track: start, end and caption of each part, tabs between them; silence has no label."""
    return "".join(
        f"{start:.6f}\t{end:.6f}\t{' '.join(outputs.caption(row).split())}\n"
        for start, end, row in contiguous(predicted)
        if row is not None
    )


def contiguous(predicted: Predicted) -> list[tuple[float, float, Row | None]]:
    """Start, end and row of intervals that cover a recording without a gap; None where nothing is predicted.

    Of windows that overlap, each gets what lies nearer to its middle than to those of the others.
    """
    rows = predicted.rows
    intervals: list[tuple[float, float, Row | None]] = []
    position = 0.0
    for index, row in enumerate(rows):
        start, end = row.start, row.end
        if index:
            start = max(start, _boundary(rows[index - 1], row))
        if index + 1 < len(rows):
            end = min(end, _boundary(row, rows[index + 1]))
        start, end = round(max(start, position), 6), round(end, 6)
        if end <= start:
            continue
        if start > position:
            intervals.append((position, start, None))
        intervals.append((start, end, row if row.outputs is not None else None))
        position = end
    whole = round(predicted.seconds, 6)
    if whole > position:
        intervals.append((position, whole, None))
    return intervals


def _boundary(row: Row, following: Row) -> float:
    """Half way from the middle of a window to that of the next, if they overlap."""
    if row.end <= following.start:
        return row.end
    return (row.start + row.end + following.start + following.end) / 4


def _praat(text: str) -> str:
    """A string as Praat writes it: in quotes, which are doubled within it."""
    return '"{}"'.format(" ".join(text.split()).replace('"', '""'))


def _json(content: dict, indent: int | None = None) -> str:
    text = json.dumps(content, ensure_ascii=False, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:  # a file name that is no text
        return json.dumps(content, indent=indent)
    return text
