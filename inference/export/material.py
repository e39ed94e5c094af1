"""The utterances that an export is tried on: real ones where they are here, else made up."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from features.encoder import AudioEncoder
from training.checkpoint import StandardisedHead


@dataclass(frozen=True)
class Utterance:
    """One utterance.

    Attributes:
        id, speaker: as in the splits.
        expected: its class, or its ratings in the order of the outputs.
        clips: the keys of its pieces.
    """

    id: str
    speaker: str
    expected: str | tuple[float, ...]
    clips: tuple[str, ...]


class Material(ABC):
    """Clips by their keys.

    Attributes:
        has_waveforms: whether `waveform` can be asked.
        is_real: whether they are a corpus's.
    """

    has_waveforms: bool = True
    is_real: bool = True

    @abstractmethod
    def frames(self, key: str) -> Tensor:
        """The frames that the head reads, as stored: float32 [L, T, D]."""

    @abstractmethod
    def waveform(self, key: str) -> np.ndarray:
        """The samples, float32 [num_samples] from -1 to 1."""


class MadeUp(Material):
    """Noise in place of a corpus that is not here; the keys are numbers, each with its own length.

    Args:
        model: for whose features the frames are made up.
        encoder: for which waveforms are.
        seconds: of the longest.
    """

    is_real = False

    def __init__(self, model: StandardisedHead, encoder: AudioEncoder, seconds: float):
        self._mean, self._deviation = model.standardise.mean.cpu(), model.standardise.deviation.cpu()
        self._encoder, self._most = encoder, round(seconds * encoder.sample_rate)

    def utterances(self, count: int) -> list[Utterance]:
        """Some utterances of nobody."""
        return [Utterance(str(number), "", "", (str(number),)) for number in range(count)]

    def frames(self, key: str) -> Tensor:
        num_frames = self._encoder.num_frames(self._num_samples(key))
        generator = torch.Generator().manual_seed(int(key))
        layers, dimension = self._mean.shape
        noise = torch.randn(layers, num_frames, dimension, generator=generator)
        return noise * self._deviation[:, None] + self._mean[:, None]

    def waveform(self, key: str) -> np.ndarray:
        random, length = np.random.default_rng(int(key)), self._num_samples(key)
        return (random.normal(0, 0.05, length) * np.linspace(0.01, 1, length)).astype(np.float32)

    def _num_samples(self, key: str) -> int:
        return round(self._most * np.random.default_rng([1, int(key)]).uniform(0.1, 1))


def evenly(utterances: Sequence[Utterance], most: int) -> list[Utterance]:
    """At most so many of some utterances, spread over all of them."""
    if len(utterances) <= most:
        return list(utterances)
    return [utterances[index] for index in np.linspace(0, len(utterances) - 1, most).round().astype(int)]


def padded(frames: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Frames [L, T, D] of several clips as a batch: [B, L, T, D], zero after each one's end, and lengths [B]."""
    lengths = torch.tensor([clip.shape[1] for clip in frames])
    layers, _, dimension = frames[0].shape
    batch = torch.zeros(len(frames), layers, int(lengths.max()), dimension)
    for row, clip in zip(batch, frames, strict=True):
        row[:, : clip.shape[1]] = clip
    return batch, lengths
