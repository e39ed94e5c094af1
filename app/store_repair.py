"""`ser store repair`: take damaged shards out of artifacts/ and DVC's cache, so that they are made or pulled again.

DVC trusts a file in its cache whose size and date are right, and artifacts/ is linked to it: a byte that has flipped on
the disk is in both, and deleting one brings it back from the other.
"""

from pathlib import Path

from ruamel.yaml import YAML
from tqdm import tqdm

from data.errors import UserError, listed
from data.shards import check_seal, sidecar_path
from stages.pieces import cache_folder, read_listing


def repair_store(artifacts: Path) -> None:
    """Remove every damaged shard of clips and features, everywhere, and say what to run."""
    paths = sorted([*artifacts.glob("clips/*/*.h5"), *artifacts.glob("features/*/*.h5")])
    damaged = [path for path in tqdm(paths, desc="check", unit="shard") if not _is_sound(path)]
    if not damaged:
        print(f"{len(paths)} shards are sound; nothing to repair")
        return
    for path in damaged:
        for each in (path, sidecar_path(path)):
            for copy in (each, *_cached_copies(each)):
                copy.unlink(missing_ok=True)
    print(f"removed, also from DVC's cache:\n{listed([str(path) for path in damaged])}")
    print("Next: `dvc pull extract` if they are in a remote, else `dvc repro`, which makes these shards again.")


def _is_sound(path: Path) -> bool:
    try:
        check_seal(path)
    except UserError:
        return False
    return True


def _cached_copies(path: Path) -> list[Path]:
    """DVC's cached copies of an output's file, as dvc.lock names it; also one that a finished piece keeps."""
    shelved = list(path.parents[2].glob(f".pieces/*/{path.name}"))
    copies = [copy for copy in shelved if path.exists() and copy.samefile(path)]
    cache, lock = cache_folder(), Path("dvc.lock")
    if cache is None or not lock.exists():
        return copies
    for stage in YAML(typ="safe").load(lock)["stages"].values():
        for output in stage.get("outs", []):
            listing = cache / output["md5"][:2] / output["md5"][2:]
            if Path(output["path"]) == path.parent and listing.exists():
                names = {each["relpath"]: each["md5"] for each in read_listing(listing)}
                if md5 := names.get(path.name):
                    copies.append(cache / md5[:2] / md5[2:])
    return copies
