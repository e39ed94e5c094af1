"""Tasks on a Ray cluster: in a process for every core, or card, of every node.

Ray places the processes and notices the nodes that come and go; a task goes to whichever process is free. Processes end
with this one.
"""

import math
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import UserError
from engines import ray_node
from engines.ray_cluster import Cluster, import_ray
from engines.same_project import visiting_card
from engines.work import Report, Result, Task, Work

_MOST_LOSSES = 3
_SECONDS_PER_LOOK = 0.5
_SECONDS_TO_WAIT_QUIETLY = 60


def run_on_ray(
    work: Work[Task, Result],
    tasks: Iterable[Task],
    *,
    cluster: Cluster,
    shared: Path,
    gpu: bool = False,
    workers: int | None = None,
    on_progress: Report = lambda count: None,
    on_lost: Callable[[str], None] = lambda message: None,
) -> Iterator[tuple[Task, Result]]:
    """Do tasks on the nodes of a cluster and yield each one with its result, in the order in which they finish.

    A process or a node that is lost costs what it was doing: the task is done again elsewhere, by a process that has
    answered since. A lost node may only be out of reach, and go on for a while: what a task writes must have a place of
    its own each time.

    Args:
        work: what to do; pickled, and opened once in every process. Its `Work.place` is always 0: a process sees no
            card but its own.
        tasks: pickled.
        cluster: the one that this process has joined.
        shared: a folder of the project, which every node has to see.
        gpu: whether every process gets a card of its own; else a core.
        workers: the most processes; None for as many as the cluster has cards, or cores, at any time. Those for which
            there is no room wait until there is, while the others work.
        on_progress: called with what `Work.do` reports, and with its negative where that was lost.
        on_lost: called with a sentence for people when a process has been lost, or when there is no room for any.

    Raises:
        UserError: what a task raised; a node without the project; a task whose process was lost three times.
    """
    waiting = deque(_Attempt(task) for task in tasks)
    with visiting_card(shared) as card:
        crew = _Crew(work, card, cluster, gpu, on_progress, on_lost)
        try:
            while waiting or crew.busy:
                most = workers or cluster.count("GPU" if gpu else "CPU")
                crew.grow(min(most, len(waiting) + len(crew.busy)))
                for member in crew.free[: len(waiting)]:
                    crew.give(member, waiting.popleft())
                for attempt, result in crew.look():
                    if result is _LOST:
                        waiting.appendleft(attempt)
                    else:
                        yield attempt.task, result
        finally:
            crew.dismiss()


_LOST = object()


@dataclass
class _Attempt:
    """A task, and how many processes have been lost while they did it."""

    task: object
    losses: int = 0


@dataclass(eq=False)
class _Member:
    """One process of the cluster.

    Attributes:
        owed: the answer that it owes: of opening the work, of a task, or whether it is still there; None where it is
            free.
        node: where it is, once it has said so.
        attempt: what it does.
        units: of the task, as far as it has been heard.
        asked: how many there are now, as soon as it says so.
    """

    actor: Any
    owed: Any
    node: str = ""
    attempt: _Attempt | None = None
    units: int = 0
    asked: Any = None


