"""A shard of clips -> a shard of frames: reading, computing and writing at the same time, in little memory."""

import json
import platform
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from data.errors import UserError
from data.shards import Rows, Shard, ShardWriter, content_digest
from features.encoder import Encoder
from features.kinds import version_line
from features.quantisation import Noise, restore
from features.settings import KindSettings
from features.store import KIND, frames_checksum, layer_rows, noise_rows, stored_form

_BATCH_SECONDS = {"cpu": 6.0, "cuda": 192.0}  # on a CPU, activations of more no longer fit its cache
_QUEUED_BATCHES = 4


@dataclass(frozen=True)
class _Batch:
    """Clips of one shard that are encoded together: all of the same number of frames."""

    places: list[int]
    num_frames: int
    inputs: list[np.ndarray]


def recipe_of(settings: KindSettings, encoder: Encoder, clips: Shard) -> dict:
    """What determines a feature set's content beside the samples themselves and the compute type.

    Where weights came from is no part of it: a checkpoint of the Hugging Face hub and a local copy are the same.
    """
    return {
        "kind": settings.kind,
        "layers": encoder.layers,
        "dimension": encoder.dimension,
        "storage": settings.storage,
        **encoder.recipe,
        "clips": {name: clips.attributes[name] for name in ("sample_rate", "seconds", "crop")},
    }


def content_of(settings: KindSettings, encoder: Encoder, clips: Shard) -> dict:
    """All that determines a shard of features but the compute type, for its fingerprint."""
    return {
        "version": version_line(settings),
        "shard": clips.path.stem,
        "recipe": recipe_of(settings, encoder, clips),
        "clips": content_digest(clips.path),
    }


def extract_shard(
    clips: Shard,
    path: Path,
    settings: KindSettings,
    encoder: Encoder,
    fingerprint: str,
    batch_size: int | None = None,
    on_clips: Callable[[int], None] = lambda count: None,
) -> None:
    """Encode one shard.

    Args:
        clips: a shard of clips.
        path: the shard of features to write.
        settings: storage.
        encoder: loaded for these settings.
        fingerprint: of the result, kept in it.
        batch_size: clips per batch; None chooses by duration.
        on_clips: called with the number of clips after each batch.

    Raises:
        UserError: another sample rate than the encoder's, a clip shorter than its frames, values that are not finite,
            a full disk.
    """
    check_clips(clips, encoder)
    num_samples = clips.lengths.tolist()
    num_frames = [encoder.num_frames(count) for count in num_samples]
    provenance = {
        "checkpoint": encoder.name,
        "revision": encoder.revision,
        "compute_dtype": encoder.compute_type,
        "device": encoder.device.type,
        "versions": {**encoder.versions, "python": platform.python_version()},
    }
    layout = encoder.layers, encoder.dimension, settings.storage
    with ShardWriter(
        path,
        KIND,
        ids=clips.ids,
        lengths=num_frames,
        rows=[*layer_rows(*layout), Rows("checksum", "u4", per="utterance"), *noise_rows(*layout)],
        columns={"seconds": clips.column("seconds")},
        attributes={
            "fingerprint": fingerprint,
            "recipe": json.dumps(recipe_of(settings, encoder, clips), sort_keys=True),
            "frame_rate": encoder.frame_rate,
            "provenance": json.dumps(provenance, sort_keys=True),
            "cautions": json.dumps(encoder.cautions, sort_keys=True),
        },
    ) as shard:
        read_ahead = _ReadAhead(_batches(clips, num_frames, encoder, batch_size))
        with read_ahead, _Writer(shard, clips.ids, encoder, settings.storage) as writer:
            for batch in read_ahead:
                writer.put(batch, _encode(batch, encoder))
                on_clips(len(batch.places))
        for name, values in writer.summaries().items():
            shard.set(name, values)


def check_clips(clips: Shard, encoder: Encoder) -> None:
    """Refuse clips that an encoder cannot take.

    Raises:
        UserError: another sample rate than the encoder's, or clips that are too short or too long.
    """
    if clips.attributes["sample_rate"] != encoder.sample_rate:
        raise UserError(
            f"{clips.path}: clips of {clips.attributes['sample_rate']} Hz, but {encoder.name} "
            f"expects {encoder.sample_rate} Hz; change features.<set>.clips.sample_rate."
        )
    try:
        encoder.check_lengths(clips.ids, clips.lengths.tolist())
    except UserError as error:
        raise UserError(f"{clips.path}: {error}") from None


