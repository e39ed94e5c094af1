"""The contract of a head: what it is given, what it returns, and everything that training may ask of it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from torch import Tensor, nn

from data.settings import Settings
from models.layers import EmbeddingScale, LayerMixture


def _increasing(layers: list[int] | str) -> list[int] | str:
    if layers != "all" and sorted(set(layers)) != layers:
        raise ValueError("list each layer once, in increasing order")
    return layers


Layers = Annotated[
    Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | Literal["all"], AfterValidator(_increasing)
]


class HeadSettings(Settings):
    """The parameters that every head has.

    Attributes:
        model: the head's name in the registry.
        layers: which of the stored layers it reads: a list, or ``all``; null: the last one.
    """

    model: str
    layers: Layers | None = None

    @property
    def needs_time(self) -> str | None:
        """The parameter by which nothing would be left of an utterance of a single frame; None if something is."""
        return None

    def choose_layers(self, stored: list[int]) -> list[int]:
        """The layers to read, of those that are stored."""
        if self.layers is None:
            return stored[-1:]
        return stored if self.layers == "all" else self.layers


class View(Enum):
    """What a head sees of an utterance; the value is the number of frames that can stand in for all of its frames."""

    FRAMES = None
    MEAN = 1
    MEAN_AND_DEVIATION = 2


@dataclass
class HeadOutput:
    """What a head returns for a batch.

    Attributes:
        emotion_logits: [B, C].
        embedding: [B, E], the utterance's vector, the input of the classifiers.
        speaker_logits: [B, S], where there is a speaker classifier.
        attention: [B, T, T] or [B, T], where it attends; rows sum to one over real frames.
    """

    emotion_logits: Tensor
    embedding: Tensor
    speaker_logits: Tensor | None = None
    attention: Tensor | None = None


class Head(nn.Module, ABC):
    """Frames to an embedding, and the embedding to logits. Every head takes any number of layers and any dimension.

    A subclass is constructed as ``Head(settings, dimension, num_classes, num_layers)`` (D, C and L) and sets
    ``classifier``; one that reads a single sequence of frames also sets ``mixture`` and applies it first.

    Args:
        settings: the head's parameters.
        embedding_size: E.

    Attributes:
        classifier: embedding ``[B, E]`` -> emotion logits ``[B, C]``.
        mixture: of the layers; None in heads that use each layer separately.

    Shape:
        frames ``[B, L, T, D]``, also of a single layer, lengths ``[B]`` (frames, 1..T) -> `HeadOutput`. The output of
        an utterance depends neither on the others in the batch nor on padding.
    """

    classifier: nn.Module

    def __init__(self, settings: HeadSettings, embedding_size: int):
        super().__init__()
        self.settings = settings
        self.embedding_size = embedding_size
        self.mixture: LayerMixture | None = None

    @abstractmethod
    def forward(self, frames: Tensor, lengths: Tensor) -> HeadOutput:
        """See the class."""

    @classmethod
    def view(cls, settings: HeadSettings) -> View:
        """What a head with these parameters sees of an utterance. Heads that see means only train on means only."""
        return View.FRAMES

    @classmethod
    def l2_strengths(cls, settings: HeadSettings) -> list[float] | None:
        """The L2 penalties to compare, if a solver is to find the weights of the classifier; None: gradient steps.

        The classifier of such a head is an ``nn.Linear``, and nothing else in the head is trained.
        """
        return None

    @property
    def classifiers(self) -> list[nn.Module]:
        """The modules that learn ``classifier_rate`` times as fast as the rest."""
        return [self.classifier]

    @property
    def embedding_scale(self) -> EmbeddingScale | None:
        """What is fitted to the embeddings of the training utterances before training; None: nothing is."""
        return None

    def layer_weights(self) -> Tensor | None:
        """The weight of each layer [L], which sum to one; None if layers are not mixed, or if there is only one."""
        return None if self.mixture is None else self.mixture.weights()
