"""An utterance played faster or slower, louder or softer."""

from functools import partial

import numpy as np
from pydantic import field_validator

from data.disturbances.disturbance import Disturbance, DisturbanceSettings, as_text, strengths


class SpeedSettings(DisturbanceSettings):
    """``{speed: [0.9, 1.1]}``.

    Attributes:
        speed: factors; 0.9 takes 1/0.9 of the time. The pitch changes with it.
    """

    speed: strengths(0.5, 2.0)

    @field_validator("speed")
    @classmethod
    def _changes(cls, factors: list[float]) -> list[float]:
        return _without(1.0, factors)

    def disturbances(self) -> list[Disturbance]:
        return [Disturbance(f"speed_{as_text(factor)}", partial(change_speed, factor)) for factor in self.speed]


class GainSettings(DisturbanceSettings):
    """``{gain: [-20, 10]}``.

    Attributes:
        gain: in dB. What goes beyond full scale is clipped, as a recorder does whose input is too loud.
    """

    gain: strengths(-60, 40)

    @field_validator("gain")
    @classmethod
    def _changes(cls, decibels: list[float]) -> list[float]:
        return _without(0.0, decibels)

    def disturbances(self) -> list[Disturbance]:
        return [Disturbance(f"gain_{as_text(decibels)}", partial(change_gain, decibels)) for decibels in self.gain]


def change_speed(factor: float, waveform: np.ndarray, sample_rate: int, key: str) -> np.ndarray:
    """A waveform float32 [T] as it sounds ``factor`` times as fast: [T / factor]."""
    import torch
    from torchaudio.functional import speed

    return speed(torch.from_numpy(waveform), sample_rate, factor)[0].numpy()


def change_gain(decibels: float, waveform: np.ndarray, sample_rate: int, key: str) -> np.ndarray:
    """A waveform float32 [T], louder by some dB and clipped at full scale."""
    import torch
    from torchaudio.functional import gain

    return gain(torch.from_numpy(waveform), decibels).clamp(-1, 1).numpy()


def _without(neutral: float, values: list[float]) -> list[float]:
    if neutral in values:
        raise ValueError(f"{neutral:g} changes nothing; the clean clip is there anyway")
    return values
