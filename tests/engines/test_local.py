"""Tasks are done once each, whatever becomes of the processes that do them."""

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.errors import UserError
from engines.local import run_local
from tests.engines.works import Failing, Fatal, Observing, Squares

TASKS = list(range(12))


@pytest.mark.parametrize(("workers", "start"), [(1, None), (2, "fork"), (3, "fork"), (2, "spawn")])
def test_every_task_is_done_once_in_however_many_processes(workers, start):
    progress = []
    done = list(run_local(Squares(), TASKS, workers=workers, on_progress=progress.append, start=start))
    assert sorted(done) == [(task, task**2) for task in TASKS]
    assert sum(progress) == 2 * len(TASKS)


def test_processes_have_places_and_one_thread_each():
    seen = [result for _, result in run_local(Observing(), TASKS, workers=2)]
    assert {(place, threads) for _, place, threads in seen} == {(0, 1), (1, 1)}
    assert len({process for process, _, _ in seen}) == 2
    assert os.getpid() not in {process for process, _, _ in seen}
    assert {process for _, (process, *_) in run_local(Observing(), TASKS, workers=1)} == {os.getpid()}


def test_tasks_are_taken_when_there_is_a_process_to_do_them():
    taken = []
    for number, _ in enumerate(run_local(Squares(), (taken.append(task) or task for task in TASKS), workers=2)):
        assert len(taken) <= number + 2


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("times", [1, 2])
def test_a_killed_process_costs_its_task_alone_and_its_progress_is_taken_back(tmp_path, times, workers):
    progress, lost = [], []
    work = Fatal(tmp_path, times)
    done = list(run_local(work, TASKS, workers=workers, on_progress=progress.append, on_lost=lost.append))
    assert sorted(done) == [(task, task**2) for task in TASKS]
    assert sum(progress) == 2 * len(TASKS)
    assert progress.count(-1) == times
    assert len(lost) == times
    left = {2: "1 process", 3: "2 processes"}[workers]
    assert lost[0] == f"5: its process was killed, probably because memory ran out; going on with {left}"


def test_a_task_that_kills_every_process_is_an_error_and_none_is_left(tmp_path):
    with pytest.raises(UserError, match=r"^5: its process was killed.*and so did two before it"):
        list(run_local(Fatal(tmp_path, 9), TASKS, workers=4))
    assert multiprocessing.active_children() == []


def test_no_task_goes_to_processes_that_were_killed_while_they_had_none(tmp_path):
    done, lost = [], []
    for result in run_local(Fatal(tmp_path, 1, pause=1.0), [1, 2, 3, 4, 5], workers=5, on_lost=lost.append):
        done.append(result)
        if len(done) == 4:  # only the process of task 5 is left, which kills itself
            while not (busy := {int(path.name) for path in tmp_path.iterdir()}):
                time.sleep(0.01)
            for process in multiprocessing.active_children():
                if process.pid not in busy:
                    process.kill()
    assert sorted(done) == [(task, task**2) for task in [1, 2, 3, 4, 5]]
    assert sorted(message.partition(" was killed")[0] for message in lost) == [
        "5: its process",
        *4 * ["a process without a task"],
    ]


def test_an_error_stops_the_rest_and_so_does_whoever_asked():
    with pytest.raises(UserError, match=r"^five is too much$"):
        list(run_local(Failing(), TASKS, workers=2))
    assert multiprocessing.active_children() == []
    results = run_local(Squares(), TASKS, workers=2)
    next(results)
    assert len(multiprocessing.active_children()) == 2
    results.close()
    assert multiprocessing.active_children() == []


def test_processes_end_with_the_one_that_started_them(tmp_path):
    script = (
        "import os, time\n"
        "from engines.local import run_local\n"
        "from engines.work import Work\n"
        "class Endless(Work):\n"
        "    def do(self, task, report):\n"
        "        os.write(1, b'%d\\n' % os.getpid())\n"
        "        time.sleep(600)\n"
        "list(run_local(Endless(), [1, 2], workers=2))\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as process:
        workers = [int(process.stdout.readline()) for _ in range(2)]
        process.kill()
    end = time.monotonic() + 10
    while any(map(is_running, workers)):
        assert time.monotonic() < end
        time.sleep(0.05)


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
