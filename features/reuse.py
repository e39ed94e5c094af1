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

import numpy as np

from data.errors import UserError
from data.shards import Shard, sidecar_path
from features.encoder import Clip
from features.origin import Origins
from features.shard_contents import ORIGIN, has_origins, layer_rows, open_features
from features.store import frames_checksum
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
        with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
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
    def provenances(self) -> list[dict]:
        """What made the frames: the shard, and those that its own frames were taken from."""
        return provenances_of(self.shard)

    def copy_to(self, writer: FeatureWriter) -> None:
        """Write the clips into the shard that is being made.

        Raises:
            UserError: the disk is full.
        """
        for index, theirs in self.indices.items():
            origin = {ORIGIN: self.shard.rows(ORIGIN)[theirs]}
            writer.copy(index, _stored(self.shard, theirs, self.layers) | origin)


def provenances_of(shard: Shard) -> list[dict]:
    """What made the frames of a shard: first what wrote it, then whatever made those that it took from others."""
    provenance = json.loads(shard.attributes["provenance"])
    return [provenance, *provenance.pop("reused", [])]


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
        if wanted and (shard := donor.open()) and _fits(shard, layers, origins):
            found = {}
            for theirs, origin in enumerate(shard.rows(ORIGIN)):
                indices = wanted.get(origin.tobytes(), [])
                if indices and shard.lengths[theirs] == num_frames[indices[0]] and _is_intact(shard, theirs):
                    found |= dict.fromkeys(wanted.pop(origin.tobytes()), theirs)
            if found:
                donations.append(Donation(shard, layers, found))
    return donations


def _fits(shard: Shard, layers: Sequence[int], origins: Origins) -> bool:
    """Whether a shard, by what it says of itself, holds frames of this kind, shape and type."""
    recipe = json.loads(shard.attributes["recipe"])
    types = {provenance["compute_dtype"] for provenance in provenances_of(shard)}
    return (
        has_origins(shard)
        and set(layers) <= set(recipe["layers"])
        and origins.form == {name: recipe.get(name) for name in origins.form}
        and types == {origins.compute_type}
    )


def _is_intact(shard: Shard, index: int) -> bool:
    """Whether a clip's frames are what was checked when they were written."""
    stored = list(_stored(shard, index, json.loads(shard.attributes["recipe"])["layers"]).values())
    same = frames_checksum(stored) == shard.column("checksum")[index]
    return same and all(np.isfinite(values).all() for values in stored)


def _stored(shard: Shard, index: int, layers: Sequence[int]) -> dict[str, np.ndarray]:
    """A clip's rows of some layers, as they are stored: dataset -> [T, D] or [D]."""
    recipe = json.loads(shard.attributes["recipe"])
    frames = slice(*shard.offsets[index : index + 2])
    return {
        rows.name: shard.rows(rows.name)[frames if rows.per == "frame" else index]
        for rows in layer_rows(layers, recipe["dimension"], recipe["storage"])
    }
