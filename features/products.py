"""Products with constant weights, in the fastest way that the machine has.

On a CPU with bfloat16, oneDNN's own layout of the weights, and GELU applied while results are still in the cache, take
about a third off the time. The operators are those that `torch.compile` uses there. Where they are missing, and for any
other type or device, torch's usual functions do the same.
"""

import torch
from torch import Tensor
from torch.nn import functional

_BLOCK = 149  # frames that a packed convolution computes at a time: 3 s


class Product:
    """``inputs @ weight.T + bias``, then GELU if asked for.

    Args:
        weight: [N, K], where it is used and in the type to compute in.
        bias: [N], or None.
        gelu: whether GELU follows.

    Shape:
        ``[..., K]``, whatever the strides -> ``[..., N]``
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, *, gelu: bool = False):
        self._packed = can_pack(weight)
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, _BLOCK) if self._packed else weight
        self._bias, self._gelu = bias, gelu

    def __call__(self, inputs: Tensor) -> Tensor:
        if self._packed:
            after = "gelu" if self._gelu else "none"
            return torch.ops.mkldnn._linear_pointwise(inputs, self._weight, self._bias, after, [], "none")
        outputs = functional.linear(inputs, self._weight, self._bias)
        return functional.gelu(outputs) if self._gelu else outputs


class GroupedConvolution:
    """A convolution in groups of channels that gives as many frames as it takes, then GELU.

    Args:
        weight: [C, C / groups, kernel], where it is used and in the type to compute in.
        bias: [C].
        groups: of channels.

    Shape:
        ``[B, T, C]`` -> the same
    """

    def __init__(self, weight: Tensor, bias: Tensor, groups: int):
        channels, _, self._kernel = weight.shape
        self._weight, self._bias, self._groups = weight, bias, groups
        self._packed = can_pack(weight)
        if self._packed:
            size = [1, channels, 1, _BLOCK + self._kernel - 1]
            self._weight = torch.ops.mkldnn._reorder_convolution_weight(
                weight.unsqueeze(2), [0, 0], [1, 1], [1, 1], groups, size
            )

    def __call__(self, frames: Tensor) -> Tensor:
        batch, num_frames, channels = frames.shape
        before = self._kernel // 2
        if not self._packed:
            outputs = functional.conv1d(
                frames.transpose(1, 2), self._weight, self._bias, padding=before, groups=self._groups
            )
            return functional.gelu(outputs[..., :num_frames]).transpose(1, 2)
        # In blocks of one size: for any other, oneDNN may want another layout, and then takes 200 times as long.
        blocks = -(-num_frames // _BLOCK)
        padded = frames.new_zeros(batch, blocks * _BLOCK + self._kernel - 1, channels)
        padded[:, before : before + num_frames] = frames
        views = padded.unfold(1, _BLOCK + self._kernel - 1, _BLOCK).flatten(0, 1)  # [B * blocks, C, size]
        outputs = [self._convolve(view[None, :, None]) for view in views]
        return torch.cat(outputs).squeeze(2).transpose(1, 2).reshape(batch, -1, channels)[:, :num_frames]

    def _convolve(self, block: Tensor) -> Tensor:
        """[1, C, 1, size] -> [1, C, 1, _BLOCK]."""
        return torch.ops.mkldnn._convolution_pointwise(
            *(block, self._weight, self._bias, [0, 0], [1, 1], [1, 1], self._groups, "gelu", [], "none")
        )


def can_pack(weight: Tensor) -> bool:
    """Whether oneDNN has a layout of its own for such weights here."""
    operators = torch.ops.mkldnn
    return (
        (weight.device.type, weight.dtype) == ("cpu", torch.bfloat16)
        and hasattr(operators, "_reorder_linear_weight")
        and hasattr(operators, "_reorder_convolution_weight")
        and operators._is_mkldnn_bf16_supported()
    )
