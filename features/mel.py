"""What the kinds made of mel bands share: their parameters, framing, filters, decibels and deltas, librosa's numbers.

Computed with SciPy, which is here anyway; librosa, which would bring numba and LLVM, is what the tests compare with.
Everything runs in float64 on one thread, each clip by itself, so neither batch nor threads change a bit. SciPy is
imported where it computes: every stage reads the parameters, and few compute features.
"""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from features.encoder import AudioEncoder
from features.settings import KindSettings

_SMALLEST_POWER = 1e-10  # -100 dB
_LINEAR_BELOW = 1000.0  # Hz
_RANGE = 80.0  # dB below a clip's loudest mel band, where the rest is cut off


class MelSettings(KindSettings):
    """Parameters of mel bands and deltas, with librosa's names and defaults. Lengths are in samples of ``clips``' rate.

    Attributes:
        n_fft: length of the Fourier transform; even.
        win_length: length of the Hann window within it; null means ``n_fft``.
        hop_length: from one frame to the next.
        n_mels: mel bands, from 0 Hz to half of the rate.
        delta_orders: which differences over time stand side by side in a frame: 0 is the values themselves, 1 their
            first derivatives, 2 their second ones. ``[0, 1, 2]`` makes a frame three times as long.
        delta_width: frames that a delta is fitted to; odd.
    """

    n_fft: Annotated[int, Field(ge=16, le=65536)] = 2048
    win_length: Annotated[int, Field(ge=16)] | None = None
    hop_length: Annotated[int, Field(ge=1)] = 512
    n_mels: Annotated[int, Field(ge=1, le=512)] = 128
    delta_orders: Annotated[list[Literal[0, 1, 2]], Field(min_length=1)] = [0]
    delta_width: Annotated[int, Field(ge=3)] = 9

    @field_validator("delta_orders")
    @classmethod
    def _rising(cls, orders: list[int]) -> list[int]:
        if sorted(set(orders)) != orders:
            raise ValueError("expected different orders, smallest first, e.g. [0, 1, 2]")
        return orders

    @field_validator("n_fft")
    @classmethod
    def _even(cls, length: int) -> int:
        if length % 2:
            raise ValueError("expected an even number of samples")
        return length

    @field_validator("delta_width")
    @classmethod
    def _odd(cls, width: int) -> int:
        if width % 2 == 0:
            raise ValueError("expected an odd number of frames")
        return width

    @model_validator(mode="after")
    def _window_fits(self):
        if (self.win_length or 0) > self.n_fft:
            raise ValueError(f"win_length: {self.win_length} is longer than n_fft, {self.n_fft}")
        return self

    def known_layers(self) -> list[int]:
        return [0]


