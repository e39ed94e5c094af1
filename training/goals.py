"""What a run is trained towards, classes or ratings: the targets of the loss, and how a head's outputs are judged."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from data.rating_metrics import ccc, predicted_columns, rating_sums
from training.checkpoint import RatingScale
from training.job import FoldJob, Utterances
from training.objective import entropy, rating_loss
from training.scores import scores

if TYPE_CHECKING:  # scikit-learn takes seconds to import, and most heads need no solver
    from training.convex import Examples
    from training.ridge import RatedExamples


@dataclass(frozen=True)
class Embedded:
    """Clips of one role with their embeddings float64 [N, E], the utterance that each is a clip of, and whether it is a
    clean one [N].
    """

    embeddings: np.ndarray
    clips: Utterances
    utterances: list[str]
    clean: np.ndarray


class Goal(ABC):
    """What the outputs [N, C] of a run's head stand for.

    Args:
        job: the run.

    Attributes:
        names: of the outputs, in their order.
        scale: between the outputs that are trained and those that are predicted; None where they are the same.
    """

    names: list[str]
    scale: RatingScale | None = None

    def __init__(self, job: FoldJob):
        self.job = job

    @abstractmethod
    def targets(self, utterances: Utterances) -> Tensor:
        """What the loss compares outputs with [N, C]."""

    @abstractmethod
    def answers(self, outputs: Tensor) -> Tensor:
        """What the scores of a training batch need of its outputs."""

    @abstractmethod
    def training_scores(self, answers: Tensor, train: Utterances, drawn: Sequence[int]) -> dict[str, float]:
        """Scores of an epoch's training batches, as history.csv names them.

        Args:
            answers: of all batches.
            train: what is trained on.
            drawn: the index in it that each answer belongs to.
        """

    @abstractmethod
    def measure(self, role: str, outputs: Tensor, utterances: Utterances) -> dict[str, float]:
        """Loss and scores of predicted outputs [N, C], as history.csv names them."""

    @abstractmethod
    def columns(self, outputs: Tensor, utterances: Utterances) -> dict[str, object]:
        """The columns of predictions.csv that hold what is known and what is predicted."""

    @abstractmethod
    def solve(
        self, classifier: nn.Linear, strengths: Sequence[float], train: Embedded, validation: Embedded
    ) -> tuple[float, dict[str, float]]:
        """Find a linear layer's weights.

        Returns:
            The chosen strength of the L2 penalty, and what the compared ones reached: the lower, the better.
        """

    def config(self) -> dict:
        """What config.json says of the outputs."""
        return {}


class Classes(Goal):
    """One of several classes: a label, or the share of the annotators' votes for each."""

    def __init__(self, job: FoldJob):
        super().__init__(job)
        self.names = job.classes

    def targets(self, utterances: Utterances) -> Tensor:
        if utterances.targets:
            return torch.tensor(utterances.targets)
        return functional.one_hot(torch.tensor(utterances.labels, dtype=torch.long), len(self.names)).float()

    def answers(self, outputs: Tensor) -> Tensor:
        return outputs.argmax(dim=1)

    def training_scores(self, answers: Tensor, train: Utterances, drawn: Sequence[int]) -> dict[str, float]:
        labels = np.array(train.labels)[drawn]  # mixup leaves them their larger share
        return scores("train", labels, answers.cpu().numpy())

    def measure(self, role: str, outputs: Tensor, utterances: Utterances) -> dict[str, float]:
        labels = np.array(utterances.labels)
        targets = self.targets(utterances) if utterances.targets else torch.tensor(labels)
        loss = functional.cross_entropy(outputs, targets)
        if self.job.training.loss == "kl":
            loss = loss - entropy(self.targets(utterances)).mean()
        return {f"{role}_loss": float(loss)} | scores(role, labels, outputs.argmax(dim=1).numpy())

    def columns(self, outputs: Tensor, utterances: Utterances) -> dict[str, object]:
        probabilities = outputs.softmax(dim=1).T.numpy()
        return {
            "label": [self.names[label] for label in utterances.labels],
            "predicted": [self.names[index] for index in outputs.argmax(dim=1)],
            **{f"p_{name}": of_class for name, of_class in zip(self.names, probabilities, strict=True)},
        }

    def solve(
        self, classifier: nn.Linear, strengths: Sequence[float], train: Embedded, validation: Embedded
    ) -> tuple[float, dict[str, float]]:
        from training.convex import fit_linear

        return fit_linear(classifier, strengths, _labelled(train), _labelled(validation), self.job.training)

    def config(self) -> dict:
        return {"classes": self.names}


