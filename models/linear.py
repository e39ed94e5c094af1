"""Statistics over time, one linear layer: the baseline that every report carries."""

from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, Field, model_validator
from torch import Tensor, nn

from data.settings import distinct
from models.layers import HeadOutput, LayerList, OneLayerSettings, Pooling

_LARGEST_RATIO = 1e-6  # of the largest deviation: features that vary less are constant


class LinearSettings(OneLayerSettings):
    """``model: linear``.

    Attributes:
        layers: several layers, side by side, instead of one ``layer``.
        statistics: of each feature over time.
        l2: strengths of the L2 penalty, of which the validation set chooses one; as many times as strong as in
            scikit-learn's ``LogisticRegression(C=1)``. null trains by gradient steps, without this penalty.
    """

    model: Literal["linear"]
    layers: LayerList | None = None
    statistics: Annotated[list[Literal["mean", "deviation"]], Field(min_length=1), AfterValidator(distinct)] = ["mean"]
    l2: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1), AfterValidator(distinct)] | None = [
        1.0,
        10.0,
        100.0,
        1000.0,
    ]

    @model_validator(mode="after")
    def _one_or_several(self):
        if self.layer is not None and self.layers is not None:
            raise ValueError("layer and layers: give one of them")
        return self

    @property
    def moments(self) -> int:
        return 2 if "deviation" in self.statistics else 1

    def choose_layers(self, stored: list[int]) -> int | list[int]:
        if self.layers is None:
            return super().choose_layers(stored)
        return stored if self.layers == "all" else self.layers


class LinearHead(nn.Module):
    """Mean, deviation or both over time, standardised over the training utterances, and one linear layer.

    The loss is convex in its weights, so that a solver can find the minimum: see `training.convex`.

    Attributes:
        centre, scale: of the statistics over the training utterances; see `fit_scale`.

    Shape:
        frames ``[B, T, D]`` or ``[B, L, T, D]``, lengths ``[B]`` -> emotion logits ``[B, C]``, embedding ``[B, E]``,
        where E is D times the number of statistics and of layers
    """

    def __init__(self, settings: LinearSettings, dimension: int, num_classes: int, num_layers: int = 1):
        super().__init__()
        self.pooling = Pooling(settings.statistics, dimension, eps=0.0)
        self.embedding_size = dimension * num_layers * len(settings.statistics)
        self.register_buffer("centre", torch.zeros(self.embedding_size))
        self.register_buffer("scale", torch.ones(self.embedding_size))
        self.classifier = nn.Linear(self.embedding_size, num_classes)

    def forward(self, frames: Tensor, lengths: Tensor) -> HeadOutput:
        statistics, _ = self.pooling(frames, lengths)
        embedding = (statistics.flatten(1) - self.centre) / self.scale
        return HeadOutput(self.classifier(embedding), embedding)

    def fit_scale(self, embeddings: Tensor) -> None:
        """Standardise embeddings like these from now on: those of all training utterances [N, E], not yet scaled."""
        deviation, mean = torch.std_mean(embeddings.double(), dim=0, correction=0)
        constant = deviation <= _LARGEST_RATIO * deviation.max()
        self.centre.copy_(mean)  # in place: the head may be on a GPU already
        self.scale.copy_(torch.where(constant, 1.0, deviation))
