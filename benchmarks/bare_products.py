"""The limit of extraction: the matrix products of an encoder alone, of the same shapes and in the same type.

Nothing lies between them: no normalisation, no copy, no activation but the positional convolution's. Every layer has
weights of its own, which do not all fit the cache.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PretrainedConfig

from features.products import GroupedConvolution, Product


@dataclass
class BareProducts:
    """All matrix products of a HuBERT or a wav2vec 2.0 for one batch. Call it to compute them.

    Attributes:
        config: of the model.
        num_samples: of each clip.
        batch: clips.
        dtype: of the products.
        device: where to compute.
        packed: with weights in the layout that the machine likes best, or as torch usually has them.
        flop: operations per clip, two for each multiplication.
    """

    config: PretrainedConfig
    num_samples: int
    batch: int
    dtype: torch.dtype
    device: torch.device
    packed: bool = True
    flop: int = 0
    _runs: list[Callable[[], Tensor]] = field(default_factory=list)

    def __post_init__(self):
        config, dimension = self.config, self.config.hidden_size
        rows, channels = self.num_samples, 1
        for kernel, stride, outputs in zip(config.conv_kernel, config.conv_stride, config.conv_dim, strict=True):
            rows = (rows - kernel) // stride + 1
            self._linear(rows, kernel * channels, outputs)
            channels = outputs
        frames = rows
        self._linear(frames, channels, dimension)
        self._positions(frames, dimension, config.num_conv_pos_embeddings, config.num_conv_pos_embedding_groups)
        for _ in range(config.num_hidden_layers):
            self._linear(frames, dimension, 3 * dimension)
            self._attention(frames, dimension // config.num_attention_heads, config.num_attention_heads)
            self._linear(frames, dimension, dimension)
            self._linear(frames, dimension, config.intermediate_size)
            self._linear(frames, config.intermediate_size, dimension)

    @torch.inference_mode()
    def __call__(self) -> None:
        for run in self._runs:
            run()

    def _random(self, *shape: int) -> Tensor:
        return torch.randn(shape, device=self.device).to(self.dtype)

    def _linear(self, rows: int, inputs: int, outputs: int) -> None:
        self.flop += 2 * rows * inputs * outputs
        weight, values = self._random(outputs, inputs), self._random(self.batch * rows, inputs)
        product = Product(weight, None)
        self._runs.append((lambda: product(values)) if self.packed else lambda: functional.linear(values, weight))

    def _positions(self, frames: int, channels: int, kernel: int, groups: int) -> None:
        self.flop += 2 * frames * channels * (channels // groups) * kernel
        weight, bias = self._random(channels, channels // groups, kernel), self._random(channels)
        values = self._random(self.batch, frames, channels)
        channels_first = values.transpose(1, 2).contiguous()
        convolution = GroupedConvolution(weight, bias, groups)
        self._runs.append(
            (lambda: convolution(values))
            if self.packed
            else lambda: functional.conv1d(channels_first, weight, padding=kernel // 2, groups=groups)
        )

    def _attention(self, frames: int, width: int, heads: int) -> None:
        self.flop += 2 * 2 * frames * frames * width * heads
        queries, keys, values = (self._random(self.batch * heads, frames, width) for _ in range(3))
        weights = self._random(self.batch * heads, frames, frames)
        self._runs.append(lambda: torch.bmm(queries, keys.transpose(1, 2)))
        self._runs.append(lambda: torch.bmm(weights, values))
