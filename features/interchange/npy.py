"""``<name>.npy`` for every clip, as ``numpy.load``, EmoBox and our own ``kind: imported`` read it."""

from pathlib import Path

import numpy as np

from features.interchange.clip_table import ClipRow
from features.interchange.selection import Selection

LAYOUT = "<name>.npy for each clip: [T, D], or [L, T, D] of several layers"


def write(selection: Selection, rows: list[ClipRow], folder: Path, output: Path) -> None:
    """Write a file for each clip."""
    for row, frames in zip(rows, selection.stacked_frames(), strict=True):
        np.save(folder / f"{row.name}.npy", frames)
