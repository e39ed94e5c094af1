"""Encoders of raw waveforms: HuBERT (base, large), WavLM, wav2vec 2.0, data2vec-audio.

Source: Hsu et al. 2021, "HuBERT: Self-Supervised Speech Representation Learning by Masked Prediction of Hidden Units".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import parametrize
from transformers import PretrainedConfig

from data.errors import UserError
from features.checkpoints import Checkpoint, weights_digest
from features.hubert import FrozenHubert, is_known
from features.pretrained import PretrainedEncoder, from_device
from features.ssl import SslSettings
from features.transformers_model import TransformersModel

_CONFIG = (  # what changes the output, where weights and their shapes do not say it
    *("model_type", "num_attention_heads", "hidden_act", "layer_norm_eps", "do_stable_layer_norm", "squeeze_factor"),
    *("conv_stride", "conv_kernel", "feat_extract_norm", "feat_extract_activation", "feat_proj_layer_norm"),
    *("num_conv_pos_embeddings", "num_conv_pos_embedding_groups", "conv_pos_batch_norm", "conv_pos_kernel_size"),
    *("num_buckets", "max_bucket_distance", "position_embeddings_type", "rotary_embedding_base"),
    *("conv_depthwise_kernel_size", "adapter_attn_dim"),
)


@dataclass(frozen=True)
class Geometry:
    """How the convolutional front end turns samples into frames.

    Attributes:
        receptive_field: samples that one frame sees (400 for HuBERT).
        stride: samples from one frame to the next (320).
    """

    receptive_field: int
    stride: int

    @classmethod
    def of(cls, config: PretrainedConfig) -> "Geometry":
        """The geometry of a model's convolutions."""
        receptive_field, stride = 1, 1
        for kernel, step in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
            receptive_field = (receptive_field - 1) * step + kernel
            stride *= step
        return cls(receptive_field, stride)

    def num_frames(self, num_samples: int) -> int:
        """Frames of a waveform: 149 for 48,000 samples."""
        return max(0, (num_samples - self.receptive_field) // self.stride + 1)


class WaveformEncoder(PretrainedEncoder):
    """A frozen encoder of raw waveforms; its frames are the model's own output for the clip as it is.

    Clips of the same number of frames go through the encoder together, filled up by less than a frame's stride. What
    is filled up reaches no frame: the convolutions of those frames see real samples only, and group norm over time
    (HuBERT-base, WavLM-base), which sees all of them, is applied to every clip at its own length.

    Args:
        settings, checkpoint, device, compute_dtype: see `PretrainedEncoder`.
    """

    def __init__(self, settings: SslSettings, checkpoint: Checkpoint, device: torch.device, compute_dtype: torch.dtype):
        super().__init__(settings, checkpoint, device, compute_dtype)
        if settings.context:
            raise UserError(f"context: {settings.checkpoint} is not Whisper; use pad, or leave both out.")
        model, self._extractor = checkpoint.model, checkpoint.extractor
        front, encoder = getattr(model, "feature_extractor", None), getattr(model, "encoder", None)
        if not (hasattr(front, "conv_layers") and hasattr(encoder, "layers")):
            raise UserError(f"checkpoint: {settings.checkpoint}: {checkpoint.config.model_type!r} is not supported.")
        self.geometry = Geometry.of(checkpoint.config)
        self.stride = self.geometry.stride
        self._pad = settings.pad or "after"
        self._full = settings.clips.num_samples if self._pad == "before" else None  # to which clips are filled up
        config = {name: getattr(checkpoint.config, name, None) or None for name in _CONFIG}
        scaling = {"do_normalize": self._extractor.do_normalize, "sampling_rate": self.sample_rate}
        self.weights = weights_digest([config, scaling], model.state_dict())

        for module in list(model.modules()):
            if parametrize.is_parametrized(module, "weight"):  # weight norm of the positional convolution
                parametrize.remove_parametrizations(module, "weight")
        kind = FrozenHubert if is_known(model) else TransformersModel
        self._hidden_states = kind(model, self.layers, device, compute_dtype)

    @property
    def padding(self) -> dict[str, str]:
        return {"pad": self._pad}

    def num_frames(self, num_samples: int) -> int:
        return self.geometry.num_frames(self._num_encoded(num_samples))

    def encoded_seconds(self, num_samples: int) -> float:
        return self._num_encoded(num_samples) / self.sample_rate

    def prepare(self, samples: np.ndarray) -> np.ndarray:
        """Scale one waveform as the checkpoint's feature-extractor config says, over all of its samples."""
        scaled = self._extractor(samples, sampling_rate=self.sample_rate, return_tensors="np").input_values[0]
        return np.pad(scaled, (0, self._num_encoded(len(scaled)) - len(scaled)))

    @torch.inference_mode()
    def encode(self, inputs: Sequence[np.ndarray]) -> list[Tensor]:
        self.passes += len(inputs)
        on_gpu = self.device.type == "cuda"
        waveforms = torch.zeros(len(inputs), max(map(len, inputs)), pin_memory=on_gpu)
        for row, waveform in zip(waveforms, inputs, strict=True):
            row[: len(waveform)] = torch.from_numpy(waveform)
        waveforms = waveforms.to(self.device, non_blocking=True)
        states = self._hidden_states(waveforms, [len(waveform) for waveform in inputs])
        expected = self.geometry.num_frames(len(inputs[0]))
        if len(states) < len(self.layers) or states[0].shape[1] < expected:
            raise UserError(
                f"checkpoint: {self.name} does not give a frame every {self.stride} samples, as its convolutions do; "
                "this kind of model is not supported."
            )
        return from_device([frames[:, :expected] for frames in states])

    def _num_encoded(self, num_samples: int) -> int:
        return self._full or num_samples
