"""Waveforms of a shard -> one HDF5 file: ``waveform`` int16, all clips end to end at their true lengths."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from data.audio import Excerpt, UnusableAudioError, read_waveform
from data.settings import Settings
from data.shards import Rows, Shard, ShardWriter
from data.skipped import Skipped

KIND = "emocache-clips"

_FULL_SCALE = 32768  # the sample that stands for 1


class ClipsSettings(Settings):
    """``features.<set>.clips``: what becomes of an utterance's audio before it is encoded.

    Attributes:
        sample_rate: Hz.
        seconds: the longest a clip may be; null keeps whole utterances. Shorter ones keep their true length.
        crop: which part of a longer utterance is kept: its start, its centre, or the window of most energy.
        on_error: what an unusable audio file does: stop, or be left out and listed in skipped.csv.
    """

    sample_rate: Annotated[int, Field(ge=8000, le=48000)] = 16000
    seconds: Annotated[float, Field(ge=0.1)] | None = 3.0
    crop: Literal["start", "centre", "loudest"] = "start"
    on_error: Literal["stop", "skip"] = "stop"

    @property
    def num_samples(self) -> int | None:
        """Samples of the longest clip; None where whole utterances are kept."""
        return None if self.seconds is None else round(self.seconds * self.sample_rate)


def to_int16(waveform: np.ndarray) -> np.ndarray:
    """A waveform from -1 to 1 as samples int16; what is beyond is clipped."""
    return np.clip(np.round(waveform * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)


def from_int16(samples: np.ndarray) -> np.ndarray:
    """Samples int16 as a waveform float32, from -1 to 1."""
    return samples.astype(np.float32) / _FULL_SCALE


def crop_waveform(waveform: np.ndarray, num_samples: int, crop: str) -> np.ndarray:
    """Keep at most ``num_samples`` of a waveform [T]: its ``start``, ``centre`` or ``loudest`` part."""
    surplus = len(waveform) - num_samples
    if surplus <= 0:
        return waveform
    start = {"start": 0, "centre": surplus // 2}.get(crop)
    if start is None:
        energy = np.concatenate([[0.0], np.cumsum(waveform.astype(np.float64) ** 2)])
        start = int(np.argmax(energy[num_samples:] - energy[:-num_samples]))
    return waveform[start : start + num_samples]


def write_clips(
    path: Path,
    ids: Sequence[str],
    audio: Sequence[Path | Excerpt],
    recipe: ClipsSettings,
    workers: int = 1,
    on_clip: Callable[[], None] = lambda: None,
) -> list[Skipped]:
    """Decode, resample and crop one shard's audio files, and write those that can be used.

    The shard holds ``waveform`` int16, ``offsets``, ``id`` and ``seconds``: how long the uncut utterance is.
    With unusable files among them nothing is written unless ``recipe.on_error`` is ``skip``.

    Args:
        path: ``<shard>.h5``.
        ids: utterance ids [N].
        audio: their audio files, or parts of them [N].
        recipe: rate, length, crop.
        workers: threads.
        on_clip: called after each file.

    Returns:
        The unusable files.
    """

    def read(identifier: str, source: Path | Excerpt) -> _Clip | Skipped:
        try:
            return _read_clip(identifier, source, recipe)
        except UnusableAudioError as error:
            return Skipped(identifier, str(source.path if isinstance(source, Excerpt) else source), str(error))
        finally:
            on_clip()

    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(read, ids, audio))
    skipped = [result for result in results if isinstance(result, Skipped)]
    if skipped and recipe.on_error == "stop":
        return skipped
    clips = [result for result in results if isinstance(result, _Clip)]
    with clips_writer(
        path,
        ids=[clip.id for clip in clips],
        lengths=[len(clip.samples) for clip in clips],
        seconds=[clip.seconds for clip in clips],
        recipe=recipe,
    ) as shard:
        for index, clip in enumerate(clips):
            shard.write(index, {"waveform": clip.samples})
    return skipped


def clips_writer(
    path: Path, *, ids: Sequence[str], lengths: Sequence[int], seconds: Sequence[float], recipe: ClipsSettings
) -> ShardWriter:
    """The writer of a shard of clips, to be given ``{"waveform": samples int16}`` of each.

    Args:
        path: ``<shard>.h5``; the folder exists.
        ids: utterance ids [N].
        lengths: samples of each clip [N].
        seconds: of each uncut utterance [N].
        recipe: rate, length, crop.
    """
    return ShardWriter(
        path,
        KIND,
        ids=ids,
        lengths=lengths,
        rows=[Rows("waveform", "i2")],
        columns={"seconds": np.array(seconds, dtype="<f8")},
        attributes={"sample_rate": recipe.sample_rate, "seconds": recipe.seconds or 0.0, "crop": recipe.crop},
    )


def open_clips(path: Path) -> Shard:
    """Open a shard of clips, checked.

    Raises:
        UserError: it is damaged, or not a shard of clips.
    """
    return Shard(path, KIND)


def read_samples(clips: Shard, index: int) -> np.ndarray:
    """One clip's waveform float32 [num_samples], from -1 to 1; ``index`` is that of its id."""
    return from_int16(clips.rows("waveform")[clips.offsets[index] : clips.offsets[index + 1]])


@dataclass(frozen=True)
class _Clip:
    """One clip, samples int16, and how long the uncut utterance is."""

    id: str
    samples: np.ndarray
    seconds: float


def _read_clip(identifier: str, source: Path | Excerpt, recipe: ClipsSettings) -> _Clip:
    waveform = read_waveform(source, recipe.sample_rate)
    seconds = len(waveform) / recipe.sample_rate
    if recipe.num_samples is not None:
        waveform = crop_waveform(waveform, recipe.num_samples, recipe.crop)
    samples = to_int16(waveform)
    if not samples.any():
        raise UnusableAudioError("silent: every sample of the clip is zero")
    return _Clip(identifier, samples, seconds)
