"""A shard of clips -> a shard of frames: reading, computing and writing at the same time, in little memory."""

import platform
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from data.clip_keys import clip_columns
from data.clips import clips_recipe, open_clips
from data.errors import UserError
from data.measured import peak_memory, restart_gpu_peak
from data.shards import Shard, content_digest
from features.encoder import Clip, Encoder, clips_in
from features.kinds import version_line
from features.settings import KindSettings
from features.store import FeatureWriter, UnstorableError

_BATCH_SECONDS = {"cpu": 3.0, "cuda": 192.0}  # on a CPU, more is no faster, and one clip alone is always the same bytes
_QUEUED_BATCHES = 4


@dataclass(frozen=True)
class _Batch:
    """Clips of one shard that are encoded together: all of the same number of frames."""

    indices: list[int]
    num_frames: int
    inputs: list


def recipe_of(settings: KindSettings, encoder: Encoder, clips: dict) -> dict:
    """What determines a feature set's content apart from the samples themselves and the compute type.

    Where weights came from is no part of it: a checkpoint of the Hugging Face hub and a local copy are the same.

    Args:
        settings, encoder: of the feature set.
        clips: the `data.clips.ClipsSettings.content` that its clips are made with.
    """
    return {
        "kind": settings.kind,
        "layers": encoder.layers,
        "dimension": encoder.dimension,
        "storage": settings.storage,
        **encoder.recipe,
        "clips": clips,
    }


def content_of(settings: KindSettings, encoder: Encoder, clips: Shard) -> dict:
    """All that determines a shard of features but the compute type, for its fingerprint."""
    content = {
        "version": version_line(settings),
        "shard": clips.path.stem,
        "recipe": recipe_of(settings, encoder, clips_recipe(clips)),
        "clips": content_digest(clips.path),
    }
    if sources := encoder.sources(clips_in(clips)):
        content["sources"] = sources
    return content


def open_shards(folder: Path, encoder: Encoder) -> list[Shard]:
    """All shards of clips in a folder, each one fit for an encoder.

    Raises:
        UserError: there are none, or clips that the encoder cannot take.
    """
    shards = [open_clips(path) for path in sorted(folder.glob("*.h5"))]
    if not shards:
        raise UserError(f"{folder}: no clips here. Run `dvc repro`, or `dvc pull preprocess`.")
    check_clips(shards, encoder)
    return shards


def extract_shard(
    clips: Shard,
    path: Path,
    settings: KindSettings,
    encoder: Encoder,
    *,
    fingerprint: str,
    batch_size: int | None = None,
    on_clips: Callable[[int], None] = lambda count: None,
) -> dict[str, str | float | None]:
    """Encode one shard.

    Args:
        clips: a shard of clips.
        path: the shard of features to write.
        settings: storage.
        encoder: loaded for these settings.
        fingerprint: of the result, kept in it.
        batch_size: clips per batch; None chooses by duration.
        on_clips: called with the number of clips after each batch.

    Returns:
        What it cost: ``device``, ``clips``, ``seconds`` and the peak memory (`data.measured.peak_memory`).

    Raises:
        UserError: another sample rate than the encoder's, clips that are too short or too long for it, frames that
            cannot be stored, out of GPU memory, a full disk.
    """
    device = encoder.device.type
    restart_gpu_peak(device)
    start = time.perf_counter()
    check_clips([clips], encoder)
    every = clips_in(clips)
    num_frames = [encoder.frames_of(clip) for clip in every]
    with (
        FeatureWriter(
            path,
            ids=clips.ids,
            num_frames=num_frames,
            seconds=clips.column("seconds"),
            columns=clip_columns(clips),
            recipe=recipe_of(settings, encoder, clips_recipe(clips)),
            frame_rate=encoder.frame_rate,
            fingerprint=fingerprint,
            provenance=_provenance(encoder),
            cautions=encoder.cautions,
        ) as features,
        _ReadAhead(_batches(every, num_frames, encoder, batch_size)) as batches,
        _WriteBehind(features, advice=encoder.advice) as writer,
    ):
        for batch in batches:
            writer.put(batch.indices, _encode(batch, encoder))
            on_clips(len(batch.indices))
    seconds = time.perf_counter() - start
    return {"device": device, "clips": len(clips.ids), "seconds": seconds, **peak_memory(device)}


