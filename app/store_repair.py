"""`ser store repair`: remove damaged shards from artifacts/ and DVC's cache, so that they are made or pulled again.

DVC trusts a file in its cache whose size and date are right, and artifacts/ is linked to it: a byte that has flipped on
the disk is wrong in both, and a file deleted from one comes back from the other.
"""

import json
import shutil
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm

from data.errors import UserError, listed
from data.shards import check_seal, sidecar_path
from stages.dvc_cache import LIST, DvcCache
from stages.elsewhere import note_discarded


def repair_store(artifacts: Path) -> None:
    """Remove every damaged shard of clips and features, also from DVC's cache, and say what to run."""
    stored = [path for output in ("clips", "features") for path in artifacts.glob(f"{output}/*/*/*.h5")]
    paths = sorted([*stored, *artifacts.glob(".pieces/*/*.h5")])
    damaged = [path for path in tqdm(paths, desc="check", unit="shard") if not _is_intact(path)]
    if not damaged:
        print(f"{len(paths)} shards are intact; nothing to repair")
        return
    cache = DvcCache()
    for path in damaged:
        note_discarded(_pieces_of(path))
        if path.parents[1].name == ".pieces":
            shutil.rmtree(path.parent)  # a piece without one of its files would count as finished
            continue
        for file in (path, sidecar_path(path)):
            file.unlink(missing_ok=True)
            cache.remove_copy(file)
    print(f"removed, also from DVC's cache:\n{listed([str(path) for path in damaged])}")
    print(
        "Next: `dvc pull extract` (features) or `dvc pull preprocess` (clips) if they are in a remote; "
        "otherwise `dvc repro`, which makes these shards again."
    )


def _pieces_of(path: Path) -> list[str]:
    """The piece that a shard is, by its folder on the shelf or by the list in the output."""
    if path.parents[1].name == ".pieces":
        return [path.parent.name]
    with suppress(OSError, ValueError):
        listed_pieces = json.loads((path.parent / LIST).read_text())
        return [name for name, files in listed_pieces.items() if path.name in files.values()]
    return []


def _is_intact(path: Path) -> bool:
    try:
        check_seal(path)
    except UserError:
        return False
    return True