class _Crew:
    """The processes on the cluster, and what each one is doing."""

    def __init__(self, work: Work, card: dict, cluster: Cluster, gpu: bool, on_progress: Report, on_lost: Callable):
        self._ray, self._cluster, self._on_progress, self._on_lost = import_ray(), cluster, on_progress, on_lost
        self._ray.cloudpickle.register_pickle_by_value(ray_node)
        needs = {"num_cpus": 1, "num_gpus": int(gpu), "scheduling_strategy": "SPREAD"}
        self._actor = self._ray.remote(concurrency_groups={"watch": 1}, **needs)(ray_node.Node)
        self._opening = card, self._ray.put(pickle.dumps(work))
        self._members: list[_Member] = []
        self._lost_openings = 0
        self._quiet_until = time.monotonic() + _SECONDS_TO_WAIT_QUIETLY

    @property
    def free(self) -> list[_Member]:
        """Those that wait for a task."""
        return [member for member in self._members if member.owed is None]

    @property
    def busy(self) -> list[_Member]:
        """Those that have one."""
        return [member for member in self._members if member.attempt]

    def grow(self, count: int) -> None:
        """Ask for processes, up to ``count`` in all."""
        while len(self._members) < count:
            actor = self._actor.remote()
            self._members.append(_Member(actor, actor.open.remote(*self._opening)))

    def give(self, member: _Member, attempt: _Attempt) -> None:
        """Have a free member do a task."""
        member.attempt, member.units, member.asked = attempt, 0, None
        member.owed = member.actor.do.remote(pickle.dumps(attempt.task))

    def look(self) -> Iterator[tuple[_Attempt, Any]]:
        """Wait a moment, tell the progress, and yield the attempts that have ended, with a result or ``_LOST``."""
        self._tell_of_waiting()
        owed = {member.owed: member for member in self._members if member.owed is not None}
        if not owed:
            time.sleep(_SECONDS_PER_LOOK)
            return
        self._ray.wait(list(owed), num_returns=1, timeout=_SECONDS_PER_LOOK)
        ready, _ = self._ray.wait(list(owed), num_returns=len(owed), timeout=0)
        self._hear()
        lost = False
        for reference in ready:
            member = owed[reference]
            attempt = member.attempt
            try:
                member.node, units, result, error = self._ray.get(reference)
            except self._ray.exceptions.RayTaskError:  # a bug of ours
                raise
            except self._ray.exceptions.RayError as loss:
                self._lose(member, loss)
                result = _LOST
            else:
                if error is not None:
                    raise error if isinstance(error, Exception) else UserError(error)
                self._progress(member, units)
                member.owed = member.attempt = None
                self._lost_openings = 0
            if attempt:
                lost |= result is _LOST
                yield attempt, result
        if lost:
            self._call()

    def dismiss(self) -> None:
        """End all processes."""
        for member in self._members:
            self._ray.kill(member.actor)

    def _call(self) -> None:
        """Have the free ones say that they are still there before they get a task: a node is lost as a whole."""
        for member in self.free:
            member.owed = member.actor.here.remote()

    def _hear(self) -> None:
        """Ask the busy ones how far they are, and listen to what they have said."""
        asked = {member.asked: member for member in self.busy if member.asked is not None}
        said, _ = self._ray.wait(list(asked), num_returns=len(asked), timeout=0) if asked else ([], [])
        for reference in said:
            with suppress(self._ray.exceptions.RayError):  # what it owes will tell
                self._progress(asked[reference], self._ray.get(reference))
                asked[reference].asked = None
        for member in self.busy:
            if member.asked is None:
                member.asked = member.actor.units.options(concurrency_group="watch").remote()

    def _lose(self, member: _Member, loss: Exception) -> None:
        """Clear up after a process that is lost.

        Raises:
            UserError: it is the third one that was lost while it did the same.
        """
        self._ray.kill(member.actor)  # it may only be out of reach
        self._members.remove(member)
        self._progress(member, 0)
        if member.attempt:
            member.attempt.losses += 1
            what, losses = f"{member.attempt.task}: Ray lost its process on {member.node}", member.attempt.losses
        elif member.node:
            return  # it was free: nothing is lost with it
        else:
            self._lost_openings += 1
            what, losses = "Ray lost a process that was starting", self._lost_openings
        if isinstance(loss, self._ray.exceptions.OutOfMemoryError):
            what += ", because the node's memory ran out"
        if losses == _MOST_LOSSES:
            raise UserError(
                f"{what}, and two before it. Use fewer processes (runtime.workers) or a smaller batch_size, then go "
                "on: finished work is kept."
            ) from loss
        self._on_lost(f"{what}; going on with the others")

    def _progress(self, member: _Member, units: int) -> None:
        """Tell how far a member is, also backwards."""
        if units != member.units:
            self._on_progress(units - member.units)
            member.units = units

    def _tell_of_waiting(self) -> None:
        """Say once that there is no room, where no process has begun for a long time."""
        if any(member.node for member in self._members):
            self._quiet_until = math.inf
        elif time.monotonic() > self._quiet_until:
            self._on_lost(f"waiting for room on the Ray cluster ({self._cluster}); `ray status` shows who uses it")
            self._quiet_until = math.inf
