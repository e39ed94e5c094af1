"""Shards of clips -> shards of frames, by every core or card there is.

On a CPU the clips of a shard are shared out in portions among processes of one thread each, which write every clip at
its own place in the unfinished file, so that it has the same bytes whoever wrote them and in whatever order. The
encoder is loaded once, before the processes are forked, and they share its weights; where nothing can be forked (macOS,
Windows), each one loads its own. On GPUs each process has a card of its
own, an encoder of its own, and whole shards to do.
"""

import math
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch

from data.clips import open_clips
from data.errors import UserError
from data.measured import peak_memory
from data.processes import available_cores
from engines.local import run_local
from engines.work import Report, Work
from features.batches import choose_batches, encode_batch, read_batch, store_batch
from features.encoder import Clip, Encoder, clips_in
from features.extraction import BegunShard, ShardJob, extract_shard, recipe_of
from features.kinds import open_encoder
from features.origin import Origins
from features.settings import KindSettings
from features.writing import FrameWriter

_PORTION_SECONDS = 15.0  # of audio

Cost = dict[str, str | float | None]


def extract_shards(
    jobs: Sequence[ShardJob],
    settings: KindSettings,
    encoder: Encoder,
    source: Path | None = None,
    *,
    workers: int,
    batch_size: int | None = None,
    on_clips: Report = lambda count: None,
    on_lost: Callable[[str], None] = lambda message: None,
) -> Iterator[tuple[ShardJob, Cost]]:
    """Encode shards on the CPU, in one process or several, and yield each one when it is complete.

    Args:
        jobs: one after the other; the next one begins when there is nothing left to begin of the one before.
        settings: of the feature set.
        encoder: loaded for them, on the CPU.
        source: the set's `KindSettings.source_folder`.
        workers: processes; 1 encodes in this one.
        batch_size: clips per batch; None chooses by duration.
        on_clips: called with the number of clips that are done, negative where they were lost again.
        on_lost: called with a sentence for people when a process has been killed.

    Yields:
        What `extract_shard` returns; ``seconds`` are those of all processes, divided by their number, and
        ``peak_megabytes`` the highest of any process, the shared weights included.

    Raises:
        UserError: as `extract_shard` does; or a portion that killed its process three times.
    """
    begun: dict[Path, _SharedShard] = {}
    complete: deque[tuple[ShardJob, Cost]] = deque()

    def portions() -> Iterator[_Portion]:
        for job in jobs:
            shard = _SharedShard(job, settings, encoder, batch_size, workers)
            begun[job.path] = shard
            on_clips(shard.num_known)
            yield from shard.portions
            if not shard.portions:
                complete.append((job, begun.pop(job.path).complete()))

    work = _Encoding(settings, encoder, source)
    running = run_local(work, portions(), workers=workers, on_progress=on_clips, on_lost=on_lost)
    try:
        with closing(running):
            for portion, cost in running:
                if begun[portion.features].add(cost):
                    shard = begun.pop(portion.features)
                    complete.append((shard.job, shard.complete()))
                while complete:
                    yield complete.popleft()
        yield from complete
    finally:
        for shard in begun.values():
            shard.abandon()


def choose_workers(jobs: Sequence[ShardJob], workers: int | None = None) -> int:
    """How many processes `extract_shards` should have: as many as cores, and no more than there are portions.

    Args:
        jobs: the shards.
        workers: what is asked for; None chooses.
    """
    seconds = sum(job.clips.offsets[-1] / job.clips.attributes["sample_rate"] for job in jobs)
    return workers or max(1, min(available_cores(), math.ceil(seconds / _PORTION_SECONDS)))


def extract_on_devices(
    jobs: Sequence[ShardJob],
    settings: KindSettings,
    encoder: Encoder,
    source: Path | None,
    devices: Sequence[torch.device],
    *,
    batch_size: int | None = None,
    on_clips: Report = lambda count: None,
    on_lost: Callable[[str], None] = lambda message: None,
) -> Iterator[tuple[ShardJob, Cost]]:
    """Encode shards in a process for every device, and yield each one when it is complete.

    Args:
        jobs: dealt out one by one.
        settings: of the feature set.
        encoder: loaded for them; it encodes, in this process, where there is one device.
        source: the set's `KindSettings.source_folder`.
        devices: one for each process.
        batch_size, on_clips, on_lost: see `extract_shards`.

    Yields:
        What `extract_shard` returns.

    Raises:
        UserError: as `extract_shard` does; or a shard that killed its process three times.
    """
    recipe = recipe_of(settings, encoder, {})
    work = ShardWork(settings, recipe, source, [str(device) for device in devices], batch_size)
    if len(devices) == 1:
        work.encoder = encoder
    start = "spawn" if any(device.type == "cuda" for device in devices) else None  # no GPU survives a fork
    yield from run_local(work, jobs, workers=len(devices), on_progress=on_clips, on_lost=on_lost, start=start)


class ShardWork(Work[ShardJob, Cost]):
    """Encodes whole shards, each process on a device of its own.

    Args:
        settings: of the feature set.
        recipe: `recipe_of` the encoder that the shards' fingerprints were made with, without clips.
        source: the set's `KindSettings.source_folder`.
        devices: where the processes compute, in turn.
        batch_size: clips per batch; None chooses by duration.

    Attributes:
        encoder: loaded when the process begins, if it is not yet.
    """

    def __init__(
        self,
        settings: KindSettings,
        recipe: dict,
        source: Path | None,
        devices: Sequence[str],
        batch_size: int | None = None,
    ):
        self._settings, self._recipe, self._source = settings, recipe, source
        self._devices, self._batch_size = list(devices), batch_size
        self.encoder: Encoder | None = None

    def open(self) -> None:
        if self.encoder is not None:
            return
        device = torch.device(self._devices[self.place % len(self._devices)])
        if device.type == "cuda":
            torch.cuda.set_device(device)
        self.encoder = open_same_encoder(self._settings, self._recipe, device, self._source)

    def do(self, task: ShardJob, report: Report) -> Cost:
        return extract_shard(
            task.clips,
            task.path,
            self._settings,
            self.encoder,
            fingerprint=task.fingerprint,
            donors=task.donors,
            batch_size=self._batch_size,
            on_clips=report,
        )


