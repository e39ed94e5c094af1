"""The original system's head: a bidirectional GRU with matching attention over time.

The original code attends over the batch by mistake; here every frame queries all frames of its own utterance.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from models.layers import BidirectionalGRU, HeadOutput, OneLayerSettings, frame_mask, max_over_time


class GruSettings(OneLayerSettings):
    """``model: gru``.

    Attributes:
        hidden_size: H, per direction.
        num_layers: of the GRU.
        dropout: on the input, between GRU layers and before the classifier.
        attention: how a frame's query is scored against the keys.
        attention_size: A, of ``concat`` scoring.
    """

    model: Literal["gru"]
    hidden_size: Annotated[int, Field(ge=1)] = 256
    num_layers: Annotated[int, Field(ge=1)] = 2
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    attention: Literal["dot", "general", "concat"] = "dot"
    attention_size: Annotated[int, Field(ge=1)] = 64


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


class GruHead(nn.Module):
    """Input dropout, bidirectional GRU, matching attention, tanh, max over time, LeakyReLU, dropout, linear.

    Shape:
        frames ``[B, T, D]``, lengths ``[B]`` -> logits ``[B, C]``, embedding ``[B, 2H]``, attention ``[B, T, T]``
    """

    def __init__(self, settings: GruSettings, dimension: int, num_classes: int):
        super().__init__()
        size = 2 * settings.hidden_size
        self.embedding_size = size
        self.dropout = nn.Dropout(settings.dropout)
        self.gru = BidirectionalGRU(dimension, settings.hidden_size, settings.num_layers, settings.dropout)
        self.attention = MatchingAttention(size, settings.attention, settings.attention_size)
        self.classifier = nn.Linear(size, num_classes)

    def forward(self, frames: Tensor, lengths: Tensor) -> HeadOutput:
        states = self.gru(self.dropout(frames), lengths)
        attended, weights = self.attention(states, lengths)
        embedding = functional.leaky_relu(max_over_time(torch.tanh(attended), lengths))
        return HeadOutput(self.classifier(self.dropout(embedding)), embedding, attention=weights)
