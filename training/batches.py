"""Frames by utterance id: gathered from the memory map, or from one flat tensor on the GPU."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from features.store import FeatureSet

_GPU_SHARE = 0.6  # of the GPU's free memory may hold frames


class FrameSource(Protocol):
    """Anything that gathers padded batches: frames float32 [B, T, D], lengths [B]."""

    def gather(self, identifiers: Sequence[str]) -> tuple[Tensor, Tensor]: ...


class MappedFrames:
    """Frames from the memory map, which all processes share; may be larger than memory."""

    def __init__(self, features: FeatureSet, layer: int, device: torch.device):
        self._features, self._layer, self._device = features, layer, device

    def gather(self, identifiers: Sequence[str]) -> tuple[Tensor, Tensor]:
        """See `FrameSource`."""
        frames, lengths = self._features.gather(identifiers, self._layer)
        if self._device.type == "cuda":
            frames = frames.pin_memory()
        return frames.to(self._device, non_blocking=True), lengths.to(self._device)


class DeviceFrames:
    """All frames of one layer as one flat tensor on the device, as stored; batches are gathered there by index."""

    def __init__(self, features: FeatureSet, layer: int, device: torch.device):
        maps = features.maps(layer)
        bases = np.concatenate([[0], np.cumsum([len(rows) for rows in maps])])
        self._flat = torch.empty(
            (int(bases[-1]), features.dimension), dtype=torch.from_numpy(maps[0][:0]).dtype, device=device
        )
        for base, rows in zip(bases, maps, strict=False):
            self._flat[base : base + len(rows)] = torch.from_numpy(rows)
        self._rows = {
            identifier: (int(bases[place.shard]) + place.start, place.stop - place.start)
            for identifier, place in features.places.items()
        }

    def gather(self, identifiers: Sequence[str]) -> tuple[Tensor, Tensor]:
        """See `FrameSource`."""
        device = self._flat.device
        starts, lengths = torch.tensor([self._rows[identifier] for identifier in identifiers], device=device).T
        steps = torch.arange(int(lengths.max()), device=device)
        real = steps < lengths[:, None]
        frames = self._flat[torch.where(real, starts[:, None] + steps, starts[:, None])]
        return frames.float() * real[..., None], lengths


def open_frames(features: FeatureSet, layer: int, device: torch.device) -> FrameSource:
    """The faster source that fits: the GPU's memory if there is one and it has room, else the memory map."""
    if device.type == "cuda":
        torch.cuda.empty_cache()  # what an earlier fold held
        size = sum(rows.nbytes for rows in features.maps(layer))
        if size < _GPU_SHARE * torch.cuda.mem_get_info(device)[0]:
            return DeviceFrames(features, layer, device)
    return MappedFrames(features, layer, device)


def shuffled_batches(count: int, batch_size: int, generator: torch.Generator) -> Iterator[list[int]]:
    """Indices 0..count-1 in random order, ``batch_size`` at a time."""
    order = torch.randperm(count, generator=generator).tolist()
    for start in range(0, count, batch_size):
        yield order[start : start + batch_size]


def frame_statistics(features: FeatureSet, layer: int, identifiers: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Mean and deviation per feature [D] over all frames of some utterances."""
    count, total, squares = 0, np.zeros(features.dimension), np.zeros(features.dimension)
    for identifier in identifiers:
        frames = features.frames(identifier, layer).astype(np.float32)
        count += len(frames)
        total += frames.sum(axis=0, dtype=np.float64)
        squares += np.einsum("td,td->d", frames, frames, dtype=np.float64)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 1e-10))
    return torch.from_numpy(mean).float(), torch.from_numpy(deviation).float()
