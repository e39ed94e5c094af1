"""Pretrained speech encoders as modules that the ONNX exporter can follow: waveforms -> the frames that a head reads.

The same function as `features.waveform_encoder` and `features.whisper_encoder` compute, with what they do in NumPy (the
rounding of the clips and of the store, the scaling of the waveform, Whisper's log-mel frames) inside the graph.
"""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from data.errors import UserError
from features.checkpoints import Checkpoint, is_whisper, load_checkpoint
from features.settings import KindSettings
from features.ssl import SslSettings

_FULL_SCALE = 32768  # of int16, to which clips are rounded
_MEL_FLOOR = 1e-10
_MEL_RANGE = 8.0  # powers of ten below the loudest, where the rest is cut off


class EncoderGraph(nn.Module):
    """An encoder of clips of one length.

    Shape:
        waveforms float32 ``[B, num_samples]`` from -1 to 1 -> frames ``[B, L, T, D]``, lengths int64 ``[B]``, all T
    """

    def __init__(self, settings: SslSettings, layers: Sequence[int]):
        super().__init__()
        self.layers, self.storage = list(layers), settings.storage

    def forward(self, waveforms: Tensor) -> tuple[Tensor, Tensor]:
        rounded = (waveforms * _FULL_SCALE).round().clamp(-_FULL_SCALE, _FULL_SCALE - 1) / _FULL_SCALE
        states = self.states(rounded)
        frames = torch.stack([states[layer] for layer in self.layers], dim=1)
        if self.storage == "float16":  # what the head was trained on had been stored
            frames = frames.half().float()
        lengths = torch.ones_like(frames[:, 0, :, 0], dtype=torch.int64).sum(dim=1)
        return frames, lengths

    @property
    def most_samples(self) -> int | None:
        """The longest waveform that it takes; None if there is no limit."""
        return None

    @abstractmethod
    def states(self, waveforms: Tensor) -> Sequence[Tensor]:
        """The hidden states [B, T, D], the first one being the transformer's input."""


class WaveformGraph(EncoderGraph):
    """HuBERT and its kin: waveforms scaled as the checkpoint's feature extractor says."""

    def __init__(self, settings: SslSettings, layers: Sequence[int], checkpoint: Checkpoint):
        super().__init__(settings, layers)
        self.model, self.normalises = checkpoint.model, checkpoint.extractor.do_normalize
        self.full = settings.clips.num_samples if settings.pad == "before" else None
        self.model.set_attn_implementation("eager")
        self.model.encoder.layers = self.model.encoder.layers[: self.layers[-1] + 1]
        for module in list(self.model.modules()):
            if parametrize.is_parametrized(module, "weight"):  # weight norm
                parametrize.remove_parametrizations(module, "weight")

    @property
    def most_samples(self) -> int | None:
        return self.full

    def states(self, waveforms: Tensor) -> Sequence[Tensor]:
        if self.normalises:
            centred = waveforms - waveforms.mean(dim=1, keepdim=True)
            waveforms = centred / (centred.square().mean(dim=1, keepdim=True) + 1e-7).sqrt()
        if self.full is not None:
            zeros = waveforms.new_zeros(waveforms.shape[0], self.full - waveforms.shape[1])
            waveforms = torch.cat([waveforms, zeros], dim=1)
        return self.model(waveforms, output_hidden_states=True).hidden_states


class WhisperGraph(EncoderGraph):
    """Whisper's encoder after its log-mel frames: a Fourier transform as a convolution, mel filters, logarithms."""

    def __init__(self, settings: SslSettings, layers: Sequence[int], checkpoint: Checkpoint):
        super().__init__(settings, layers)
        self.encoder, extractor = checkpoint.model.encoder, checkpoint.extractor
        self.depth, self.most_frames = len(self.encoder.layers), checkpoint.config.max_source_positions
        self.encoder.layers = self.encoder.layers[: self.layers[-1]]
        self.encoder.set_attn_implementation("eager")
        self.is_full = settings.context == "full"
        self.hop, self.window = extractor.hop_length, extractor.n_fft
        time = torch.arange(self.window, dtype=torch.float64) / self.window
        hann = 0.5 - 0.5 * torch.cos(2 * torch.pi * time)
        angles = 2 * torch.pi * torch.arange(self.window // 2 + 1)[:, None] * time
        transform = torch.cat([angles.cos() * hann, angles.sin() * hann])[:, None]
        self.register_buffer("transform", transform.float())  # [2 * bins, 1, window]
        self.register_buffer("filters", torch.from_numpy(extractor.mel_filters).T.float())  # [bands, bins]

    @property
    def most_samples(self) -> int:
        return 2 * self.hop * self.most_frames

    def states(self, waveforms: Tensor) -> Sequence[Tensor]:
        stride = 2 * self.hop
        num_frames = (waveforms.shape[1] + stride - 1) // stride
        mel = self._log_mel(waveforms, num_frames)
        if not self.is_full:
            mel = mel[:, :, : 2 * num_frames]
        encoder = self.encoder
        frames = functional.gelu(encoder.conv2(functional.gelu(encoder.conv1(mel)))).transpose(1, 2)
        states = [frames + encoder.embed_positions.weight[: frames.shape[1]]]
        for layer in encoder.layers:
            states.append(layer(states[-1], None))
        if len(encoder.layers) == self.depth:
            states[-1] = encoder.layer_norm(states[-1])
        return [state[:, :num_frames] for state in states]

    def _log_mel(self, waveforms: Tensor, num_frames: Tensor | int) -> Tensor:
        """Waveforms -> [B, bands, mel frames], as the extractor has it of the clip and the zeros that follow it."""
        most = torch.as_tensor(self.most_samples)
        behind = most if self.is_full else torch.minimum(torch.as_tensor(2 * self.hop * (num_frames + 1)), most)
        zeros = waveforms.new_zeros(waveforms.shape[0], behind - waveforms.shape[1])
        padded = torch.cat([waveforms, zeros], dim=1)[:, None]
        padded = functional.pad(padded, (self.window // 2, self.window // 2), mode="reflect")
        real, imaginary = functional.conv1d(padded, self.transform, stride=self.hop).chunk(2, dim=1)
        power = (real.square() + imaginary.square())[:, :, :-1]
        decades = (self.filters @ power).clamp(min=_MEL_FLOOR).log10()
        decades = torch.maximum(decades, decades.amax(dim=(1, 2), keepdim=True) - _MEL_RANGE)
        return (decades + 4) / 4


def open_graph(settings: KindSettings, layers: Sequence[int]) -> EncoderGraph:
    """Load the encoder of a feature set, in float32.

    Args:
        settings: of the set.
        layers: that the head reads.

    Raises:
        UserError: features that no pretrained encoder makes.
    """
    if not isinstance(settings, SslSettings):
        raise UserError(
            f"features of kind {settings.kind} are not computed by an encoder that can be exported: use --head-only, "
            "and compute the frames as features/ does"
        )
    checkpoint = load_checkpoint(settings)
    kind = WhisperGraph if is_whisper(checkpoint.config) else WaveformGraph
    return kind(settings, layers, checkpoint).eval().requires_grad_(False)
