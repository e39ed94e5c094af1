"""Waveforms of a shard -> one HDF5 file: ``waveform`` int16, all clips end to end at their true lengths.

An utterance is one clip, or several: pieces of it (``crop: segments``), see `data.clip_keys`.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from data.audio import SHORTEST, Excerpt, Joined, UnusableAudioError, read_audio
from data.clip_keys import CLEAN, COPY, PIECE
from data.disturbances import DisturbSettings, disturbances
from data.errors import UserError
from data.settings import Settings
from data.shards import Rows, Shard, ShardWriter
from data.skipped import Skipped

KIND = "emocache-clips"

_DATASETS = {"waveform": "i2", "seconds": "f8"}  # of every shard
_FULL_SCALE = 32768  # the sample that stands for 1


class ClipsSettings(Settings):
    """``features.<set>.clips``: what becomes of an utterance's audio before it is encoded.

    Attributes:
        sample_rate: Hz.
        seconds: the longest a clip may be; null keeps whole utterances. Shorter ones keep their true length.
        crop: which part of a longer utterance is kept: its start, its centre, or the window of most energy;
            ``segments`` keeps all of it, in pieces of ``seconds``.
        on_error: what an unusable audio file does: stop, or be left out and listed in skipped.csv.
        hop: of segments, the seconds from the start of one piece to the start of the next; null: ``seconds``, so that
            pieces do not overlap.
        shortest: of segments, in seconds; null: half of ``seconds``. A last piece that would be shorter begins earlier
            instead, so that it is ``seconds`` long and ends where the utterance does.
        disturb: disturbed copies of every utterance, beside the clean one; one for every strength.
        disturb_seed: of the noises and rooms that are drawn for them.
    """

    sample_rate: Annotated[int, Field(ge=8000, le=48000)] = 16000
    seconds: Annotated[float, Field(ge=0.1)] | None = 3.0
    crop: Literal["start", "centre", "loudest", "segments"] = "start"
    on_error: Literal["stop", "skip"] = "stop"
    hop: Annotated[float, Field(gt=0)] | None = None
    shortest: Annotated[float, Field(ge=SHORTEST)] | None = None
    disturb: DisturbSettings = []
    disturb_seed: Annotated[int, Field(ge=0)] = 1

    @model_validator(mode="after")
    def _segments(self):
        given = [name for name in ("hop", "shortest") if getattr(self, name) is not None]
        if self.crop != "segments":
            if given:
                raise ValueError(f"{given[0]} says how utterances are cut into pieces: it needs crop: segments")
            return self
        if self.seconds is None:
            raise ValueError("crop: segments needs seconds, the length of a piece")
        if too_long := [name for name in given if getattr(self, name) > self.seconds]:
            why = {"hop": "speech between the pieces would be lost", "shortest": "no piece is as long as that"}
            raise ValueError(f"{too_long[0]} must not be longer than seconds: {why[too_long[0]]}")
        if self.hop is not None and round(self.hop * self.sample_rate) < 1:
            raise ValueError("hop is shorter than a sample")
        return self

    @property
    def num_samples(self) -> int | None:
        """Samples of the longest clip; None where whole utterances are kept."""
        return None if self.seconds is None else round(self.seconds * self.sample_rate)

    @property
    def in_pieces(self) -> bool:
        """Whether an utterance may have several pieces."""
        return self.crop == "segments"

    @property
    def content(self) -> dict[str, str | int | float]:
        """What determines the samples of the clips; the same for parameters that mean the same."""
        content = {"sample_rate": self.sample_rate, "seconds": self.seconds or 0.0, "crop": self.crop}
        if self.in_pieces:
            content["hop"] = self.hop or self.seconds
            content["shortest"] = self.shortest or self.seconds / 2
        if self.disturb:
            content["disturb"] = " ".join(disturbance.name for disturbance in disturbances(self.disturb))
            content["disturb_seed"] = self.disturb_seed
        return content


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


def piece_starts(num_samples: int, length: int, hop: int, shortest: int) -> list[int]:
    """Where the pieces of an utterance begin; each is ``length`` samples long, or ends with the utterance.

    Args:
        num_samples: of the utterance.
        length: of a piece.
        hop: from the start of one piece to the start of the next, at most ``length``.
        shortest: a last piece with fewer samples than this begins ``length`` samples before the end instead.

    Returns:
        One start for an utterance that is no longer than a piece. No sample is left out, and no piece lies within the
        one before it.
    """
    starts = [0]
    while starts[-1] + length < num_samples:
        starts.append(starts[-1] + hop)
    if len(starts) > 1 and num_samples - starts[-1] < shortest:
        starts[-1] = num_samples - length
    return starts


def cut_waveform(waveform: np.ndarray, recipe: ClipsSettings) -> dict[int | None, np.ndarray]:
    """Piece -> its part of an utterance's waveform [num_samples]; None where an utterance is one clip."""
    if recipe.num_samples is None:
        return {None: waveform}
    if not recipe.in_pieces:
        return {None: crop_waveform(waveform, recipe.num_samples, recipe.crop)}
    hop, shortest = (round(recipe.content[name] * recipe.sample_rate) for name in ("hop", "shortest"))
    starts = piece_starts(len(waveform), recipe.num_samples, hop, shortest)
    return {piece: waveform[start : start + recipe.num_samples] for piece, start in enumerate(starts)}


