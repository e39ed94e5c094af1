"""Hidden states of any encoder of raw waveforms that transformers has, by its own module."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from features.pretrained import autocast, in_compute_dtype


class TransformersModel:
    """The hidden states that a model of transformers gives, each waveform as if it were alone.

    Args:
        model: the loaded model; it is changed.
        layers: which hidden states to return, ascending.
        device: where to compute.
        dtype: of matrix products and convolutions.

    Shape:
        waveforms float32 ``[B, samples]``, lengths ``[B]`` (samples) -> for each of ``layers`` that there is float32
        ``[B, T, D]``; frames that see samples behind a waveform's own length are undefined
    """

    def __init__(self, model: PreTrainedModel, layers: Sequence[int], device: torch.device, dtype: torch.dtype):
        self._layers, self._device, self._dtype = list(layers), device, dtype
        # One layer more than needed: some encoders normalise after their last layer only.
        model.encoder.layers = model.encoder.layers[: self._layers[-1] + 1]
        self._first = model.feature_extractor.conv_layers[0]
        self._group_norm = None
        if isinstance(norm := getattr(self._first, "layer_norm", None), nn.GroupNorm):
            self._group_norm = self._first.layer_norm = OwnLengthGroupNorm(norm)
        model.encoder.register_forward_pre_hook(_in_float32)
        self._model = in_compute_dtype(model, dtype).to(device)

    def __call__(self, waveforms: Tensor, lengths: Sequence[int]) -> list[Tensor]:
        if self._group_norm:
            conv = self._first.conv
            self._group_norm.lengths = [(length - conv.kernel_size[0]) // conv.stride[0] + 1 for length in lengths]
        with autocast(self._device, self._dtype):
            states = self._model(waveforms, output_hidden_states=True).hidden_states
        return [states[layer].float() for layer in self._layers if layer < len(states)]


class OwnLengthGroupNorm(nn.Module):
    """Group norm over time, of every row over its own length; the rest of the row is zero.

    Attributes:
        lengths: of the rows [B], set before each call.

    Shape:
        ``[B, channels, T]`` -> the same
    """

    def __init__(self, norm: nn.GroupNorm):
        super().__init__()
        self.norm = norm
        self.lengths: list[int] = []

    def forward(self, values: Tensor) -> Tensor:
        if set(self.lengths) == {values.shape[-1]}:
            return self.norm(values)
        normalised = [self.norm(values[row : row + 1, :, :length])[0] for row, length in enumerate(self.lengths)]
        result = torch.zeros(values.shape, dtype=normalised[0].dtype, device=values.device)
        for row, own in enumerate(normalised):
            result[row, :, : own.shape[-1]] = own
        return result


def _in_float32(module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The residual stream begins here: what is added to float32, and normalised, stays float32."""
    return arguments[0].float(), *arguments[1:]
