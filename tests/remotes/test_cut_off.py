"""Pushes that are killed, that meet each other, and that somebody pulls from: nothing wrong ever arrives."""

import hashlib
import json
import os
import signal
import time

import pytest

from tests.builders import Project
from tests.remotes.conftest import ser
from tests.remotes.servers import KINDS, Remote

pytestmark = pytest.mark.extras
every_remote = pytest.mark.parametrize("remote", KINDS, indirect=True)
FEATURES = "artifacts/features"


def kill(process) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def push_and_kill(project: Project, remote: Remote, enough: int) -> None:
    """Push, and kill that as soon as a number of files are in the remote."""
    process = project.start("dvc", "push", "--jobs", "1")
    while remote.count() < enough and process.poll() is None:
        time.sleep(0.002)
    kill(process)


def check_names(remote: Remote) -> None:
    """Whatever lies under a final name is what its name says: the MD5 of its content."""
    for name, content in remote.files().items():
        digest = hashlib.md5(content).hexdigest()
        assert digest == name.removesuffix(".dir"), f"{name} is half a file"


@every_remote
def test_a_push_that_is_cut_off_is_completed_by_the_next_one(anna, clone, remote):
    remote.add_to(anna)
    anna.commit()
    ben = clone(anna, "ben")
    for enough in (1, 5, 12):
        push_and_kill(anna, remote, enough)
        check_names(remote)
        pulled = ben.run("dvc", "pull", "extract", ok=None)
        if "failed" not in pulled:
            assert ben.bytes_below(FEATURES) == anna.bytes_below(FEATURES)
    anna.run("dvc", "push")
    check_names(remote)
    ben.run("dvc", "pull")
    for folder in (FEATURES, "artifacts/heads"):
        assert ben.bytes_below(folder) == anna.bytes_below(folder)
    assert "are intact" in ser(ben, "store", "verify")


@every_remote
def test_two_push_at_once_while_a_third_pulls(anna, clone, remote, tmp_path):
    remote.add_to(anna)
    anna.commit()
    carla = anna.copy(tmp_path / "carla")
    ben = clone(anna, "ben")
    pushes = [project.start("dvc", "push") for project in (anna, carla)]
    while any(push.poll() is None for push in pushes):
        ben.run("dvc", "pull", "extract", ok=None)  # it may fail, but must bring nothing wrong
        for name, content in ben.bytes_below(FEATURES).items():
            assert content == anna.bytes_below(FEATURES)[name]
    assert [push.returncode for push in pushes] == [0, 0]
    check_names(remote)
    ben.run("dvc", "pull")
    assert ben.bytes_below(FEATURES) == anna.bytes_below(FEATURES)


@every_remote
def test_a_file_that_the_remote_has_damaged_is_never_trained_on(anna, clone, remote):
    remote.add_to(anna)
    anna.run("dvc", "push")
    anna.commit()
    shard = (anna.folder / FEATURES / "mfcc/emodb/speaker-03.h5").read_bytes()
    remote.replace(hashlib.md5(shard).hexdigest(), shard[:-100] + bytes(100))
    ben = clone(anna, "ben")
    ben.run("dvc", "pull", "extract", ok=None)
    params = ben.read_params()
    params["heads"]["linear"]["l2"] = [2.0]
    ben.write_params(params)
    stopped = ben.run("dvc", "repro", "--pull", "--allow-missing", ok=False)
    assert "Traceback" not in stopped
    assert not (ben.folder / "artifacts/heads/linear").exists()

    careful = clone(anna, "careful")
    careful.run("dvc", "remote", "modify", "--local", "team", "verify", "true")
    careful.run("dvc", "pull", "extract@emodb-mfcc", ok=False)
    assert not (careful.folder / FEATURES / "mfcc/emodb/speaker-03.h5").exists()


@pytest.mark.parametrize("remote", ["folder"], indirect=True)
def test_features_of_which_the_remote_has_half_a_shard_are_not_complete(anna, remote):
    remote.add_to(anna)
    anna.run("dvc", "push", "extract@emodb-mfcc")
    listing = "store", "ls", "--remote", "mfcc/emodb"
    assert json.loads(ser(anna, *listing, "--json"))["features"][0]["complete"]
    shard = (anna.folder / FEATURES / "mfcc/emodb/speaker-03.h5").read_bytes()
    remote.replace(hashlib.md5(shard).hexdigest(), shard[: len(shard) // 2])
    assert not json.loads(ser(anna, *listing, "--json"))["features"][0]["complete"]
    assert "mfcc/emodb: damaged in this remote: its files have" in ser(anna, *listing)
