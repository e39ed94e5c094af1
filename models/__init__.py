"""Frame features -> logits. Knows nothing of files.

- `head`: the contract of a head
- `layers`: blocks that heads share; `recurrence`: a GRU that is fast on a CPU
- `building`: a head by its parameters; `adversary`: a speaker classifier for any head
- all other files: one head each, its parameters and its module

To add a head, write a file with a subclass of `models.head.HeadSettings` and one of `models.head.Head`, and name both
in `HEADS`. Nothing else belongs here: this file is a registry, and no head depends on it.
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
