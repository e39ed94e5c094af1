"""The HDF5 store of frame features: ``features/<set>/<corpus>/<shard>.h5``, one contiguous dataset per layer.

Each shard holds ``layer_<k>`` [sum of frames, D] (with ``storage: int8`` also ``offset_<k>`` and ``scale_<k>`` [N, D],
and ``noise_<k>`` [1, D]), ``offsets`` [N+1], ``id`` [N], ``checksum`` [N] (CRC-32 of an utterance's frames over all
layers in order), ``seconds`` [N] (the uncut utterance), mostly ``origin`` [N, 16] (`features.origin`), and attributes:
fingerprint, recipe, frame rate, provenance and cautions. `features.writing` writes them. Where an utterance has several
clips, ``piece`` and ``copy`` [N] tell them apart (`data.clip_keys`). See `data.shards` for the file itself.
"""

import hashlib
import json
import math
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.clip_keys import CLEAN, clip_columns, copies_in, keys_of
from data.errors import UserError
from data.not_wanted import why_not_wanted
from data.shards import Shard, content_digest, sidecar_path
from data.skipped import skipped_ids
from data.verification import verify_seals
from features.locations import Location, Locations
from features.quantisation import quantise, restore
from features.shard_contents import layer_name, layer_rows, open_features

if TYPE_CHECKING:
    import torch

JOINED = "joined.json"  # the parts of a joined set
MOST_MAPPED = 256  # shards at a time; each is an open file, of which a process may often have only 1,024


def stored_form(frames: np.ndarray, layer: int, storage: str) -> dict[str, np.ndarray]:
    """Frames float32 [..., T, D] of a layer as they are stored: dataset -> [..., T, D] or [..., D].

    Values that do not fit become infinite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if storage == "int8":
            names = layer_name(layer), f"offset_{layer}", f"scale_{layer}"
            return dict(zip(names, quantise(frames), strict=True))
        return {layer_name(layer): frames.astype(storage)}


def frames_checksum(rows: Sequence[np.ndarray]) -> int:
    """CRC-32 of one utterance's rows, as stored, over all datasets in order."""
    checksum = 0
    for values in rows:
        checksum = zlib.crc32(np.ascontiguousarray(values), checksum)
    return checksum


@dataclass(frozen=True)
class SetName:
    """Which feature set of which corpus (or joined corpora): ``features/<set>/<corpus>``."""

    set: str
    corpus: str

    @classmethod
    def of(cls, folder: Path) -> "SetName":
        """The name of the features in a folder."""
        return cls(folder.absolute().parent.name, folder.name)

    def __str__(self):
        return f"{self.set}/{self.corpus}"

    @property
    def stage(self) -> str:
        """The stage that makes them."""
        return f"extract@{self.corpus}-{self.set}"

    @property
    def how_to_get(self) -> str:
        """What to do where they are missing."""
        return f"Run `dvc pull {self.stage}` if a colleague has made them, else `dvc repro {self.stage}`."

    @property
    def not_wanted(self) -> str:
        """What to say where they are needed, but were not to be made."""
        return (
            f"corpora.{self.corpus}.features leaves out {self.set}, so there are no features. "
            f"Add {self.set} there, then `dvc repro`."
        )


@dataclass(frozen=True)
class _Part:
    """The shards of one corpus: all of a feature set, or a part of a joined one."""

    name: SetName
    prefix: str  # of its ids and shards: empty, or ``emodb:``
    shards: list[Shard]
    skipped: list[str]


