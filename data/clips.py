"""Waveforms of a shard -> one HDF5 file: ``waveform`` int16, all clips end to end at their true lengths."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from data.audio import UnusableAudioError, read_waveform
from data.settings import Settings
from data.shards import Rows, Shard, ShardWriter

KIND = "emocache-clips"


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


@dataclass(frozen=True)
class Skipped:
    """An audio file that cannot be used, and why."""

    id: str
    path: str
    reason: str


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
    audio: Sequence[Path],
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
        audio: their audio files [N].
        recipe: rate, length, crop.
        workers: threads.
        on_clip: called after each file.

    Returns:
        The unusable files.
    """

    def read(place: int) -> tuple[np.ndarray, float] | Skipped:
        try:
            return _read_clip(audio[place], recipe)
        except UnusableAudioError as error:
            return Skipped(ids[place], str(audio[place]), str(error))
        finally:
            on_clip()

    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(read, range(len(ids))))
    skipped = [result for result in results if isinstance(result, Skipped)]
    if skipped and recipe.on_error == "stop":
        return skipped
    usable = [place for place, result in enumerate(results) if not isinstance(result, Skipped)]
    clips = [results[place][0] for place in usable]
    with ShardWriter(
        path,
        KIND,
        ids=[ids[place] for place in usable],
        lengths=[len(clip) for clip in clips],
        rows=[Rows("waveform", "i2")],
        columns={"seconds": np.array([results[place][1] for place in usable], dtype="<f8")},
        attributes={"sample_rate": recipe.sample_rate, "seconds": recipe.seconds or 0.0, "crop": recipe.crop},
    ) as shard:
        for place, clip in enumerate(clips):
            shard.write(place, {"waveform": clip})
    return skipped


def open_clips(path: Path) -> Shard:
    """Open a shard of clips, checked.

    Raises:
        UserError: it is damaged, or not a shard of clips.
    """
    return Shard(path, KIND)


def _read_clip(path: Path, recipe: ClipsSettings) -> tuple[np.ndarray, float]:
    waveform = read_waveform(path, recipe.sample_rate)
    seconds = len(waveform) / recipe.sample_rate
    if recipe.num_samples is not None:
        waveform = crop_waveform(waveform, recipe.num_samples, recipe.crop)
    clip = np.clip(np.round(waveform * 32768), -32768, 32767).astype(np.int16)
    if not clip.any():
        raise UnusableAudioError("silent: every sample of the clip is zero")
    return clip, seconds
