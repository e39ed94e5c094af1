"""Shards of clips -> shards of frames, on the nodes of a cluster.

A process has an encoder of its own and does whole shards.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from data.errors import UserError
from engines.attempts import begin_attempt, finish_attempt
from engines.work import Report
from features.extraction import ShardJob
from features.settings import KindSettings
from features.shared_extraction import Cost, ShardWork

Run = Callable[..., Iterator]


def compute_type_on(device: str, settings: KindSettings, recipe: dict, source: Path | None, run: Run) -> str:
    """The `Encoder.compute_type` of a feature set on a node of a cluster, of which this machine may be none.

    Args:
        device: what the nodes compute on.
        settings: of the feature set.
        recipe: `recipe_of` its encoder, without clips.
        source: its `KindSettings.source_folder`.
        run: does a `Work`'s tasks on the cluster.
    """
    ((_, compute_type),) = run(_ComputeType(settings, recipe, source, [device]), ["the compute type"])
    return compute_type


def extract_on_cluster(
    jobs: Sequence[ShardJob],
    settings: KindSettings,
    recipe: dict,
    source: Path | None,
    device: str,
    compute_type: str,
    run: Run,
    *,
    batch_size: int | None = None,
) -> Iterator[tuple[ShardJob, Cost]]:
    """Encode shards on a cluster, and yield each one when it is complete and in its place.

    Args:
        jobs: in the order in which they begin.
        settings, recipe, source, device, run: see `compute_type_on`.
        compute_type: the one that the shards' fingerprints say.
        batch_size: clips per batch; None chooses by duration.

    Yields:
        What `extract_shard` returns.

    Raises:
        UserError: as `extract_shard` does; or a node that has another encoder, or computes in another type.
    """
    work = _ShardAttempts(settings, recipe, source, device, compute_type, batch_size)
    for job, (attempt, cost) in run(work, jobs):
        finish_attempt(attempt, job.path.parent)
        yield job, cost


class _ComputeType(ShardWork):
    """Tells in which arithmetic an encoder computes."""

    def do(self, task: str, report: Report) -> str:
        return self.encoder.compute_type


class _ShardAttempts(ShardWork):
    """Encodes whole shards; the result is the folder of this attempt, and what it cost."""

    def __init__(
        self,
        settings: KindSettings,
        recipe: dict,
        source: Path | None,
        device: str,
        compute_type: str,
        batch_size: int | None,
    ):
        super().__init__(settings, recipe, source, [device], batch_size)
        self._compute_type = compute_type

    def open(self) -> None:
        super().open()
        if self.encoder.compute_type != self._compute_type:
            raise UserError(
                f"node {socket.gethostname()} would compute in {self.encoder.compute_type}, but another one in "
                f"{self._compute_type}. Use nodes of one kind, or set features.<set>.compute_dtype: float32."
            )

    def do(self, task: ShardJob, report: Report) -> tuple[Path, Cost]:
        attempt = begin_attempt(task.path.parent)
        return attempt, super().do(replace(task, path=attempt / task.path.name), report)
