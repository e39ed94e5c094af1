"""``kind: mfcc``: mel-frequency cepstral coefficients and their deltas, the numbers of `librosa.feature.mfcc`."""

from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, model_validator

from features.mel import MelEncoder, MelSettings

VERSION = 1  # raise it when the bytes of these features change on purpose: all of this kind are then computed again


class MfccSettings(MelSettings):
    """One feature set of ``kind: mfcc``.

    Attributes:
        n_mfcc: coefficients of a frame, the zeroth (loudness) included.
    """

    kind: Literal["mfcc"] = "mfcc"
    n_mfcc: Annotated[int, Field(ge=1)] = 13

    @model_validator(mode="after")
    def _enough_bands(self):
        if self.n_mfcc > self.n_mels:
            raise ValueError(f"n_mfcc: {self.n_mfcc} coefficients need at least as many mel bands, not {self.n_mels}")
        return self


class MfccEncoder(MelEncoder):
    """The discrete cosine transform of the mel bands' decibels.

    Source: Davis & Mermelstein 1980, "Comparison of parametric representations for monosyllabic word recognition".
    """

    name = "librosa.feature.mfcc"
    of_what = "MFCCs"

    def __init__(self, settings: MfccSettings):
        super().__init__(settings, settings.n_mfcc)

    @property
    def recipe(self) -> dict:
        return super().recipe | {"n_mfcc": self._settings.n_mfcc}

    def values(self, decibels: np.ndarray) -> np.ndarray:
        from scipy.fft import dct

        return dct(decibels, axis=1, norm="ortho")[:, : self._settings.n_mfcc]


def open_encoder(settings: MfccSettings, device: torch.device, source: None = None) -> MfccEncoder:
    """The encoder of a feature set; it computes on the CPU, whatever the device."""
    return MfccEncoder(settings)
