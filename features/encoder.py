"""What every kind of features can do: from clips to frames of some layers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data.clip_keys import keys_of
from data.clips import read_samples
from data.errors import UserError, listed
from data.shards import Shard


@dataclass(frozen=True)
class Clip:
    """One clip of a shard; its samples are read when they are asked for."""

    shard: Shard
    index: int
    key: str

    @property
    def id(self) -> str:
        """Of its utterance."""
        return self.shard.ids[self.index]

    @property
    def num_samples(self) -> int:
        """How long it is."""
        return int(self.shard.lengths[self.index])

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.num_samples / self.shard.attributes["sample_rate"]

    @property
    def samples(self) -> np.ndarray:
        """Its waveform float32 [num_samples], from -1 to 1."""
        return read_samples(self.shard, self.index)


def clips_in(shard: Shard) -> list[Clip]:
    """All clips of a shard."""
    return [Clip(shard, index, key) for index, key in enumerate(keys_of(shard))]


class Encoder(ABC):
    """One kind of features, ready to encode clips. Most kinds compute them from samples: see `AudioEncoder`.

    Attributes:
        layers: the layers that `encode` returns, ascending. A kind without layers has layer 0.
        dimension: D, the same for all layers.
        frame_rate: frames per second; 0 where a clip is one frame.
        sample_rate: Hz of the clips that it takes; None for any.
        name: what makes the features, for people: a checkpoint, or a function.
        revision: which version of it was loaded, where there is such a thing; like the name, no part of the recipe.
        device: where it computes.
        compute_type: the arithmetic's name, e.g. ``float32``.
        passes: clips encoded so far.
        advice: what to try where frames are not finite or do not fit their storage; a sentence, or empty.
    """

    layers: list[int]
    dimension: int
    frame_rate: float
    sample_rate: int | None = None
    name: str
    revision: str | None = None
    device: torch.device = torch.device("cpu")
    compute_type: str = "float32"
    passes: int = 0
    advice: str = ""

    @property
    @abstractmethod
    def recipe(self) -> dict:
        """What determines the frames apart from clips, layers, dimension, storage and compute type, as JSON has it:
        weights, or all numbers of a function."""

    @property
    def versions(self) -> dict[str, str]:
        """The libraries that compute the frames, and their versions; provenance only."""
        return {}

    @property
    def cautions(self) -> dict[str, str]:
        """What a reader of results must know: a short code, such as ``untrained_encoder``, and a sentence."""
        return {}

    def sources(self, clips: Sequence[Clip]) -> dict:
        """What determines the frames of some clips apart from their samples and the recipe, as JSON has it: digests of
        files. Part of fingerprints where there is anything."""
        return {}

    @abstractmethod
    def check_clips(self, clips: Sequence[Clip]) -> None:
        """Refuse clips that the encoder cannot take.

        Args:
            clips: all of a feature set, or some of them.

        Raises:
            UserError: naming them, and what to do.
        """

    @abstractmethod
    def frames_of(self, clip: Clip) -> int:
        """How many frames a clip has."""

    @abstractmethod
    def input_of(self, clip: Clip) -> Any:
        """What `encode` is given of a clip."""

    @abstractmethod
    def encode(self, inputs: Sequence[Any]) -> list[Tensor]:
        """Encode clips of the same number of frames; none of them changes another one's frames.

        Args:
            inputs: of `input_of`, one per clip.

        Returns:
            Per layer of `layers`: frames float32 [B, T, D] on the CPU, with T at least the clips' number of frames;
            what follows them is left out.
        """

    def seconds_of(self, clip: Clip) -> float:
        """Seconds of audio that go through the encoder for a clip."""
        return clip.seconds


class AudioEncoder(Encoder):
    """An encoder of samples.

    Attributes:
        stride: samples from one frame to the next.
    """

    sample_rate: int
    stride: int

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.stride

    @abstractmethod
    def num_frames(self, num_samples: int) -> int:
        """Frames of a clip; 0 if it is too short."""

    def prepare(self, samples: np.ndarray) -> np.ndarray:
        """The encoder's input for one clip, all of whose samples float32 [num_samples] are given."""
        return samples

    def encoded_seconds(self, num_samples: int) -> float:
        """Seconds of audio that go through the encoder for one clip."""
        return num_samples / self.sample_rate

    def check_lengths(self, ids: Sequence[str], num_samples: Sequence[int]) -> None:
        """Refuse clips that the encoder cannot take.

        Raises:
            UserError: naming them, and what to do.
        """
        short = [name for name, count in zip(ids, num_samples, strict=True) if self.num_frames(count) < 1]
        if short:
            raise UserError(f"clips shorter than one frame of this encoder:\n{listed(short)}")

    def check_clips(self, clips: Sequence[Clip]) -> None:
        self.check_lengths([clip.key for clip in clips], [clip.num_samples for clip in clips])

    def frames_of(self, clip: Clip) -> int:
        return self.num_frames(clip.num_samples)

    def input_of(self, clip: Clip) -> np.ndarray:
        return self.prepare(clip.samples)

    def seconds_of(self, clip: Clip) -> float:
        return self.encoded_seconds(clip.num_samples)
