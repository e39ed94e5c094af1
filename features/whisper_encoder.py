"""Whisper's encoder, any size: log-mel frames -> frames of 20 ms. The decoder takes no part.

Source: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision".
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from data.errors import UserError, listed
from features.checkpoints import Checkpoint, weights_digest
from features.pretrained import PretrainedEncoder, autocast, from_device, in_compute_dtype
from features.ssl import SslSettings

_ENCODER_CONFIG = (
    *("d_model", "encoder_layers", "encoder_attention_heads", "encoder_ffn_dim", "activation_function"),
    *("num_mel_bins", "max_source_positions", "scale_embedding"),
)
_MEL_CONFIG = ("feature_size", "sampling_rate", "hop_length", "chunk_length", "n_fft", "dither")
_MEL_FRAMES = 2  # of each frame: the second convolution takes every other one


class WhisperEncoder(PretrainedEncoder):
    """Whisper's encoder, frozen.

    Hidden state 0 is the sum of the convolutions' output and the positions, the last one is taken after the final layer
    norm. A clip of n samples has ``ceil(n / 320)`` frames.

    ``context: full`` is what Whisper was trained on: 30 s, zeros after the speech; the frames are transformers' own
    output, cut to the clip's. ``context: clip`` leaves the zeros' mel frames and positions out.
    """

    def __init__(self, settings: SslSettings, checkpoint: Checkpoint, device: torch.device, compute_dtype: torch.dtype):
        super().__init__(settings, checkpoint, device, compute_dtype)
        if settings.pad:
            raise UserError(
                f"pad: {settings.checkpoint} is Whisper, whose input is padded to 30 s or not at all: leave pad out "
                "and set context: full or clip."
            )
        encoder, self._extractor = checkpoint.model.encoder, checkpoint.extractor
        self.stride = _MEL_FRAMES * self._extractor.hop_length
        self._context = settings.context or "clip"
        self._most_frames = checkpoint.config.max_source_positions
        config = {name: getattr(checkpoint.config, name) for name in _ENCODER_CONFIG}
        mel = {name: getattr(self._extractor, name, 0) for name in _MEL_CONFIG}
        self.weights = weights_digest([config, mel], encoder.state_dict())
        self._depth = len(encoder.layers)
        encoder.layers = encoder.layers[: self.layers[-1]]
        self._encoder = in_compute_dtype(encoder, compute_dtype).to(device)

    @property
    def padding(self) -> dict[str, str]:
        return {"context": self._context}

    def num_frames(self, num_samples: int) -> int:
        return -(-num_samples // self.stride)

    def encoded_seconds(self, num_samples: int) -> float:
        frames = self._most_frames if self._context == "full" else self.num_frames(num_samples)
        return frames * self.stride / self.sample_rate

    def check_lengths(self, ids: Sequence[str], num_samples: Sequence[int]) -> None:
        most = self._most_frames * self.stride
        if long := [name for name, count in zip(ids, num_samples, strict=True) if count > most]:
            seconds = most / self.sample_rate
            raise UserError(
                f"clips longer than the {seconds:g} s that Whisper takes; set features.<set>.clips.seconds to "
                f"{seconds:g} or less:\n{listed(long)}"
            )

    def prepare(self, samples: np.ndarray) -> np.ndarray:
        """The log-mel frames of one clip [mel bands, 2 T], by the checkpoint's own feature extractor."""
        most = _MEL_FRAMES * self._most_frames
        count = most if self._context == "full" else _MEL_FRAMES * self.num_frames(len(samples))
        # Zeros follow, as in 30 s: the last window sees them, and the loudest frame, by which all are scaled, may be
        # one that begins after the end of the speech.
        behind = min(count + _MEL_FRAMES, most)
        padded = np.pad(samples, (0, behind * self._extractor.hop_length - len(samples)))
        mel = self._extractor(padded, sampling_rate=self.sample_rate, padding="do_not_pad", truncation=False)
        return np.asarray(mel.input_features[0][:, :count])

    @torch.inference_mode()
    def encode(self, inputs: Sequence[np.ndarray]) -> list[Tensor]:
        self.passes += len(inputs)
        encoder = self._encoder
        mel = torch.from_numpy(np.stack(inputs)).to(self.device, non_blocking=True)
        with autocast(self.device, self.compute_dtype):
            frames = functional.gelu(encoder.conv2(functional.gelu(encoder.conv1(mel)))).transpose(1, 2)
            frames = frames.float() + encoder.embed_positions.weight[: frames.shape[1]]
            states = [frames]
            for layer in encoder.layers:
                states.append(layer(states[-1], None))
            if len(encoder.layers) == self._depth:
                states[-1] = encoder.layer_norm(states[-1])
        return from_device([states[layer] for layer in self.layers])