def _batches(clips: Shard, num_frames: list[int], encoder: Encoder, batch_size: int | None) -> Iterator[_Batch]:
    """Batches of clips with the same number of frames, longest first, so that a lack of memory shows at once."""
    waveform = clips.rows("waveform")
    order = sorted(range(len(clips.ids)), key=lambda place: (-num_frames[place], place))
    while order:
        frames = num_frames[order[0]]
        seconds = encoder.encoded_seconds(int(clips.lengths[order[0]]))
        most = batch_size or max(1, round(_BATCH_SECONDS[encoder.device.type] / seconds))
        places = [place for place in order[:most] if num_frames[place] == frames]
        order = order[len(places) :]
        samples = [waveform[clips.offsets[place] : clips.offsets[place + 1]] for place in places]
        yield _Batch(places, frames, [encoder.prepare(each.astype(np.float32) / 32768) for each in samples])


def _encode(batch: _Batch, encoder: Encoder) -> list[torch.Tensor]:
    """Encode a batch; in halves where the GPU's memory does not hold it."""
    try:
        return [layer[:, : batch.num_frames] for layer in encoder.encode(batch.inputs)]
    except torch.OutOfMemoryError as error:
        if len(batch.places) == 1:
            seconds = batch.num_frames * encoder.stride / encoder.sample_rate
            raise UserError(
                f"out of GPU memory on a single clip of {seconds:.1f} s; shorten the clips "
                "(features.<set>.clips.seconds) or set runtime.device: cpu."
            ) from error
    torch.cuda.empty_cache()
    middle = len(batch.places) // 2
    halves = [
        _encode(_Batch(batch.places[part], batch.num_frames, batch.inputs[part]), encoder)
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


class _Writer:
    """Store encoded batches in a thread of its own: convert, check, sum and write."""

    def __init__(self, shard: ShardWriter, ids: list[str], encoder: Encoder, storage: str):
        self._shard, self._ids, self._layers, self._storage = shard, ids, encoder.layers, storage
        self._advice = encoder.advice
        self._checksums = np.zeros(len(ids), np.uint32)
        self._noise = {layer: Noise(encoder.dimension) for layer in encoder.layers if storage == "int8"}
        self._queue: queue.Queue = queue.Queue(_QUEUED_BATCHES)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._drain, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def put(self, batch: _Batch, layers: list[torch.Tensor]) -> None:
        """Hand over a batch's frames; raises what went wrong with an earlier one."""
        if self._error:
            raise self._error
        self._queue.put((batch, layers))

    def summaries(self) -> dict[str, np.ndarray]:
        """What is known at the end: the checksums [N], and the noise of int8 [1, D] per layer."""
        return {"checksum": self._checksums} | {
            f"noise_{layer}": noise.relative()[None] for layer, noise in self._noise.items()
        }

    def __exit__(self, kind, error, trace):
        self._queue.put(None)
        self._thread.join()
        if kind is None and self._error:
            raise self._error

    def _drain(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error:
                continue
            try:
                self._store(*item)
            except Exception as error:  # handed over
                self._error = error

    def _store(self, batch: _Batch, layers: list[torch.Tensor]) -> None:
        stored: dict[str, np.ndarray] = {}  # dataset -> [B, T, ...]
        finite = np.ones(len(batch.places), bool)
        forms = {}
        for layer, frames in zip(self._layers, layers, strict=True):
            form = forms[layer] = stored_form(frames.numpy(), layer, self._storage)
            finite &= np.logical_and.reduce(
                [np.isfinite(rows).reshape(len(finite), -1).all(1) for rows in form.values()]
            )
            stored |= form
        if not finite.all():
            raise UserError(
                f"{self._ids[batch.places[int(finite.argmin())]]}: the encoder's output does not fit {self._storage} "
                f"or is not finite. {self._advice}".strip()
            )
        for layer, noise in self._noise.items():
            noise.add(layers[self._layers.index(layer)].numpy(), restore(*forms[layer].values()))
        for row, place in enumerate(batch.places):
            rows = {name: values[row] for name, values in stored.items()}
            self._shard.write(place, rows)
            self._checksums[place] = frames_checksum(list(rows.values()))