def write_clips(
    path: Path,
    ids: Sequence[str],
    audio: Sequence[Path | Excerpt | Joined],
    recipe: ClipsSettings,
    workers: int = 1,
    on_clip: Callable[[], None] = lambda: None,
) -> list[Skipped]:
    """Decode, resample and crop one shard's audio files, and write those that can be used.

    The shard holds ``waveform`` int16, ``offsets``, ``id``, ``seconds``: how long the uncut utterance is, and ``piece``
    where the recipe has pieces. With unusable files among them nothing is written unless ``recipe.on_error`` is
    ``skip``.

    Args:
        path: ``<shard>.h5``.
        ids: utterance ids [N].
        audio: their audio files, or parts of them, or several of either [N].
        recipe: rate, length, crop.
        workers: threads.
        on_clip: called after each file.

    Returns:
        The unusable files.
    """

    def read(identifier: str, source: Path | Excerpt | Joined) -> list[_Clip] | Skipped:
        try:
            return _read_clips(identifier, source, recipe)
        except UnusableAudioError as error:
            return Skipped(identifier, str(source if isinstance(source, Path) else source.path), str(error))
        finally:
            on_clip()

    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(read, ids, audio))
    skipped = [result for result in results if isinstance(result, Skipped)]
    if skipped and recipe.on_error == "stop":
        return skipped
    clips = [clip for result in results if not isinstance(result, Skipped) for clip in result]
    with clips_writer(
        path,
        ids=[clip.id for clip in clips],
        lengths=[len(clip.samples) for clip in clips],
        seconds=[clip.seconds for clip in clips],
        recipe=recipe,
        columns=_columns(clips),
    ) as shard:
        for index, clip in enumerate(clips):
            shard.write(index, {"waveform": clip.samples})
    return skipped


def clips_writer(
    path: Path,
    *,
    ids: Sequence[str],
    lengths: Sequence[int],
    seconds: Sequence[float],
    recipe: ClipsSettings,
    columns: dict[str, np.ndarray] | None = None,
) -> ShardWriter:
    """The writer of a shard of clips, to be given ``{"waveform": samples int16}`` of each.

    Args:
        path: ``<shard>.h5``; the folder exists.
        ids: utterance ids [N].
        lengths: samples of each clip [N].
        seconds: of each uncut utterance [N].
        recipe: rate, length, crop.
        columns: ``piece`` and ``copy`` [N], where utterances may have several.
    """
    return ShardWriter(
        path,
        KIND,
        ids=ids,
        lengths=lengths,
        rows=[Rows("waveform", "i2")],
        columns={"seconds": np.array(seconds, dtype="<f8"), **(columns or {})},
        attributes=recipe.content,
    )


