"""Tasks on this machine: in this process, or in several that share what was loaded before they began.

Every process computes on one thread. Two threads of one process wait for each other at every step, the longer the
busier the machine, and add up in another order than one does.

Processes talk to this one through a pipe each and share no lock, so that any of them may be killed at any moment.
"""

import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Literal

from threadpoolctl import threadpool_limits

from data.errors import UserError
from data.processes import end_with_parent
from engines.work import Report, Result, Task, Work

_MOST_DEATHS = 3  # of the processes that do one task
_SECONDS_TO_END = 2.0


def run_local(
    work: Work[Task, Result],
    tasks: Iterable[Task],
    *,
    workers: int,
    on_progress: Report = lambda count: None,
    on_lost: Callable[[str], None] = lambda message: None,
    start: Literal["fork", "spawn"] | None = None,
) -> Iterator[tuple[Task, Result]]:
    """Do tasks and yield each one with its result, in the order in which they finish.

    A process that is killed, as by a machine that is out of memory, costs what it was doing: the task is done again,
    from then on with one process fewer. All processes end with this one.

    Args:
        work: what to do with them.
        tasks: taken one by one, when there is a process to do them.
        workers: processes; 1 does everything in this one.
        on_progress: called with what `Work.do` reports, and with its negative where that was lost.
        on_lost: called with a sentence for people when a process has been killed.
        start: how processes begin. ``fork``, the default on Linux, takes milliseconds and shares whatever this one has
            loaded, but not a GPU. ``spawn`` begins anew, which takes seconds; the work is sent to it.

    Raises:
        UserError: what a task raised, or a task whose process was killed three times; the others are abandoned.
    """
    if workers == 1:
        yield from _run_here(work, tasks, on_progress)
        return
    start = start or ("fork" if sys.platform == "linux" else "spawn")
    pool = _Pool(work, workers, multiprocessing.get_context(start), on_progress, on_lost)
    try:
        yield from pool.run(tasks)
    finally:
        pool.end()


def keep_to_one_thread() -> None:
    """Compute on one thread in this process, in torch and in whatever uses OpenMP or BLAS.

    Before `run_local` forks, too: threads that have computed once do not survive a fork, and what waits for them hangs.
    """
    os.environ["OMP_NUM_THREADS"] = "1"  # of libraries that are loaded later
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
    threadpool_limits(1)


def _run_here(work: Work[Task, Result], tasks: Iterable[Task], on_progress: Report) -> Iterator[tuple[Task, Result]]:
    keep_to_one_thread()
    work.open()
    for task in tasks:
        yield task, work.do(task, on_progress)


@dataclass
class _Attempt:
    """A task, and how many processes have been killed while they did it."""

    task: object
    deaths: int = 0


class _Worker:
    """A process, seen from the one that started it."""

    def __init__(self, work: Work, place: int, context):
        self.place = place
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(work, place, theirs, os.getpid()), daemon=True)
        self._process.start()
        theirs.close()  # so that reading ends when the process does
        self.attempt: _Attempt | None = None
        self.reported = 0

    def begin(self, attempt: _Attempt) -> None:
        """Hand over a task."""
        self.attempt, self.reported = attempt, 0
        with suppress(OSError):  # it was killed; reading will say so
            self.connection.send(attempt.task)

    @property
    def is_alive(self) -> bool:
        """Whether nothing has killed it."""
        return self._process.is_alive()

    def terminate(self) -> None:
        """Tell the process to end, whatever it is doing."""
        self._process.terminate()

    def end(self) -> int:
        """Wait for a process that was told to end, or was killed; its exit status, minus the signal if it was one."""
        self._process.join(_SECONDS_TO_END)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.connection.close()
        return self._process.exitcode


class _Pool:
    """The processes that do the tasks of one `run_local`."""

    def __init__(self, work: Work, workers: int, context, on_progress: Report, on_lost: Callable[[str], None]):
        self._work, self._context = work, context
        self._on_progress, self._on_lost = on_progress, on_lost
        self._free = deque(range(workers))  # places without a process
        self._idle: list[_Worker] = []
        self._busy: list[_Worker] = []

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Result]]:
        waiting: deque[_Attempt] = deque()
        rest = iter(tasks)
        while True:
            self._bury_idle()
            while self._idle or self._free:
                attempt = waiting.popleft() if waiting else _next_attempt(rest)
                if attempt is None:
                    break
                worker = self._idle.pop() if self._idle else _Worker(self._work, self._free.popleft(), self._context)
                worker.begin(attempt)
                self._busy.append(worker)
            if not self._busy:
                return
            ready = wait([worker.connection for worker in self._busy])
            for worker in [worker for worker in self._busy if worker.connection in ready]:
                try:
                    kind, content = worker.connection.recv()
                except (EOFError, OSError, pickle.UnpicklingError):
                    waiting.appendleft(self._lose(worker))
                    continue
                if kind == "progress":
                    worker.reported += content
                    self._on_progress(content)
                elif kind == "error":
                    raise content
                else:
                    self._busy.remove(worker)
                    self._idle.append(worker)
                    yield worker.attempt.task, content

    def end(self) -> None:
        """End all processes."""
        for worker in [*self._idle, *self._busy]:
            worker.terminate()
        for worker in [*self._idle, *self._busy]:
            worker.end()

    def _bury_idle(self) -> None:
        """Clear up after processes that were killed while they had no task, so that none is given to them."""
        for worker in [worker for worker in self._idle if not worker.is_alive]:
            self._idle.remove(worker)
            self._go_on_without(worker, f"a process without a task {_ending(worker.end())}")

    def _lose(self, worker: _Worker) -> _Attempt:
        """Clear up after a process that has been killed; its task, to be done again."""
        what_happened = f"{worker.attempt.task}: its process {_ending(worker.end())}"
        self._busy.remove(worker)
        self._on_progress(-worker.reported)
        worker.attempt.deaths += 1
        if worker.attempt.deaths == _MOST_DEATHS:
            raise UserError(
                f"{what_happened}, and so did two before it. Use fewer processes (runtime.workers) or a smaller "
                "batch_size, then go on: finished work is kept."
            )
        self._go_on_without(worker, what_happened)
        return worker.attempt

    def _go_on_without(self, worker: _Worker, what_happened: str) -> None:
        left = len(self._idle) + len(self._busy) + len(self._free)
        if left == 0:
            self._free.append(worker.place)
        self._on_lost(f"{what_happened}; going on with {f'{left} processes' if left > 1 else '1 process'}")


def _next_attempt(tasks: Iterator) -> _Attempt | None:
    for task in tasks:
        return _Attempt(task)
    return None


def _ending(status: int) -> str:
    """How a process ended, by its exit status."""
    if status == -signal.SIGKILL:
        return "was killed, probably because memory ran out"
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def _serve(work: Work, place: int, connection: Connection, parent: int) -> None:
    """What a process does: one task after the other, until it is ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the one that started them ends them
    end_with_parent(parent)
    try:
        keep_to_one_thread()
        work.place = place
        work.open()
        while True:
            task = connection.recv()
            connection.send(("done", work.do(task, lambda count: connection.send(("progress", count)))))
    except EOFError:
        pass
    except BaseException as error:
        connection.send(("error", sendable(error)))


def sendable(error: BaseException) -> BaseException:
    """An error, one of ours with its traceback, or the traceback alone where the error cannot be pickled."""
    if not isinstance(error, UserError):
        error.add_note(traceback.format_exc())
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError("".join(traceback.format_exception(error)))
    return error
