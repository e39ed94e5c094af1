"""Folds and seeds as tasks of an engine: on this machine or on many."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from engines.attempts import begin_attempt, finish_attempt
from engines.work import Report, Work
from training.job import FoldJob
from training.run import train_fold


class TrainFold(Work[FoldJob, Path]):
    """Trains the head of one job; the result is the folder of this attempt."""

    def open(self) -> None:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # same seed, same numbers, also on a GPU

    def do(self, job: FoldJob, report: Report) -> Path:
        if job.device == "cuda":
            torch.cuda.set_device(self.place % torch.cuda.device_count())
        attempt = begin_attempt(job.folder)
        train_fold(replace(job, folder=attempt), report)
        return attempt


def train_folds(
    jobs: Sequence[FoldJob], run: Callable[[Work, Iterable[FoldJob]], Iterator[tuple[FoldJob, Path]]]
) -> Iterator[FoldJob]:
    """Train jobs, and yield each one when its folder is complete.

    Args:
        jobs: in the order in which they begin.
        run: an engine, such as `engines.local.run_local`, with its options.

    Raises:
        UserError: what a job raised; the others are abandoned.
    """
    for job, attempt in run(TrainFold(), jobs):
        finish_attempt(attempt, job.folder)
        yield job