class FeatureSet:
    """All shards of one feature set, memory-mapped: any clip's frames by its key.

    The key is the utterance's id where an utterance is one clip. Where it may be several, being in pieces or there in
    several copies, `clips_of` has the keys of an utterance's.

    A folder with ``joined.json`` stands for the features of several corpora, each in a folder of its own (see
    `features.index`): they are read from there, and utterances are known as ``<corpus>:<id>``.

    Args:
        folder: ``artifacts/features/<set>/<corpus>``, or ``artifacts/features/<set>/<joined>``.
        verify: read every file once and compare its SHA-256; workers of a process that did may leave it out.
        known: a file that keeps which files were read, by which large sets are verified in turn (`data.verification`).

    Attributes:
        locations: where every clip's frames are, by its key.

    Raises:
        UserError: no shard here, or one that is damaged, of another format, or of another recipe than the others; or
            an utterance that is in two shards; or a part of a joined set that is missing, or not what was joined.
    """

    def __init__(self, folder: Path, verify: bool = True, known: Path | None = None):
        self.folder = folder
        self.name = SetName.of(folder)
        if (folder / JOINED).exists():
            self._parts = _joined_parts(folder, verify, known)
        elif paths := sorted(folder.glob("*.h5")):
            shards = _open_shards(paths, verify, known)
            self._parts = [_Part(self.name, "", shards, skipped_ids(folder))]
        elif why_not_wanted(folder):
            raise UserError(f"{folder}: {self.name.not_wanted}")
        else:
            raise UserError(f"{folder}: no features here. {self.name.how_to_get}")
        self.shards = [shard for part in self._parts for shard in part.shards]
        self._check_recipes()
        self.locations = Locations(list(self._prefixed_shards()))
        if clash := self.locations.find_duplicate():
            identifier, one, other = clash
            raise UserError(
                f"{folder}: duplicate utterance id {identifier!r}, in {one.path.name} and {other.path.name}. "
                f"Remove what should not be there and run `dvc repro`."
            )
        self._mapped = lru_cache(MOST_MAPPED)(Shard.map)

    @property
    def ids(self) -> list[str]:
        """The utterances, each one once."""
        return list(self.locations if self._clips is None else self._clips)

    @cached_property
    def _clips(self) -> dict[str, dict[str, list[str]]] | None:
        """Utterance -> copy -> the keys of its pieces, in order; None if each utterance is one clip, its id the key."""
        if not any(clip_columns(shard) for shard in self.shards):
            return None
        clips: dict[str, dict[str, list[str]]] = {}
        for prefix, shard in self._prefixed_shards():
            copies = copies_in(clip_columns(shard), len(shard.ids))
            for name, copy, key in zip(shard.ids, copies, keys_of(shard), strict=True):
                clips.setdefault(prefix + name, {}).setdefault(copy, []).append(prefix + key)
        return clips

    def clips_of(self, identifier: str, copy: str = CLEAN) -> list[str]:
        """The keys of an utterance's pieces in one copy, in the order of time; one where it is a single clip.

        Raises:
            UserError: there is no such utterance, or no such copy of it.
        """
        if self._clips is None:
            clips = {CLEAN: [identifier]} if identifier in self.locations else {}
        else:
            clips = self._clips.get(identifier, {})
        if not clips:
            raise UserError(f"{self.folder}: no utterance {identifier!r}.")
        if copy not in clips:
            raise UserError(f"{self.folder}: no copy {copy!r} of {identifier!r}.")
        return clips[copy]

    @cached_property
    def copies(self) -> list[str]:
        """The copies that there are of the utterances: ``clean``, and what was done to the others."""
        if self._clips is None:
            return [CLEAN]
        return list(dict.fromkeys(copy for copies in self._clips.values() for copy in copies))

    @cached_property
    def recipe(self) -> dict:
        """What determines the features apart from the audio: kind, layers, storage, the kind's own, the clips'."""
        return json.loads(self.shards[0].attributes["recipe"])

    @cached_property
    def provenance(self) -> dict[str, dict]:
        """Per shard what made it: checkpoint (or function) and revision, compute type, device, library versions."""
        return {
            prefix + shard.path.stem: json.loads(shard.attributes["provenance"])
            for prefix, shard in self._prefixed_shards()
        }

    @cached_property
    def cautions(self) -> dict[str, str]:
        """What a reader of results must know of the features: a code, such as ``untrained_encoder``, and a sentence."""
        return {
            code: sentence
            for shard in self.shards
            for code, sentence in json.loads(shard.attributes["cautions"]).items()
        }

    @property
    def fingerprints(self) -> list[str]:
        """Of the shards' contents."""
        return [shard.attributes["fingerprint"] for shard in self.shards]

    @property
    def checkpoints(self) -> list[str]:
        """The names of the checkpoints that the shards' makers gave; equal weights may have several."""
        return list(dict.fromkeys(provenance["checkpoint"] for provenance in self.provenance.values()))

    def mixed_types(self) -> str | None:
        """A sentence that names which shards were computed in which type, if they differ; None if they don't."""
        types: dict[str, list[str]] = {}
        for name, provenance in self.provenance.items():
            types.setdefault(provenance["compute_dtype"], []).append(name)
        if len(types) < 2:
            return None
        named = "; ".join(f"{compute_type}: {', '.join(shards)}" for compute_type, shards in sorted(types.items()))
        commands = ", ".join(f"`ser store discard {part.name}`" for part in self._parts)
        return (
            f"Mixed compute types in the features {self.name} ({named}): rounding differs between folds. "
            f"To encode all of them in one type: {commands}, then `dvc repro`."
        )

    @property
    def stages(self) -> list[str]:
        """The stages that make these features: one, or one per corpus of a joined set."""
        return [part.name.stage for part in self._parts]

    @property
    def skipped(self) -> set[str]:
        """The ids of utterances that have no features, because their audio cannot be used."""
        return {part.prefix + identifier for part in self._parts for identifier in part.skipped}

    def worst_noise(self) -> tuple[float, int, int] | None:
        """The largest noise of int8, as a share of its dimension's deviation, with its layer and dimension.

        None where frames are not stored as int8.
        """
        if not self.is_quantised:
            return None
        noise = {layer: np.max([rows[0] for rows in self._rows(f"noise_{layer}")], axis=0) for layer in self.layers}
        layer = max(noise, key=lambda candidate: noise[candidate].max())
        return float(noise[layer].max()), layer, int(noise[layer].argmax())

    def noise_sentence(self) -> str | None:
        """What `worst_noise` says, as a sentence; None where frames are not stored as int8."""
        if (worst := self.worst_noise()) is None:
            return None
        share, layer, dimension = worst
        ratio = f"; signal-to-noise ratio {-20 * math.log10(share):.0f} dB" if share else ""
        return (
            f"int8 adds noise of at most {share:.1%} of a dimension's deviation "
            f"(layer {layer}, dimension {dimension}{ratio})"
        )

    def remarks(self) -> list[str]:
        """What a person who makes the features should know of them: cautions, mixed types, the cost of int8."""
        warnings = [*self.cautions.values(), *filter(None, [self.mixed_types()])]
        return [*(f"warning: {warning}" for warning in warnings), *filter(None, [self.noise_sentence()])]

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
        """Id -> seconds of the uncut utterance, as it was recorded."""
        return {
            prefix + name: seconds
            for prefix, shard in self._prefixed_shards()
            for name, seconds in zip(shard.ids, shard.column("seconds").tolist(), strict=True)
        }

    @cached_property
    def digest(self) -> str:
        """Names the bytes of the whole set, of its own corpora only: SHA-256 of the shards' own, in order."""
        digests = [prefix + content_digest(shard.path) for prefix, shard in self._prefixed_shards()]
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    def num_frames(self, key: str) -> int:
        """T of one clip."""
        location = self.locations[key]
        return location.stop - location.start

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

    def frames(self, key: str, layer: int) -> np.ndarray:
        """One clip's frames [T, D]: as stored, a view of the memory map, or float32, if they are stored as int8.

        Raises:
            UserError: the clip or the layer is not stored.
        """
        if key not in self.locations:
            several = "; it has several clips: see clips_of" if key in (self._clips or {}) else ""
            raise UserError(f"{self.folder}: no clip {key!r}{several}.")
        self.check_layers([layer])
        return self._frames_at(self.locations[key], layer)

    def _frames_at(self, location: Location, layer: int) -> np.ndarray:
        mapped = self._mapped(self.shards[location.shard])
        rows = mapped.rows(layer_name(layer))[location.start : location.stop]
        if not self.is_quantised:
            return rows
        offset, scale = (mapped.rows(f"{name}_{layer}")[location.index] for name in ("offset", "scale"))
        return restore(rows, offset, scale)

    def mean_frame(self, identifier: str, layers: Sequence[int]) -> np.ndarray:
        """One utterance's mean over its frames, its pieces and some layers: float32 [D]."""
        means = [
            self.frames(key, layer).mean(axis=0, dtype=np.float32)
            for key in self.clips_of(identifier)
            for layer in layers
        ]
        return np.mean(means, axis=0)

    @property
    def frame_rate(self) -> float:
        """Frames per second; 0 where a clip is one frame."""
        return float(self.shards[0].attributes["frame_rate"])

    @property
    def is_quantised(self) -> bool:
        """Whether frames are stored as int8, with an offset and a scale per clip and dimension."""
        return self.recipe["storage"] == "int8"

    def maps(self, layer: int) -> Iterator[np.ndarray]:
        """One layer of every shard as it is stored, memory-mapped [frames, D]."""
        return self._rows(layer_name(layer))

    def offsets_and_scales(self, layer: int) -> tuple[Iterator[np.ndarray], Iterator[np.ndarray]]:
        """Offsets and scales of one layer of every shard, memory-mapped [N, D]; only if `is_quantised`."""
        return self._rows(f"offset_{layer}"), self._rows(f"scale_{layer}")

    def num_bytes(self, layers: Sequence[int]) -> int:
        """What the frames of some layers take, as they are stored."""
        return sum(shard.num_bytes(layer_name(layer)) for shard in self.shards for layer in layers)

    def _rows(self, name: str) -> Iterator[np.ndarray]:
        return (self._mapped(shard).rows(name) for shard in self.shards)

    def gather(self, keys: Sequence[str], layers: Sequence[int]) -> "tuple[torch.Tensor, torch.Tensor]":
        """A padded batch of clips. Only the bytes of the layers asked for are read.

        Returns:
            frames float32 [B, L, T, D], zero after each clip's end; lengths int64 [B].
        """
        import torch  # it takes seconds, and only training needs tensors

        self.check_layers(list(layers))
        locations = [self.locations[key] for key in keys]
        lengths = [location.stop - location.start for location in locations]
        frames = torch.zeros(len(keys), len(layers), max(lengths), self.dimension)
        for row, location in enumerate(locations):
            for position, layer in enumerate(layers):
                frames[row, position, : lengths[row]] = torch.from_numpy(self._frames_at(location, layer))
        return frames, torch.tensor(lengths)

    def _prefixed_shards(self) -> Iterator[tuple[str, Shard]]:
        """Every shard, with what precedes its name and its ids."""
        return ((part.prefix, shard) for part in self._parts for shard in part.shards)

    def _check_recipes(self) -> None:
        recipes = {shard.attributes["recipe"] for shard in self.shards}
        if len(recipes) > 1:
            raise UserError(
                f"{self.folder}: its shards were made by {len(recipes)} different recipes. "
                f"Delete them and make them again: rm -r {' '.join(str(folder) for folder in self._folders)}, "
                f"then dvc repro {' '.join(self.stages)}"
            )

    @property
    def _folders(self) -> list[Path]:
        """The folders that hold the shards."""
        return list(dict.fromkeys(shard.path.parent for shard in self.shards))


