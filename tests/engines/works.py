"""Work for the tests of engines: light, because processes that are spawned import it."""

import os
import signal
import time
from pathlib import Path

from data.errors import UserError
from engines.work import Work


class Squares(Work):
    """Squares numbers, in two steps."""

    offset = None

    def open(self):
        self.offset = 0

    def do(self, task, report):
        report(1)
        report(1)
        return task**2 + self.offset


class Fatal(Squares):
    """Kills its own process half-way through one task, a number of times."""

    def __init__(self, folder: Path, times: int, pause: float = 0.0):
        self.folder, self.times, self.pause = folder, times, pause

    def do(self, task, report):
        report(1)
        if task == 5 and len(list(self.folder.iterdir())) < self.times:
            (self.folder / str(os.getpid())).touch()
            time.sleep(self.pause)
            os.kill(os.getpid(), signal.SIGKILL)
        report(1)
        return task**2


class Failing(Squares):
    def do(self, task, report):
        if task == 5:
            raise UserError("five is too much")
        return task


class Slow(Squares):
    """Takes a while, and logs the tasks that it begins."""

    def __init__(self, log: Path):
        self.log = log

    def do(self, task, report):
        with self.log.open("a") as file:
            file.write(f"{task}\n")
        report(1)
        time.sleep(0.5)
        report(1)
        return task**2


class Observing(Work):
    """What a process is like."""

    def do(self, task, report):
        import torch

        time.sleep(0.02)
        return os.getpid(), self.place, torch.get_num_threads()
