"""Noise added to an utterance: synthesised, or drawn from a folder of recordings."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

import numpy as np
from pydantic import AfterValidator

from data.disturbances.disturbance import (
    Disturbance,
    DisturbanceSettings,
    as_text,
    random_numbers,
    strengths,
    within_full_scale,
)
from data.disturbances.recordings import draw_recording, known_source
from data.errors import UserError

NOISES = "data/noises"
_TALKERS = 6
_SYLLABLES = 6.0  # Hz; the loudness of speech changes more slowly
_TRIES = 20  # to find a stretch of a recording that is not silent


class NoiseSettings(DisturbanceSettings):
    """``{noise: white, snr: [5, 20]}``.

    Attributes:
        noise: ``white``, ``pink``, ``babble``, or a folder of recordings below ``data/noises``.
        snr: signal-to-noise ratios in dB, of the mean power of the whole utterance, its pauses included.
    """

    noise: Annotated[str, AfterValidator(lambda name: known_source(name, SYNTHETIC, NOISES))]
    snr: strengths(-20, 60)

    @property
    def folder(self) -> str | None:
        return None if self.noise in SYNTHETIC else self.noise

    def disturbances(self) -> list[Disturbance]:
        name = self.noise.rpartition("/")[2]
        return [
            Disturbance(f"noise_{name}_snr{as_text(snr)}", partial(disturb_by_noise, self.noise, snr))
            for snr in self.snr
        ]


def disturb_by_noise(noise: str, snr: float, waveform: np.ndarray, sample_rate: int, key: str) -> np.ndarray:
    """Add noise at a signal-to-noise ratio in dB; the same noise at every ratio.

    Where the sum goes beyond full scale, all of it is turned down, so the ratio holds.

    Args:
        noise: a name in `SYNTHETIC`, or a folder of recordings.
        snr: of the mean power of this waveform, in dB.
        waveform: float32 [T].
        sample_rate: Hz.
        key: what the noise is drawn by.
    """
    random = random_numbers(key, noise)
    make = SYNTHETIC.get(noise) or partial(recorded_noise, noise)
    sound = make(len(waveform), sample_rate, random).astype(np.float32)
    import torch
    from torchaudio.functional import add_noise

    noisy = add_noise(torch.from_numpy(waveform), torch.from_numpy(sound), torch.tensor(snr))
    return within_full_scale(noisy.numpy())


def white_noise(num_samples: int, sample_rate: int, random: np.random.Generator) -> np.ndarray:
    """Gaussian noise, equally strong at all frequencies [T]."""
    return random.standard_normal(num_samples)


def pink_noise(num_samples: int, sample_rate: int, random: np.random.Generator) -> np.ndarray:
    """Noise whose power falls by 3 dB per octave, from 20 Hz on [T]."""
    return _shaped_noise(num_samples, sample_rate, random, lambda frequency: 1 / np.maximum(frequency, 20))


def babble(num_samples: int, sample_rate: int, random: np.random.Generator) -> np.ndarray:
    """Six talkers without words [T]: noise with the spectrum of speech, as loud as syllables come and go.

    For real voices use a folder of recordings.
    """
    talkers = []
    for _ in range(_TALKERS):
        voice = _shaped_noise(num_samples, sample_rate, random, _power_of_speech)
        loudness = _shaped_noise(num_samples, sample_rate, random, lambda frequency: frequency <= _SYLLABLES)
        talkers.append(voice * np.abs(loudness))
    return np.sum(talkers, axis=0)


def recorded_noise(folder: str, num_samples: int, sample_rate: int, random: np.random.Generator) -> np.ndarray:
    """A stretch of a recording of a folder [T], which begins anew where it is too short.

    Raises:
        UserError: there are no recordings, or hardly anything but silence.
    """
    for _ in range(_TRIES):
        recording = draw_recording(folder, sample_rate, random)
        start = random.integers(len(recording))
        stretch = recording.take(np.arange(start, start + num_samples), mode="wrap")
        if stretch.any():
            return stretch
    raise UserError(f"{folder}: these recordings are silent for most of the time. Replace them.")


def _power_of_speech(frequency: np.ndarray) -> np.ndarray:
    """The long-term spectrum of speech, roughly: even from 100 to 500 Hz, then falling by 9 dB per octave.

    Source: after Byrne et al. 1994, "An international comparison of long-term average speech spectra".
    """
    return np.where(frequency < 100, 0.0, np.minimum(1.0, (500 / np.maximum(frequency, 1)) ** 3))


def _shaped_noise(
    num_samples: int,
    sample_rate: int,
    random: np.random.Generator,
    power: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Gaussian noise with a given power at each frequency in Hz [T]."""
    spectrum = np.fft.rfft(random.standard_normal(num_samples))
    frequency = np.fft.rfftfreq(num_samples, 1 / sample_rate)
    return np.fft.irfft(spectrum * np.sqrt(power(frequency)), num_samples)


SYNTHETIC: dict[str, Callable[[int, int, np.random.Generator], np.ndarray]] = {
    "white": white_noise,
    "pink": pink_noise,
    "babble": babble,
}
