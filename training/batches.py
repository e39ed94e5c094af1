"""Frames by the keys of clips: gathered from the memory map, from flat tensors on the GPU, or their means alone."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from features.store import FeatureSet
from models.head import View

_GPU_SHARE = 0.6  # of the GPU's free memory may hold frames


class FrameSource(Protocol):
    """Anything that gathers padded batches: frames float32 [B, L, T, D], lengths [B]."""

    def gather(self, identifiers: Sequence[str]) -> tuple[Tensor, Tensor]: ...


class MappedFrames:
    """Frames from the memory map, which all processes share; may be larger than memory."""

    def __init__(self, features: FeatureSet, layers: list[int], device: torch.device):
        self._features, self._layers, self._device = features, layers, device

    def gather(self, identifiers: Sequence[str]) -> tuple[Tensor, Tensor]:
        """See `FrameSource`."""
        frames, lengths = self._features.gather(identifiers, self._layers)
        if self._device.type == "cuda":
            frames = frames.pin_memory()
        return frames.to(self._device, non_blocking=True), lengths.to(self._device)


class DeviceFrames:
    """All frames of some layers as flat tensors on the device, as stored; batches are gathered there by index."""

    def __init__(self, features: FeatureSet, layers: list[int], device: torch.device):
        self._device = device
        bases = _bases(int(shard.offsets[-1]) for shard in features.shards)
        utterances = _bases(len(shard.ids) for shard in features.shards)
        self._flat = [_concatenated(features.maps(layer), bases[-1], device) for layer in layers]
        self._restoring = [
            [_concatenated(shards, utterances[-1], device) for shards in features.offsets_and_scales(layer)]
            if features.is_quantised
            else None
            for layer in layers
        ]
        self._rows = {
            identifier: (
                *(bases[location.shard] + location.start, location.stop - location.start),
                utterances[location.shard] + location.index,
            )
            for identifier, location in features.locations.items()
        }

    def gather(self, identifiers: Sequence[str]) -> tuple[Tensor, Tensor]:
        """See `FrameSource`."""
        rows = torch.tensor([self._rows[identifier] for identifier in identifiers], device=self._device)
        starts, lengths, utterances = rows.T
        steps = torch.arange(int(lengths.max()), device=self._device)
        real = (steps < lengths[:, None])[..., None]
        index = torch.where(real[..., 0], starts[:, None] + steps, starts[:, None])
        layers = []
        for flat, restoring in itertools.zip_longest(self._flat, self._restoring):
            frames = flat[index].float()
            if restoring:
                offset, scale = (values[utterances][:, None].float() for values in restoring)
                frames = frames * scale + offset
            layers.append(frames * real)
        return torch.stack(layers, dim=1), lengths


class MomentFrames:
    """Every utterance as one frame, its mean, or as two with the same mean and deviation as all of its frames.

    Some heads see nothing else of the frames. Standardising commutes with both statistics, so such heads learn the
    same from these few frames, which are read once, as from all.

    Args:
        moments: of the utterances.
        view: the mean, or mean and deviation.
        device: where batches go.
    """

    def __init__(self, moments: "UtteranceMoments", view: View, device: torch.device):
        self._moments, self._view, self._device = moments, view, device
        self._frames: dict[str, Tensor] = {}

    def gather(self, identifiers: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Frames [B, L, 1 or 2, D], lengths [B] of ones or twos."""
        frames = torch.stack([self._few_frames(identifier) for identifier in identifiers])
        return frames, torch.full((len(frames),), self._view.value, device=self._device)

    def _few_frames(self, identifier: str) -> Tensor:
        if identifier not in self._frames:
            moments = self._moments.of(identifier)
            deviation = np.sqrt(moments.variance)
            few = [moments.mean] if self._view is View.MEAN else [moments.mean - deviation, moments.mean + deviation]
            frames = torch.from_numpy(np.stack(few, axis=1)).float()  # [L, 1 or 2, D]
            self._frames[identifier] = frames.to(self._device)
        return self._frames[identifier]


@dataclass(frozen=True)
class Moments:
    """A summary of one utterance's frames: their number T, and their mean and variance per layer and feature [L, D]."""

    count: int
    mean: np.ndarray
    variance: np.ndarray


