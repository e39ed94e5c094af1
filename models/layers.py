"""Blocks that heads share. All of them ignore padding."""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.recurrence import BidirectionalRecurrence

_EPS = 1e-5  # added to variances
_LARGEST_RATIO = 1e-6  # of the largest deviation: features that vary less are constant


def frame_mask(lengths: Tensor, num_frames: int) -> Tensor:
    """True at real frames, False at padding: lengths [B] -> [B, T]."""
    return torch.arange(num_frames, device=lengths.device) < lengths[:, None]


def _mask_like(frames: Tensor, lengths: Tensor) -> Tensor:
    """The mask of real frames, as it broadcasts over frames [B, T, D] or [B, L, T, D]."""
    mask = frame_mask(lengths, frames.shape[-2])[..., None]
    return mask[:, None] if frames.dim() == 4 else mask


class Standardise(nn.Module):
    """Subtract the training frames' mean and divide by their deviation; padding stays zero.

    Args:
        mean, deviation: per layer and feature [L, D], of the training frames alone.

    Shape:
        frames ``[B, L, T, D]``, lengths ``[B]`` -> ``[B, L, T, D]``
    """

    def __init__(self, mean: Tensor, deviation: Tensor):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        mean, deviation = self.mean.unsqueeze(-2), self.deviation.unsqueeze(-2)
        return (frames - mean) / deviation * _mask_like(frames, lengths)


class LayerMixture(nn.Module):
    """A weighted mean over layers, the weights a learned softmax; a single layer is passed on, without parameters.

    Args:
        num_layers: L.

    Shape:
        values ``[B, L, ...]`` -> ``[B, ...]``

    Source: Peters et al. 2018, "Deep Contextualized Word Representations", section 3.2.
    """

    def __init__(self, num_layers: int):
        super().__init__()
        self.register_parameter("scores", nn.Parameter(torch.zeros(num_layers)) if num_layers > 1 else None)

    def weights(self) -> Tensor | None:
        """The weight of each layer [L], which sum to one; None for a single layer."""
        return None if self.scores is None else self.scores.softmax(dim=0)

    def forward(self, values: Tensor) -> Tensor:
        if self.scores is None:
            return values.squeeze(1)
        return torch.einsum("l,bl...->b...", self.weights(), values)


class EmbeddingScale(nn.Module):
    """Standardise embeddings by the mean and deviation of the training utterances' own; the identity until fitted.

    Args:
        size: E, of the embeddings.

    Shape:
        embeddings ``[B, E]`` -> ``[B, E]``
    """

    def __init__(self, size: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))

    def forward(self, embeddings: Tensor) -> Tensor:
        return (embeddings - self.mean) / self.deviation

    def fit(self, embeddings: Tensor) -> None:
        """Fit to the embeddings [N, E] of all training utterances, not yet scaled. Constant features stay unscaled."""
        deviation, mean = torch.std_mean(embeddings.double(), dim=0, correction=0)
        constant = deviation <= _LARGEST_RATIO * deviation.max()
        self.mean.copy_(mean)  # in place: the head may be on a GPU already
        self.deviation.copy_(torch.where(constant, 1.0, deviation))


class InstanceNorm(nn.Module):
    """Normalise every feature over an utterance's own frames, then rescale (speaker normalisation).

    Removes each utterance's mean and variance per feature, which carry much of the voice and the microphone.
    Padding counts neither in the statistics nor in the output (it stays zero).

    Args:
        num_features: size of the last dimension.
        eps: added to the variance.

    Shape:
        frames ``[B, T, D]``, lengths ``[B]`` (frames, 1..T) -> ``[B, T, D]``

    Source: Ulyanov et al. 2016, "Instance Normalization", over time instead of space.
    """

    def __init__(self, num_features: int, eps: float = _EPS):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(num_features))
        self.shift = nn.Parameter(torch.zeros(num_features))
        self.eps = eps

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        mask = _mask_like(frames, lengths)
        centred = (frames - mean_over_time(frames, lengths)[:, None]) * mask
        variance = mean_over_time(centred.square(), lengths)[:, None]
        return (centred / (variance + self.eps).sqrt() * self.scale + self.shift) * mask


