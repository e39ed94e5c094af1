"""What is opened is what was trained, whole, and with its own encoder; anything else is refused in plain words."""

import json
import shutil

import pytest
import torch

from data.clips import ClipsSettings
from data.errors import UserError
from features.imported import ImportedSettings
from inference.opening import open_head, run_folders
from tests.builders import tone, write_whisper
from tests.trained_heads import TrainedHead, train_on_recordings

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> TrainedHead:
    """A linear head with two runs. Read only."""
    return train_on_recordings(tmp_path_factory.mktemp("trained"), folds=2)


@pytest.fixture
def head(trained, tmp_path):
    return shutil.copytree(trained.folder, tmp_path / "small")


def refusal(trained, folder, **changes) -> str:
    with pytest.raises(UserError) as refused:
        open_head("small", run_folders(folder), trained.settings.model_copy(update=changes), CPU)
    return str(refused.value)


def test_another_encoder_is_refused_by_the_digest_of_its_weights(trained, tmp_path):
    message = refusal(trained, trained.folder, checkpoint="untrained:1,layers=2")
    assert "was trained with another encoder than untrained:1,layers=2: its weights have the digest" in message
    write_whisper(tmp_path / "whisper", seconds=2)
    message = refusal(trained, trained.folder, checkpoint=str(tmp_path / "whisper"))
    assert "was trained with another encoder" in message


def test_other_settings_are_refused_by_name(trained):
    message = refusal(trained, trained.folder, clips=ClipsSettings(seconds=1.0), storage="int8")
    assert "was trained on other features than these" in message
    assert "storage: 'int8' here, 'float16' in training" in message


def test_a_head_without_its_encoder_says_what_is_missing_and_how_to_name_another_place(trained, tmp_path):
    (tmp_path / "gone").mkdir()
    message = refusal(trained, trained.folder, checkpoint=str(tmp_path / "gone"))
    assert message.startswith("small needs the encoder of its features, which is not here: checkpoint: cannot load")
    assert message.endswith("--checkpoint FOLDER")
    imported = ImportedSettings(clips=trained.settings.clips, frame_rate=50.0, source="elsewhere")
    with pytest.raises(UserError, match="small was trained on imported features"):
        open_head("small", run_folders(trained.folder), imported, CPU)


def test_a_newer_format_is_refused_before_anything_else_is_read(trained, head):
    path = head / "fold-1/seed-1/config.json"
    path.write_text(json.dumps({"format": "emocache-head", "format_version": 2}))
    message = refusal(trained, head)
    assert "fold-1/seed-1: written by a newer emocache: its format is version 2" in message
    path.write_text(json.dumps({"format": "something else"}))
    assert "not a trained head of emocache" in refusal(trained, head)


@pytest.mark.parametrize("missing", ["fold-1/seed-1/model.safetensors", "fold-1/seed-1/config.json", "fold-1/seed-1"])
def test_a_part_of_a_head_is_refused_and_what_is_missing_is_named(trained, head, missing):
    files = {name: f"fold-{fold}/seed-1/{name}" for fold in (1,) for name in ("config.json", "model.safetensors")}
    (head / "pieces.json").write_text(json.dumps({"f00d": files}))
    path = head / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    message = refusal(trained, head)
    assert "only a part of a trained head" in message
    assert missing in message


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_that_is_cut_off_is_refused(trained, head, name):
    path = head / "fold-0/seed-1" / name
    path.write_bytes(path.read_bytes()[:100])
    assert str(path.parent) in refusal(trained, head)
    assert "copy it again" in refusal(trained, head) or "train it again" in refusal(trained, head)


def test_a_folder_without_runs_says_how_to_get_them(tmp_path):
    with pytest.raises(UserError, match="no trained head here"):
        run_folders(tmp_path)


def test_an_open_head_stays_what_it_was_when_another_one_is_written_over_its_files(trained, head):
    predictor = open_head("small", run_folders(head), trained.settings, CPU)
    before = predictor.predict([tone(0.5)])[0].outputs
    for path in head.rglob("model.safetensors"):
        with path.open("r+b") as file:  # as `cp` and `rsync --inplace` do
            file.seek(path.stat().st_size // 2)
            file.write(b"@" * (path.stat().st_size // 2))
    assert (predictor.predict([tone(0.5)])[0].outputs == before).all()


def test_an_encoder_that_brings_its_own_code_is_refused_without_running_it(trained, tmp_path, monkeypatch):
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    (encoder / "config.json").write_text('{"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig"}}')
    (encoder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass OwnConfig: pass\n")
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # transformers asks whoever is there, and takes a pipe's word
    assert "cannot load" in refusal(trained, trained.folder, checkpoint=str(encoder))
    assert not (tmp_path / "ran").exists()
