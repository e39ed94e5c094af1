"""The HDF5 store of frame features: ``<folder>/<shard>.h5``, one contiguous dataset per layer.

Each shard holds ``layer_<k>`` [sum of frames, D], ``offsets`` [N+1], ``id`` [N], ``checksum`` [N] (CRC-32 of an
utterance's frames over all layers in order), ``seconds`` [N] (the uncut utterance), and attributes: fingerprint,
recipe, frame rate and provenance. See `data.shards` for the file itself.
"""

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from data.errors import UserError
from data.shards import Shard, content_digest

KIND = "emocache-features"


def layer_name(layer: int) -> str:
    """The name of a layer's dataset."""
    return f"layer_{layer}"


def frames_checksum(layers: Sequence[np.ndarray]) -> int:
    """CRC-32 of one utterance's frames, as stored, over all layers in order."""
    checksum = 0
    for frames in layers:
        checksum = zlib.crc32(np.ascontiguousarray(frames), checksum)
    return checksum


@dataclass(frozen=True)
class Place:
    """Where an utterance's frames are."""

    shard: int
    start: int
    stop: int


class FeatureSet:
    """All shards of one feature set, memory-mapped: any utterance's frames by its id.

    Args:
        folder: ``artifacts/features/<set>``.
        verify: read every file once and compare its SHA-256; workers of a process that did may leave it out.

    Raises:
        UserError: no shard here, or one that is damaged, of another format, or of another recipe than the others.
    """

    def __init__(self, folder: Path, verify: bool = True):
        self.folder = folder
        paths = sorted(folder.glob("*.h5"))
        if not paths:
            raise UserError(f"{folder}: no features here. Run `dvc repro`, or `dvc pull` if a colleague has made them.")
        self.shards = [Shard(path, KIND, verify) for path in paths]
        self._check_recipes()
        self.places = {
            identifier: Place(number, int(start), int(stop))
            for number, shard in enumerate(self.shards)
            for identifier, start, stop in zip(shard.ids, shard.offsets, shard.offsets[1:], strict=False)
        }

    @cached_property
    def recipe(self) -> dict:
        """What made the features: checkpoint, weights, layers, storage, pad, and the clips' recipe."""
        return json.loads(self.shards[0].attributes["recipe"])

    @property
    def layers(self) -> list[int]:
        """The stored layers."""
        return self.recipe["layers"]

    @property
    def dimension(self) -> int:
        """D, the size of a frame."""
        return self.recipe["dimension"]

    @cached_property
    def seconds(self) -> dict[str, float]:
        """Id -> seconds of the uncut utterance."""
        return {
            identifier: float(seconds)
            for shard in self.shards
            for identifier, seconds in zip(shard.ids, shard.column("seconds"), strict=True)
        }

    @cached_property
    def digest(self) -> str:
        """Names the bytes of the whole set: SHA-256 of the shards' own, in order."""
        return hashlib.sha256("".join(content_digest(shard.path) for shard in self.shards).encode()).hexdigest()

    def num_frames(self, identifier: str) -> int:
        """T of one utterance."""
        place = self.places[identifier]
        return place.stop - place.start

    def check_layer(self, layer: int | None) -> int:
        """The layer itself, or the last stored one for None.

        Raises:
            UserError: the layer is not stored.
        """
        if layer is None:
            return self.layers[-1]
        if layer not in self.layers:
            raise UserError(f"layer {layer} is not stored in {self.folder}; there are {self.layers}.")
        return layer

    def frames(self, identifier: str, layer: int) -> np.ndarray:
        """One utterance's frames [T, D], a view of the memory map.

        Raises:
            UserError: the utterance or the layer is not stored.
        """
        if identifier not in self.places:
            raise UserError(f"{self.folder}: no utterance {identifier!r}.")
        place = self.places[identifier]
        return self.maps(self.check_layer(layer))[place.shard][place.start : place.stop]

    def maps(self, layer: int) -> list[np.ndarray]:
        """One layer of every shard, memory-mapped [frames, D]."""
        if layer not in self._maps:
            self._maps[layer] = [shard.rows(layer_name(layer)) for shard in self.shards]
        return self._maps[layer]

    @cached_property
    def _maps(self) -> dict[int, list[np.ndarray]]:
        return {}

    def gather(self, identifiers: Sequence[str], layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A padded batch.

        Returns:
            frames float32 [B, T, D], zero behind each utterance's end; lengths int64 [B].
        """
        lengths = torch.tensor([self.num_frames(identifier) for identifier in identifiers])
        frames = torch.zeros(len(identifiers), int(lengths.max()), self.dimension)
        for row, identifier in enumerate(identifiers):
            frames[row, : lengths[row]] = torch.from_numpy(self.frames(identifier, layer))
        return frames, lengths

    def _check_recipes(self) -> None:
        recipes = {shard.attributes["recipe"] for shard in self.shards}
        if len(recipes) > 1:
            raise UserError(
                f"{self.folder}: its shards were made by {len(recipes)} different recipes. "
                f"Delete the folder and run `dvc repro`: rm -r {self.folder}"
            )


def verify_shard(path: Path) -> list[str]:
    """Everything that is wrong with a shard of features: its bytes, every utterance's checksum, values not finite."""
    try:
        shard = Shard(path, KIND)
    except UserError as error:
        return [str(error)]
    layers = json.loads(shard.attributes["recipe"])["layers"]
    maps = [shard.rows(layer_name(layer)) for layer in layers]
    problems = []
    for place, identifier in enumerate(shard.ids):
        frames = [rows[shard.offsets[place] : shard.offsets[place + 1]] for rows in maps]
        if frames_checksum(frames) != shard.column("checksum")[place]:
            problems.append(f"{path}: {identifier}: checksum differs")
        if not all(np.isfinite(layer).all() for layer in frames):
            problems.append(f"{path}: {identifier}: values that are not finite")
    return problems
