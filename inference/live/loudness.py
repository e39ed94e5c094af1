"""How loud a waveform is, and whether it is clipped."""

import math
from dataclasses import dataclass

import numpy as np

QUIETEST = -100.0  # dB of full scale: what is shown where there is nothing at all
FULL_SCALE = 0.99  # the largest sample of 8-bit audio is 127/128
_BLOCK = 0.1  # seconds


@dataclass(frozen=True)
class Level:
    """How loud some samples are.

    Attributes:
        db: their root mean square in dB of full scale, at least `QUIETEST`.
        peak: the largest magnitude; 1 is full scale.
    """

    db: float = QUIETEST
    peak: float = 0.0

    @classmethod
    def of(cls, samples: np.ndarray) -> "Level":
        """The level of samples [N], also of none."""
        if not len(samples):
            return cls()
        power = float(np.mean(np.square(samples, dtype=np.float64)))
        return cls(_decibels(power), float(np.abs(samples).max()))


def loudest_db(samples: np.ndarray, sample_rate: int) -> float:
    """The level of the loudest tenth of a second in samples [N], in dB of full scale."""
    length = max(1, round(_BLOCK * sample_rate))
    starts = range(0, len(samples), length)
    return max((Level.of(samples[start : start + length]).db for start in starts), default=QUIETEST)


def clipped_share(samples: np.ndarray) -> float:
    """The share of samples [N] at full scale or beyond."""
    return float(np.mean(np.abs(samples) >= FULL_SCALE)) if len(samples) else 0.0


def _decibels(power: float) -> float:
    return max(QUIETEST, 10 * math.log10(power)) if power > 0 else QUIETEST