def _open_shards(paths: Sequence[Path], verify: bool, known: Path | None) -> list[Shard]:
    """Shards of features, all verified before HDF5 sees the first."""
    if verify:
        verify_seals(paths, known)
    return [open_features(path, verify=False) for path in paths]


def _joined_parts(folder: Path, verify: bool, known: Path | None) -> list[_Part]:
    """The parts of a joined set, checked to be those that were joined."""
    try:
        listing = json.loads((folder / JOINED).read_text())
        listed = {
            corpus: (folder / part["folder"], dict(part["shards"]), list(part["skipped"]))
            for corpus, part in sorted(listing.items())
        }
        inside = Path(os.path.normpath(folder.parent))
        for part_folder, digests, _ in listed.values():
            if not all(Path(os.path.normpath(part_folder / file)).is_relative_to(inside) for file in digests):
                raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(f"{folder / JOINED}: damaged. Delete it, then `dvc repro`: rm {folder / JOINED}") from None
    parts = []
    for corpus, (part_folder, digests, skipped) in listed.items():
        name = SetName(folder.absolute().parent.name, corpus)
        paths = []
        for file, digest in sorted(digests.items()):
            path = Path(os.path.normpath(part_folder / file))
            if not (os.path.isfile(path) and os.path.isfile(sidecar_path(path))):  # also for a name that is too long
                raise UserError(f"{path}: missing, and {folder} needs it. {name.how_to_get}")
            if content_digest(path) != digest:
                raise UserError(
                    f"{path}: these are not the features that {folder / JOINED} lists. Run `dvc pull {name.stage}` for "
                    f"those, or `dvc repro {name.stage}` and then `dvc repro` to join what is here now."
                )
            paths.append(path)
        shards = _open_shards(paths, verify, known)
        parts.append(_Part(name, f"{corpus}:", shards, skipped))
    return parts


def verify_shard(path: Path) -> list[str]:
    """Everything that is wrong with a shard of features: its bytes, every utterance's checksum, values not finite."""
    try:
        shard = open_features(path)
    except UserError as error:
        return [str(error)]
    recipe = json.loads(shard.attributes["recipe"])
    datasets = layer_rows(recipe["layers"], recipe["dimension"], recipe["storage"])
    maps = [(shard.rows(dataset.name), dataset.per) for dataset in datasets]
    problems = []
    for index, key in enumerate(keys_of(shard)):
        own = slice(*shard.offsets[index : index + 2])
        frames = [rows[own] if per == "frame" else rows[index] for rows, per in maps]
        if frames_checksum(frames) != shard.column("checksum")[index]:
            problems.append(f"{path}: {key}: checksum differs")
        if not all(np.isfinite(layer).all() for layer in frames):
            problems.append(f"{path}: {key}: values that are not finite")
    return problems
