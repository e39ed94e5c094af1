"""``shard-000000.tar`` and so on with ``<name>.npy`` and ``<name>.json`` for every clip: WebDataset's samples.

In WebDataset a sample's key ends at the first full stop, so names have none.
"""

import io
import json
import tarfile
from pathlib import Path

import numpy as np

from features.interchange.clip_table import ClipRow
from features.interchange.selection import Selection

LAYOUT = (
    "shard-<number>.tar with <name>.npy ([T, D], or [L, T, D] of several layers) and <name>.json (id, copy, piece, "
    "num_frames, seconds) for each clip"
)
ALSO_QUOTE = "."
_SHARD_BYTES = 500_000_000


def write(
    selection: Selection, rows: list[ClipRow], folder: Path, output: Path, shard_bytes: int = _SHARD_BYTES
) -> None:
    """Write tar files of at most ``shard_bytes``, or of one clip that has more. The same content is the same bytes."""
    tar, number = None, 0
    try:
        for row, frames in zip(rows, selection.stacked_frames(), strict=True):
            if tar is None or (tar.offset and tar.offset + frames.nbytes > shard_bytes):
                if tar is not None:
                    tar.close()
                tar = tarfile.open(folder / f"shard-{number:06d}.tar", "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
                number += 1
            values = io.BytesIO()
            np.save(values, frames)
            about = {key: value for key, value in row._asdict().items() if key != "name"}
            _add(tar, f"{row.name}.json", json.dumps(about, ensure_ascii=False).encode())
            _add(tar, f"{row.name}.npy", values.getvalue())
    finally:
        if tar is not None:
            tar.close()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)  # owner and time are 0
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
