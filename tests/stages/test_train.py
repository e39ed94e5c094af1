"""The train stage on a small feature set, without the stages before it."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from data.roles import write_splits
from data.split_settings import SplitSettings
from data.splits import make_splits
from data.utterance import Utterance
from stages import train
from stages.layout import splits_file
from tests.builders import REPOSITORY, tiny_params, write_features

NAMES = ("sad", "neutral", "angry")  # by the last part of a feature's id


@pytest.fixture
def params(tmp_path, monkeypatch) -> dict:
    """Parameters of one linear head, in a folder with what it is trained on."""
    for room in ("models", "training"):
        (tmp_path / room).symlink_to(REPOSITORY / room)
    monkeypatch.chdir(tmp_path)
    params = tiny_params("demo", epochs=2)
    params["tasks"]["emotions"]["classes"] = {"neutral": ["neu"], "sad": ["sad"], "angry": ["ang"]}
    linear = {"model": "linear", "task": "emotions", "features": "hubert/demo", "start": "scratch", "l2": None}
    params["heads"] = {"linear": linear}
    write_features(Path("artifacts/features/hubert/demo"), layers=(2,))
    utterances = [
        Utterance(f"s{speaker}-{number}-{number % 3}", "", f"s{speaker}", f"s{speaker}", "")
        for speaker in range(6)
        for number in range(10)
    ]
    manifest = pd.DataFrame(utterances).assign(corpus="demo")
    labelled = manifest.assign(label=[NAMES[int(identifier[-1])] for identifier in manifest["id"]])
    Path("artifacts/splits").mkdir()
    write_splits(make_splits(labelled, SplitSettings(scheme="speaker", folds=3)), splits_file("emotions"))
    return params


def run(params: dict) -> dict[str, bytes]:
    """Train, and return the head's files."""
    with Path("params.yaml").open("w") as file:
        YAML().dump(params, file)
    train.main("linear")
    folder = Path("artifacts/heads/linear")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_order_of_the_classes_in_the_parameters_changes_no_byte(params):
    """DVC compares dictionaries without their order, so the order must not decide the logits."""
    one = run(params)
    shutil.rmtree("artifacts/heads")
    shutil.rmtree("artifacts/.pieces")
    task = params["tasks"]["emotions"]
    task["classes"] = dict(reversed(task["classes"].items()))
    assert run(params) == one
    assert json.loads(one["fold-0/seed-1/config.json"])["classes"] == ["angry", "neutral", "sad"]
    predictions = pd.read_csv("artifacts/heads/linear/fold-0/seed-1/predictions.csv")
    assert (predictions["label"] == [NAMES[int(identifier[-1])] for identifier in predictions["id"]]).all()


def test_every_run_is_measured_outside_of_the_output(params):
    files = run(params)
    fingerprints = {target: name for name, target in _targets(files["pieces.json"])}
    for fold in range(3):
        measured = json.loads(Path(f"artifacts/measured/heads/linear/fold-{fold}/seed-1.json").read_text())
        assert measured["fingerprint"] == fingerprints[f"fold-{fold}/seed-1"]
        assert len(measured["seconds_per_epoch"]) == 2
    assert not any(b"predict_seconds" in content or b"seconds_per" in content for content in files.values())


def _targets(listing: bytes) -> list[tuple[str, str]]:
    return [(name, Path(files["config.json"]).parent.as_posix()) for name, files in json.loads(listing).items()]
