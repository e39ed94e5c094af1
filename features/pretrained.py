"""What pretrained speech encoders share, whatever their input is."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
import transformers
from torch import Tensor, nn

from data.errors import UserError
from features.checkpoints import Checkpoint, resolve_revision
from features.encoder import AudioEncoder
from features.ssl import SslSettings, is_untrained


class PretrainedEncoder(AudioEncoder):
    """A frozen encoder, ready to encode.

    Matrix products and convolutions run in the compute type; the residual stream and all normalisations after the
    convolutional front end run in float32.

    Args:
        settings: which checkpoint, which layers.
        checkpoint: the loaded model.
        device: where to compute.
        compute_dtype: of matrix products and convolutions.

    Attributes:
        weights: SHA-256 of the encoder's weights, its configuration and the scaling of its input.

    Raises:
        UserError: the checkpoint has fewer layers, or a parameter that another family of encoders has.
    """

    weights: str
    advice = "Try features.<set>.compute_dtype: float32; if that does not help, the checkpoint is broken."

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
        self.compute_type = str(compute_dtype).removeprefix("torch.")

    @property
    def recipe(self) -> dict:
        return {"weights": self.weights, **self.padding}

    @property
    @abstractmethod
    def padding(self) -> dict[str, str]:
        """Whether zeros go through the encoder with the clip: ``pad`` or ``context``, and its value."""

    @property
    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__, "transformers": transformers.__version__}

    @property
    def cautions(self) -> dict[str, str]:
        cautions = {}
        if is_untrained(self.name):
            cautions["untrained_encoder"] = (
                "The encoder is untrained: HuBERT's architecture with seeded random weights. These figures show that "
                "the pipeline runs, not what HuBERT can do."
            )
        if self.padding.get("pad") == "before":
            cautions["padded_input"] = (
                "Zeros were padded before the encoder: they change the frames of the speech and reveal its length."
            )
        return cautions


def autocast(device: torch.device, compute_dtype: torch.dtype) -> torch.autocast:
    """The context in which matrix products and convolutions run in the compute type."""
    return torch.autocast(device.type, compute_dtype, enabled=compute_dtype != torch.float32)


def in_compute_dtype(model: nn.Module, compute_dtype: torch.dtype) -> nn.Module:
    """Keep the big weights in the compute type, so that none is cast twice; freeze all."""
    for module in model.modules():
        if compute_dtype != torch.float32 and isinstance(module, nn.Linear | nn.Conv1d):
            module.to(compute_dtype)
    return model.requires_grad_(False).eval()


def from_device(layers: Sequence[Tensor]) -> list[Tensor]:
    """Copies on the CPU, float32. A GPU is waited for once, and writes straight into page-locked memory."""
    if layers[0].device.type != "cuda":
        return [frames.float().cpu() for frames in layers]
    copies = [torch.empty(frames.shape, pin_memory=True) for frames in layers]
    for copy, frames in zip(copies, layers, strict=True):
        copy.copy_(frames.float(), non_blocking=True)
    torch.cuda.current_stream(layers[0].device).synchronize()
    return copies
