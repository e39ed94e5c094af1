"""A frozen self-supervised encoder of raw waveforms: HuBERT (base, large), WavLM, wav2vec 2.0, data2vec-audio.

Source: Hsu et al. 2021, "HuBERT: Self-Supervised Speech Representation Learning by Masked Prediction of Hidden Units".
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.utils import logging
from safetensors import SafetensorError
from torch import nn
from torch.nn.utils import parametrize
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    HubertConfig,
    HubertModel,
    PreTrainedModel,
    Wav2Vec2FeatureExtractor,
)

from data.errors import UserError, listed
from features.settings import SslSettings, is_untrained, untrained_parts

_NEEDED_IN_TRAINING_ONLY = {"masked_spec_embed"}
_CONFIG_WITHOUT_EFFECT = {"_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version"}

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Geometry:
    """How the convolutional front end turns samples into frames.

    Attributes:
        receptive_field: samples that one frame sees (400 for HuBERT).
        stride: samples from one frame to the next (320).
    """

    receptive_field: int
    stride: int

    def num_frames(self, num_samples: int) -> int:
        """Frames of a waveform: 149 for 48,000 samples."""
        return max(0, (num_samples - self.receptive_field) // self.stride + 1)

    def num_samples(self, num_frames: int) -> int:
        """The samples that the frames see: what lies behind is part of no frame."""
        return self.receptive_field + (num_frames - 1) * self.stride


class Encoder:
    """A frozen encoder, ready to encode.

    Args:
        settings: which checkpoint, which layers.
        device: where to compute.
        compute_dtype: of matrix products and convolutions; normalisations stay in float32.

    Attributes:
        layers: the layers that `encode` returns, ascending.
        dimension: D.
        sample_rate: Hz, what the checkpoint expects.
        geometry: samples to frames.
        revision: the Hugging Face commit it came from, if it did.
        weights: SHA-256 of the weights, the model's configuration and the scaling of its input.

    Raises:
        UserError: the checkpoint cannot be loaded, is no encoder of raw waveforms, or has fewer layers.
    """

    def __init__(self, settings: SslSettings, device: torch.device, compute_dtype: torch.dtype = torch.float32):
        model, self._scale_input = _load(settings)
        config = model.config
        depth = config.num_hidden_layers
        self.layers = list(range(depth + 1)) if settings.layers == "all" else sorted(set(settings.layers))
        if self.layers[-1] > depth:
            raise UserError(f"layers: {settings.checkpoint} has layers 0 to {depth}, not {self.layers[-1]}.")
        self.dimension = config.hidden_size
        self.sample_rate = self._scale_input.sampling_rate
        self.geometry = _geometry(config)
        self.revision = _resolve_revision(settings)
        self.weights = _weights_digest(model, self._scale_input)
        self.device, self.compute_dtype = device, compute_dtype
        self.passes = 0  # clips encoded so far
        self._model = _prepare(model, self.layers[-1], compute_dtype).to(device)

    def scale(self, waveform: np.ndarray) -> np.ndarray:
        """Scale one waveform float32 [T] as the checkpoint's feature-extractor config says, over its real samples."""
        return self._scale_input(waveform, sampling_rate=self.sample_rate, return_tensors="np").input_values[0]

    @torch.inference_mode()
    def encode(self, waveforms: torch.Tensor) -> list[torch.Tensor]:
        """Encode waveforms of one length.

        Args:
            waveforms: scaled, float32 [B, num_samples].

        Returns:
            Per layer of `layers`: frames float32 [B, T, D] on the CPU.
        """
        self.passes += len(waveforms)
        waveforms = waveforms.to(self.device, non_blocking=True)
        with torch.autocast(self.device.type, self.compute_dtype, enabled=self.compute_dtype != torch.float32):
            states = self._model(waveforms, output_hidden_states=True).hidden_states
        return [states[layer].float().cpu() for layer in self.layers]


def choose_compute_dtype(name: str, device: torch.device) -> torch.dtype:
    """``auto``: bfloat16 where the processor computes with it, float32 elsewhere."""
    if name != "auto":
        return DTYPES[name]
    if device.type == "cuda":
        has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_bfloat16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if has_bfloat16 else torch.float32


