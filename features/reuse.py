"""Clips that have been encoded before, in another shard: an older one of the same name, or one of another feature set.

What a clip's frames come from is in its origin (`features.origin`), and a shard with the same origin has the same
frames. Its sidecar says which encoder and which layers it holds, so that no file is opened in vain, and nothing is
taken from a file that has not been verified.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from data.errors import UserError
from data.shards import Shard, sidecar_path
from features.encoder import Clip
from features.origin import Origins
from features.shard_contents import ORIGIN, has_origins, layer_rows, open_features
from features.writing import FeatureWriter

_MOST = 4  # donors that are read for one shard


@dataclass(frozen=True)
class Donor:
    """A shard of features from which clips may be taken.

    Attributes:
        path: the file; in DVC's cache it has another name.
        sidecar: its sidecar.
    """

    path: Path
    sidecar: Path

    @classmethod
    def at(cls, path: Path) -> "Donor":
        """A shard with its sidecar beside it."""
        return cls(path, sidecar_path(path))

    def may_have(self, encoder: str, layers: Sequence[int]) -> bool:
        """Whether, by its sidecar, it holds frames of an encoder (`Origins.encoder`) and all of some layers."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            summary = json.loads(self.sidecar.read_text())
            return summary["encoder"] == encoder and set(layers) <= set(summary["layers"])
        return False

    def open(self) -> Shard | None:
        """The shard, every byte of it verified; None if it is damaged, or not here any more."""
        with suppress(UserError, OSError):
            return open_features(self.path, sidecar=self.sidecar)
        return None


@dataclass(frozen=True)
class Donation:
    """What one shard gives.

    Attributes:
        shard: that has the clips.
        layers: that are taken.
        indices: of the clips as they are numbered in the shard that is being made -> in this one.
    """

    shard: Shard
    layers: list[int]
    indices: dict[int, int]

    @cached_property
    def provenance(self) -> dict:
        """What made the frames."""
        return json.loads(self.shard.attributes["provenance"])

    def copy_to(self, writer: FeatureWriter) -> None:
        """Write the clips into the shard that is being made.

        Raises:
            UserError: the disk is full.
        """
        recipe = json.loads(self.shard.attributes["recipe"])
        datasets = layer_rows(self.layers, recipe["dimension"], recipe["storage"])
        per = {rows.name: rows.per for rows in datasets} | {ORIGIN: "utterance"}
        maps = {name: self.shard.rows(name) for name in per}
        for index, theirs in self.indices.items():
            frames = slice(*self.shard.offsets[theirs : theirs + 2])
            writer.copy(index, {name: rows[frames if per[name] == "frame" else theirs] for name, rows in maps.items()})


def find_known(
    donors: Iterable[Donor],
    clips: Sequence[Clip],
    num_frames: Sequence[int],
    origins: Origins,
    layers: list[int],
) -> list[Donation]:
    """Find clips that have been encoded before.

    Args:
        donors: shards that may have them, the best ones first.
        clips: of the shard that is to be made [N].
        num_frames: of each of them [N].
        origins: of its feature set.
        layers: that it will hold.

    Returns:
        The shards that have any; each clip is taken from the first one.
    """
    candidates = [donor for donor in donors if origins.known and donor.may_have(origins.encoder, layers)]
    if not candidates:
        return []
    wanted: dict[bytes, list[int]] = {}
    for index, clip in enumerate(clips):
        wanted.setdefault(origins.of(clip).tobytes(), []).append(index)
    donations = []
    for donor in candidates[:_MOST]:
        if wanted and (shard := donor.open()) and _fits(shard, layers):
            found = {}
            for theirs, origin in enumerate(shard.rows(ORIGIN)):
                for index in wanted.pop(origin.tobytes(), []):
                    if num_frames[index] == shard.lengths[theirs]:
                        found[index] = theirs
            if found:
                donations.append(Donation(shard, layers, found))
    return donations


def _fits(shard: Shard, layers: Sequence[int]) -> bool:
    """Whether a shard holds what its sidecar says."""
    return has_origins(shard) and set(layers) <= set(json.loads(shard.attributes["recipe"])["layers"])
