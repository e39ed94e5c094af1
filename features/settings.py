"""What all kinds of features have in common in params.yaml."""

from abc import abstractmethod
from pathlib import Path
from typing import Literal

from data.clips import ClipsSettings
from data.settings import Settings

Storage = Literal["float16", "float32", "int8"]


class KindSettings(Settings):
    """One feature set, ``features.<set>``; each kind adds its own parameters.

    Attributes:
        kind: a key of `features.kinds.KINDS`.
        clips: the clips to encode.
        storage: element type of the stored frames. ``int8`` keeps an offset and a scale per utterance and dimension,
            and takes half of ``float16``'s bytes; ``float32`` is for values that do not fit ``float16``.
    """

    kind: str
    clips: ClipsSettings
    storage: Storage = "float16"

    @abstractmethod
    def known_layers(self) -> list[int] | None:
        """The layers that will be stored, in order; None where only the loaded encoder knows."""

    @property
    def single_frame(self) -> bool:
        """Whether a clip is one frame, so that nothing varies over time."""
        return False

    def compute_types(self, own: str) -> list[str]:
        """In which arithmetic a shard may have been computed to be this set's; ``own``, what is computed here, first.

        Args:
            own: the `Encoder.compute_type` of this machine.
        """
        return [own]

    def source_folder(self, feature_set: str, corpus: str) -> Path | None:
        """The folder of files that a corpus's frames are read from; None where they are computed from clips."""
        return None

    @property
    def checkpoint_folder(self) -> Path | None:
        """The local folder of weights, whose content DVC does not see; None where there is none."""
        return None
