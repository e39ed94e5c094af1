"""A learned mixture of the encoder's layers, then projection, mean over time, linear.

On whole utterances this is SUPERB's emotion probe (Yang et al. 2021, "SUPERB: Speech processing Universal PERformance
Benchmark", section 3: weighted sum of hidden states, mean pooling, linear transformations).
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from models.layers import HeadOutput, HeadSettings, LayerList, mean_over_time


class WeightedLayersSettings(HeadSettings):
    """``model: weighted_layers``.

    Attributes:
        layers: which of the stored layers to mix.
        projection: size of the mixture's projection.
    """

    model: Literal["weighted_layers"]
    layers: LayerList = "all"
    projection: Annotated[int, Field(ge=1)] = 256

    @property
    def moments(self) -> int:
        return 1

    def choose_layers(self, stored: list[int]) -> list[int]:
        return stored if self.layers == "all" else self.layers


class WeightedLayersHead(nn.Module):
    """Softmax-weighted sum over layers, projection, mean over time, linear.

    All but the softmax is linear in the frames, so that the mean over time comes first: the same function, and a
    batch shrinks by the number of its frames before anything else is computed.

    Shape:
        frames ``[B, L, T, D]``, lengths ``[B]`` -> emotion logits ``[B, C]``, embedding ``[B, projection]``
    """

    def __init__(self, settings: WeightedLayersSettings, dimension: int, num_classes: int, num_layers: int):
        super().__init__()
        self.embedding_size = settings.projection
        self.layer_scores = nn.Parameter(torch.zeros(num_layers))
        self.projection = nn.Linear(dimension, settings.projection)
        self.classifier = nn.Linear(settings.projection, num_classes)

    def layer_weights(self) -> Tensor:
        """How much each layer counts [L]; they sum to one."""
        return self.layer_scores.softmax(dim=0)

    def forward(self, frames: Tensor, lengths: Tensor) -> HeadOutput:
        mixture = torch.einsum("l,bld->bd", self.layer_weights(), mean_over_time(frames, lengths))
        embedding = self.projection(mixture)
        return HeadOutput(self.classifier(embedding), embedding)
