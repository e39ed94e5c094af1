"""HuBERT and wav2vec 2.0 (base and large) for inference: transformers' weights and output in fewer steps.

Activations stay [B, T, channels] throughout, so that a convolution of the front end is one matrix product on
overlapping views; queries, keys and values are one product, and so are the first convolution and its group norm.

Source: Baevski et al. 2020, "wav2vec 2.0"; Hsu et al. 2021, "HuBERT"; the modules of transformers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import HubertModel, PretrainedConfig, PreTrainedModel, Wav2Vec2Model

from features.products import GroupedConvolution, Product


def is_known(model: PreTrainedModel) -> bool:
    """Whether a model has exactly the architecture that `FrozenHubert` computes."""
    config = model.config
    return (
        type(model) in (HubertModel, Wav2Vec2Model)
        and config.hidden_act == config.feat_extract_activation == "gelu"
        and getattr(config, "feat_proj_layer_norm", True)
        and not getattr(config, "conv_pos_batch_norm", False)
        and not getattr(config, "add_adapter", False)
        and getattr(config, "adapter_attn_dim", None) is None
    )


@dataclass(frozen=True)
class _Place:
    """Where weights go, and in which type products are computed."""

    device: torch.device
    dtype: torch.dtype

    def put(self, weight: Tensor | None) -> Tensor | None:
        return None if weight is None else weight.detach().to(self.device, self.dtype)

    def product(self, weight: Tensor, bias: Tensor | None, *, gelu: bool = False) -> Product:
        return Product(self.put(weight), self.put(bias), gelu=gelu)

    def layer_norm(self, norm: nn.LayerNorm, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
        weight, bias = (parameter.detach().to(self.device, dtype) for parameter in (norm.weight, norm.bias))
        shape = tuple(norm.normalized_shape)
        return partial(functional.layer_norm, normalized_shape=shape, weight=weight, bias=bias, eps=norm.eps)


class FrozenHubert:
    """The hidden states of HuBERT or wav2vec 2.0.

    Products and the front end are computed in one type; the residual stream and its normalisations are float32.

    Args:
        model: the loaded model. Its transformer's layers are taken out, so that no weights are in memory twice.
        layers: which hidden states to return, ascending.
        device: where to compute.
        dtype: of products.

    Shape:
        waveforms float32 ``[B, samples]``, zero behind their own lengths, lengths ``[B]`` (samples) -> for each of
        ``layers`` float32 ``[B, T, D]``; frames that see samples behind a waveform's own length are undefined
    """

    def __init__(self, model: PreTrainedModel, layers: Sequence[int], device: torch.device, dtype: torch.dtype):
        config, place = model.config, _Place(device, dtype)
        self._layers, self._dtype = list(layers), dtype
        first, *others = model.feature_extractor.conv_layers
        kind = _GroupNormConvolution if config.feat_extract_norm == "group" else _Convolution
        self._first = kind(first, place)
        self._others = [_Convolution(layer, place) for layer in others]
        self._front_norm = place.layer_norm(model.feature_projection.layer_norm, torch.float32)
        projection = model.feature_projection.projection
        self._projection = place.product(projection.weight, projection.bias)
        positions = model.encoder.pos_conv_embed.conv
        self._positions = GroupedConvolution(place.put(positions.weight), place.put(positions.bias), positions.groups)
        # Where blocks normalise their input, the encoder's own norm follows the last block and is in no hidden state.
        norm = None if config.do_stable_layer_norm else model.encoder.layer_norm
        self._norm = norm and place.layer_norm(norm, torch.float32)
        blocks = model.encoder.layers
        self._blocks = [_Block(blocks.pop(0), config, place) for _ in range(self._layers[-1])]

    def __call__(self, waveforms: Tensor, lengths: Sequence[int]) -> list[Tensor]:
        values = self._first(waveforms, lengths)
        for convolution in self._others:
            values = convolution(values)
        residual = self._projection(self._front_norm(values.float()).to(self._dtype)).float()
        residual = residual + self._positions(residual.to(self._dtype))
        states = [self._norm(residual) if self._norm else residual]
        for block in self._blocks:
            states.append(block(states[-1]))
        return [states[layer] for layer in self._layers]


class _Convolution:
    """A convolution over time without padding, layer norm where there is one, and GELU: [B, T, C] -> [B, T', C']."""

    def __init__(self, layer: nn.Module, place: _Place):
        convolution, norm = layer.conv, getattr(layer, "layer_norm", None)
        (self._kernel,), (self._stride,) = convolution.kernel_size, convolution.stride
        weight = convolution.weight.permute(0, 2, 1).flatten(1)  # [C', kernel * C]
        self._product = place.product(weight, convolution.bias, gelu=norm is None)
        self._norm = norm and place.layer_norm(norm, place.dtype)
        self._dtype = place.dtype

    def __call__(self, values: Tensor, lengths: object = None) -> Tensor:
        values = values if values.ndim == 3 else values.unsqueeze(-1)
        values = self._product(windows(values.to(self._dtype), self._kernel, self._stride))
        return functional.gelu(self._norm(values)) if self._norm else values


class _GroupNormConvolution:
    """The first convolution with group norm over time, of every waveform over its own length, and GELU.

    A channel's mean and variance over time follow from the mean and the covariance of the waveform's windows; with them
    the normalisation becomes part of the convolution's weights. Whatever the convolution adds to a channel drops out.
    """

    _SMALL = 1e-6  # share of a waveform's energy; of one that was normalised, the mean is far below it
    _MULTIPLE = 16  # columns that matrix units take at a time

    def __init__(self, layer: nn.Module, place: _Place):
        convolution, norm = layer.conv, layer.layer_norm
        (self._kernel,), (self._stride,) = convolution.kernel_size, convolution.stride
        self._weight, self._gain, self._offset = (
            parameter.detach().to(place.device, torch.float64)
            for parameter in (convolution.weight[:, 0], norm.weight, norm.bias)
        )
        self._eps, self._dtype = norm.eps, place.dtype

    def __call__(self, waveforms: Tensor, lengths: Sequence[int]) -> Tensor:
        if self._dtype != torch.float32:  # products of a short type would not cancel it exactly
            waveforms = waveforms - self._standing_offset(waveforms, lengths)
        inputs = windows(waveforms.unsqueeze(-1), self._kernel, self._stride)  # [B, T, kernel]
        scale, shift = self._scale_and_shift(inputs, lengths)
        weight = self._weight * scale.unsqueeze(-1)  # [B, C, kernel]
        rough = shift.to(self._dtype)
        columns = self._kernel + 2  # the bias in two parts, since one of a short type is rough
        padded = -columns % self._MULTIPLE
        weight = torch.cat([weight, rough.double().unsqueeze(-1), (shift - rough.double()).unsqueeze(-1)], -1)
        weight = functional.pad(weight, (0, padded)).to(self._dtype)
        augmented = torch.zeros(*inputs.shape[:2], columns + padded, dtype=self._dtype, device=inputs.device)
        augmented[..., : self._kernel] = inputs
        augmented[..., self._kernel : columns] = 1
        return functional.gelu(torch.bmm(augmented, weight.transpose(1, 2)))

    def _standing_offset(self, waveforms: Tensor, lengths: Sequence[int]) -> Tensor:
        """Each waveform's mean over its own length, float32 [B, 1], which group norm removes; 0 where it is small."""
        count = torch.tensor(lengths, dtype=torch.float64).to(waveforms.device).unsqueeze(-1)
        values = waveforms.double()
        mean, energy = values.sum(1, keepdim=True) / count, values.square().sum(1, keepdim=True) / count
        return torch.where(mean**2 > self._SMALL * energy, mean, 0).float()

    def _scale_and_shift(self, inputs: Tensor, lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
        """What group norm does to each channel, float64 [B, C] each."""
        counts = [(length - self._kernel) // self._stride + 1 for length in lengths]
        inputs = inputs.double()
        if set(counts) != {inputs.shape[1]}:
            own = torch.arange(inputs.shape[1]) < torch.tensor(counts).unsqueeze(-1)
            inputs = inputs * own.unsqueeze(-1).to(inputs.device)
        count = torch.tensor(counts, dtype=torch.float64).to(inputs.device)[:, None, None]
        means = inputs.sum(1, keepdim=True) / count  # [B, 1, kernel]
        covariance = inputs.transpose(1, 2) @ inputs / count - means.transpose(1, 2) @ means  # [B, kernel, kernel]
        variance = ((self._weight @ covariance) * self._weight).sum(-1)
        scale = self._gain / torch.sqrt(variance.clamp_min(0) + self._eps)
        return scale, self._offset - (means @ self._weight.T).squeeze(1) * scale


class _Block:
    """One layer of the transformer: float32 [B, T, D] -> the same."""

    def __init__(self, layer: nn.Module, config: PretrainedConfig, place: _Place):
        attention, feed_forward = layer.attention, layer.feed_forward
        inputs = (attention.q_proj, attention.k_proj, attention.v_proj)
        self._inputs = place.product(
            *(torch.cat([getattr(part, name) for part in inputs]) for name in ("weight", "bias"))
        )
        self._output = place.product(attention.out_proj.weight, attention.out_proj.bias)
        self._wide = place.product(
            feed_forward.intermediate_dense.weight, feed_forward.intermediate_dense.bias, gelu=True
        )
        self._narrow = place.product(feed_forward.output_dense.weight, feed_forward.output_dense.bias)
        self._attention_norm = place.layer_norm(layer.layer_norm, torch.float32)
        self._final_norm = place.layer_norm(layer.final_layer_norm, torch.float32)
        self._heads, self._norm_first, self._dtype = attention.num_heads, config.do_stable_layer_norm, place.dtype

    def __call__(self, residual: Tensor) -> Tensor:
        if self._norm_first:
            residual = residual + self._attend(self._attention_norm(residual))
            return residual + self._feed_forward(self._final_norm(residual))
        residual = self._attention_norm(residual + self._attend(residual))
        return self._final_norm(residual + self._feed_forward(residual))

    def _attend(self, frames: Tensor) -> Tensor:
        together = self._inputs(frames.to(self._dtype)).unflatten(-1, (3, self._heads, -1))  # [B, T, 3, heads, D/heads]
        queries, keys, values = together.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(queries, keys, values)
        return self._output(attended.transpose(1, 2).flatten(2))

    def _feed_forward(self, frames: Tensor) -> Tensor:
        return self._narrow(self._wide(frames.to(self._dtype)))


def windows(values: Tensor, kernel: int, stride: int) -> Tensor:
    """What each step of a convolution sees, without copying: [B, T, C] -> [B, T', kernel * C]."""
    values = values.contiguous()
    batch, num_frames, channels = values.shape
    steps = (num_frames - kernel) // stride + 1
    strides = (num_frames * channels, stride * channels, 1)
    return values.as_strided((batch, steps, kernel * channels), strides)