class MelEncoder(AudioEncoder):
    """Values made of the mel bands of one clip after the other, and their deltas.

    Frame t is centred at sample ``t * hop_length``, with zeros before and after the clip, so a clip of n samples has
    ``1 + n // hop_length`` frames, however short it is. Power is floored 80 dB below the clip's loudest mel band.
    Deltas are those of `librosa.feature.delta`; in a clip of fewer frames than ``delta_width``, for which librosa has
    none, the first and the last frame are repeated (its ``mode="nearest"``).

    Source: Slaney's mel scale and filters; deltas by Savitzky & Golay 1964.

    Args:
        settings: of one of these kinds.
        values: how many a frame has, without deltas.

    Attributes:
        of_what: these features, for people.
    """

    layers = [0]
    of_what: str

    def __init__(self, settings: MelSettings, values: int):
        self._settings = settings
        self.dimension = values * len(settings.delta_orders)
        self.sample_rate, self.stride = settings.clips.sample_rate, settings.hop_length

    @property
    def recipe(self) -> dict:
        names = ("n_fft", "hop_length", "n_mels", "delta_orders", "delta_width")
        window = self._settings.win_length or self._settings.n_fft
        return {name: getattr(self._settings, name) for name in names} | {"win_length": window}

    @property
    def versions(self) -> dict[str, str]:
        import scipy

        return {"scipy": scipy.__version__}

    @property
    def cautions(self) -> dict[str, str]:
        empty = int((self._filters.sum(axis=1) == 0).sum())
        if not empty:
            return {}
        return {
            "empty_mel_bands": (
                f"{empty} of the {self._settings.n_mels} mel bands of the {self.of_what} are empty: the Fourier "
                f"transform of {self._settings.n_fft} samples does not resolve them. Lower n_mels or raise n_fft."
            )
        }

    def num_frames(self, num_samples: int) -> int:
        return 1 + num_samples // self.stride

    def encode(self, inputs: Sequence[np.ndarray]) -> list[Tensor]:
        self.passes += len(inputs)
        return [torch.from_numpy(np.stack([self._frames(samples) for samples in inputs]).astype(np.float32))]

    @abstractmethod
    def values(self, decibels: np.ndarray) -> np.ndarray:
        """Power in mel bands [T, n_mels], in dB -> what a frame holds [T, values], without deltas."""

    def _frames(self, samples: np.ndarray) -> np.ndarray:
        """Samples [num_samples] -> frames float64 [T, D]."""
        values = self.values(self._decibels(samples))
        return np.hstack([self._delta(values, order) for order in self._settings.delta_orders])

    def _decibels(self, samples: np.ndarray) -> np.ndarray:
        """Samples [num_samples] -> power in mel bands [T, n_mels], in dB."""
        from scipy.fft import rfft

        n_fft, hop = self._settings.n_fft, self._settings.hop_length
        padded = np.pad(samples.astype(np.float64), n_fft // 2)
        windows = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop][: self.num_frames(len(samples))]
        spectrum = rfft(windows * self._window, axis=1)
        power = (self._filters @ (spectrum.real**2 + spectrum.imag**2).T).T
        decibels = 10 * np.log10(np.maximum(power, _SMALLEST_POWER))
        return np.maximum(decibels, decibels.max() - _RANGE)

    def _delta(self, values: np.ndarray, order: int) -> np.ndarray:
        """Differences of some order over time [T, values]."""
        if order == 0:
            return values
        from scipy.signal import savgol_filter

        width = self._settings.delta_width
        mode = "interp" if len(values) >= width else "nearest"
        return savgol_filter(values, width, polyorder=order, deriv=order, axis=0, mode=mode)

    @cached_property
    def _window(self) -> np.ndarray:
        """A Hann window in the middle of zeros [n_fft]."""
        from scipy.signal import get_window

        n_fft, length = self._settings.n_fft, self._settings.win_length or self._settings.n_fft
        before = (n_fft - length) // 2
        return np.pad(get_window("hann", length), (before, n_fft - length - before))

    @cached_property
    def _filters(self):
        """Triangles of equal area, evenly spaced on the mel scale: sparse [n_mels, n_fft // 2 + 1]."""
        from scipy.sparse import csr_array

        highest = self.sample_rate / 2
        frequencies = np.linspace(0, highest, self._settings.n_fft // 2 + 1)
        corners = _hertz(np.linspace(0, _mel(highest), self._settings.n_mels + 2))
        low, centre, high = (corners[start : start + self._settings.n_mels, None] for start in range(3))
        rising, falling = (frequencies - low) / (centre - low), (high - frequencies) / (high - centre)
        return csr_array(np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low))


def _mel(hertz: float) -> float:
    """Slaney's mel scale: linear below 1,000 Hz, logarithmic above."""
    return 3 * hertz / 200 if hertz < _LINEAR_BELOW else 15 + 27 * np.log(hertz / _LINEAR_BELOW) / np.log(6.4)


def _hertz(mel: np.ndarray) -> np.ndarray:
    """The inverse of `_mel`, element by element."""
    return np.where(mel < 15, 200 * mel / 3, _LINEAR_BELOW * np.exp((mel - 15) * np.log(6.4) / 27))
