"""A head by its parameters."""

from collections.abc import Sequence

from torch import nn

from models import HEADS
from models.adversary import AdversarialHead


def build_head(
    settings,
    dimension: int,
    num_classes: int,
    num_layers: int | None = None,
    num_speakers: int = 0,
    speaker_classifier: Sequence[int] = (128,),
) -> nn.Module:
    """The head that ``settings.model`` names.

    Args:
        settings: its parameters.
        dimension: D, of the frames.
        num_classes: C.
        num_layers: L, for frames [B, L, T, D].
        num_speakers: S, for a speaker classifier behind a gradient reversal; 0 for none.
        speaker_classifier: sizes of that classifier's hidden layers.
    """
    several = {} if num_layers is None else {"num_layers": num_layers}
    head = HEADS[settings.model][1](settings, dimension, num_classes, **several)
    return AdversarialHead(head, num_speakers, speaker_classifier) if num_speakers else head
