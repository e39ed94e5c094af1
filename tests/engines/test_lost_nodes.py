"""A node is lost with processes that were free. Ray is acted: it would not ask them in the same order each time."""

import pickle
from dataclasses import dataclass, field
from types import SimpleNamespace

from engines.on_ray import run_on_ray
from tests.engines.works import Squares

CORES = 8
TASKS = list(range(CORES))
NODE = frozenset(range(4))  # the processes of one of two nodes


def test_a_lost_node_costs_what_ran_there_and_no_task_goes_to_its_free_processes(tmp_path, monkeypatch):
    ray = ActedRay(endless=0)
    monkeypatch.setattr("engines.on_ray.import_ray", lambda: ray)
    monkeypatch.setattr("engines.on_ray._SECONDS_PER_LOOK", 0.01)
    lost, done = [], []
    how = {"cluster": SimpleNamespace(count=lambda resource: CORES), "shared": tmp_path, "on_lost": lost.append}
    for result in run_on_ray(Squares(), TASKS, **how):
        done.append(result)
        if len(done) == CORES - 1:  # all but task 0, which runs on the node; the other processes are free
            ray.dead |= NODE
    assert sorted(done) == [(task, task**2) for task in TASKS]
    assert lost == ["0: Ray lost its process on here; going on with the others"]


class RayError(Exception):
    pass


@dataclass
class ActedRay:
    """As much of Ray as `engines.on_ray` uses, in this process.

    Attributes:
        endless: the process whose first task ends only with it.
        dead: the processes that are lost.
    """

    endless: int
    dead: set[int] = field(default_factory=set)
    processes: int = 0
    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=(), OutOfMemoryError=())
    cloudpickle = SimpleNamespace(register_pickle_by_value=lambda module: None)

    def remote(self, **needs):
        return lambda kind: SimpleNamespace(remote=self._start)

    def put(self, value):
        return value

    def kill(self, process):
        pass

    def wait(self, references, *, num_returns, timeout):
        ready = [reference for reference in references if reference.process in self.dead or not reference.is_endless]
        return ready, [reference for reference in references if reference not in ready]

    def get(self, reference):
        if reference.process in self.dead:
            raise RayError
        return "here", 0, reference.result, None

    def _start(self) -> "Process":
        self.processes += 1
        return Process(self.processes - 1, self)


@dataclass(eq=False)
class Reference:
    process: int
    result: object = None
    is_endless: bool = False


class Process:
    """An actor, every method of which has a ``remote``."""

    def __init__(self, number: int, ray: ActedRay):
        self._number, self._ray = number, ray
        self.open = self.here = self.units = SimpleNamespace(
            remote=lambda *arguments: Reference(number), options=lambda **options: self.units
        )
        self.do = SimpleNamespace(remote=self._do)

    def _do(self, task: bytes) -> Reference:
        number = pickle.loads(task)
        return Reference(self._number, number**2, is_endless=self._number == self._ray.endless)
