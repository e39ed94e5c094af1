"""`ser store discard`: forget a feature set here and in DVC's cache, so that `dvc repro` really encodes it again."""

from pathlib import Path

from data.errors import UserError
from data.manifest import nearest
from stages.dvc_cache import DvcCache
from stages.params import read_yaml
from stages.pieces import discard_pieces
from stages.running import ARTIFACTS


def discard_features(name: str) -> None:
    """Discard one feature set in all compute types, and say what to run.

    Raises:
        UserError: params.yaml names no such set, or nothing of it is here.
    """
    sets = list(read_yaml().get("features", {}))
    output = ARTIFACTS / "features" / name
    if name not in sets and output not in (ARTIFACTS / "features").glob("*"):
        raise UserError(f"no feature set {name!r}{nearest(name, sets)} (there are {', '.join(sets)})")
    count = discard_pieces(output)
    if not count:
        raise UserError(f"{output}: nothing to discard, here or in DVC's cache.")
    print(f"discarded {count} shards of {name} as it was, also from DVC's cache. A remote still has what was pushed.")
    cache = DvcCache().root
    if cache and Path.cwd() not in cache.parents:
        print(f"{cache} is shared: whoever uses it has to pull or make these shards again, too.")
    print(f"Next: dvc repro extract@{name}   (without --pull, which would fetch them again)")
