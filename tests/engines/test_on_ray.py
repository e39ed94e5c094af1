"""On a real cluster of two nodes, tasks are done once each, whatever becomes of the nodes that do them."""

import os
import sys
from pathlib import Path

import pytest

from data.errors import UserError
from engines import same_project
from engines.on_ray import run_on_ray
from engines.ray_cluster import joined_cluster
from tests.engines.works import Failing, Fatal, Observing, Slow, Squares
from tests.ray_clusters import ray_cluster

TASKS = list(range(12))


@pytest.fixture(scope="module")
def cluster():
    pytest.importorskip("ray")
    with ray_cluster() as nodes, joined_cluster() as cluster:
        yield nodes, cluster


@pytest.fixture
def run(cluster, tmp_path):
    """Do tasks on the cluster; what was reported is in ``run.progress`` and ``run.lost``."""
    _, joined = cluster

    def run(work, tasks=TASKS, shared=tmp_path):
        run.progress, run.lost = [], []
        how = {"on_progress": run.progress.append, "on_lost": run.lost.append}
        return run_on_ray(work, tasks, cluster=joined, shared=shared, **how)

    return run


@pytest.mark.extras
def test_every_task_is_done_once_on_all_nodes_with_one_thread_each(run):
    assert sorted(run(Squares())) == [(task, task**2) for task in TASKS]
    assert sum(run.progress) == 2 * len(TASKS)
    seen = [result for _, result in run(Observing())]
    assert {(place, threads) for _, place, threads in seen} == {(0, 1)}
    assert len({process for process, _, _ in seen} - {os.getpid()}) == 2


@pytest.mark.extras
def test_a_killed_process_costs_its_task_alone_and_one_that_is_killed_each_time_is_an_error(run, tmp_path):
    folder = tmp_path / "deaths"
    folder.mkdir()
    assert sorted(run(Fatal(folder, times=2, pause=2.0))) == [(task, task**2) for task in TASKS]
    assert sum(run.progress) == 2 * len(TASKS)
    assert run.progress.count(-1) == len(run.lost) == 2
    assert run.lost[0].startswith("5: Ray lost its process on ")
    with pytest.raises(UserError, match=r"^5: Ray lost its process on .*, and two before it\."):
        list(run(Fatal(folder, times=9)))


@pytest.mark.extras
def test_an_error_stops_the_rest(run):
    with pytest.raises(UserError, match=r"^five is too much$"):
        list(run(Failing()))


@pytest.mark.extras
def test_a_node_without_the_project_or_with_other_versions_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setattr(same_project, "versions", lambda: {"numpy": "0.1"})
    with pytest.raises(
        UserError, match=r"^node \S+ has numpy [\d.]+, but the machine where .* has 0\.1\. Use the same"
    ):
        list(run(Squares()))
    elsewhere = same_project.visiting_card

    monkeypatch.setattr("engines.on_ray.visiting_card", lambda shared: Unseen(elsewhere(shared)))
    with pytest.raises(UserError, match=r"^node \S+ does not see .*same path"):
        list(run(Squares()))


@pytest.mark.extras
def test_a_lost_node_costs_its_running_tasks_and_one_that_joins_helps(run, cluster, tmp_path):
    nodes, _ = cluster
    (log := tmp_path / "log").touch()
    results, second = [], min(nodes.worker_nodes, key=id)
    for result in run(Slow(log)):
        results.append(result)
        if len(results) == 4:
            nodes.remove_node(second, allow_graceful=False)
        if len(results) == 8:
            nodes.add_node(num_cpus=1)
    assert sorted(results) == [(task, task**2) for task in TASKS]
    assert sum(run.progress) == 2 * len(TASKS)
    begun = log.read_text().split()
    assert len(begun) <= len(TASKS) + 1
    assert len(run.lost) <= 1


def test_without_ray_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"ray needs Ray, which is not installed: .*\[ray\]"), joined_cluster():
        pass


@pytest.mark.extras
@pytest.mark.parametrize(
    ("address", "message"), [("127.0.0.1:1", "no Ray cluster answers"), ("ray://head:10001", "give host:port")]
)
def test_a_cluster_that_is_not_there_is_said_at_once(address, message, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(UserError, match=message), joined_cluster():
        pass


class Unseen:
    """The card of a project that the other machine does not see."""

    def __init__(self, card):
        self._card = card

    def __enter__(self) -> dict:
        return self._card.__enter__() | {"token": str(Path("/nowhere/token")), "folder": "/nowhere"}

    def __exit__(self, *error):
        return self._card.__exit__(*error)
