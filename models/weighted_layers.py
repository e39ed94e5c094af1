"""A learned mixture of the encoder's layers, then projection, mean over time, linear.

On whole utterances this is SUPERB's emotion probe (Yang et al. 2021, "SUPERB: Speech processing Universal PERformance
Benchmark", section 3: weighted sum of hidden states, mean pooling, linear transformations).
"""

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from models.head import Head, HeadOutput, HeadSettings, Layers, View
from models.layers import LayerMixture, mean_over_time


class WeightedLayersSettings(HeadSettings):
    """``model: weighted_layers``.

    Attributes:
        layers: which of the stored layers to mix; null: only the last one.
        projection: size of the mixture's projection.
    """

    model: Literal["weighted_layers"]
    layers: Layers | None = "all"
    projection: Annotated[int, Field(ge=1)] = 256


class WeightedLayersHead(Head):
    """Softmax-weighted sum over layers, projection, mean over time, linear.

    All but the softmax is linear in the frames, so that the mean over time comes first: the same function, and a
    batch shrinks by the number of its frames before anything else is computed.

    Shape:
        frames ``[B, L, T, D]``, lengths ``[B]`` -> emotion logits ``[B, C]``, embedding ``[B, projection]``
    """

    def __init__(self, settings: WeightedLayersSettings, dimension: int, num_classes: int, num_layers: int):
        super().__init__(settings, embedding_size=settings.projection)
        self.mixture = LayerMixture(num_layers)
        self.projection = nn.Linear(dimension, settings.projection)
        self.classifier = nn.Linear(settings.projection, num_classes)

    @classmethod
    def view(cls, settings: WeightedLayersSettings) -> View:
        return View.MEAN

    def forward(self, frames: Tensor, lengths: Tensor) -> HeadOutput:
        embedding = self.projection(self.mixture(mean_over_time(frames, lengths)))
        return HeadOutput(self.classifier(embedding), embedding)