def clips_recipe(clips: Shard) -> dict[str, str | int | float]:
    """The `ClipsSettings.content` that a shard of clips was made with."""
    return {name: value for name, value in clips.attributes.items() if name not in ("format", "format_version")}


def open_clips(path: Path, verify: bool = True) -> Shard:
    """Open a shard of clips, checked; ``verify`` reads all of it.

    Raises:
        UserError: it is damaged, or not a shard of clips.
    """
    shard = Shard(path, KIND, verify)
    counts = {"waveform": int(shard.offsets[-1]), "seconds": len(shard.ids)}
    complete = all(shard.has_rows(name, dtype, (counts[name],)) for name, dtype in _DATASETS.items())
    if not complete or not isinstance(shard.attributes.get("sample_rate"), int):
        raise UserError(
            f"{path}: damaged, although its SHA-256 is right: its samples, seconds or sample_rate are missing. "
            "Delete it and its sidecar, then `dvc repro` (or `dvc pull`)."
        )
    return shard


def stored_samples(clips: Shard, index: int) -> np.ndarray:
    """One clip's samples int16 [num_samples], memory-mapped; ``index`` is that of its id."""
    return clips.rows("waveform")[clips.offsets[index] : clips.offsets[index + 1]]


def read_samples(clips: Shard, index: int) -> np.ndarray:
    """One clip's waveform float32 [num_samples], from -1 to 1; ``index`` is that of its id."""
    return from_int16(stored_samples(clips, index))


@dataclass(frozen=True)
class _Clip:
    """One clip: samples int16, how long the uncut utterance is, and which copy and piece of it this is, if any."""

    id: str
    samples: np.ndarray
    seconds: float
    copy: str | None
    piece: int | None


def _read_clips(identifier: str, source: Path | Excerpt | Joined, recipe: ClipsSettings) -> list[_Clip]:
    """An utterance's clips: the clean ones first, pieces in the order of time."""
    waveform = read_audio(source, recipe.sample_rate)
    seconds = len(waveform) / recipe.sample_rate
    clips = [
        _Clip(identifier, to_int16(samples), seconds, copy, piece)
        for copy, whole in _copies(waveform, identifier, recipe).items()
        for piece, samples in cut_waveform(whole, recipe).items()
    ]
    audible = {clip.copy for clip in clips if clip.samples.any()}
    for copy in dict.fromkeys(clip.copy for clip in clips):
        if copy not in audible:
            named = "clip" if copy in (None, CLEAN) else f"copy {copy}"
            raise UnusableAudioError(f"silent: every sample of the {named} is zero")
    return clips


def _copies(waveform: np.ndarray, identifier: str, recipe: ClipsSettings) -> dict[str | None, np.ndarray]:
    """Copy -> an utterance's waveform in it, `CLEAN` first; None where there is nothing but the recording itself."""
    if not recipe.disturb:
        return {None: waveform}
    key = f"{recipe.disturb_seed} {identifier}"
    disturbed = {
        disturbance.name: disturbance.apply(waveform, recipe.sample_rate, key)
        for disturbance in disturbances(recipe.disturb)
    }
    return {CLEAN: waveform, **disturbed}


def _columns(clips: Sequence[_Clip]) -> dict[str, np.ndarray]:
    """The columns ``piece`` and ``copy``, as far as the clips have them."""
    columns = {}
    if any(clip.piece is not None for clip in clips):
        columns[PIECE] = np.array([clip.piece for clip in clips], "<i4")
    if any(clip.copy is not None for clip in clips):
        columns[COPY] = np.array([(clip.copy or CLEAN).encode() for clip in clips], np.bytes_)
    return columns
