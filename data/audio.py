"""One audio file -> one waveform."""

import math
import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

LOUDEST = 2.0  # float files may overshoot full scale a little, and are clipped there; integers saved as floats do not
QUIETEST_MIX = 0.01  # RMS of the averaged channels by that of the loudest; below it they have cancelled out
SHORTEST = 0.025  # seconds: one frame of any wav2vec-like encoder

_MOST_UNQUESTIONED = 10**8  # samples: 100 minutes at 16 kHz, 400 MB
_MOST_SAMPLES_PER_BYTE = 500  # that any codec makes of more than silence; Opus at its lowest rate: 64
_LOWEST_RATE = 2000  # Hz
_LARGEST_KERNEL = 10**8  # elements, by which resampling multiplies


class UnusableAudioError(Exception):
    """An audio file that cannot be used, and why."""


class SilentAudioError(UnusableAudioError):
    """Audio of zeros only."""


@dataclass(frozen=True)
class Excerpt:
    """An utterance's part of an audio file.

    Attributes:
        path: anything that libsndfile reads.
        start, end: seconds; None for those of the file.
    """

    path: Path
    start: float | None = None
    end: float | None = None

    def frames(self, num_frames: int, sample_rate: int) -> tuple[int, int]:
        """The first of the file's frames, and the one after the last; an end may be rounded beyond the file's."""
        first = round((self.start or 0.0) * sample_rate)
        last = num_frames if self.end is None else round(self.end * sample_rate)
        return min(first, num_frames), min(last, num_frames)


@dataclass(frozen=True)
class Joined:
    """An utterance of several recordings, one after another, with nothing between them."""

    parts: tuple[Excerpt, ...]

    @property
    def path(self) -> Path:
        """The first recording."""
        return self.parts[0].path


def read_audio(audio: Path | Excerpt | Joined, sample_rate: int) -> np.ndarray:
    """Decode an utterance: a recording, a part of one, or several of them; see `read_waveform`.

    Raises:
        UnusableAudioError: one of them cannot be used; it is named.
    """
    if not isinstance(audio, Joined):
        return read_waveform(audio, sample_rate)
    waveforms = []
    for part in audio.parts:
        try:
            waveforms.append(read_waveform(part, sample_rate))
        except UnusableAudioError as error:
            raise UnusableAudioError(f"{part.path.name}, one of its {len(audio.parts)} parts: {error}") from None
    return np.concatenate(waveforms)


def read_waveform(audio: Path | Excerpt, sample_rate: int) -> np.ndarray:
    """Decode audio of any rate, width and channel count; of a long file only the excerpt.

    The excerpt is resampled by itself: the result is that of a file that holds nothing else.

    Args:
        audio: a file, or a part of one.
        sample_rate: Hz, of the result.

    Returns:
        float32 [num_samples]; channels are averaged.

    Raises:
        UnusableAudioError: unreadable, empty, truncated, too short, silent, not finite, far beyond full scale,
            or channels that cancel each other out.
    """
    excerpt = audio if isinstance(audio, Excerpt) else Excerpt(audio)
    with open_audio(excerpt.path) as file:
        return read_excerpt(file, excerpt, sample_rate)


@contextmanager
def open_audio(path: Path) -> Iterator[soundfile.SoundFile]:
    """Open a file to read from.

    Raises:
        UnusableAudioError: unreadable, or truncated.
    """
    missing = _missing_wav_bytes(path)
    if missing:
        raise UnusableAudioError(f"truncated: {missing:,} bytes of audio are missing at the end")
    try:
        file = soundfile.SoundFile(os.fsencode(path))
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise UnusableAudioError(f"unreadable: {_first_line(error)}") from error
    with file:
        if file.format == "MP3":
            _check_mp3(path)
        yield file


