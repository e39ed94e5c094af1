"""Frame features -> logits. Knows nothing of files.

A head is a file with a parameter model and a module: ``Head(settings, dimension, num_classes)``, whose
``forward(frames [B, T, D], lengths [B])`` returns a `HeadOutput`, and which knows its ``embedding_size``. Heads of
several layers take frames [B, L, T, D] and are told ``num_layers``. A head that sees nothing of the frames but their
mean, or mean and deviation, says so in its parameters' ``moments``, and is then trained on these. To add a head, write
such a file and name it in `HEADS`. Nothing else belongs here: this file is a registry, and no head depends on it.
"""

from models.attentive_statistics import AttentiveStatisticsHead, AttentiveStatisticsSettings
from models.ecapa import EcapaHead, EcapaSettings
from models.enhanced_gru import EnhancedGruHead, EnhancedGruSettings
from models.frame_mlp import FrameMlpHead, FrameMlpSettings
from models.gru import GruHead, GruSettings
from models.linear import LinearHead, LinearSettings
from models.weighted_layers import WeightedLayersHead, WeightedLayersSettings

HEADS = {
    "linear": (LinearSettings, LinearHead),
    "weighted_layers": (WeightedLayersSettings, WeightedLayersHead),
    "frame_mlp": (FrameMlpSettings, FrameMlpHead),
    "attentive_statistics": (AttentiveStatisticsSettings, AttentiveStatisticsHead),
    "ecapa": (EcapaSettings, EcapaHead),
    "gru": (GruSettings, GruHead),
    "enhanced_gru": (EnhancedGruSettings, EnhancedGruHead),
}

__all__ = ["HEADS"]