def open_same_encoder(settings: KindSettings, recipe: dict, device: torch.device, source: Path | None) -> Encoder:
    """Load an encoder where shards are encoded, which has to be the one that their fingerprints were made with.

    A checkpoint's name may stand for other weights on another machine, or a moment later.

    Args:
        settings: of the feature set.
        recipe: `recipe_of` the encoder that it has to be, without clips.
        device: where to compute.
        source: the set's `KindSettings.source_folder`.

    Raises:
        UserError: it is another one.
    """
    encoder = open_encoder(settings, device, source)
    found = recipe_of(settings, encoder, {})
    if differing := sorted(name for name in recipe.keys() | found.keys() if recipe.get(name) != found.get(name)):
        raise UserError(
            f"{socket.gethostname()}: {encoder.name} is another encoder here than where the extraction began "
            f"({', '.join(differing)} differ). Give every machine the same checkpoint, in a shared folder or by its "
            "revision (features.<set>.revision)."
        )
    return encoder


@dataclass(frozen=True)
class _Portion:
    """Some clips of a shard, in the batches in which they are encoded."""

    clips: Path
    features: Path
    batches: list[list[int]]

    def __str__(self):
        return f"{self.features.name}, {sum(map(len, self.batches))} clips"


@dataclass(frozen=True)
class _PortionCost:
    seconds: float
    peak_megabytes: float


class _Encoding(Work[_Portion, _PortionCost]):
    """Encodes portions of shards. Where it is sent to a process that is not forked, the encoder stays behind, because
    weights that are laid out for the processor cannot be sent.
    """

    def __init__(self, settings: KindSettings, encoder: Encoder, source: Path | None):
        self._settings, self._source = settings, source
        self._recipe = recipe_of(settings, encoder, {})
        self._encoder: Encoder | None = encoder
        self._path: Path | None = None
        self._clips: list[Clip] = []

    def __getstate__(self) -> dict:
        return {**vars(self), "_encoder": None}

    def open(self) -> None:
        if self._encoder is None:
            self._encoder = open_same_encoder(self._settings, self._recipe, torch.device("cpu"), self._source)
        self._origins = Origins(self._settings, self._encoder)

    def do(self, task: _Portion, report: Report) -> _PortionCost:
        start = time.perf_counter()
        clips = self._clips_of(task.clips)
        num_frames = {index: self._encoder.frames_of(clips[index]) for batch in task.batches for index in batch}
        with FrameWriter(task.features, [clip.key for clip in clips]) as writer:
            for indices in task.batches:
                batch = read_batch(indices, clips, num_frames, self._encoder, self._origins)
                store_batch(batch, encode_batch(batch, self._encoder), writer, self._encoder)
                report(len(indices))
        return _PortionCost(time.perf_counter() - start, peak_memory("cpu")["peak_megabytes"])

    def _clips_of(self, path: Path) -> list[Clip]:
        """All clips of a shard, which the process that shares it out has verified."""
        if path != self._path:
            self._path, self._clips = path, clips_in(open_clips(path, verify=False))
        return self._clips


class _SharedShard:
    """A shard that processes fill together."""

    def __init__(self, job: ShardJob, settings: KindSettings, encoder: Encoder, batch_size: int | None, workers: int):
        self.job, self._workers = job, workers
        start = time.perf_counter()
        self._shard = BegunShard(job, settings, encoder)
        self._shard.__enter__()
        self.num_known = len(self._shard.clips) - len(self._shard.missing)
        self.portions = list(self._portions(encoder, batch_size))
        self._left = len(self.portions)
        self._seconds, self._shared_seconds = time.perf_counter() - start, 0.0
        self._peak = 0.0

    def add(self, cost: _PortionCost) -> bool:
        """Count a portion that is done; whether it was the last one."""
        self._left -= 1
        self._shared_seconds += cost.seconds
        self._peak = max(self._peak, cost.peak_megabytes)
        return not self._left

    def complete(self) -> Cost:
        """Give the shard its name; what it cost."""
        start = time.perf_counter()
        self._shard.__exit__(None, None, None)
        seconds = self._seconds + self._shared_seconds / self._workers + time.perf_counter() - start
        memory = peak_memory("cpu")
        memory["peak_megabytes"] = max(self._peak, memory["peak_megabytes"])
        return {"device": "cpu", "clips": len(self._shard.missing), "seconds": seconds, **memory}

    def abandon(self) -> None:
        """Leave nothing of it behind."""
        self._shard.__exit__(RuntimeError, RuntimeError("abandoned"), None)

    def _portions(self, encoder: Encoder, batch_size: int | None) -> Iterator[_Portion]:
        clips, shard = self._shard.clips, self._shard
        batches: list[list[int]] = []
        seconds = 0.0
        for batch in choose_batches(shard.missing, clips, shard.num_frames, encoder, batch_size):
            batches.append(batch)
            seconds += sum(encoder.seconds_of(clips[index]) for index in batch)
            if seconds >= _PORTION_SECONDS:
                yield _Portion(self.job.clips.path, self.job.path, batches)
                batches, seconds = [], 0.0
        if batches:
            yield _Portion(self.job.clips.path, self.job.path, batches)
