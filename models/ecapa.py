"""An ECAPA-TDNN on frozen features: convolutions over time at several scales, then attentive statistics.

Source: Desplanques, Thienpondt and Demuynck 2020, "ECAPA-TDNN: Emphasized Channel Attention, Propagation and
Aggregation in TDNN Based Speaker Verification"; as in SpeechBrain, each block reads the block before it.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from models.head import Head, HeadOutput, HeadSettings
from models.layers import AttentiveStatistics, LayerMixture, MaskedBatchNorm, frame_mask, mean_over_time


class EcapaSettings(HeadSettings):
    """``model: ecapa``.

    Attributes:
        channels: C, of the convolutions.
        scale: number of groups of channels in a block, each with a wider context than the one before; must divide
            ``channels``.
        attention_size: A, of the pooling's attention.
        embedding_size: E.
        dropout: before the embedding and before the classifier.
    """

    model: Literal["ecapa"]
    channels: Annotated[int, Field(ge=1)] = 128
    scale: Annotated[int, Field(ge=2)] = 8
    attention_size: Annotated[int, Field(ge=1)] = 64
    embedding_size: Annotated[int, Field(ge=1)] = 128
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2

    @model_validator(mode="after")
    def _groups_are_equal(self):
        if self.channels % self.scale:
            fitting = [scale for scale in range(2, 17) if self.channels % scale == 0]
            others = f" (these do: {', '.join(map(str, fitting))})" if fitting else ""
            raise ValueError(f"scale: {self.scale} does not divide channels = {self.channels}{others}")
        return self


class Convolution(nn.Module):
    """Convolution over time, ReLU, batch norm; beyond the real frames input and output are zero.

    Shape:
        frames ``[B, T, in]``, zero at padding, lengths ``[B]`` -> ``[B, T, out]``, zero at padding
    """

    def __init__(self, num_inputs: int, num_outputs: int, kernel_size: int = 1, dilation: int = 1):
        super().__init__()
        self.convolution = nn.Conv1d(num_inputs, num_outputs, kernel_size, padding="same", dilation=dilation)
        self.norm = MaskedBatchNorm(num_outputs)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        return self.norm(functional.relu(self.convolution(frames.transpose(1, 2))).transpose(1, 2), lengths)


class SERes2Block(nn.Module):
    """A residual block: groups of channels with ever wider context, and channels weighted by the utterance.

    Shape:
        frames ``[B, T, C]``, zero at padding, lengths ``[B]`` -> ``[B, T, C]``, zero at padding
    """

    def __init__(self, channels: int, scale: int, dilation: int):
        super().__init__()
        self.before, self.after = Convolution(channels, channels), Convolution(channels, channels)
        width, squeezed = channels // scale, max(1, channels // 4)
        self.groups = nn.ModuleList(Convolution(width, width, 3, dilation) for _ in range(scale - 1))
        self.excitation = nn.Sequential(nn.Linear(channels, squeezed), nn.ReLU(), nn.Linear(squeezed, channels))

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        first, *others = self.before(frames, lengths).chunk(len(self.groups) + 1, dim=-1)
        outputs, previous = [first], 0.0
        for group, convolution in zip(others, self.groups, strict=True):
            previous = convolution(group + previous, lengths)
            outputs.append(previous)
        values = self.after(torch.cat(outputs, dim=-1), lengths)
        return frames + values * self.excitation(mean_over_time(values, lengths)).sigmoid()[:, None]


class EcapaHead(Head):
    """Layer mixture, convolution over five frames, three blocks, their outputs joined and pooled, embedding, linear.

    Shape:
        frames ``[B, L, T, D]``, lengths ``[B]`` -> emotion logits ``[B, C]``, embedding ``[B, E]``,
        attention ``[B, T]``
    """

    def __init__(self, settings: EcapaSettings, dimension: int, num_classes: int, num_layers: int):
        super().__init__(settings, settings.embedding_size)
        channels, joined = settings.channels, 3 * settings.channels
        self.mixture = LayerMixture(num_layers)
        self.dropout = nn.Dropout(settings.dropout)
        self.first = Convolution(dimension, channels, kernel_size=5)
        self.blocks = nn.ModuleList(SERes2Block(channels, settings.scale, dilation) for dilation in (2, 3, 4))
        self.join = nn.Linear(joined, joined)
        self.pooling = AttentiveStatistics(joined, settings.attention_size, in_context=True)
        self.norm = MaskedBatchNorm(2 * joined)
        self.embedding = nn.Linear(2 * joined, settings.embedding_size)
        self.classifier = nn.Linear(settings.embedding_size, num_classes)

    def forward(self, frames: Tensor, lengths: Tensor) -> HeadOutput:
        states = self.mixture(frames)
        states = self.first(states * frame_mask(lengths, states.shape[1])[..., None], lengths)
        outputs = []
        for block in self.blocks:
            states = block(states, lengths)
            outputs.append(states)
        pooled, weights = self.pooling(functional.relu(self.join(torch.cat(outputs, dim=-1))), lengths)
        normed = self.norm(pooled[:, None], torch.ones_like(lengths))[:, 0]  # an utterance is now a single frame
        embedding = self.embedding(self.dropout(normed))
        return HeadOutput(self.classifier(self.dropout(embedding)), embedding, attention=weights)
