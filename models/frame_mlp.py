"""EmoBox's head: every frame through one hidden layer, then their mean.

Source: Ma et al. 2024, "EmoBox: Multilingual Multi-corpus Speech Emotion Recognition Toolkit and Benchmark".
"""

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from models.layers import HeadOutput, OneLayerSettings, mean_over_time


class FrameMlpSettings(OneLayerSettings):
    """``model: frame_mlp``.

    Attributes:
        hidden_size: H, of the hidden layer.
    """

    model: Literal["frame_mlp"]
    hidden_size: Annotated[int, Field(ge=1)] = 256


class FrameMlpHead(nn.Module):
    """Linear, ReLU, mean over time, linear.

    Shape:
        frames ``[B, T, D]``, lengths ``[B]`` -> emotion logits ``[B, C]``, embedding ``[B, H]``
    """

    def __init__(self, settings: FrameMlpSettings, dimension: int, num_classes: int):
        super().__init__()
        self.embedding_size = settings.hidden_size
        self.projection = nn.Linear(dimension, settings.hidden_size)
        self.classifier = nn.Linear(settings.hidden_size, num_classes)

    def forward(self, frames: Tensor, lengths: Tensor) -> HeadOutput:
        embedding = mean_over_time(functional.relu(self.projection(frames)), lengths)
        return HeadOutput(self.classifier(embedding), embedding)