class MaskedBatchNorm(nn.Module):
    """Normalise every feature over the real frames of a batch, then rescale.

    In evaluation, and for a batch of a single frame, which has no deviation, the running statistics replace the
    batch's own.

    Args:
        num_features: size of the last dimension.
        momentum: how far one batch moves the running statistics, 0..1.

    Shape:
        frames ``[B, T, D]``, lengths ``[B]`` -> ``[B, T, D]``, zero at padding

    Source: Ioffe and Szegedy 2015, "Batch Normalization", over real frames only.
    """

    def __init__(self, num_features: int, momentum: float = 0.1):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(num_features))
        self.shift = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_variance", torch.ones(num_features))
        self.momentum = momentum

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        mask = _mask_like(frames, lengths)
        mean, variance = self.running_mean, self.running_variance
        if self.training:
            mean, variance = self._batch_statistics(frames.float(), mask, lengths.sum())
        return ((frames - mean) / (variance + _EPS).sqrt() * self.scale + self.shift) * mask

    def _batch_statistics(self, frames: Tensor, mask: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        mean = (frames * mask).sum(dim=(0, 1)) / count
        squares = ((frames - mean) * mask).square().sum(dim=(0, 1))
        several = count > 1
        mean = torch.where(several, mean, self.running_mean)
        unbiased = torch.where(several, squares / (count - 1).clamp(min=1), self.running_variance)
        variance = torch.where(several, squares / count, self.running_variance)
        with torch.no_grad():
            self.running_mean.copy_(torch.lerp(self.running_mean, mean, self.momentum))
            self.running_variance.copy_(torch.lerp(self.running_variance, unbiased, self.momentum))
        return mean, variance


class FrameAttention(nn.Module):
    """How much each frame counts: a softmax over the real frames of ``V tanh(W h + b)``.

    Args:
        size: D, of the frames.
        attention_size: A, of the hidden layer.
        num_weights: K, weights per frame; each of them sums to one over time.

    Shape:
        frames ``[B, T, D]``, lengths ``[B]`` -> ``[B, T, K]``, zero at padding
    """

    def __init__(self, size: int, attention_size: int, num_weights: int = 1):
        super().__init__()
        self.hidden = nn.Linear(size, attention_size)
        self.score = nn.Linear(attention_size, num_weights, bias=False)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        scores = self.score(torch.tanh(self.hidden(frames)))
        return scores.masked_fill(~_mask_like(frames, lengths), float("-inf")).softmax(dim=1)


class AttentiveStatistics(nn.Module):
    """The frames' mean and standard deviation, weighted by attention.

    Args:
        size: D, of the frames.
        attention_size: A, of the attention's hidden layer.
        in_context: every feature has its own weights, and the attention also sees the utterance's plain mean and
            deviation (ECAPA-TDNN's channel- and context-dependent pooling).

    Shape:
        frames ``[B, T, D]``, lengths ``[B]`` -> mean and deviation ``[B, 2D]``, weights ``[B, T]`` (mean over features)

    Source: Okabe, Koshinaka and Shinoda 2018, "Attentive Statistics Pooling for Deep Speaker Embedding"; in context:
    Desplanques, Thienpondt and Demuynck 2020, "ECAPA-TDNN", section 3.1.
    """

    def __init__(self, size: int, attention_size: int, in_context: bool = False):
        super().__init__()
        self.in_context = in_context
        self.attention = FrameAttention(3 * size if in_context else size, attention_size, size if in_context else 1)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        frames = frames * _mask_like(frames, lengths)
        seen = frames
        if self.in_context:
            context = torch.cat([mean_over_time(frames, lengths), deviation_over_time(frames, lengths)], dim=-1)
            seen = torch.cat([frames, context[:, None].expand(-1, frames.shape[1], -1)], dim=-1)
        weights = self.attention(seen, lengths)
        mean = (weights * frames).sum(dim=1)
        variance = (weights * (frames - mean[:, None]).square()).sum(dim=1)
        return torch.cat([mean, (variance + _EPS).sqrt()], dim=-1), weights.mean(dim=-1)


class Pooling(nn.Module):
    """Statistics of the real frames over time, joined in the order named.

    Args:
        statistics: ``mean``, ``deviation``, ``maximum`` and ``attention``, a mean with learned weights; at least one.
        size: D, of the frames.
        attention_size: A, of the hidden layer of ``attention``.
        eps: added to the variance, so that equal frames have a gradient.
        leaky_maximum: whether the maximum goes through a LeakyReLU.

    Shape:
        frames ``[B, T, D]`` or ``[B, L, T, D]`` (``attention``: ``[B, T, D]`` only), lengths ``[B]`` -> statistics
        ``[B, S * D]`` or ``[B, L, S * D]`` for S of them, weights of ``attention`` ``[B, T]`` or None
    """

    def __init__(
        self,
        statistics: Sequence[str],
        size: int,
        attention_size: int = 64,
        eps: float = _EPS,
        leaky_maximum: bool = False,
    ):
        super().__init__()
        self.statistics, self.eps, self.leaky_maximum = list(statistics), eps, leaky_maximum
        if "attention" in statistics:
            self.attention = FrameAttention(size, attention_size)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor | None]:
        pooled, weights = [], None
        for statistic in self.statistics:
            if statistic == "mean":
                pooled.append(mean_over_time(frames, lengths))
            elif statistic == "deviation":
                pooled.append(deviation_over_time(frames, lengths, self.eps))
            elif statistic == "maximum":
                maximum = max_over_time(frames, lengths)
                pooled.append(functional.leaky_relu(maximum) if self.leaky_maximum else maximum)
            else:
                shares = self.attention(frames, lengths)  # [B, T, 1]
                pooled.append((shares * frames).sum(dim=1))
                weights = shares.squeeze(-1)
        return torch.cat(pooled, dim=-1), weights


