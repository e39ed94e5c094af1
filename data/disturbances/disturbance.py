"""What every kind of disturbance has in common."""

import hashlib
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator, Field

from data.disturbances.recordings import list_recordings
from data.settings import Settings


@dataclass(frozen=True)
class Disturbance:
    """One disturbance of one strength.

    Attributes:
        name: of the copies that it makes, e.g. ``noise_white_snr5``.
        apply: waveform float32 [T] from -1 to 1, its sample rate, and a text that chance is drawn by -> waveform
            float32; [T] as well, except where the speed changes. It never depends on other utterances.
    """

    name: str
    apply: Callable[[np.ndarray, int, str], np.ndarray]


class DisturbanceSettings(Settings):
    """An entry of ``features.<set>.clips.disturb``; each kind adds the key that names it."""

    @abstractmethod
    def disturbances(self) -> list[Disturbance]:
        """One for every strength, in the order in which they are listed."""

    @property
    def folder(self) -> str | None:
        """The folder of recordings that it draws from; None where it makes its own sound."""
        return None

    def check(self) -> None:
        """Find out whether this machine can make these copies.

        Raises:
            UserError: a folder is missing or empty, or a codec is not available.
        """
        if self.folder:
            list_recordings(self.folder)


def strengths(least: float, most: float):
    """The type of a number, or a list of numbers, within a range."""
    numbers = list[Annotated[float, Field(ge=least, le=most)]]
    return Annotated[numbers, Field(min_length=1), BeforeValidator(_as_list)]


def as_text(number: float) -> str:
    """A number as it stands in a copy's name: all of its digits, and no more.

    >>> as_text(5.0), as_text(0.9)
    ('5', '0.9')
    """
    return repr(number).removesuffix(".0")


def random_numbers(*names: str) -> np.random.Generator:
    """Random numbers that depend on some names alone: on no order, no worker and no other utterance."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256("\n".join(names).encode()).digest()[:16]))


def within_full_scale(waveform: np.ndarray) -> np.ndarray:
    """Turn a waveform down as a whole where its peak is beyond full scale."""
    return waveform / max(1.0, float(np.abs(waveform).max()))


def _as_list(value):
    return value if isinstance(value, list) else [value]
