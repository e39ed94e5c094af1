"""The loss that training minimises: that of classes or ratings plus, weighted, the speakers' cross-entropy."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models.head import HeadOutput
from training.settings import TrainingSettings

RATING_LOSSES = ("ccc", "mse", "ccc_mse")


def class_weights(labels: Sequence[int], num_classes: int) -> Tensor:
    """Weights [C] under which all classes that occur count the same, one on average; 0 for those that don't occur."""
    counts = torch.bincount(torch.as_tensor(labels), minlength=num_classes).float()
    present = counts > 0
    return torch.where(present, len(labels) / (present.sum() * counts.clamp(min=1)), 0)


def entropy(probabilities: Tensor, weights: Tensor | float = 1.0) -> Tensor:
    """Of distributions [N, C]: [N]; each class may have a weight [C]."""
    return -(weights * torch.xlogy(probabilities, probabilities)).sum(dim=1)


def concordance(predicted: Tensor, ratings: Tensor, eps: float = 1e-8) -> Tensor:
    """Lin's concordance correlation coefficient of each target, differentiable.

    Args:
        predicted, ratings: [N, T].
        eps: added to the denominator, so that constant batches have a finite gradient.

    Returns:
        [T], 1 for exact agreement; with the variances and the covariance of the population.

    Source: Lin 1989, "A Concordance Correlation Coefficient to Evaluate Reproducibility".
    """
    means = predicted.mean(dim=0), ratings.mean(dim=0)
    deviations = predicted - means[0], ratings - means[1]
    covariance = (deviations[0] * deviations[1]).mean(dim=0)
    variances = sum((own**2).mean(dim=0) for own in deviations)
    return 2 * covariance / (variances + (means[0] - means[1]) ** 2 + eps)


def rating_loss(name: str, predicted: Tensor, ratings: Tensor) -> Tensor:
    """The loss of predicted ratings, both standardised [N, T]: ``ccc``, 1 - CCC, ``mse``, or their sum ``ccc_mse``."""
    loss = predicted.new_zeros(())
    if name in ("ccc", "ccc_mse"):
        loss = loss + (1 - concordance(predicted, ratings)).mean()
    if name in ("mse", "ccc_mse"):
        loss = loss + functional.mse_loss(predicted, ratings)
    return loss


@dataclass(frozen=True)
class Loss:
    """Means over a batch; ``total`` is what gradients are taken of, ``emotion`` its part of classes or ratings."""

    total: Tensor
    emotion: Tensor
    speaker: Tensor | None


class Objective:
    """The loss of classes or ratings plus adversarial weight times speaker cross-entropy.

    The gradient reversal scales what reaches the head; the loss is not scaled again.

    Args:
        training: the loss, label smoothing, class weights, adversarial weight.
        labels: of all training utterances [N]; none for ratings.
        num_classes: C.
        device: where batches are.
    """

    def __init__(self, training: TrainingSettings, labels: Sequence[int], num_classes: int, device: torch.device):
        self._name = training.loss
        self._smoothing, self._adversarial_weight = training.label_smoothing, training.adversarial_weight
        balanced = training.class_weights == "balanced"
        weights = class_weights(labels, num_classes) if balanced else torch.ones(num_classes)
        self._weights = weights.to(device)

    def __call__(self, output: HeadOutput, emotions: Tensor, speakers: Tensor) -> Loss:
        """The loss of a batch.

        Args:
            output: of the head.
            emotions: probabilities of the classes, or standardised ratings [B, C].
            speakers: probabilities [B, S].
        """
        emotion = self._emotion(output.emotion_logits.float(), emotions)
        if output.speaker_logits is None:
            return Loss(emotion, emotion, None)
        speaker = functional.cross_entropy(output.speaker_logits.float(), speakers)
        return Loss(emotion + self._adversarial_weight * speaker, emotion, speaker)

    def _emotion(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if self._name in RATING_LOSSES:
            return rating_loss(self._name, outputs, targets)
        how = {"weight": self._weights, "label_smoothing": self._smoothing, "reduction": "none"}
        loss = functional.cross_entropy(outputs, targets, **how).mean()
        if self._name == "kl":
            smoothed = targets * (1 - self._smoothing) + self._smoothing / targets.shape[1]
            loss = loss - entropy(smoothed, self._weights).mean()
        return loss
