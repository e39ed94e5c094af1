"""``feats.ark`` with ``feats.scp``, ``utt2num_frames`` and ``frame_shift``: Kaldi's data folder, as far as it goes.

A matrix in an ark is its key, a space, ``\\0B`` (binary), ``FM `` (float32 matrix), the numbers of rows and of columns,
each preceded by its size of 4 bytes, and the values row by row. Kaldi knows no float16, and matrices have no layers.
"""

import struct
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from features.interchange.clip_table import ClipRow
from features.interchange.selection import Selection

LAYOUT = (
    "feats.ark and feats.scp, of several layers feats_layer_<k>.ark and .scp: float32 matrices [T, D], sorted by key; "
    "the keys are the names in clips.csv"
)


def write(selection: Selection, rows: list[ClipRow], folder: Path, output: Path) -> None:
    """Write an ark and an scp for each layer. Like Kaldi's own, an scp names the ark by the path as it was given."""
    single = len(selection.layers) == 1
    stems = ["feats" if single else f"feats_layer_{layer}" for layer in selection.layers]
    lines: list[list[str]] = [[] for _ in stems]
    with ExitStack() as stack:
        arks = [stack.enter_context((folder / f"{stem}.ark").open("wb")) for stem in stems]
        for row, layers in zip(rows, selection.frames(), strict=True):
            for stem, ark, own, frames in zip(stems, arks, lines, layers, strict=True):
                ark.write(f"{row.name} ".encode())
                own.append(f"{row.name} {output / stem}.ark:{ark.tell()}\n")
                ark.write(b"\0BFM " + struct.pack("<bibi", 4, frames.shape[0], 4, frames.shape[1]))
                ark.write(np.ascontiguousarray(frames, dtype="<f4"))
    for stem, own in zip(stems, lines, strict=True):
        _write_sorted(folder / f"{stem}.scp", own)
    _write_sorted(folder / "utt2num_frames", [f"{row.name} {row.num_frames}\n" for row in rows])
    if selection.features.frame_rate:
        (folder / "frame_shift").write_text(f"{1 / selection.features.frame_rate:g}\n")


def _write_sorted(path: Path, lines: list[str]) -> None:
    """Write lines in the order of their bytes, which Kaldi expects (``LC_ALL=C``)."""
    path.write_bytes(b"".join(sorted((line.encode() for line in lines), key=lambda line: line.split(b" ", 1)[0])))
