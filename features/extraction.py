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
import transformers

from data.errors import UserError, listed
from data.shards import Rows, Shard, ShardWriter
from features.settings import SslSettings
from features.ssl import Encoder
from features.store import KIND, frames_checksum, layer_rows, stored_form

_BATCH_SECONDS = {"cpu": 6.0, "cuda": 192.0}  # on a CPU, activations of more no longer fit its cache
_QUEUED_BATCHES = 4


@dataclass(frozen=True)
class _Batch:
    """Clips of one shard that are encoded together: all of the same number of frames."""

    places: list[int]
    num_frames: int
    waveforms: torch.Tensor  # [B, num_samples]


def recipe_of(settings: SslSettings, encoder: Encoder, clips: Shard) -> dict:
    """What determines a feature set's content beside the sound itself; also its description for readers."""
    return {
        "kind": settings.kind,
        "checkpoint": settings.checkpoint,
        "revision": encoder.revision,
        "weights": encoder.weights,
        "layers": encoder.layers,
        "dimension": encoder.dimension,
        "storage": settings.storage,
        "pad": settings.pad,
        "clips": {name: clips.attributes[name] for name in ("sample_rate", "seconds", "crop")},
    }


def extract_shard(
    clips: Shard,
    path: Path,
    settings: SslSettings,
    encoder: Encoder,
    fingerprint: str,
    batch_size: int | None = None,
    on_clips: Callable[[int], None] = lambda count: None,
) -> None:
    """Encode one shard.

    Args:
        clips: a shard of clips.
        path: the shard of features to write.
        settings: layers, storage, pad.
        encoder: loaded for these settings.
        fingerprint: of the result, kept in it.
        batch_size: clips per batch; None chooses by duration.
        on_clips: called with the number of clips after each batch.

    Raises:
        UserError: another sample rate than the encoder's, a clip shorter than its frames, values that are not finite,
            a full disk.
    """
    if clips.attributes["sample_rate"] != encoder.sample_rate:
        raise UserError(
            f"{clips.path}: clips of {clips.attributes['sample_rate']} Hz, but {settings.checkpoint} "
            f"expects {encoder.sample_rate} Hz; mend clips.sample_rate."
        )
    num_samples = _samples_to_encode(clips, settings)
    num_frames = np.array([encoder.geometry.num_frames(count) for count in num_samples])
    if too_short := [name for name, count in zip(clips.ids, num_frames, strict=True) if count < 1]:
        raise UserError(f"{clips.path}: clips shorter than one frame of this encoder:\n{listed(too_short)}")
    provenance = {
        "compute_dtype": str(encoder.compute_dtype).removeprefix("torch."),
        "device": encoder.device.type,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
    }
    with ShardWriter(
        path,
        KIND,
        ids=clips.ids,
        lengths=num_frames,
        rows=layer_rows(encoder.layers, encoder.dimension, settings.storage),
        columns={"seconds": clips.column("seconds")},
        late_columns=[Rows("checksum", "u4")],
        attributes={
            "fingerprint": fingerprint,
            "recipe": json.dumps(recipe_of(settings, encoder, clips), sort_keys=True),
            "frame_rate": encoder.sample_rate / encoder.geometry.stride,
            "provenance": json.dumps(provenance, sort_keys=True),
        },
    ) as shard:
        read_ahead = _ReadAhead(_batches(clips, num_samples, num_frames, encoder, batch_size))
        with read_ahead, _Writer(shard, clips.ids, encoder.layers, settings.storage) as writer:
            for batch in read_ahead:
                writer.put(batch, _encode(batch, encoder))
                on_clips(len(batch.places))
        shard.set_column("checksum", writer.checksums)


def _samples_to_encode(clips: Shard, settings: SslSettings) -> np.ndarray:
    """Samples per clip that go through the encoder, before the cut to whole frames."""
    if settings.pad == "after":
        return clips.lengths
    if not clips.attributes["seconds"]:
        raise UserError("pad: before needs clips of a fixed length; set clips.<recipe>.seconds.")
    full = round(clips.attributes["seconds"] * clips.attributes["sample_rate"])
    return np.full(len(clips.ids), full)


def _batches(clips, num_samples, num_frames, encoder, batch_size) -> Iterator[_Batch]:
    """Batches of clips with the same number of frames, longest first, so that a lack of memory shows at once."""
    waveform = clips.rows("waveform")
    order = sorted(range(len(clips.ids)), key=lambda place: (-num_frames[place], place))
    while order:
        frames = int(num_frames[order[0]])
        length = encoder.geometry.num_samples(frames)
        seconds = length / encoder.sample_rate
        most = batch_size or max(1, round(_BATCH_SECONDS[encoder.device.type] / seconds))
        places = [place for place in order[:most] if num_frames[place] == frames]
        order = order[len(places) :]
        batch = np.zeros((len(places), length), np.float32)
        for row, place in enumerate(places):
            samples = waveform[clips.offsets[place] : clips.offsets[place + 1]][:length]
            batch[row, : len(samples)] = encoder.scale(samples.astype(np.float32) / 32768)
        yield _Batch(places, frames, torch.from_numpy(batch))


def _encode(batch: _Batch, encoder: Encoder) -> list[torch.Tensor]:
    """Encode a batch; in halves where the GPU's memory does not hold it."""
    try:
        return encoder.encode(batch.waveforms)
    except torch.OutOfMemoryError as error:
        if len(batch.places) == 1:
            raise UserError(
                f"out of GPU memory on a single clip of {batch.waveforms.shape[1] / encoder.sample_rate:.1f} s; "
                "shorten the clips (clips.<recipe>.seconds) or set runtime.device: cpu."
            ) from error
    torch.cuda.empty_cache()
    middle = len(batch.places) // 2
    halves = [
        _encode(_Batch(batch.places[part], batch.num_frames, batch.waveforms[part]), encoder)
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

    def __init__(self, shard: ShardWriter, ids: list[str], layers: list[int], storage: str):
        self.checksums = np.zeros(len(ids), np.uint32)
        self._shard, self._ids, self._layers, self._storage = shard, ids, layers, storage
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
        for layer, frames in zip(self._layers, layers, strict=True):
            form = stored_form(frames.float().numpy(), layer, self._storage)
            finite &= np.logical_and.reduce(
                [np.isfinite(rows).reshape(len(finite), -1).all(1) for rows in form.values()]
            )
            stored |= form
        if not finite.all():
            raise UserError(
                f"{self._ids[batch.places[int(finite.argmin())]]}: the encoder's output does not fit {self._storage} "
                "or is not finite. Try runtime.compute_dtype: float32; else the checkpoint is broken."
            )
        for row, place in enumerate(batch.places):
            rows = {name: values[row] for name, values in stored.items()}
            self._shard.write(place, rows)
            self.checksums[place] = frames_checksum(list(rows.values()))
