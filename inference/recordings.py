"""Any audio file, or its bytes -> a recording to read waveforms from."""

import math
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from data.audio import SHORTEST, Excerpt, UnusableAudioError, missing_mp3_bytes, open_audio, read_excerpt
from inference.tape import PlayedFile, Tape

_RATES = (2_000, 768_000)  # Hz
_MOST_SAMPLES_A_SECOND = 8 * 768_000  # over all channels: 25 MB a second once decoded
_LARGEST_KERNEL = 2**24  # elements of torchaudio's resampling kernel; 44,101 Hz would take 700 million
_EASY_RATE = 48_000  # Hz, of what ffmpeg makes of a rate that is hard to resample

_LOSSY = ("MP3", "OGG")  # Vorbis and Opus are in OGG
_FORMATS = (  # demuxers of ffmpeg; none of them opens another file or an address
    "3gp,aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,eac3,flac,flv,matroska,webm,mov,mp3,mp4,m4a,mpeg,mpegts,"
    "ogg,tta,w64,wav,wv"
)
_LARGEST_DECODED = 4 * 2**30  # bytes: six hours of stereo at 48 kHz
_LARGEST_BLOCK = 2**28  # bytes that ffmpeg may allocate at once
_SLOWEST = 10  # times real time, below which ffmpeg is taken to hang
_LEAST_PATIENCE = 60.0  # seconds
_LONGEST = 24 * 3600.0  # seconds


@dataclass(frozen=True)
class Recording:
    """An open recording.

    Attributes:
        name: what to call it: a file's name.
        path: a file that libsndfile reads: the one that was given, or a temporary one.
        file: opened; not for several threads at once.
    """

    name: str
    path: Path
    file: soundfile.SoundFile | Tape

    @property
    def sample_rate(self) -> int:
        """Hz, of the file."""
        return self.file.samplerate

    @property
    def num_frames(self) -> int:
        """Samples of each channel."""
        return self.file.frames

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.num_frames / self.sample_rate

    def read(self, sample_rate: int, start: float | None = None, end: float | None = None) -> np.ndarray:
        """Decode it, or a part: the same samples as of `data.audio.read_waveform`.

        Args:
            sample_rate: Hz, of the result.
            start, end: seconds; None for those of the recording.

        Returns:
            float32 [num_samples].

        Raises:
            UnusableAudioError: such as silent, or not finite.
        """
        return read_excerpt(self.file, Excerpt(self.path, start, end), sample_rate)


@contextmanager
def open_recording(
    audio: Path | str | bytes, name: str | None = None, longest: float | None = None
) -> Iterator[Recording]:
    """Open an audio file of any format, rate and number of channels, whoever it comes from.

    libsndfile reads wav, flac, mp3, ogg, opus and more. What it cannot read (m4a, aac, webm, mp4, wma, amr, ...) ffmpeg
    decodes to a temporary file, if it is installed. It opens nothing but the file itself: no playlists, no addresses.

    Args:
        audio: a file, or the bytes of one.
        name: what to call it; by default the file's name.
        longest: seconds; a longer recording is refused.

    Raises:
        UnusableAudioError: why it cannot be used, in one sentence.
    """
    with tempfile.TemporaryDirectory(prefix="emocache-") as folder:
        path = _file_of(audio, Path(folder))
        name = name or ("recording" if isinstance(audio, bytes) else path.name)
        if why_not := _unreadable_by_libsndfile(path):
            path = _decode(path, Path(folder), why_not, longest)
        with open_audio(path) as file, ExitStack() as played:
            _check(file, longest)
            if file.format in _LOSSY:
                file = Tape(played.enter_context(PlayedFile(os.fsencode(path))))
            yield Recording(name, path, file)


