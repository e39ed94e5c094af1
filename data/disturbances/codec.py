"""An utterance that has been through a codec: MP3, Opus, or a telephone line."""

import io
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import soundfile

from data.disturbances.disturbance import Disturbance, DisturbanceSettings
from data.errors import UserError

_PHONE_RATE = 8000
_PHONE_BAND = (300.0, 3400.0)  # Hz
_PHONE_TAPS = 401  # of a linear-phase filter: the band ends within 70 Hz
_MU_LAW_LEVELS = 256
_RESAMPLING_WIDTH = 64  # zero crossings of its filter: steep, so that no image of the band is left above it


@dataclass(frozen=True)
class FileCodec:
    """A codec of libsndfile.

    Attributes:
        format, subtype: as soundfile names them.
        compression: from 0 (best) to 1 (smallest).
        bitrate_mode: None where there is no choice.
        rates: sample rates that it takes, in Hz.
    """

    format: str
    subtype: str
    compression: float
    bitrate_mode: str | None
    rates: tuple[int, ...]


FILE_CODECS = {
    "mp3": FileCodec("MP3", "MPEG_LAYER_III", 0.9, "AVERAGE", (8000, 12000, 16000, 22050, 24000, 32000, 44100, 48000)),
    "opus": FileCodec("OGG", "OPUS", 0.98, None, (8000, 12000, 16000, 24000, 48000)),
}


class CodecSettings(DisturbanceSettings):
    """``{codec: mp3}``.

    Attributes:
        codec: ``mp3`` (about 28 kbit/s at 16 kHz), ``opus`` (about 14 kbit/s) or ``phone`` (300 to 3,400 Hz, mu-law).
    """

    codec: Literal["mp3", "opus", "phone"]

    def check(self) -> None:
        if self.codec in FILE_CODECS and not is_available(FILE_CODECS[self.codec]):
            version = soundfile.__libsndfile_version__
            raise UserError(
                f"the codec {self.codec} is not available: this libsndfile ({version}) was built without it. Install "
                "soundfile from PyPI, which brings a libsndfile of its own."
            )

    def disturbances(self) -> list[Disturbance]:
        apply = pass_phone if self.codec == "phone" else partial(pass_file, FILE_CODECS[self.codec])
        return [Disturbance(f"codec_{self.codec}", apply)]


def is_available(codec: FileCodec) -> bool:
    """Whether this machine's libsndfile writes a codec."""
    return codec.format in soundfile.available_formats() and codec.subtype in soundfile.available_subtypes(codec.format)


def pass_file(codec: FileCodec, waveform: np.ndarray, sample_rate: int, key: str) -> np.ndarray:
    """Encode and decode a waveform float32 [T]; neither its length nor the place of its onset changes.

    libsndfile leaves out the silence that both codecs put before the sound. What is decoded may be a little beyond full
    scale.
    """
    rate = min(rate for rate in codec.rates if rate >= sample_rate)
    buffer = io.BytesIO()
    how = {"format": codec.format, "compression_level": codec.compression, "bitrate_mode": codec.bitrate_mode}
    with soundfile.SoundFile(buffer, "w", rate, 1, codec.subtype, **how) as file:
        file.write(_resampled(waveform, sample_rate, rate))
    buffer.seek(0)
    decoded, _ = soundfile.read(buffer, dtype="float32")
    return _as_long_as(waveform, _resampled(decoded, rate, sample_rate))


def pass_phone(waveform: np.ndarray, sample_rate: int, key: str) -> np.ndarray:
    """What a telephone line leaves of a waveform float32 [T]: 300 to 3,400 Hz at 8 kHz, in mu-law of 8 bits (G.711)."""
    import torch
    from torchaudio.functional import mu_law_decoding, mu_law_encoding

    line = _band(np.clip(_resampled(waveform, sample_rate, _PHONE_RATE), -1, 1))
    coded = mu_law_encoding(torch.from_numpy(np.clip(line, -1, 1)), _MU_LAW_LEVELS)
    received = _band(mu_law_decoding(coded, _MU_LAW_LEVELS).numpy())
    return _as_long_as(waveform, _resampled(received, _PHONE_RATE, sample_rate))


def _band(waveform: np.ndarray) -> np.ndarray:
    """The telephone's band of a waveform at 8 kHz, without delay."""
    from scipy.signal import firwin, oaconvolve

    taps = firwin(_PHONE_TAPS, _PHONE_BAND, pass_zero=False, fs=_PHONE_RATE)
    delay = _PHONE_TAPS // 2
    return oaconvolve(waveform, taps)[delay : delay + len(waveform)].astype(np.float32)


def _resampled(waveform: np.ndarray, source_rate: int, rate: int) -> np.ndarray:
    if source_rate == rate:
        return waveform
    import torch
    from torchaudio.functional import resample

    return resample(torch.from_numpy(waveform), source_rate, rate, lowpass_filter_width=_RESAMPLING_WIDTH).numpy()


def _as_long_as(waveform: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Cut the other waveform, or continue it with zeros; resampling there and back may add a sample."""
    return np.pad(other[: len(waveform)], (0, max(0, len(waveform) - len(other))))
