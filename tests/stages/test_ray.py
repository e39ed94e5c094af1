"""On a cluster of two nodes: the same bytes as in one process, also where a node is lost in the middle."""

import subprocess
import sys
import time

import pytest

from tests.builders import Project, tiny_params
from tests.ray_clusters import ray_cluster

pytestmark = pytest.mark.extras

UTTERANCES, SHARDS, FOLDS = 40, 5, 5


@pytest.fixture(scope="module")
def project(tmp_path_factory, demo_corpus) -> Project:
    """A project in which everything has run once, in one process. Copy it before changing anything."""
    params = tiny_params(epochs=20)
    params["runtime"]["device"] = "cpu"
    project = Project.create(tmp_path_factory.mktemp("ray") / "project", params)
    (project.folder / "corpora").mkdir()
    (project.folder / "corpora/demo").symlink_to(demo_corpus)
    project.repro("evaluate@gru")
    return project


@pytest.fixture
def fresh(project, tmp_path) -> Project:
    """The same project with nothing made by extract and train, and with Ray."""
    pytest.importorskip("ray")
    copy = project.copy(tmp_path / "project")
    params = copy.read_params()
    params["runtime"].update(engine="ray", workers="auto")
    copy.write_params(params)
    copy.run("rm", "-rf", "artifacts/features/hubert/demo", "artifacts/heads/gru", "artifacts/.pieces", ".dvc/cache")
    return copy


def bytes_of(project: Project) -> dict[str, bytes]:
    made = project.bytes_below("artifacts/features/hubert") | project.bytes_below("artifacts/heads/gru")
    assert made
    return made


def test_pieces_have_the_names_and_bytes_that_one_process_makes(project, fresh):
    with ray_cluster():
        output = fresh.run("python", "-m", "stages.extract", "demo", "hubert")
        assert f"{SHARDS} shards: 0 kept, {SHARDS} made; {UTTERANCES} clips encoded" in output
        output = fresh.run("python", "-m", "stages.train", "gru")
        assert "on Ray: 2 nodes, 2 CPUs" in output
    assert bytes_of(fresh) == bytes_of(project)


def test_a_node_that_is_killed_costs_what_it_was_doing(project, fresh):
    """The first node has no core, so that it is known where the work is."""
    with ray_cluster(cores=(0, 1)) as cluster:
        for stage, made in (["extract", "demo", "hubert"], f"{SHARDS} made"), (["train", "gru"], f"{FOLDS} trained"):
            with (fresh.folder / "output").open("w+") as output:
                command = [sys.executable, "-m", f"stages.{stage[0]}", *stage[1:]]
                how = {"cwd": fresh.folder, "env": fresh.environment, "stdout": output, "stderr": subprocess.STDOUT}
                running = subprocess.Popen(command, **how)
                wait_until(lambda: attempts(fresh))
                cluster.remove_node(*cluster.worker_nodes, allow_graceful=False)
                cluster.add_node(num_cpus=1)
                status = running.wait(300)
            printed = (fresh.folder / "output").read_text()
            assert status == 0, printed
            assert printed.count("Ray lost its process on ") == 1
            assert made in printed
            assert not attempts(fresh)
    assert bytes_of(fresh) == bytes_of(project)


def attempts(project: Project) -> list:
    """What is being made at the moment."""
    return list(project.folder.glob("artifacts/.pieces/*.partial.*.partial"))


def wait_until(happens, seconds: float = 200) -> None:
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.02)