def is_hard_to_resample(rate: int, sample_rate: int = 16_000) -> bool:
    """Whether `data.audio.resample_waveform` would take gigabytes: two rates in Hz with no large common divisor."""
    common = math.gcd(rate, sample_rate)
    return (rate // common) * (sample_rate // common) > _LARGEST_KERNEL


def _file_of(audio: Path | str | bytes, folder: Path) -> Path:
    """A regular file that is not empty."""
    if isinstance(audio, bytes):
        path = folder / "given"
        path.write_bytes(audio)
    else:
        path = Path(audio)
    try:
        status = path.stat()
    except FileNotFoundError:
        raise UnusableAudioError("no such file") from None
    except (OSError, ValueError) as error:
        raise UnusableAudioError(f"unreadable: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(status.st_mode):
        raise UnusableAudioError("a folder, not a file" if stat.S_ISDIR(status.st_mode) else "not a regular file")
    if not status.st_size:
        raise UnusableAudioError("empty: 0 bytes")
    return path


def _unreadable_by_libsndfile(path: Path) -> str:
    """Why ffmpeg has to decode a file first; nothing if it need not."""
    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:
            rate, num_frames, form = file.samplerate, file.frames, file.format
    except PermissionError:
        raise UnusableAudioError("unreadable: permission denied") from None
    except (soundfile.SoundFileError, RuntimeError, TypeError, OSError):  # TypeError: of *.raw it wants the rate
        return "libsndfile does not recognise it"
    if num_frames > _LONGEST * rate:
        return "its header does not say how long it is"  # what ffmpeg writes to a pipe
    if form == "MP3":
        missing = missing_mp3_bytes(path)
        if missing is None:  # libsndfile then guesses from the first frame, badly if the bit rate varies
            return "its header does not say how long it is"
        if missing > 0:
            raise UnusableAudioError(f"truncated: {missing:,} bytes of audio are missing at the end")
    if is_hard_to_resample(rate):
        return f"{rate:,} Hz is hard to resample"
    return ""


def _decode(path: Path, folder: Path, why: str, longest: float | None) -> Path:
    """Have ffmpeg write the first sound of a file to a folder, as a wav of 16 bit.

    It gets to see a link instead of the file's name, by which it would guess the format.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise UnusableAudioError(
            f"{why}; ffmpeg may read it, but is not installed (on Debian and Ubuntu: sudo apt-get install ffmpeg)"
        )
    link, decoded = folder / "undecoded", folder / "decoded.wav"
    link.symlink_to(path.absolute())
    rate = ["-ar", str(_EASY_RATE)] if "resample" in why else []
    most = _LONGEST if longest is None else longest
    command = [program, "-hide_banner", "-nostdin", "-v", "error", "-threads", "1"]
    command += ["-max_alloc", str(_LARGEST_BLOCK), "-protocol_whitelist", "file", "-format_whitelist", _FORMATS]
    command += ["-i", f"file:{link}", "-map", "0:a:0", "-map_metadata", "-1", *rate, "-c:a", "pcm_s16le"]
    command += ["-t", str(most + 1.0), "-fs", str(_LARGEST_DECODED), "-rf64", "auto", "-f", "wav", f"file:{decoded}"]
    patience = _LEAST_PATIENCE + most / _SLOWEST
    try:
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=patience)
    except subprocess.TimeoutExpired:
        raise UnusableAudioError("unreadable: ffmpeg took too long to decode it") from None
    complaint = ended.stderr.decode(errors="replace").strip()
    if ended.returncode or complaint:
        raise UnusableAudioError(_explained(complaint, link))
    if not decoded.exists() or not decoded.stat().st_size:
        raise UnusableAudioError("empty: no samples")
    if decoded.stat().st_size > 0.99 * _LARGEST_DECODED:
        raise UnusableAudioError(f"too long: more than {_LARGEST_DECODED / 2**30:.0f} GiB once decoded")
    return decoded


def _explained(complaint: str, link: Path) -> str:
    """What ffmpeg's first complaint means for a person."""
    if "matches no streams" in complaint:
        return "no sound in it: a video without an audio track, or a picture"
    if "moov atom not found" in complaint:
        return "truncated: it ends before its table of contents, which a recorder writes last"
    if re.search("partial file|ended prematurely", complaint):
        return "truncated: a part of it is missing"
    if re.search("not on whitelist|not in whitelist|Protocol not found", complaint):
        return "not a recording: a playlist, a picture or text, perhaps renamed"
    line = re.sub(r"^\[[^]]*\] ", "", complaint.splitlines()[0]) if complaint else ""
    if str(link) in line and "Invalid data" in line:
        return "unreadable: not audio that libsndfile or ffmpeg recognises; it may be renamed, encrypted or damaged"
    return f"damaged, or encrypted: {line.replace(f'file:{link}: ', '')}".rstrip(": ")


def _check(file: soundfile.SoundFile, longest: float | None) -> None:
    rate, seconds = file.samplerate, file.frames / file.samplerate
    if not _RATES[0] <= rate <= _RATES[1]:
        raise UnusableAudioError(f"a sample rate of {rate:,} Hz; it must be from {_RATES[0]:,} to {_RATES[1]:,}")
    if rate * file.channels > _MOST_SAMPLES_A_SECOND:
        raise UnusableAudioError(f"too many samples: {file.channels} channels at {rate:,} Hz")
    if not file.frames:
        raise UnusableAudioError("empty: no samples")
    if seconds < SHORTEST:
        raise UnusableAudioError(f"too short: {seconds * 1000:.0f} ms, less than one frame")
    if longest is not None and seconds > longest:
        raise UnusableAudioError(f"too long: more than {longest:g} s")
    if file.format != "MP3" and not _is_complete(file):
        raise UnusableAudioError(f"truncated: it ends before the {seconds:.1f} s that its header promises")


def _is_complete(file: soundfile.SoundFile) -> bool:
    """Whether there is a last sample."""
    try:
        file.seek(file.frames - 1)
        complete = len(file.read(1)) == 1
        file.seek(0)
    except (soundfile.SoundFileError, RuntimeError):
        return False
    return complete
