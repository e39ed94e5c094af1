"""Mean over time, one linear layer: the sanity baseline that every report carries."""

from typing import ClassVar, Literal

from torch import Tensor, nn

from models.layers import HeadOutput, OneLayerSettings, mean_over_time


class LinearSettings(OneLayerSettings):
    """``model: linear`` has no parameters of its own."""

    model: Literal["linear"]


class LinearHead(nn.Module):
    """Mean over time, one linear layer.

    Shape:
        frames ``[B, T, D]``, lengths ``[B]`` -> emotion logits ``[B, C]``, embedding ``[B, D]``
    """

    sees_means_only: ClassVar[bool] = True

    def __init__(self, settings: LinearSettings, dimension: int, num_classes: int):
        super().__init__()
        self.embedding_size = dimension
        self.classifier = nn.Linear(dimension, num_classes)

    def forward(self, frames: Tensor, lengths: Tensor) -> HeadOutput:
        embedding = mean_over_time(frames, lengths)
        return HeadOutput(self.classifier(embedding), embedding)
