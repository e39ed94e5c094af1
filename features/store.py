"""The HDF5 store of frame features: ``<folder>/<shard>.h5``, one contiguous dataset per layer.

Each shard holds ``layer_<k>`` [sum of frames, D] (with ``storage: int8`` also ``offset_<k>`` and ``scale_<k>`` [N, D],
and ``noise_<k>`` [1, D]), ``offsets`` [N+1], ``id`` [N], ``checksum`` [N] (CRC-32 of an utterance's frames over all
layers in order), ``seconds`` [N] (the uncut utterance), and attributes: fingerprint, recipe, frame rate, provenance
and cautions. See `data.shards` for the file itself.
"""

import hashlib
import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from data.errors import UserError
from data.shards import Rows, Shard, content_digest
from features.quantisation import quantise, restore

KIND = "emocache-features"


def layer_name(layer: int) -> str:
    """The name of a layer's dataset."""
    return f"layer_{layer}"


def layer_rows(layers: Sequence[int], dimension: int, storage: str) -> list[Rows]:
    """The datasets that hold some layers, in the order of the checksum."""
    rows = []
    for layer in layers:
        if storage == "int8":
            rows += [
                Rows(layer_name(layer), "i1", (dimension,)),
                Rows(f"offset_{layer}", "f2", (dimension,), per="utterance"),
                Rows(f"scale_{layer}", "f2", (dimension,), per="utterance"),
            ]
        else:
            rows.append(Rows(layer_name(layer), "f2", (dimension,)))
    return rows


def noise_rows(layers: Sequence[int], dimension: int, storage: str) -> list[Rows]:
    """The datasets that say what int8 costs each dimension; none for float16."""
    return [Rows(f"noise_{layer}", "f4", (dimension,), per="shard") for layer in layers if storage == "int8"]


def stored_form(frames: np.ndarray, layer: int, storage: str) -> dict[str, np.ndarray]:
    """Frames float32 [..., T, D] of a layer as they are stored: dataset -> [..., T, D] or [..., D]."""
    with np.errstate(over="ignore", invalid="ignore"):  # the writer looks for values that do not fit
        if storage == "int8":
            names = layer_name(layer), f"offset_{layer}", f"scale_{layer}"
            return dict(zip(names, quantise(frames), strict=True))
        return {layer_name(layer): frames.astype(np.float16)}


def frames_checksum(rows: Sequence[np.ndarray]) -> int:
    """CRC-32 of one utterance's rows, as stored, over all datasets in order."""
    checksum = 0
    for values in rows:
        checksum = zlib.crc32(np.ascontiguousarray(values), checksum)
    return checksum


@dataclass(frozen=True)
class Place:
    """Where an utterance's frames are: in which shard, as which of its utterances, in which rows."""

    shard: int
    index: int
    start: int
    stop: int


