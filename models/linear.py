"""Statistics over time, one linear layer: the baseline that every report carries."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from torch import Tensor, nn

from data.settings import distinct
from models.head import Head, HeadOutput, HeadSettings, View
from models.layers import EmbeddingScale, Pooling


class LinearSettings(HeadSettings):
    """``model: linear``.

    Attributes:
        statistics: of each feature over time.
        l2: strengths of the L2 penalty, of which the validation set chooses one; strength s is scikit-learn's
            ``LogisticRegression(C=1/s)``. null trains by gradient steps, without this penalty.
    """

    model: Literal["linear"]
    statistics: Annotated[list[Literal["mean", "deviation"]], Field(min_length=1), AfterValidator(distinct)] = ["mean"]
    l2: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1), AfterValidator(distinct)] | None = [
        1.0,
        10.0,
        100.0,
        1000.0,
    ]

    @property
    def needs_time(self) -> str | None:
        return "statistics" if self.statistics == ["deviation"] else None


class LinearHead(Head):
    """Mean, deviation or both over time, standardised over the training utterances, and one linear layer.

    Several layers are joined side by side. The loss is convex in the weights, so that a solver can find the minimum:
    see `training.convex`.

    Shape:
        frames ``[B, L, T, D]``, lengths ``[B]`` -> emotion logits ``[B, C]``, embedding ``[B, E]``,
        where E is D times the number of statistics and of layers
    """

    def __init__(self, settings: LinearSettings, dimension: int, num_classes: int, num_layers: int):
        super().__init__(settings, embedding_size=dimension * num_layers * len(settings.statistics))
        self.pooling = Pooling(settings.statistics, dimension, eps=0.0)
        self.scale = EmbeddingScale(self.embedding_size)
        self.classifier = nn.Linear(self.embedding_size, num_classes)

    @classmethod
    def view(cls, settings: LinearSettings) -> View:
        return View.MEAN_AND_DEVIATION if "deviation" in settings.statistics else View.MEAN

    @classmethod
    def l2_strengths(cls, settings: LinearSettings) -> list[float] | None:
        return settings.l2

    @property
    def embedding_scale(self) -> EmbeddingScale:
        return self.scale

    def forward(self, frames: Tensor, lengths: Tensor) -> HeadOutput:
        statistics, _ = self.pooling(frames, lengths)
        embedding = self.scale(statistics.flatten(1))
        return HeadOutput(self.classifier(embedding), embedding)
