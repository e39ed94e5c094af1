"""What every frozen encoder can do: from a clip's samples to frames of some of its layers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from data.errors import UserError
from features.checkpoints import Checkpoint, resolve_revision
from features.settings import SslSettings


class Encoder(ABC):
    """A frozen encoder, ready to encode.

    Matrix products and convolutions run in the compute type; the residual stream and all normalisations behind the
    convolutional front end run in float32.

    Args:
        settings: which checkpoint, which layers.
        checkpoint: the loaded model.
        device: where to compute.
        compute_dtype: of matrix products and convolutions.

    Attributes:
        layers: the layers that `encode` returns, ascending.
        dimension: D.
        sample_rate: Hz, what the checkpoint expects.
        stride: samples from one frame to the next.
        weights: SHA-256 of the encoder's weights, its configuration and the scaling of its input.
        name, revision: of the checkpoint; where it came from, no part of what it is.
        passes: clips encoded so far.

    Raises:
        UserError: the checkpoint has fewer layers, or a parameter that another kind of encoder has.
    """

    stride: int
    weights: str

    def __init__(self, settings: SslSettings, checkpoint: Checkpoint, device: torch.device, compute_dtype: torch.dtype):
        config = checkpoint.config
        depth = config.num_hidden_layers
        self.layers = list(range(depth + 1)) if settings.layers == "all" else sorted(set(settings.layers))
        if self.layers[-1] > depth:
            raise UserError(f"layers: {settings.checkpoint} has layers 0 to {depth}, not {self.layers[-1]}.")
        self.dimension = config.hidden_size
        self.sample_rate = checkpoint.extractor.sampling_rate
        self.name, self.revision = settings.checkpoint, resolve_revision(settings)
        self.device, self.compute_dtype = device, compute_dtype
        self.passes = 0

    @property
    def compute_type(self) -> str:
        """The compute type's name."""
        return str(self.compute_dtype).removeprefix("torch.")

    @property
    @abstractmethod
    def recipe(self) -> dict[str, str]:
        """How clips are put before the encoder: what determines its output beside weights and sound."""

    @abstractmethod
    def num_frames(self, num_samples: int) -> int:
        """Frames of a clip; 0 if it is too short."""

    @abstractmethod
    def prepare(self, samples: np.ndarray) -> np.ndarray:
        """The encoder's input for one clip, all of whose samples float32 [num_samples] are given."""

    @abstractmethod
    def encode(self, inputs: Sequence[np.ndarray]) -> list[Tensor]:
        """Encode clips of the same number of frames; none of them changes another one's frames.

        Args:
            inputs: of `prepare`, one per clip.

        Returns:
            Per layer of `layers`: frames float32 [B, T, D] on the CPU. (T of Whisper's ``context: full`` is that of
            30 s.)
        """

    def autocast(self) -> torch.autocast:
        """The context in which matrix products and convolutions run in the compute type."""
        return torch.autocast(self.device.type, self.compute_dtype, enabled=self.compute_dtype != torch.float32)

    def encoded_seconds(self, num_samples: int) -> float:
        """Seconds of sound that go through the encoder for one clip."""
        return num_samples / self.sample_rate

    @abstractmethod
    def check_lengths(self, ids: Sequence[str], num_samples: Sequence[int]) -> None:
        """Refuse clips that the encoder cannot take.

        Raises:
            UserError: naming them, and what to do.
        """


def in_compute_dtype(model: nn.Module, compute_dtype: torch.dtype) -> nn.Module:
    """Keep the big weights in the compute type, so that none is cast twice; freeze all."""
    for module in model.modules():
        if compute_dtype != torch.float32 and isinstance(module, nn.Linear | nn.Conv1d):
            module.to(compute_dtype)
    return model.requires_grad_(False).eval()