class FeatureSet:
    """All shards of one feature set, memory-mapped: any utterance's frames by its id.

    Args:
        folder: ``artifacts/features/<set>``.
        verify: read every file once and compare its SHA-256; workers of a process that did may leave it out.

    Raises:
        UserError: no shard here, or one that is damaged, of another format, or of another recipe than the others; or
            an utterance that is in two shards.
    """

    def __init__(self, folder: Path, verify: bool = True):
        self.folder = folder
        paths = sorted(folder.glob("*.h5"))
        if not paths:
            raise UserError(f"{folder}: no features here. Run `dvc repro`, or `dvc pull` if a colleague has made them.")
        self.shards = [Shard(path, KIND, verify) for path in paths]
        self._check_recipes()
        self.places: dict[str, Place] = {}
        for number, shard in enumerate(self.shards):
            rows = zip(shard.ids, shard.offsets.tolist(), shard.offsets[1:].tolist(), strict=False)
            for index, (identifier, start, stop) in enumerate(rows):
                if identifier in self.places:
                    other = self.shards[self.places[identifier].shard].path.name
                    raise UserError(
                        f"{folder}: duplicate utterance id {identifier!r}, in {other} and {shard.path.name}. "
                        f"Remove what should not be there and run `dvc repro`."
                    )
                self.places[identifier] = Place(number, index, start, stop)

    @cached_property
    def recipe(self) -> dict:
        """What determines the features beside the sound: kind, layers, storage, the kind's own, the clips'."""
        return json.loads(self.shards[0].attributes["recipe"])

    @cached_property
    def provenance(self) -> dict[str, dict]:
        """Per shard what made it: checkpoint (or function) and revision, compute type, device, library versions."""
        return {shard.path.stem: json.loads(shard.attributes["provenance"]) for shard in self.shards}

    @cached_property
    def cautions(self) -> dict[str, str]:
        """What a reader of results must know of the features: a short code, such as ``untrained``, and a sentence."""
        return {
            code: sentence
            for shard in self.shards
            for code, sentence in json.loads(shard.attributes["cautions"]).items()
        }

    @property
    def checkpoints(self) -> list[str]:
        """The names of the checkpoints that the shards' makers gave; equal weights may have several."""
        return list(dict.fromkeys(each["checkpoint"] for each in self.provenance.values()))

    def mixed_types(self) -> str | None:
        """A sentence that names which shards were computed in which type, if they differ; None if they don't."""
        types: dict[str, list[str]] = {}
        for name, provenance in self.provenance.items():
            types.setdefault(provenance["compute_dtype"], []).append(name)
        if len(types) < 2:
            return None
        named = "; ".join(f"{compute_type}: {', '.join(shards)}" for compute_type, shards in sorted(types.items()))
        return (
            f"Mixed compute types in the features {self.folder.name} ({named}): rounding differs between folds. "
            f"To encode all of them in one type: `ser store discard {self.folder.name}`, then `dvc repro`."
        )

    def worst_noise(self) -> tuple[float, int, int] | None:
        """The largest noise of int8, as a share of its dimension's deviation, with its layer and dimension.

        None where frames are stored as float16.
        """
        if not self.is_quantised:
            return None
        noise = {layer: np.max([rows[0] for rows in self._rows(f"noise_{layer}")], axis=0) for layer in self.layers}
        layer = max(noise, key=lambda each: noise[each].max())
        return float(noise[layer].max()), layer, int(noise[layer].argmax())

    def noise_sentence(self) -> str | None:
        """What `worst_noise` says, as a sentence; None where frames are stored as float16."""
        if (worst := self.worst_noise()) is None:
            return None
        share, layer, dimension = worst
        ratio = f"; signal-to-noise ratio {-20 * math.log10(share):.0f} dB" if share else ""
        return (
            f"int8 adds noise of at most {share:.1%} of a dimension's deviation "
            f"(layer {layer}, dimension {dimension}{ratio})"
        )

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

    def check_layers(self, layers: list[int]) -> list[int]:
        """The layers themselves.

        Raises:
            UserError: one of them is not stored.
        """
        if missing := [layer for layer in layers if layer not in self.layers]:
            raise UserError(
                f"layer {', '.join(map(str, missing))} is not stored in {self.folder}; there are {self.layers}."
            )
        return layers

    def frames(self, identifier: str, layer: int) -> np.ndarray:
        """One utterance's frames [T, D]: float16, a view of the memory map, or float32, if they are stored as int8.

        Raises:
            UserError: the utterance or the layer is not stored.
        """
        if identifier not in self.places:
            raise UserError(f"{self.folder}: no utterance {identifier!r}.")
        self.check_layers([layer])
        place = self.places[identifier]
        rows = self.maps(layer)[place.shard][place.start : place.stop]
        if not self.is_quantised:
            return rows
        return restore(rows, *(each[place.shard][place.index] for each in self.offsets_and_scales(layer)))

    def mean_frame(self, identifier: str, layers: Sequence[int]) -> np.ndarray:
        """One utterance's mean over its frames and over some layers: float32 [D]."""
        means = [self.frames(identifier, layer).mean(axis=0, dtype=np.float32) for layer in layers]
        return np.mean(means, axis=0)

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return float(self.shards[0].attributes["frame_rate"])

    @property
    def is_quantised(self) -> bool:
        """Whether frames are stored as int8, with an offset and a scale per utterance and dimension."""
        return self.recipe["storage"] == "int8"

    def maps(self, layer: int) -> list[np.ndarray]:
        """One layer of every shard as it is stored, memory-mapped [frames, D]."""
        return self._rows(layer_name(layer))

    def offsets_and_scales(self, layer: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Offsets and scales of one layer of every shard, memory-mapped [N, D]; only if `is_quantised`."""
        return self._rows(f"offset_{layer}"), self._rows(f"scale_{layer}")

    def _rows(self, name: str) -> list[np.ndarray]:
        if name not in self._maps:
            self._maps[name] = [shard.rows(name) for shard in self.shards]
        return self._maps[name]

    @cached_property
    def _maps(self) -> dict[str, list[np.ndarray]]:
        return {}

    def gather(self, identifiers: Sequence[str], layers: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """A padded batch. Only the bytes of the layers asked for are read.

        Returns:
            frames float32 [B, L, T, D], zero after each utterance's end; lengths int64 [B].
        """
        lengths = torch.tensor([self.num_frames(identifier) for identifier in identifiers])
        frames = torch.zeros(len(identifiers), len(layers), int(lengths.max()), self.dimension)
        for row, identifier in enumerate(identifiers):
            for position, layer in enumerate(layers):
                frames[row, position, : lengths[row]] = torch.from_numpy(self.frames(identifier, layer))
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
    recipe = json.loads(shard.attributes["recipe"])
    datasets = layer_rows(recipe["layers"], recipe["dimension"], recipe["storage"])
    maps = [(shard.rows(dataset.name), dataset.per) for dataset in datasets]
    problems = []
    for place, identifier in enumerate(shard.ids):
        own = slice(*shard.offsets[place : place + 2])
        frames = [rows[own] if per == "frame" else rows[place] for rows, per in maps]
        if frames_checksum(frames) != shard.column("checksum")[place]:
            problems.append(f"{path}: {identifier}: checksum differs")
        if not all(np.isfinite(layer).all() for layer in frames):
            problems.append(f"{path}: {identifier}: values that are not finite")
    return problems
