"""Blocks that heads share. Padding takes part in none of them."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from data.settings import Settings


class HeadSettings(Settings):
    """What every head has: which features it reads.

    Attributes:
        model: the head's name in the registry.
        features: the feature set.
        layer: one of its layers; null takes the last stored one.
    """

    model: str
    features: str
    layer: int | None = None


@dataclass
class HeadOutput:
    """What a head says of a batch.

    Attributes:
        emotion_logits: [B, C].
        embedding: [B, E], what the last layer sees.
        speaker_logits: [B, S], where the head has a speaker classifier.
        attention: [B, T, T] or [B, T], where it attends; rows sum to one over real frames.
    """

    emotion_logits: Tensor
    embedding: Tensor
    speaker_logits: Tensor | None = None
    attention: Tensor | None = None


def frame_mask(lengths: Tensor, num_frames: int) -> Tensor:
    """True at real frames, False at padding: lengths [B] -> [B, T]."""
    return torch.arange(num_frames, device=lengths.device) < lengths[:, None]


class Standardise(nn.Module):
    """Subtract the training frames' mean and divide by their deviation; padding stays zero.

    Args:
        mean, deviation: per feature [D], of the training frames alone.

    Shape:
        frames ``[B, T, D]``, lengths ``[B]`` -> ``[B, T, D]``
    """

    def __init__(self, mean: Tensor, deviation: Tensor):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        mask = frame_mask(lengths, frames.shape[1])[..., None]
        return (frames - self.mean) / self.deviation * mask


def mean_over_time(frames: Tensor, lengths: Tensor) -> Tensor:
    """The mean of the real frames: [B, T, D] -> [B, D]."""
    mask = frame_mask(lengths, frames.shape[1])[..., None]
    return (frames * mask).sum(dim=1) / lengths[:, None]


def max_over_time(frames: Tensor, lengths: Tensor) -> Tensor:
    """The maximum over the real frames: [B, T, D] -> [B, D]."""
    mask = frame_mask(lengths, frames.shape[1])[..., None]
    return frames.masked_fill(~mask, float("-inf")).amax(dim=1)


def reverse_time(frames: Tensor, lengths: Tensor) -> Tensor:
    """Turn each utterance's real frames round; padding stays behind them: [B, T, D] -> [B, T, D]."""
    steps = torch.arange(frames.shape[1], device=frames.device)
    source = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return frames.gather(1, source[..., None].expand_as(frames))


class BidirectionalGRU(nn.Module):
    """A bidirectional GRU over the real frames: the backward pass begins at each utterance's own last frame.

    The same function as ``nn.GRU`` on packed sequences, but faster to train on a CPU. Padding lies behind the real
    frames in both directions, where none of them sees it.

    Shape:
        frames ``[B, T, D]``, lengths ``[B]`` -> ``[B, T, 2 * hidden_size]``, zero at padding
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int, dropout: float):
        super().__init__()
        sizes = [input_size] + [2 * hidden_size] * (num_layers - 1)
        self.forwards = nn.ModuleList(nn.GRU(size, hidden_size, batch_first=True) for size in sizes)
        self.backwards = nn.ModuleList(nn.GRU(size, hidden_size, batch_first=True) for size in sizes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        for layer, (onwards, backwards) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            frames = self.dropout(frames) if layer else frames
            future, _ = backwards(reverse_time(frames, lengths))
            frames = torch.cat([onwards(frames)[0], reverse_time(future, lengths)], dim=-1)
        return frames * frame_mask(lengths, frames.shape[1])[..., None]