def _provenance(encoder: Encoder) -> dict:
    """What made a shard."""
    return {
        "checkpoint": encoder.name,
        "revision": encoder.revision,
        "compute_dtype": encoder.compute_type,
        "device": encoder.device.type,
        "versions": {**encoder.versions, "python": platform.python_version()},
    }


def check_clips(shards: Sequence[Shard], encoder: Encoder) -> None:
    """Refuse clips that an encoder cannot take.

    Raises:
        UserError: another sample rate than the encoder's, or clips that are too short or too long.
    """
    for clips in shards:
        if encoder.sample_rate and clips.attributes["sample_rate"] != encoder.sample_rate:
            raise UserError(
                f"{clips.path}: clips of {clips.attributes['sample_rate']} Hz, but {encoder.name} "
                f"expects {encoder.sample_rate} Hz; change features.<set>.clips.sample_rate."
            )
    try:
        encoder.check_clips([clip for clips in shards for clip in clips_in(clips)])
    except UserError as error:
        raise UserError(f"{shards[0].path.parent}: {error}") from None


def _batches(
    clips: Sequence[Clip], num_frames: list[int], encoder: Encoder, batch_size: int | None
) -> Iterator[_Batch]:
    """Batches of clips with the same number of frames, longest first, so that a lack of memory shows at once."""
    order = sorted(range(len(clips)), key=lambda index: (-num_frames[index], index))
    while order:
        frames = num_frames[order[0]]
        seconds = encoder.seconds_of(clips[order[0]])
        most = batch_size or max(1, round(_BATCH_SECONDS[encoder.device.type] / seconds))
        indices = [index for index in order[:most] if num_frames[index] == frames]
        order = order[len(indices) :]
        yield _Batch(indices, frames, [encoder.input_of(clips[index]) for index in indices])


def _encode(batch: _Batch, encoder: Encoder) -> list[torch.Tensor]:
    """Encode a batch; in halves where the GPU's memory does not hold it."""
    try:
        return [layer[:, : batch.num_frames] for layer in encoder.encode(batch.inputs)]
    except torch.OutOfMemoryError as error:
        if len(batch.indices) == 1:
            seconds = batch.num_frames / encoder.frame_rate
            raise UserError(
                f"out of GPU memory on a single clip of {seconds:.1f} s; shorten the clips "
                "(features.<set>.clips.seconds) or set runtime.device: cpu."
            ) from error
    torch.cuda.empty_cache()
    middle = len(batch.indices) // 2
    halves = [
        _encode(_Batch(batch.indices[part], batch.num_frames, batch.inputs[part]), encoder)
        for part in (slice(middle), slice(middle, None))
    ]
    return [torch.cat(layers) for layers in zip(*halves, strict=True)]


class _ReadAhead:
    """Iterate over a source in a thread of its own, a few items ahead; errors come out where the items do."""

    def __init__(self, source: Iterator):
        self._queue: queue.Queue = queue.Queue(_QUEUED_BATCHES)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._fill, args=(source,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __iter__(self):
        while (item := self._queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item

    def __exit__(self, *_):
        self._stopped.set()
        while self._thread.is_alive():  # it may wait for room
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                continue

    def _fill(self, source: Iterator) -> None:
        try:
            for item in source:
                if self._stopped.is_set():
                    return
                self._queue.put(item)
            self._queue.put(None)
        except Exception as error:  # handed over
            self._queue.put(error)


class _WriteBehind:
    """Store encoded batches in a thread of its own: convert, check, sum and write."""

    def __init__(self, features: FeatureWriter, advice: str):
        self._features, self._advice = features, advice
        self._queue: queue.Queue = queue.Queue(_QUEUED_BATCHES)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._drain, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def put(self, indices: list[int], layers: list[torch.Tensor]) -> None:
        """Hand over a batch's frames; raises what went wrong with an earlier one."""
        if self._error:
            raise self._error
        self._queue.put((indices, layers))

    def __exit__(self, kind, error, trace):
        self._queue.put(None)
        self._thread.join()
        if kind is None and self._error:
            raise self._error

    def _drain(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error:
                continue
            indices, layers = item
            try:
                self._features.write(indices, [frames.numpy() for frames in layers])
            except UnstorableError as error:
                self._error = UserError(f"{error} {self._advice}".strip())
            except Exception as error:  # handed over
                self._error = error
