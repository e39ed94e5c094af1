"""Frame features -> logits. Knows nothing of files.

A head is a file with a parameter model and a module: ``Head(settings, dimension, num_classes)``, whose
``forward(frames [B, T, D], lengths [B])`` returns a `HeadOutput`, and which knows its ``embedding_size``. Heads of
several layers take frames [B, L, T, D] and are told ``num_layers``. A head that sees nothing of the frames but their
mean over time says so (``sees_means_only``), and is then trained on the means. To add a head, write such a file and
name it in `HEADS`.
"""

from torch import nn

from models.adversary import AdversarialHead
from models.enhanced_gru import EnhancedGruHead, EnhancedGruSettings
from models.gru import GruHead, GruSettings
from models.layers import HeadOutput, Standardise
from models.linear import LinearHead, LinearSettings
from models.weighted_layers import WeightedLayersHead, WeightedLayersSettings

HEADS = {
    "linear": (LinearSettings, LinearHead),
    "weighted_layers": (WeightedLayersSettings, WeightedLayersHead),
    "gru": (GruSettings, GruHead),
    "enhanced_gru": (EnhancedGruSettings, EnhancedGruHead),
}

__all__ = ["HEADS", "AdversarialHead", "HeadOutput", "Standardise", "build_head"]


def build_head(
    settings, dimension: int, num_classes: int, num_layers: int | None = None, num_speakers: int = 0
) -> nn.Module:
    """The head that ``settings.model`` names.

    Args:
        settings: its parameters.
        dimension: D, of the frames.
        num_classes: C.
        num_layers: L, for frames [B, L, T, D].
        num_speakers: S, for a speaker classifier behind a gradient reversal; 0 for none.
    """
    several = {} if num_layers is None else {"num_layers": num_layers}
    head = HEADS[settings.model][1](settings, dimension, num_classes, **several)
    return AdversarialHead(head, num_speakers) if num_speakers else head
