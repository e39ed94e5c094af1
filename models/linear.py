"""Mean over time, one linear layer: the sanity baseline that every report carries."""

from typing import Literal

from torch import Tensor, nn

from models.layers import HeadOutput, HeadSettings, mean_over_time


class LinearSettings(HeadSettings):
    """``model: linear`` has no parameters of its own."""

    model: Literal["linear"]


class LinearHead(nn.Module):
    """Mean over time, one linear layer.

    Shape:
        frames ``[B, T, D]``, lengths ``[B]`` -> emotion logits ``[B, C]``, embedding ``[B, D]``
    """

    def __init__(self, settings: LinearSettings, dimension: int, num_classes: int):
        super().__init__()
        self.classifier = nn.Linear(dimension, num_classes)

    def forward(self, frames: Tensor, lengths: Tensor) -> HeadOutput:
        embedding = mean_over_time(frames, lengths)
        return HeadOutput(self.classifier(embedding), embedding)
