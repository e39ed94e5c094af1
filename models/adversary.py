"""A speaker classifier after a gradient reversal, for any head: what it learns of the speaker, the head unlearns.

Source: Ganin and Lempitsky 2015, "Unsupervised Domain Adaptation by Backpropagation".
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.head import Head, HeadOutput
from models.layers import EmbeddingScale, perceptron


class ReverseGradient(torch.autograd.Function):
    """The identity; backwards, the gradient times ``-alpha``."""

    @staticmethod
    def forward(context, values: Tensor, alpha: float) -> Tensor:
        context.alpha = alpha
        return values.view_as(values)

    @staticmethod
    def backward(context, gradient: Tensor) -> tuple[Tensor, None]:
        return -context.alpha * gradient, None


class AdversarialHead(Head):
    """A head and a classifier of its fold's training speakers on its embedding.

    Args:
        head: any head.
        num_speakers: S, of the fold's training speakers.
        hidden_sizes: of the speaker classifier's hidden layers.

    Attributes:
        alpha: how strongly the reversed gradient reaches the head; the only place that scales it.

    Shape:
        as the head's, with speaker logits ``[B, S]``
    """

    def __init__(self, head: Head, num_speakers: int, hidden_sizes: Sequence[int] = (128,)):
        super().__init__(head.settings, head.embedding_size)
        self.head = head
        self.alpha = 0.0
        self.speaker_classifier = perceptron([head.embedding_size, *hidden_sizes, num_speakers])

    @property
    def classifier(self) -> nn.Module:
        return self.head.classifier

    @property
    def classifiers(self) -> list[nn.Module]:
        return [*self.head.classifiers, self.speaker_classifier]

    @property
    def embedding_scale(self) -> EmbeddingScale | None:
        return self.head.embedding_scale

    def layer_weights(self) -> Tensor | None:
        return self.head.layer_weights()

    def forward(self, frames: Tensor, lengths: Tensor) -> HeadOutput:
        output = self.head(frames, lengths)
        output.speaker_logits = self.speaker_classifier(ReverseGradient.apply(output.embedding, self.alpha))
        return output
