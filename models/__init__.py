"""Frame features -> logits. Knows nothing of files.

A head is a file with a parameter model and a module: ``Head(settings, dimension, num_classes)``, whose
``forward(frames [B, T, D], lengths [B])`` returns a `HeadOutput`. To add one, write such a file and name it in `HEADS`.
"""

from models.gru import GruHead, GruSettings
from models.layers import HeadOutput, Standardise
from models.linear import LinearHead, LinearSettings

HEADS = {"linear": (LinearSettings, LinearHead), "gru": (GruSettings, GruHead)}

__all__ = ["HEADS", "HeadOutput", "Standardise", "build_head"]


def build_head(settings, dimension: int, num_classes: int):
    """The head that ``settings.model`` names, for frames of size ``dimension``."""
    return HEADS[settings.model][1](settings, dimension, num_classes)
