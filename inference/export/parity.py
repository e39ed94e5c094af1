"""Whether an ONNX file gives what torch gives: the same predictions, and outputs within a tolerance."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from data.errors import UserError

TOLERANCE = 1e-3  # of a probability, or of a rating in its own unit


@dataclass(frozen=True)
class Parity:
    """How far two sets of answers are apart.

    Attributes:
        largest: the largest absolute difference of an output.
        equal: how many predicted classes are equal, ties (two classes within the tolerance) included; of ratings, how
            many answers are within the tolerance.
        answers: how many were compared.
        shapes: how many different shapes of input they came from.
    """

    largest: float
    equal: int
    answers: int
    shapes: int

    @property
    def holds(self) -> bool:
        """Whether the file may be used in place of torch."""
        return self.largest <= TOLERANCE and self.equal == self.answers


@dataclass(frozen=True)
class Answers:
    """What was answered to one batch, by torch and by a file: outputs [B, C] each."""

    shape: tuple[int, ...]
    expected: np.ndarray
    got: np.ndarray


def measure_parity(batches: Iterable[Answers], of_ratings: bool) -> Parity:
    """Compare answers batch by batch. Outputs that are not finite on one side only are infinitely far apart."""
    largest, equal, answers, shapes = 0.0, 0, 0, set()
    for batch in batches:
        same = batch.expected.shape == batch.got.shape
        difference = _differences(batch.expected, batch.got) if same else np.full_like(batch.expected, np.inf)
        largest = max(largest, float(difference.max()))
        close = difference.max(axis=1) <= TOLERANCE
        equal += int((close if of_ratings or not same else _same_class(batch.expected, batch.got)).sum())
        answers += len(batch.expected)
        shapes.add(batch.shape)
    return Parity(largest, equal, answers, len(shapes))


def check_parity(name: str, parity: Parity) -> None:
    """Refuse a file that does not give what torch gives.

    Raises:
        UserError: saying how far it is off.
    """
    if parity.holds:
        return
    raise UserError(
        f"{name} does not give what torch gives: outputs differ by up to {parity.largest:.2g} (allowed: "
        f"{TOLERANCE:g}), and {parity.answers - parity.equal:,} of {parity.answers:,} predictions differ. "
        "Nothing was exported. Please report it, with the versions of torch, onnx and onnxruntime."
    )


def _differences(expected: np.ndarray, got: np.ndarray) -> np.ndarray:
    alike = (expected == got) | (np.isnan(expected) & np.isnan(got))
    difference = np.abs(np.subtract(expected, got, dtype=np.float64))
    return np.where(alike, 0.0, np.nan_to_num(difference, nan=np.inf))


def _same_class(expected: np.ndarray, got: np.ndarray) -> np.ndarray:
    """Whether what is predicted is what was expected, or as probable as that within the tolerance: [B]."""
    rows = np.arange(len(expected))
    return expected[rows, got.argmax(axis=1)] >= expected.max(axis=1) - TOLERANCE


def shares(lengths: Sequence[int], sizes: Sequence[int]) -> list[list[int]]:
    """Indices of items in order of length, dealt to batches of sizes that take turns; neighbours differ little."""
    order, batches, start = sorted(range(len(lengths)), key=lengths.__getitem__), [], 0
    while start < len(order):
        size = sizes[len(batches) % len(sizes)]
        batches.append(order[start : start + size])
        start += size
    return batches
