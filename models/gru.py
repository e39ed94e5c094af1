"""The original system's head: a bidirectional GRU with matching attention over time.

The original code attends over the batch by mistake; here every frame queries all frames of its own utterance.
"""

from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn

from data.settings import distinct
from models.head import Head, HeadOutput, HeadSettings
from models.layers import (
    BidirectionalGRU,
    LayerMixture,
    Pooling,
    frame_mask,
)


class GruSettings(HeadSettings):
    """``model: gru``.

    Attributes:
        hidden_size: H, per direction.
        num_layers: of the GRU.
        dropout: on the input, between GRU layers and before the classifier.
        attention: how a frame's query is scored against the keys; none: the GRU's states themselves are pooled.
        attention_size: A, of ``concat`` scoring and of ``attention`` pooling.
        pooling: over time, joined in this order; ``attention`` is a mean with learned weights.
    """

    model: Literal["gru"]
    hidden_size: Annotated[int, Field(ge=1)] = 256
    num_layers: Annotated[int, Field(ge=1)] = 2
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    attention: Literal["dot", "general", "concat", "none"] = "dot"
    attention_size: Annotated[int, Field(ge=1)] = 64
    pooling: Annotated[
        list[Literal["mean", "deviation", "maximum", "attention"]], Field(min_length=1), AfterValidator(distinct)
    ] = ["maximum"]

    @property
    def needs_time(self) -> str | None:
        return "pooling" if self.pooling == ["deviation"] else None


class MatchingAttention(nn.Module):
    """Every frame queries all frames of its utterance, and gets their weighted mean.

    Scores (Luong et al. 2015, section 3.1): dot ``q . k``; general ``q . W k``; concat ``v . tanh(W_q q + W_k k)``.

    Shape:
        frames ``[B, T, M]``, lengths ``[B]`` -> attended ``[B, T, M]``, weights ``[B, T, T]`` (zero at padded keys)
    """

    def __init__(self, size: int, scoring: str, attention_size: int):
        super().__init__()
        self.scoring = scoring
        if scoring == "general":
            self.transform = nn.Linear(size, size, bias=False)
        elif scoring == "concat":
            self.query = nn.Linear(size, attention_size, bias=False)
            self.key = nn.Linear(size, attention_size, bias=False)
            self.score = nn.Linear(attention_size, 1, bias=False)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        padding = ~frame_mask(lengths, frames.shape[1])
        weights = self._scores(frames).masked_fill(padding[:, None, :], float("-inf")).softmax(dim=-1)
        return weights @ frames, weights

    def _scores(self, frames: Tensor) -> Tensor:
        if self.scoring == "dot":
            return frames @ frames.transpose(1, 2)
        if self.scoring == "general":
            return frames @ self.transform(frames).transpose(1, 2)
        pairs = torch.tanh(self.query(frames)[:, :, None] + self.key(frames)[:, None, :])  # [B, T, T, A]
        return self.score(pairs).squeeze(-1)


class GruHead(Head):
    """Layer mixture, dropout, bidirectional GRU, matching attention with tanh, pooling over time, dropout, linear.

    The maximum goes through a LeakyReLU, as in the original.

    Shape:
        frames ``[B, L, T, D]``, lengths ``[B]`` -> emotion logits ``[B, C]``, embedding ``[B, 2H]`` times the number of
        poolings, attention ``[B, T, T]``; without matching attention that of the pooling ``[B, T]``, or None
    """

    def __init__(self, settings: GruSettings, dimension: int, num_classes: int, num_layers: int):
        size = 2 * settings.hidden_size
        super().__init__(settings, embedding_size=len(settings.pooling) * size)
        self.mixture = LayerMixture(num_layers)
        self.dropout = nn.Dropout(settings.dropout)
        self.gru = BidirectionalGRU(dimension, settings.hidden_size, settings.num_layers, settings.dropout)
        if settings.attention != "none":
            self.attention = MatchingAttention(size, settings.attention, settings.attention_size)
        self.pooling = Pooling(settings.pooling, size, settings.attention_size, leaky_maximum=True)
        self.classifier = nn.Linear(self.embedding_size, num_classes)

    def forward(self, frames: Tensor, lengths: Tensor) -> HeadOutput:
        states, weights = self.gru(self.dropout(self.mixture(frames)), lengths), None
        if self.settings.attention != "none":
            attended, weights = self.attention(states, lengths)
            states = torch.tanh(attended)
        embedding, pooling_weights = self.pooling(states, lengths)
        weights = pooling_weights if weights is None else weights
        return HeadOutput(self.classifier(self.dropout(embedding)), embedding, attention=weights)
