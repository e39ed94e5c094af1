"""Attentive statistics pooling: the frames' weighted mean and deviation, the weights learned.

Source: Okabe, Koshinaka and Shinoda 2018, "Attentive Statistics Pooling for Deep Speaker Embedding", Interspeech.
"""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from models.head import Head, HeadOutput, HeadSettings
from models.layers import AttentiveStatistics, LayerMixture


class AttentiveStatisticsSettings(HeadSettings):
    """``model: attentive_statistics``.

    Attributes:
        num_layers: linear layers with ReLU that every frame goes through before it is pooled; 0 pools the features.
        hidden_size: H, of these layers.
        attention_size: A, of the attention's hidden layer.
        dropout: after each of the layers and before the classifier.
    """

    model: Literal["attentive_statistics"]
    num_layers: Annotated[int, Field(ge=0)] = 1
    hidden_size: Annotated[int, Field(ge=1)] = 256
    attention_size: Annotated[int, Field(ge=1)] = 64
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2


class AttentiveStatisticsHead(Head):
    """Mixture of the layers, frame layers, attention, weighted mean and deviation over time, dropout, linear.

    Shape:
        frames ``[B, L, T, D]``, lengths ``[B]`` -> emotion logits ``[B, C]``, embedding ``[B, 2H]`` (without frame
        layers ``[B, 2D]``), attention ``[B, T]``
    """

    def __init__(self, settings: AttentiveStatisticsSettings, dimension: int, num_classes: int, num_layers: int):
        sizes = [dimension] + [settings.hidden_size] * settings.num_layers
        super().__init__(settings, embedding_size=2 * sizes[-1])
        self.mixture = LayerMixture(num_layers)
        self.dropout = nn.Dropout(settings.dropout)
        self.frame_layers = nn.Sequential(
            *(nn.Sequential(nn.Linear(*pair), nn.ReLU(), self.dropout) for pair in pairwise(sizes))
        )
        self.pooling = AttentiveStatistics(sizes[-1], settings.attention_size)
        self.classifier = nn.Linear(self.embedding_size, num_classes)

    def forward(self, frames: Tensor, lengths: Tensor) -> HeadOutput:
        embedding, weights = self.pooling(self.frame_layers(self.mixture(frames)), lengths)
        return HeadOutput(self.classifier(self.dropout(embedding)), embedding, attention=weights)
