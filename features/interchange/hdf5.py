"""``features.h5`` with a dataset for every clip, as ESPnet, lhotse and many scripts keep features."""

from pathlib import Path

import h5py

from features.interchange.clip_table import ClipRow
from features.interchange.selection import Selection

LAYOUT = "features.h5 with a dataset <name> for each clip: [T, D], or [L, T, D] of several layers"


def write(selection: Selection, rows: list[ClipRow], folder: Path, output: Path) -> None:
    """Write the one file."""
    with h5py.File(folder / "features.h5", "w") as file:
        for row, frames in zip(rows, selection.stacked_frames(), strict=True):
            file.create_dataset(row.name, data=frames)