def untrained_hubert(seed: int = 0, layers: int = 12) -> HubertModel:
    """HuBERT-base (Hsu et al. 2021, table 1) with seeded random weights, or a shallower one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return HubertModel(HubertConfig(num_hidden_layers=layers)).eval()


def _load(settings: SslSettings) -> tuple[PreTrainedModel, Wav2Vec2FeatureExtractor]:
    if is_untrained(settings.checkpoint):
        model = untrained_hubert(*untrained_parts(settings.checkpoint))
        return model, Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False)
    checkpoint, revision = settings.checkpoint, settings.revision
    logging.set_verbosity_error()  # its retries are not for the user's eyes; the reason comes below
    try:
        config = AutoConfig.from_pretrained(checkpoint, revision=revision)
        if not hasattr(config, "conv_stride"):
            raise UserError(
                f"checkpoint: {checkpoint} is a {config.model_type!r} model, no encoder of raw waveforms such as "
                "HuBERT, WavLM, wav2vec 2.0 or data2vec-audio."
            )
        model, loading = AutoModel.from_pretrained(
            checkpoint, revision=revision, config=config, output_loading_info=True
        )
        scale_input = AutoFeatureExtractor.from_pretrained(checkpoint, revision=revision)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, UnpicklingError) as error:
        raise UserError(_why_not_loaded(checkpoint, error)) from error
    random = sorted({*loading["missing_keys"], *map(str, loading["mismatched_keys"])} - _NEEDED_IN_TRAINING_ONLY)
    if random:
        raise UserError(
            f"checkpoint: {checkpoint} lacks {len(random)} of the encoder's weights, which would stay random:\n"
            f"{listed(random, most=5)}\nGet the whole checkpoint again."
        )
    return model.float().eval(), scale_input


def _resolve_revision(settings: SslSettings) -> str | None:
    """The commit that a Hugging Face id was loaded from; None for what is not from there."""
    if is_untrained(settings.checkpoint) or Path(settings.checkpoint).exists():
        return None
    path = try_to_load_from_cache(settings.checkpoint, "config.json", revision=settings.revision)
    return Path(path).parent.name if isinstance(path, str) else settings.revision


def _why_not_loaded(checkpoint: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0]
    if Path(checkpoint).exists() or checkpoint.startswith((".", "/")):
        return (
            f"checkpoint: cannot load the folder {checkpoint}: {reason} It needs config.json, "
            "preprocessor_config.json and model.safetensors, as save_pretrained writes them."
        )
    return (
        f"checkpoint: cannot load {checkpoint} from the Hugging Face hub: {reason} Check the name and the network; "
        "or download it elsewhere and give its folder as checkpoint; or use 'untrained', which needs no network."
    )


def _geometry(config) -> Geometry:
    receptive_field, stride = 1, 1
    for kernel, step in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
        receptive_field = (receptive_field - 1) * step + kernel
        stride *= step
    return Geometry(receptive_field, stride)


def _weights_digest(model: PreTrainedModel, scale_input: Wav2Vec2FeatureExtractor) -> str:
    digest = hashlib.sha256()
    scaling = {"do_normalize": scale_input.do_normalize, "sampling_rate": scale_input.sampling_rate}
    config = {name: value for name, value in model.config.to_dict().items() if name not in _CONFIG_WITHOUT_EFFECT}
    digest.update(json.dumps([config, scaling], sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()


def _prepare(model: PreTrainedModel, last_layer: int, compute_dtype: torch.dtype) -> PreTrainedModel:
    """Drop what no stored layer needs, and keep big weights in the compute type, so that none is cast twice."""
    layers: Sequence[nn.Module] = model.encoder.layers
    # One layer more than needed: some encoders normalise behind their last layer only.
    model.encoder.layers = layers[: last_layer + 1]
    for module in model.modules():
        if parametrize.is_parametrized(module, "weight"):  # weight norm of the positional convolution
            parametrize.remove_parametrizations(module, "weight")
        if compute_dtype != torch.float32 and isinstance(module, nn.Linear | nn.Conv1d):
            module.to(compute_dtype)
    return model.requires_grad_(False).eval()
