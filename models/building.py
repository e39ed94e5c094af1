"""A head by its parameters."""

from collections.abc import Sequence

from models import HEADS
from models.adversary import AdversarialHead
from models.head import Head, HeadSettings


def head_class(settings: HeadSettings) -> type[Head]:
    """The class that ``settings.model`` names."""
    return HEADS[settings.model][1]


def build_head(
    settings: HeadSettings,
    dimension: int,
    num_classes: int,
    num_layers: int = 1,
    num_speakers: int = 0,
    speaker_classifier: Sequence[int] = (128,),
) -> Head:
    """The head that ``settings.model`` names.

    Args:
        settings: its parameters.
        dimension: D, of the frames.
        num_classes: C.
        num_layers: L.
        num_speakers: S, for a speaker classifier after a gradient reversal; 0 for none.
        speaker_classifier: sizes of that classifier's hidden layers.
    """
    head = head_class(settings)(settings, dimension, num_classes, num_layers)
    return AdversarialHead(head, num_speakers, speaker_classifier) if num_speakers else head
