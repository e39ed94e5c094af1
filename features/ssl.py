"""``kind: ssl``: a frozen self-supervised (or, Whisper, weakly supervised) speech encoder, opened by its checkpoint."""

import torch

from features.checkpoints import is_whisper, load_checkpoint
from features.encoder import Encoder
from features.settings import SslSettings
from features.waveform_encoder import WaveformEncoder
from features.whisper_encoder import WhisperEncoder

_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def open_encoder(
    settings: SslSettings, device: torch.device, compute_dtype: torch.dtype = torch.float32, full: int | None = None
) -> Encoder:
    """Load a frozen encoder.

    Args:
        settings: which checkpoint, which layers, how clips are put before it.
        device: where to compute.
        compute_dtype: of matrix products and convolutions.
        full: samples of a clip of full length, to which ``pad: before`` fills up.

    Raises:
        UserError: the checkpoint cannot be loaded, is no speech encoder that we know, or has fewer layers.
    """
    checkpoint = load_checkpoint(settings)
    if is_whisper(checkpoint.config):
        return WhisperEncoder(settings, checkpoint, device, compute_dtype)
    return WaveformEncoder(settings, checkpoint, device, compute_dtype, full)


def choose_compute_dtype(name: str, device: torch.device) -> torch.dtype:
    """``auto``: bfloat16 where the processor computes with it, float32 elsewhere."""
    if name != "auto":
        return _TYPES[name]
    if device.type == "cuda":
        has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_bfloat16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if has_bfloat16 else torch.float32
