"""The loss that training minimises: the emotions' cross-entropy plus, weighted, the speakers'."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models.head import HeadOutput
from training.settings import TrainingSettings


def class_weights(labels: Sequence[int], num_classes: int) -> Tensor:
    """Weights [C] under which all classes that occur count the same, one on average; 0 for those that don't occur."""
    counts = torch.bincount(torch.as_tensor(labels), minlength=num_classes).float()
    present = counts > 0
    return torch.where(present, len(labels) / (present.sum() * counts.clamp(min=1)), 0)


@dataclass(frozen=True)
class Loss:
    """Means over a batch; ``total`` is what gradients are taken of."""

    total: Tensor
    emotion: Tensor
    speaker: Tensor | None


class Objective:
    """Emotion cross-entropy plus adversarial weight times speaker cross-entropy.

    The gradient reversal scales what reaches the head; the loss is not scaled again.

    Args:
        training: label smoothing, class weights, adversarial weight.
        labels: of all training utterances [N].
        num_classes: C.
        device: where batches are.
    """

    def __init__(self, training: TrainingSettings, labels: Sequence[int], num_classes: int, device: torch.device):
        self._smoothing, self._adversarial_weight = training.label_smoothing, training.adversarial_weight
        balanced = training.class_weights == "balanced"
        weights = class_weights(labels, num_classes) if balanced else torch.ones(num_classes)
        self._weights = weights.to(device)

    def __call__(self, output: HeadOutput, emotions: Tensor, speakers: Tensor) -> Loss:
        """The loss of a batch; targets are probabilities: emotions [B, C], speakers [B, S]."""
        logits = output.emotion_logits.float()
        how = {"weight": self._weights, "label_smoothing": self._smoothing, "reduction": "none"}
        emotion = functional.cross_entropy(logits, emotions, **how).mean()
        if output.speaker_logits is None:
            return Loss(emotion, emotion, None)
        speaker = functional.cross_entropy(output.speaker_logits.float(), speakers)
        return Loss(emotion + self._adversarial_weight * speaker, emotion, speaker)
