"""EmoBox's head: every frame through one hidden layer, then their mean.

Source: Ma et al. 2024, "EmoBox: Multilingual Multi-corpus Speech Emotion Recognition Toolkit and Benchmark".
"""

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from models.head import Head, HeadOutput, HeadSettings
from models.layers import LayerMixture, mean_over_time


class FrameMlpSettings(HeadSettings):
    """``model: frame_mlp``.

    Attributes:
        hidden_size: H, of the hidden layer.
    """

    model: Literal["frame_mlp"]
    hidden_size: Annotated[int, Field(ge=1)] = 256


class FrameMlpHead(Head):
    """Mixture of the layers, linear, ReLU, mean over time, linear.

    Shape:
        frames ``[B, L, T, D]``, lengths ``[B]`` -> emotion logits ``[B, C]``, embedding ``[B, H]``
    """

    def __init__(self, settings: FrameMlpSettings, dimension: int, num_classes: int, num_layers: int):
        super().__init__(settings, embedding_size=settings.hidden_size)
        self.mixture = LayerMixture(num_layers)
        self.projection = nn.Linear(dimension, settings.hidden_size)
        self.classifier = nn.Linear(settings.hidden_size, num_classes)

    def forward(self, frames: Tensor, lengths: Tensor) -> HeadOutput:
        embedding = mean_over_time(functional.relu(self.projection(self.mixture(frames))), lengths)
        return HeadOutput(self.classifier(embedding), embedding)
