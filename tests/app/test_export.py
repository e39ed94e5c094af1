"""`ser export`, as a person runs it."""

import json
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from app.export import Request, export_head, show
from app.export_material import ProjectMaterial
from data.clips import ClipsSettings
from data.errors import UserError
from features.ssl import SslSettings
from tests.builders import TINY_ENCODER
from tests.trained_heads import TrainedHead, train_on_recordings

pytestmark = pytest.mark.extras

RUNS = ["fold-0/seed-1", "fold-1/seed-1"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> TrainedHead:
    """A head with two folds, on clips in two pieces or more where they are long. Read only."""
    clips = ClipsSettings(seconds=0.5, crop="segments")
    settings = SslSettings(clips=clips, checkpoint=TINY_ENCODER, layers=[2])
    return train_on_recordings(tmp_path_factory.mktemp("trained"), settings, folds=2)


@pytest.fixture
def project(trained, tmp_path, monkeypatch) -> Path:
    """A project's folder, with what `ser export` needs of it."""
    made, artifacts = trained.folder.parents[1], tmp_path / "artifacts"
    shutil.copytree(trained.folder, artifacts / "heads/small")
    shutil.copytree(made / "features", artifacts / "features/hubert/demo")
    shutil.copytree(made / "clips", artifacts / "clips/demo/hubert")
    names = ("low", "middle", "high")
    roles = ["test", "validation", "train", "train"]  # of speakers 0 to 3 in fold 0; in fold 1 of speakers 1 to 4
    splits = pd.DataFrame(
        {
            "id": identifier,
            "speaker": identifier[:2],
            "label": names[int(identifier[-1])],
            **{f"fold_{fold}": roles[(int(identifier[1]) - fold) % 4] for fold in range(2)},
        }
        for identifier in trained.audio
    )
    (artifacts / "splits").mkdir()
    splits.to_csv(artifacts / "splits/emotions.csv", index=False)
    params = {
        "tasks": {"emotions": {"corpus": "demo"}},
        "features": {"hubert": json.loads(trained.settings.model_dump_json())},
        "heads": {"small": {"features": "hubert/demo", "task": "emotions"}},
        "evaluate": {"bootstrap": 100},
    }
    with (tmp_path / "params.yaml").open("w") as file:
        YAML().dump(params, file)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_best_run_is_exported_and_all_folds_are_compared_on_their_own_test_utterances(project, capsys):
    said = []
    made = export_head(Request(int8=True), said.append)
    assert said[0].startswith(f"run {RUNS[0]} of 2 (best validation score") or said[0].startswith(f"run {RUNS[1]} of 2")
    assert made.folder == Path("exports/small")
    assert sorted(made.comparison.runs) == RUNS
    assert (made.comparison.utterances, made.comparison.speakers) == (12, 2)
    predicted = pd.concat(
        pd.read_csv(f"artifacts/heads/small/{run}/predictions.csv").query("role == 'test'") for run in RUNS
    )
    recalls = (predicted["predicted"] == predicted["label"]).groupby(predicted["label"]).mean()
    assert made.comparison.rows[0].score == pytest.approx(recalls.mean())  # as the pipeline pools it
    show(made, as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed["comparison"]["rows"][0]["score"] == made.comparison.rows[0].score
    assert set(printed["files"]) == {"head.onnx", "model.onnx"}
    page = (made.folder / "index.html").read_text()
    assert "model.int8-static.onnx" in page
    assert "The encoder is untrained" in page


def test_int8_is_calibrated_on_no_test_utterance_of_the_run(project):
    material = ProjectMaterial("small", [2])
    for fold in range(2):
        test = {utterance.id for utterance in material.utterances(fold, "test")}
        known = {utterance.id for utterance in material.utterances(fold, "train", "validation")}
        assert (len(test), len(known), test & known) == (6, 18, set())


def test_without_the_clips_it_is_compared_on_noise_and_int8_cannot_be_tried(project):
    shutil.rmtree("artifacts/clips")
    said = []
    made = export_head(Request(runs="all", with_encoder=False), said.append)
    assert made.exported.parity["head.onnx"].holds
    assert "compared on noise instead of test utterances: the clips are not here" in said
    with pytest.raises(UserError, match="--int8 is tried on the head's own test utterances"):
        export_head(Request(int8=True), said.append)


def test_runs_without_a_common_test_utterance_cannot_be_compared_as_int8(project):
    with pytest.raises(UserError, match="no test utterance in common"):
        export_head(Request(runs="all", int8=True), print)


def test_without_onnxruntime_it_says_how_to_install_it(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"onnxruntime is not installed.*\[onnx\]"):
        export_head(Request(), print)
    assert not Path("exports").exists()