def perceptron(sizes: Sequence[int], dropout: float | None = None) -> nn.Sequential:
    """Linear layers from the first size to the last, with ReLU (and dropout, unless it is None) between them."""
    layers: list[nn.Module] = []
    for size, following in pairwise(sizes[:-1]):
        layers += [nn.Linear(size, following), nn.ReLU(), *([] if dropout is None else [nn.Dropout(dropout)])]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def sinusoidal_positions(num_frames: int, size: int, device: torch.device | None = None) -> Tensor:
    """Positions as sines and cosines of falling frequency: [T, size].

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.5.
    """
    frequencies = torch.exp(-math.log(10000.0) * torch.arange(0, size, 2, device=device) / size)
    angles = torch.arange(num_frames, device=device)[:, None] * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :size]


def mean_over_time(frames: Tensor, lengths: Tensor) -> Tensor:
    """The mean of the real frames: [B, T, D] -> [B, D], or [B, L, T, D] -> [B, L, D]."""
    count = lengths.view(-1, *[1] * (frames.dim() - 2))
    return (frames * _mask_like(frames, lengths)).sum(dim=-2) / count


def deviation_over_time(frames: Tensor, lengths: Tensor, eps: float = _EPS) -> Tensor:
    """The standard deviation of the real frames: [B, T, D] -> [B, D], or [B, L, T, D] -> [B, L, D].

    ``eps`` is added to the variance, so that equal frames have a gradient.
    """
    centred = frames - mean_over_time(frames, lengths).unsqueeze(-2)
    return (mean_over_time(centred.square(), lengths) + eps).sqrt()


def max_over_time(frames: Tensor, lengths: Tensor) -> Tensor:
    """The maximum over the real frames: [B, T, D] -> [B, D], or [B, L, T, D] -> [B, L, D]."""
    return frames.masked_fill(~_mask_like(frames, lengths), float("-inf")).amax(dim=-2)


def reverse_time(frames: Tensor, lengths: Tensor) -> Tensor:
    """Reverse each utterance's real frames; padding stays after them: [B, T, D] -> [B, T, D]."""
    steps = torch.arange(frames.shape[1], device=frames.device)
    source = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return frames.gather(1, source[..., None].expand_as(frames))


class BidirectionalGRU(nn.Module):
    """A bidirectional GRU over the real frames: the backward pass begins at each utterance's own last frame.

    The same function as ``nn.GRU`` on packed sequences, but faster to train: on a CPU by `BidirectionalRecurrence`,
    elsewhere by reversing real frames. Padding comes after the real frames in both directions, where none of them
    sees it.

    Shape:
        frames ``[B, T, D]``, lengths ``[B]`` -> ``[B, T, 2 * hidden_size]``, zero at padding
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0):
        super().__init__()
        sizes = [input_size] + [2 * hidden_size] * (num_layers - 1)
        self.forwards = nn.ModuleList(nn.GRU(size, hidden_size, batch_first=True) for size in sizes)
        self.backwards = nn.ModuleList(nn.GRU(size, hidden_size, batch_first=True) for size in sizes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        if frames.device.type == "cpu":
            return self._run_on_cpu(frames, lengths)
        # mixed precision would give cuDNN float16, whatever was asked for, and small gradients would vanish
        with torch.autocast("cuda", enabled=False) if frames.is_cuda else nullcontext():
            return self._run(frames.float() if frames.is_cuda else frames, lengths)

    def _run(self, frames: Tensor, lengths: Tensor) -> Tensor:
        for layer, (onwards, backwards) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            frames = self.dropout(frames) if layer else frames
            future, _ = backwards(reverse_time(frames, lengths))
            frames = torch.cat([onwards(frames)[0], reverse_time(future, lengths)], dim=-1)
        return frames * _mask_like(frames, lengths)

    def _run_on_cpu(self, frames: Tensor, lengths: Tensor) -> Tensor:
        mixed = torch.is_autocast_enabled("cpu")
        real = _mask_like(frames, lengths).transpose(0, 1).to(self.forwards[0].weight_hh_l0.dtype)
        real = torch.stack([real, real])
        states = frames.transpose(0, 1).contiguous()  # [T, B, D]
        for layer, directions in enumerate(zip(self.forwards, self.backwards, strict=True)):
            states = self.dropout(states) if layer else states
            states = states.to(torch.get_autocast_dtype("cpu")) if mixed else states
            states = BidirectionalRecurrence.apply(states, real, *_joint_weights(*directions))
        return states.transpose(0, 1)


def _joint_weights(onwards: nn.GRU, backwards: nn.GRU) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Both directions' weights, as `BidirectionalRecurrence` takes them."""
    of_inputs, input_bias, of_states, bias = (
        torch.stack(pair)
        for pair in (
            (onwards.weight_ih_l0, backwards.weight_ih_l0),
            (onwards.bias_ih_l0, backwards.bias_ih_l0),
            (onwards.weight_hh_l0, backwards.weight_hh_l0),
            (onwards.bias_hh_l0, backwards.bias_hh_l0),
        )
    )
    gates = 2 * onwards.hidden_size  # r and z have one bias, n has one inside the reset gate and one outside
    input_bias = torch.cat([input_bias[:, :gates] + bias[:, :gates], input_bias[:, gates:]], dim=1)
    return of_inputs, input_bias, of_states, bias[:, gates:]