def read_excerpt(file: soundfile.SoundFile, excerpt: Excerpt, sample_rate: int) -> np.ndarray:
    """Decode a part of an open file; see `read_waveform`."""
    source_rate = file.samplerate
    try:
        first, last = excerpt.frames(file.frames, source_rate)
        promised = last - first
        if first != file.tell():
            file.seek(first)
        _check_plausible(excerpt.path, promised * file.channels)
        samples = file.read(promised, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise UnusableAudioError(f"unreadable: {_first_line(error)}") from error
    if not len(samples):
        raise UnusableAudioError("empty: no samples")
    if len(samples) < promised:
        raise UnusableAudioError(f"truncated: {len(samples):,} of {promised:,} samples")
    if not np.isfinite(samples).all():
        raise UnusableAudioError("not finite: it holds NaN or infinite samples")
    if (peak := np.abs(samples).max()) > LOUDEST:
        raise UnusableAudioError(f"out of range: samples up to {peak:.3g}, where full scale is 1")
    if not samples.any():
        raise SilentAudioError("silent: every sample is zero")
    waveform = _mono(samples)
    if _loudness(waveform) < QUIETEST_MIX * max(map(_loudness, samples.T)):
        raise UnusableAudioError(
            "channels cancel each other out: they have opposite phase, so their average is nearly silent; "
            "keep one channel, or invert one of them"
        )
    if source_rate != sample_rate:
        _check_rates(source_rate, sample_rate)
        waveform = resample_waveform(waveform, source_rate, sample_rate)
    if len(waveform) < SHORTEST * sample_rate:
        raise UnusableAudioError(f"too short: {len(waveform) / sample_rate * 1000:.0f} ms, less than one frame")
    return waveform


def _check_plausible(path: Path, samples: int) -> None:
    """Refuse to reserve memory for what a header claims and the file cannot hold."""
    size = path.stat().st_size
    if samples > _MOST_UNQUESTIONED and samples > _MOST_SAMPLES_PER_BYTE * size:
        raise UnusableAudioError(f"damaged: {size:,} bytes cannot hold the {samples:,} samples that the header claims")


def _check_rates(source_rate: int, sample_rate: int) -> None:
    """Refuse rates between which resampling would take a kernel of gigabytes."""
    common = math.gcd(source_rate, sample_rate)
    if source_rate < _LOWEST_RATE or (source_rate // common) * (sample_rate // common) > _LARGEST_KERNEL:
        raise UnusableAudioError(
            f"a sample rate of {source_rate:,} Hz, which cannot be resampled to {sample_rate:,} Hz here; convert it, "
            f"e.g. with ffmpeg -i IN -ar {sample_rate} OUT.wav"
        )


def _check_mp3(path: Path) -> None:
    """Refuse an MP3 of which libsndfile might read a part without a word."""
    missing = missing_mp3_bytes(path)
    if missing is None:
        raise UnusableAudioError(
            "an MP3 whose header does not say how long it is, so that a part of it might be left out; convert it, e.g. "
            "with ffmpeg -i IN.mp3 OUT.wav"
        )
    if missing:
        raise UnusableAudioError(f"truncated: {missing:,} bytes of audio are missing at the end")


def resample_waveform(waveform: np.ndarray, source_rate: int, sample_rate: int) -> np.ndarray:
    """A waveform float32 [num_samples] at another rate."""
    import torch  # torchaudio takes seconds to import, and many corpora have the rate that is asked for
    from torchaudio.functional import resample

    return resample(torch.from_numpy(waveform), source_rate, sample_rate).numpy()


def _mono(samples: np.ndarray) -> np.ndarray:
    """The mean of the channels [num_samples, channels]."""
    if samples.shape[1] == 1:
        return np.ascontiguousarray(samples[:, 0])
    import torch  # NumPy's mean may differ from it in the last bit

    return torch.from_numpy(samples).mean(dim=1).numpy()


def _loudness(samples: np.ndarray) -> float:
    """The root mean square of samples [N]."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def missing_mp3_bytes(path: Path) -> int | None:
    """How many bytes the header of an MP3 promises beyond the file's end; None if its first frame is no such header."""
    with path.open("rb") as file:
        head = file.read(10)
        tag = sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=False)) + 10
        start = tag if head[:3] == b"ID3" else 0
        file.seek(start)
        frame = file.read(4096)
    header = re.search(rb"(?:Xing|Info)(?P<flags>.{4})(?P<fields>.{8})|VBRI", frame, flags=re.DOTALL)
    if header is None:
        return None
    flags = int.from_bytes(header["flags"] or b"")
    if not flags & 1:  # the number of frames
        return None if header["flags"] else 0
    promised = int.from_bytes(header["fields"][4:]) if flags & 2 else 0
    return max(0, start + promised - path.stat().st_size)


def _missing_wav_bytes(path: Path) -> int:
    """How many bytes the data chunk of a RIFF/WAVE file promises beyond the file's end.

    libsndfile reads a cut file without a word. A size of 0xFFFFFFFF is what streams write: unknown, so nothing missing.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) != b"RIFF" or file.read(8)[4:] != b"WAVE":
            return 0
        position = 12
        while len(header := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", header)
            position += 8
            if name == b"data":
                return 0 if length == 0xFFFFFFFF else max(0, position + length - size)
            position += length + length % 2
            file.seek(position)
    return 0


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].split(": ")[-1] if str(error).strip() else type(error).__name__