class UtteranceMoments:
    """Every utterance's `Moments`, read from the features when first asked for, and then kept."""

    def __init__(self, features: FeatureSet, layers: Sequence[int]):
        self._features, self._layers = features, layers
        self._known: dict[str, Moments] = {}

    def of(self, identifier: str) -> Moments:
        """The moments of one utterance."""
        if identifier not in self._known:
            frames = [self._features.frames(identifier, layer).astype(np.float32) for layer in self._layers]
            mean = np.stack([layer.mean(axis=0, dtype=np.float64) for layer in frames])
            variance = np.stack([layer.var(axis=0) for layer in frames])
            self._known[identifier] = Moments(len(frames[0]), mean, variance)
        return self._known[identifier]

    def of_means(self, identifiers: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation per layer and feature [L, D] over the means of some utterances, which vary less."""
        means = np.stack([self.of(identifier).mean for identifier in identifiers])
        return means.mean(axis=0), np.sqrt(np.maximum(means.var(axis=0), 1e-10))

    def of_frames(self, identifiers: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation per layer and feature [L, D] over all frames of some utterances."""
        moments = [self.of(identifier) for identifier in identifiers]
        shares = np.array([utterance.count for utterance in moments], float)
        shares /= shares.sum()
        mean, variance = np.zeros_like(moments[0].mean), np.zeros_like(moments[0].mean)
        for share, utterance in zip(shares, moments, strict=True):
            mean += share * utterance.mean
        for share, utterance in zip(shares, moments, strict=True):  # within the utterances, and between them
            variance += share * (utterance.variance + (utterance.mean - mean) ** 2)
        return mean, np.sqrt(np.maximum(variance, 1e-10))


def open_moments(features: FeatureSet, layers: list[int]) -> UtteranceMoments:
    """The moments of a feature set, shared by all runs of this process on the same features."""
    return _moments(features.folder.resolve(), features.digest, tuple(layers))


@lru_cache(maxsize=1)
def _moments(folder: Path, digest: str, layers: tuple[int, ...]) -> UtteranceMoments:
    return UtteranceMoments(FeatureSet(folder, verify=False), layers)


def open_frames(features: FeatureSet, layers: list[int], device: torch.device) -> FrameSource:
    """The faster source that fits: the GPU's memory if there is one and it has room, else the memory map."""
    if device.type == "cuda":
        torch.cuda.empty_cache()  # what an earlier fold held
        if features.num_bytes(layers) < _GPU_SHARE * torch.cuda.mem_get_info(device)[0]:
            with suppress(torch.OutOfMemoryError):  # another process may have been faster
                return DeviceFrames(features, layers, device)
    return MappedFrames(features, layers, device)


def standardising_statistics(
    features: FeatureSet, layers: list[int], identifiers: Sequence[str], of_means: bool
) -> tuple[Tensor, Tensor]:
    """Mean and deviation per layer and feature [L, D] over some utterances.

    Args:
        features: the feature set.
        layers: of them.
        identifiers: of the training utterances.
        of_means: whether of the utterances' means, rather than of all their frames.
    """
    moments = open_moments(features, layers)
    statistics = moments.of_means(identifiers) if of_means else moments.of_frames(identifiers)
    mean, deviation = (torch.from_numpy(values).float() for values in statistics)
    return mean, deviation


def shuffled_batches(count: int, batch_size: int, generator: torch.Generator) -> Iterator[list[int]]:
    """Indices 0..count-1 in random order, ``batch_size`` at a time."""
    yield from _cut(torch.randperm(count, generator=generator), batch_size)


def balanced_batches(labels: Sequence[int], batch_size: int, generator: torch.Generator) -> Iterator[list[int]]:
    """As many indices as there are labels, drawn with replacement so that all classes come up equally often."""
    labels = torch.as_tensor(labels)
    weights = 1 / torch.bincount(labels)[labels].double()
    yield from _cut(torch.multinomial(weights, len(labels), replacement=True, generator=generator), batch_size)


def _cut(order: Tensor, batch_size: int) -> Iterator[list[int]]:
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size].tolist()


def _bases(counts: Iterable[int]) -> list[int]:
    """The row at which each part begins when all are concatenated."""
    return [0, *itertools.accumulate(counts)]


def _concatenated(parts: Iterable[np.ndarray], num_rows: int, device: torch.device) -> Tensor:
    """The rows of all shards, concatenated on the device, copied shard by shard."""
    flat, base = None, 0
    for rows in map(torch.from_numpy, parts):
        if flat is None:
            flat = torch.empty((num_rows, *rows.shape[1:]), dtype=rows.dtype, device=device)
        flat[base : base + len(rows)] = rows
        base += len(rows)
    return flat