class Ratings(Goal):
    """Ratings such as valence, standardised in training by the training utterances' mean and deviation."""

    def __init__(self, job: FoldJob):
        super().__init__(job)
        self.names = job.targets
        ratings = torch.tensor(job.roles["train"].targets, dtype=torch.float64)
        deviation = ratings.std(dim=0, correction=0)
        self.scale = RatingScale(ratings.mean(dim=0), torch.where(deviation > 0, deviation, 1.0))

    def targets(self, utterances: Utterances) -> Tensor:
        return self.scale.standardised(torch.tensor(utterances.targets).reshape(-1, len(self.names)))

    def answers(self, outputs: Tensor) -> Tensor:
        return outputs.detach().float()

    def training_scores(self, answers: Tensor, train: Utterances, drawn: Sequence[int]) -> dict[str, float]:
        return self._scores("train", self.targets(train)[drawn], answers)

    def measure(self, role: str, outputs: Tensor, utterances: Utterances) -> dict[str, float]:
        targets, outputs = self.targets(utterances), self.scale.standardised(outputs)
        loss = rating_loss(self.job.training.loss, outputs, targets)
        return {f"{role}_loss": float(loss)} | self._scores(role, targets, outputs)

    def columns(self, outputs: Tensor, utterances: Utterances) -> dict[str, object]:
        ratings = torch.tensor(utterances.targets).reshape(-1, len(self.names))
        names = [*self.names, *predicted_columns(self.names)]
        return dict(zip(names, torch.cat([ratings, outputs], dim=1).T.numpy(), strict=True))

    def solve(
        self, classifier: nn.Linear, strengths: Sequence[float], train: Embedded, validation: Embedded
    ) -> tuple[float, dict[str, float]]:
        examples = self._rated(train), self._rated(validation)
        from training.ridge import fit_ridge

        return fit_ridge(classifier, strengths, *examples, self.job.training.select)

    def config(self) -> dict:
        return {"targets": self.names}

    def _rated(self, some: Embedded) -> "RatedExamples":
        from training.ridge import RatedExamples

        return RatedExamples(
            some.embeddings,
            self.targets(some.clips).double().numpy(),
            some.clips.speakers,
            some.utterances,
            some.clean,
        )

    def _scores(self, role: str, ratings: Tensor, predicted: Tensor) -> dict[str, float]:
        """The CCC of each target and their mean; it is the same for ratings and for standardised ones."""
        values = ccc(rating_sums(ratings.cpu().numpy(), predicted.cpu().numpy()))
        own = {f"{role}_ccc_{name}": float(value) for name, value in zip(self.names, values, strict=True)}
        return {f"{role}_ccc": float(values.mean()), **(own if len(own) > 1 else {})}


def _labelled(some: Embedded) -> "Examples":
    from training.convex import Examples

    shares = np.array(some.clips.targets) if some.clips.targets else None
    labels = np.array(some.clips.labels)
    return Examples(some.embeddings, labels, some.clips.speakers, some.utterances, shares, some.clean)


def goal_of(job: FoldJob) -> Goal:
    """What a run is trained towards."""
    return Ratings(job) if job.targets else Classes(job)
