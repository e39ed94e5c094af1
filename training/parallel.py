"""Several folds in parallel, in processes that share the memory map."""

import math
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from data.errors import UserError
from data.processes import available_cores, end_with_parent
from training.job import FoldJob
from training.run import train_fold

_WORTH_A_PROCESS = 15.0  # seconds of work; one starts in about 5


def choose_workers(jobs: int, device: str, workers: int | None = None, seconds: float = math.inf) -> tuple[int, int]:
    """How many processes, and threads in each.

    Args:
        jobs: their number.
        device: ``cpu`` or ``cuda``.
        workers: the number of processes asked for; None chooses.
        seconds: how long all jobs take in one process, where that is known to be short: starting one takes a while.

    One process per core wins on a CPU: a light head's steps are too small to share among threads. On a GPU one process
    keeps one copy of the frames there. The number of threads depends on the number of jobs, not on how many are left
    after an interruption: results are the same to the bit either way.
    """
    cores = available_cores()
    if workers is None:
        workers = 1 if device == "cuda" else math.ceil(min(cores, seconds / _WORTH_A_PROCESS))
    workers = max(1, min(workers, jobs))
    return workers, max(1, cores // workers)


def train_folds(jobs: Sequence[FoldJob], workers: int, on_epochs: Callable[[int], None]) -> Iterator[FoldJob]:
    """Train jobs, ``workers`` at a time, and yield each one as it finishes.

    Args:
        jobs: in the order in which they begin.
        workers: processes; 1 trains in this one.
        on_epochs: called with the number of epochs that are done, or skipped by early stopping.

    Raises:
        UserError: what a job raised; the others are abandoned.
    """
    if workers == 1:
        for job in jobs:
            train_fold(job, on_epochs)
            yield job
        return
    context = multiprocessing.get_context("spawn")
    epochs = context.SimpleQueue()
    listener = threading.Thread(target=_listen, args=(epochs, on_epochs), daemon=True)
    listener.start()
    with ProcessPoolExecutor(workers, context, initializer=_begin_worker, initargs=(epochs, os.getpid())) as pool:
        running = {pool.submit(_train_in_worker, job): job for job in jobs}
        try:
            for future in as_completed(running):
                future.result()
                yield running[future]
        except BrokenProcessPool as error:
            raise UserError(
                f"A training process was killed, probably out of memory. Use fewer than {workers} processes "
                "(runtime.workers) or a smaller batch_size, then run `dvc repro` again; finished folds are kept."
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise
    epochs.put(None)
    listener.join()


def _listen(epochs, on_epochs: Callable[[int], None]) -> None:
    while (count := epochs.get()) is not None:
        on_epochs(count)


_epochs = None  # the queue of this worker process; set once, when it begins


def _begin_worker(epochs, parent: int) -> None:
    global _epochs
    _epochs = epochs
    end_with_parent(parent)


def _train_in_worker(job: FoldJob) -> None:
    train_fold(job, _epochs.put)
