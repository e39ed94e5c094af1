"""Run what may crash or hang in a process of its own, with little memory and time, and say how it ended.

A process is forked once and given job after job; it is replaced when it has died or did not answer in time. So an
attempt costs a fraction of a millisecond, and a library that takes the process along costs one attempt.
"""

import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from data.errors import UserError


@dataclass(frozen=True)
class Outcome:
    """How one attempt ended.

    Attributes:
        kind: ``done``, ``refused`` (with a `UserError`), ``escaped`` (with any other exception), ``crashed`` or
            ``hung``.
        what: what the job returned; or the message, the exception, or the signal.
        seconds: how long it took.
    """

    kind: str
    what: object = None
    seconds: float = 0.0

    @property
    def is_safe(self) -> bool:
        """Whether it went well, or was refused in our own words."""
        return self.kind in ("done", "refused")


class Isolation:
    """Call one function again and again, each time in a process that may die.

    Args:
        job: called in the process with the arguments of `attempt`; returns something picklable.
        seconds: the longest that an attempt may take.
        megabytes: of address space, more than the process has when it begins.
    """

    def __init__(self, job: Callable, seconds: float = 10.0, megabytes: int = 2000):
        self._job, self._seconds, self._megabytes = job, seconds, megabytes
        self._fork = multiprocessing.get_context("fork")
        self._process = None
        self.peak_megabytes = 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process is not None:
            self._end()

    def attempt(self, *arguments) -> Outcome:
        """Call the function once."""
        if self._process is None:
            self._connection, other = self._fork.Pipe()
            self._process = self._fork.Process(target=self._serve, args=(other,), daemon=True)
            self._process.start()
            other.close()
        start = time.perf_counter()
        try:
            self._connection.send(arguments)
            if not self._connection.poll(self._seconds):
                self._end()
                return Outcome("hung", f"no answer within {self._seconds:g} s", time.perf_counter() - start)
            kind, what, peak = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            self._process = None
            how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            return Outcome("crashed", how, time.perf_counter() - start)
        self.peak_megabytes = max(self.peak_megabytes, peak)
        return Outcome(kind, what, time.perf_counter() - start)

    def _end(self) -> None:
        self._process.kill()
        self._process.join()
        self._process = None

    def _serve(self, connection) -> None:
        """The process: answer until the other side is gone."""
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        most = size + self._megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        silence = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):  # libraries in C talk about what they read
            os.dup2(silence, stream)
        while True:
            try:
                arguments = connection.recv()
            except EOFError:
                return
            try:
                kind, what = "done", self._job(*arguments)
            except UserError as error:
                kind, what = "refused", str(error)
            except BaseException as error:
                kind, what = "escaped", f"{type(error).__name__}: {error}\n{_where(error)}"
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            connection.send((kind, what, peak))


def _where(error: BaseException) -> str:
    """The innermost lines of this project that an exception went through."""
    lines, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if "site-packages" not in code.co_filename and "tests/attack" not in code.co_filename:
            lines.append(f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return " < ".join(reversed(lines[-4:]))
