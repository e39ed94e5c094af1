"""``kind: opensmile``: hand-made acoustic features, frame by frame or one vector per clip, by audEERING's openSMILE.

The package ``opensmile`` is not installed with emocache: its licence permits research, and not commercial use. It
brings its own configurations, so its version belongs to the recipe.

Source: Eyben et al. 2010, "openSMILE: the Munich versatile and fast open-source audio feature extractor"; Eyben et al.
2016 (GeMAPS, eGeMAPS); Schuller et al. 2016 (ComParE).
"""

import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import model_validator
from torch import Tensor

from data.errors import UserError, listed
from features.encoder import AudioEncoder
from features.settings import KindSettings, Storage

VERSION = 1  # raise it when the bytes of these features change on purpose: all of this kind are then computed again

_LEVELS = {"lld": "LowLevelDescriptors", "lld_de": "LowLevelDescriptors_Deltas", "functionals": "Functionals"}
_WINDOW = {"emobase": 0.04}  # seconds of the longest window; a shorter clip has no frame
_LONGEST_WINDOW = 0.06  # of all other sets
_FIRST_FRAMES = {"lld": 2, "lld_de": 4}  # of a clip as long as that window: the smoothing adds them
_HOP = 0.01  # seconds


class OpensmileSettings(KindSettings):
    """One feature set of ``kind: opensmile``.

    Attributes:
        feature_set: as openSMILE calls it.
        level: ``lld``, the low-level descriptors of every frame; ``lld_de``, their differences over time (not for
            GeMAPS); ``functionals``, statistics of these over the clip, which are one frame.
        storage: some functionals are too large for float16, and others too small.
    """

    kind: Literal["opensmile"] = "opensmile"
    feature_set: Literal["eGeMAPSv02", "GeMAPSv01b", "ComParE_2016", "emobase"] = "eGeMAPSv02"
    level: Literal["lld", "lld_de", "functionals"] = "lld"
    storage: Storage = "float32"

    @model_validator(mode="after")
    def _level_exists(self):
        if self.level == "lld_de" and "GeMAPS" in self.feature_set:
            raise ValueError(f"level: {self.feature_set} has no lld_de; use lld or functionals")
        return self

    def known_layers(self) -> list[int]:
        return [0]

    @property
    def single_frame(self) -> bool:
        return self.level == "functionals"


class OpensmileEncoder(AudioEncoder):
    """openSMILE's features of one clip after the other, at the clips' own rate.

    Frames are 10 ms apart, rounded to whole samples. A clip as long as the longest window, 60 ms (emobase: 40 ms), has
    2 frames (``lld_de``: 4), and every 10 ms more make another one.

    Args:
        settings: of the feature set.

    Raises:
        UserError: the package is not installed.
    """

    layers = [0]
    advice = "Leave this clip out (corpora.<corpus>.exclude), or use storage: float32 if it is not set."

    def __init__(self, settings: OpensmileSettings):
        opensmile = _import_opensmile()
        self._version = opensmile.__version__
        self._settings = settings
        self._smile = opensmile.Smile(
            opensmile.FeatureSet[settings.feature_set], opensmile.FeatureLevel[_LEVELS[settings.level]]
        )
        self.name = f"openSMILE {settings.feature_set} {settings.level}"
        self.dimension = len(self._smile.column_names)
        self.sample_rate = settings.clips.sample_rate
        self.stride = int(_HOP * self.sample_rate + 0.5)
        self._window = round(_WINDOW.get(settings.feature_set, _LONGEST_WINDOW) * self.sample_rate)

    @property
    def frame_rate(self) -> float:
        """Frames per second; 0 for functionals."""
        return 0.0 if self._settings.single_frame else super().frame_rate

    @property
    def recipe(self) -> dict:
        return {
            "feature_set": self._settings.feature_set,
            "level": self._settings.level,
            "opensmile": self._version,
        }

    @property
    def versions(self) -> dict[str, str]:
        return {"opensmile": self._version}

    def num_frames(self, num_samples: int) -> int:
        if num_samples < self._window:
            return 0
        if self._settings.single_frame:
            return 1
        return _FIRST_FRAMES[self._settings.level] + (num_samples - self._window) // self.stride

    def check_lengths(self, ids: Sequence[str], num_samples: Sequence[int]) -> None:
        if short := [name for name, count in zip(ids, num_samples, strict=True) if count < self._window]:
            raise UserError(
                f"clips shorter than the {1000 * self._window / self.sample_rate:.0f} ms that {self.name} needs; leave "
                f"them out with corpora.<corpus>.exclude: {{id: [...]}}:\n{listed(short)}"
            )

    def encode(self, inputs: Sequence[np.ndarray]) -> list[Tensor]:
        self.passes += len(inputs)
        return [torch.from_numpy(np.stack([self._frames(samples) for samples in inputs]).astype(np.float32))]

    def _frames(self, samples: np.ndarray) -> np.ndarray:
        """Samples [num_samples] -> frames [T, D]."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that frames are NaN is said where they are to be stored
            _, _, frames = self._smile.process(samples, self.sample_rate)
        if len(frames) != self.num_frames(len(samples)):
            raise UserError(
                f"{self.name} has {len(frames)} frames for {len(samples)} samples, instead of "
                f"{self.num_frames(len(samples))}: opensmile {self._version} is not supported."
            )
        return frames


def open_encoder(settings: OpensmileSettings, device: torch.device, source: None = None) -> OpensmileEncoder:
    """The encoder of a feature set; it computes on the CPU, whatever the device."""
    return OpensmileEncoder(settings)


def _import_opensmile():
    try:
        import opensmile
    except ImportError:
        raise UserError(
            "kind: opensmile needs a package that is not installed with emocache: pip install 'opensmile>=2.5,<3'. "
            "Its licence (audEERING's) permits research and education, and not commercial use."
        ) from None
    return opensmile
