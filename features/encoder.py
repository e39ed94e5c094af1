"""What every kind of features can do: from a clip's samples to frames of some layers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from data.errors import UserError, listed


class Encoder(ABC):
    """One kind of features, ready to encode clips.

    Attributes:
        layers: the layers that `encode` returns, ascending. A kind without layers has layer 0.
        dimension: D, the same for all layers.
        sample_rate: Hz of the clips that it takes.
        stride: samples from one frame to the next.
        name: what makes the features, for people: a checkpoint, or a function.
        revision: which version of it was loaded, where there is such a thing; like the name, no part of the recipe.
        device: where it computes.
        compute_type: the arithmetic's name, e.g. ``float32``.
        passes: clips encoded so far.
        advice: what to try where frames are not finite or do not fit their storage; a sentence, or empty.
    """

    layers: list[int]
    dimension: int
    sample_rate: int
    stride: int
    name: str
    revision: str | None = None
    device: torch.device = torch.device("cpu")
    compute_type: str = "float32"
    passes: int = 0
    advice: str = ""

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.stride

    @property
    @abstractmethod
    def recipe(self) -> dict:
        """What determines the frames apart from samples, layers, dimension, storage and compute type, as JSON has it:
        weights, or all numbers of a function."""

    @property
    def versions(self) -> dict[str, str]:
        """The libraries that compute the frames, and their versions; provenance only."""
        return {}

    @property
    def cautions(self) -> dict[str, str]:
        """What a reader of results must know: a short code, such as ``untrained_encoder``, and a sentence."""
        return {}

    @abstractmethod
    def num_frames(self, num_samples: int) -> int:
        """Frames of a clip; 0 if it is too short."""

    def prepare(self, samples: np.ndarray) -> np.ndarray:
        """The encoder's input for one clip, all of whose samples float32 [num_samples] are given."""
        return samples

    @abstractmethod
    def encode(self, inputs: Sequence[np.ndarray]) -> list[Tensor]:
        """Encode clips of the same number of frames; none of them changes another one's frames.

        Args:
            inputs: of `prepare`, one per clip.

        Returns:
            Per layer of `layers`: frames float32 [B, T, D] on the CPU, with T at least the clips' number of frames;
            what follows them is left out.
        """

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
