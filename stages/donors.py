"""Where clips may be that have been encoded before: in shards that this project has made or pulled at any time."""

from functools import cached_property
from pathlib import Path

from features.reuse import Donor
from stages.dvc_cache import DvcCache
from stages.layout import ARTIFACTS
from stages.pieces import shelved


class Donors:
    """Shards by their names: of older outputs and of other feature sets, those that DVC's cache may lack first.

    Args:
        output: the stage's output folder that is to be made.
    """

    def __init__(self, output: Path):
        self._note = ARTIFACTS / ".discarded" / output.relative_to(ARTIFACTS / "features")

    def of(self, shard: str) -> tuple[Donor, ...]:
        """The shards of this name, ``Session1.h5``; none where they are to be done without."""
        return () if self._note.exists() else tuple(self._by_name.get(shard, ()))

    def do_without(self) -> None:
        """Make the next extraction of the output a real one, which takes nothing from anywhere."""
        self._note.parent.mkdir(parents=True, exist_ok=True)
        self._note.touch()

    def welcome(self) -> None:
        """End `do_without`: the output is complete."""
        self._note.unlink(missing_ok=True)

    @cached_property
    def _by_name(self) -> dict[str, list[Donor]]:
        donors: dict[str, list[Donor]] = {}
        for path in shelved("*.h5"):
            donors.setdefault(path.name, []).append(Donor.at(path))
        for contents in DvcCache().pieces.values():
            for files in contents:
                for name, path in files.items():
                    if name.endswith(".h5") and (sidecar := files.get(f"{name.removesuffix('.h5')}.json")):
                        donors.setdefault(name, []).append(Donor(path, sidecar))
        return donors
