"""Random changes of training frames, so that the head cannot rely on chance details.

All functions take standardised frames [B, L, T, D] with lengths [B]; padding stays zero. Randomness comes
from torch's global generators, which a run has seeded.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.layers import frame_mask
from training.settings import TrainingSettings


@dataclass(frozen=True)
class Batch:
    """Frames [B, L, T, D], lengths [B], and targets as probabilities: emotions [B, C], speakers [B, S]."""

    frames: Tensor
    lengths: Tensor
    emotions: Tensor
    speakers: Tensor


def augment(batch: Batch, training: TrainingSettings) -> Batch:
    """Stretch, mix, add noise and mask, as strongly as the parameters say."""
    frames, lengths = batch.frames, batch.lengths
    count, device = len(lengths), frames.device
    if training.stretch:
        factors = 1 + training.stretch * (2 * torch.rand(count, device=device) - 1)
        factors = torch.where(_chosen(training.stretch_probability, count, device), factors, 1)
        frames, lengths = stretch_time(frames, lengths, factors)
    batch = Batch(frames, lengths, batch.emotions, batch.speakers)
    if training.mixup:
        parameter = torch.tensor(training.mixup)
        shares = torch.distributions.Beta(parameter, parameter).sample((count,)).to(device)
        batch = mix(batch, torch.randperm(count, device=device), shares.maximum(1 - shares))
    frames = batch.frames
    if training.noise:
        noise = training.noise * torch.randn_like(frames)
        frames = frames + noise * _per_utterance(_chosen(training.noise_probability, count, device))
    if training.time_mask:
        shares = training.time_mask * _chosen(training.time_mask_probability, count, device)
        frames = _mask_time(frames, lengths, shares, training)
    if training.feature_mask:
        frames = mask_features(frames, training.feature_mask * torch.rand(count, device=device))
    real = frame_mask(lengths, frames.shape[-2])
    return Batch(frames * _as_frames(real), lengths, batch.emotions, batch.speakers)


def stretch_time(frames: Tensor, lengths: Tensor, factors: Tensor) -> tuple[Tensor, Tensor]:
    """Change every utterance's duration by linear interpolation between its frames, and its length with it.

    Args:
        frames, lengths: as stored in a batch.
        factors: [B], new duration by old.

    Returns:
        Frames of the new longest duration, and the new lengths, 1 or more.
    """
    stretched = (lengths * factors).round().long().clamp(min=1)
    steps = torch.arange(int(stretched.max()), device=frames.device)
    scale = (lengths - 1) / (stretched - 1).clamp(min=1)
    position = torch.minimum(steps * scale[:, None], (lengths - 1)[:, None])  # [B, T']
    before = position.floor().long()
    after = torch.minimum(before + 1, (lengths - 1)[:, None])
    share = _as_frames(position - before)
    mixed = _take(frames, before) * (1 - share) + _take(frames, after) * share
    return mixed * _as_frames(frame_mask(stretched, len(steps))), stretched


def mix(batch: Batch, partners: Tensor, shares: Tensor) -> Batch:
    """Mixup (Zhang et al. 2018): every utterance keeps a share of itself and takes the rest from its partner.

    So do its targets. Lengths stay the same; a shorter partner is repeated.

    Args:
        batch: what to mix.
        partners: [B], the index of the utterance mixed into each.
        shares: [B], how much of itself each keeps.
    """
    steps = torch.arange(batch.frames.shape[-2], device=batch.frames.device)
    partner = _take(batch.frames[partners], steps % batch.lengths[partners][:, None])
    share = _per_utterance(shares)
    real = _as_frames(frame_mask(batch.lengths, len(steps)))
    emotions, speakers = (
        shares[:, None] * own + (1 - shares[:, None]) * own[partners] for own in (batch.emotions, batch.speakers)
    )
    return Batch((share * batch.frames + (1 - share) * partner) * real, batch.lengths, emotions, speakers)


def mask_span(frames: Tensor, lengths: Tensor, shares: Tensor, factor: float = 0.0) -> Tensor:
    """Multiply a share [B] of each utterance's frames, one span that begins at random, by a factor.

    Standardised frames times 0 are the training mean.
    """
    width = shares * lengths
    start = torch.rand(len(lengths), device=frames.device) * (lengths - width)
    steps = torch.arange(frames.shape[-2], device=frames.device)
    masked = (steps >= start[:, None]) & (steps < (start + width)[:, None])
    return frames * _as_frames(torch.where(masked, factor, 1.0))


def mask_frames(frames: Tensor, lengths: Tensor, shares: Tensor, factor: float = 0.0) -> Tensor:
    """Multiply a share [B] of each utterance's frames, rounded and drawn independently, by a factor."""
    draws = torch.rand(len(lengths), frames.shape[-2], device=frames.device)
    draws = draws.masked_fill(~frame_mask(lengths, frames.shape[-2]), 2)
    ranks = draws.argsort(dim=1).argsort(dim=1)
    masked = ranks < (shares * lengths).round()[:, None]
    return frames * _as_frames(torch.where(masked, factor, 1.0))


def mask_features(frames: Tensor, shares: Tensor) -> Tensor:
    """Set about a share [B] of each utterance's features, the same ones in all its frames, to zero."""
    kept = torch.rand(len(frames), frames.shape[-1], device=frames.device) >= shares[:, None]
    return frames * kept[:, None, None]


def _mask_time(frames: Tensor, lengths: Tensor, shares: Tensor, training: TrainingSettings) -> Tensor:
    if training.time_mask_mode == "frames":
        return mask_frames(frames, lengths, shares, training.time_mask_factor)
    shares = shares * torch.rand(len(lengths), device=frames.device)
    return mask_span(frames, lengths, shares, training.time_mask_factor)


def _chosen(probability: float, count: int, device: torch.device) -> Tensor:
    """Which of some utterances [B] something is applied to."""
    return torch.rand(count, device=device) < probability


def _per_utterance(values: Tensor) -> Tensor:
    """Values [B], as they broadcast over frames."""
    return values[:, None, None, None]


def _as_frames(values: Tensor) -> Tensor:
    """Values per frame [B, T], as they broadcast over frames."""
    return values[:, None, :, None]


def _take(frames: Tensor, index: Tensor) -> Tensor:
    """The frames at some indices [B, T'] of the time axis."""
    index = _as_frames(index)
    return frames.gather(-2, index.expand(*frames.shape[:-2], index.shape[-2], frames.shape[-1]))
