"""``kind: logmel``: power in mel bands, in decibels: `librosa.power_to_db` of `librosa.feature.melspectrogram`."""

from typing import Literal

import numpy as np
import torch

from features.mel import MelEncoder, MelSettings

VERSION = 1  # raise it when the bytes of these features change on purpose: all of this kind are then computed again


class LogmelSettings(MelSettings):
    """One feature set of ``kind: logmel``."""

    kind: Literal["logmel"] = "logmel"


class LogmelEncoder(MelEncoder):
    """The mel bands' decibels themselves, with librosa's range: nothing is more than 80 dB below the loudest."""

    name = "librosa.feature.melspectrogram"
    of_what = "log-mel frames"

    def __init__(self, settings: LogmelSettings):
        super().__init__(settings, settings.n_mels)

    def values(self, decibels: np.ndarray) -> np.ndarray:
        return decibels


def open_encoder(settings: LogmelSettings, device: torch.device, source: None = None) -> LogmelEncoder:
    """The encoder of a feature set; it computes on the CPU, whatever the device."""
    return LogmelEncoder(settings)
