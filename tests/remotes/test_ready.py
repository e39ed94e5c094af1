"""What `ser fetch` calls ready is: what has to run on the node finds its corpus, its clips and its weights there."""

import json
import shutil
from dataclasses import replace

import pytest

from app.fetch import fetch
from features import kinds
from tests.builders import Project

pytestmark = pytest.mark.extras
MANIFEST, CLIPS, FEATURES = "manifest@emodb", "preprocess@emodb-mfcc", "extract@emodb-mfcc"
NO_CORPUS = "and it needs corpora/emodb, which is not here"


@pytest.fixture
def project(anna, monkeypatch) -> Project:
    """Everything has run, and the corpora have since left."""
    shutil.rmtree(anna.folder / "corpora")
    monkeypatch.chdir(anna.folder)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # no hub answers
    return anna


def states(capsys, **how) -> dict[str, str]:
    """What the head needs -> where that is."""
    fetch([], dry_run=True, as_json=True, **{"with_weights": True, **how})
    return {need["what"]: need["state"] for need in json.loads(capsys.readouterr().out)}


def change(project: Project, section: str, name: str, **values) -> None:
    params = project.read_params()
    params[section][name] |= values
    project.write_params(params)


def test_a_manifest_that_must_be_made_again_needs_its_corpus(project, capsys):
    assert set(states(capsys).values()) == {"here"}
    change(project, "corpora", "emodb", exclude={"emotion": ["L"]})
    found = states(capsys)
    assert found[MANIFEST] == f"its parameters have changed since it ran, {NO_CORPUS}"
    assert found[FEATURES] == "here"
    (project.folder / "corpora/emodb").mkdir(parents=True)
    assert states(capsys)[MANIFEST] == "runs there, from the corpus"


def test_clips_that_must_be_made_again_need_their_corpus(project, capsys):
    change(project, "features", "mfcc", clips={**project.read_params()["features"]["mfcc"]["clips"], "seconds": 2.0})
    found = states(capsys)
    assert found[CLIPS] == found[FEATURES] == f"its parameters have changed since it ran, {NO_CORPUS}"


def test_features_of_a_raised_version_need_their_clips(project, capsys, monkeypatch):
    monkeypatch.setitem(kinds.KINDS, "mfcc", replace(kinds.KINDS["mfcc"], version=99))
    found = states(capsys)
    assert found[FEATURES] == "runs there, from its clips"
    assert found[CLIPS] == "here"
    shutil.rmtree(project.folder / "artifacts/clips")
    assert states(capsys)[CLIPS] == "to fetch"


def test_features_to_extract_need_their_weights(project, capsys):
    clips = project.read_params()["features"]["mfcc"]["clips"]
    params = project.read_params()
    params["features"]["tiny"] = {"kind": "ssl", "clips": clips, "checkpoint": "team/tiny", "layers": [1]}
    params["heads"]["linear"]["features"] = "tiny/emodb"
    project.write_params(params)
    assert "without --no-weights" in states(capsys, with_weights=False)["team/tiny"]
    assert states(capsys)["team/tiny"] == "to fetch"
