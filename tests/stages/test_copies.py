"""Disturbed copies play their utterance's role: no copy of a validation or test utterance is trained on."""

import shutil

import pandas as pd
import pytest
import soundfile

from data.clips import ClipsSettings
from data.json_files import write_json
from data.labels import TaskSettings
from data.roles import fold_columns
from data.split_settings import SplitSettings
from features.index import describe_store
from features.store import FeatureSet
from models import HEADS
from stages import extract
from stages.code import recordings_of
from stages.fold_jobs import fold_jobs
from stages.layout import features_index
from stages.schema import HeadParams
from tests.builders import tone, write_features
from training.clips import training_clips
from training.settings import TrainingSettings

COPIES = ("noise_white_snr5", "room_small")


@pytest.fixture(scope="module")
def features(tmp_path_factory) -> FeatureSet:
    return FeatureSet(write_features(tmp_path_factory.mktemp("features") / "copies", most_pieces=2, copies=COPIES))


def splits_by_speaker(ids: list[str]) -> pd.DataFrame:
    """Three folds, of two test, two validation and two training speakers each."""
    splits = pd.DataFrame({"id": ids, "speaker": [name.split("-")[0] for name in ids]})
    splits["label"] = ["abc"[int(name[-1])] for name in ids]
    for fold in range(3):
        block = (splits["speaker"].str[1:].astype(int) // 2 - fold) % 3
        splits[f"fold_{fold}"] = block.map({0: "test", 1: "validation", 2: "train"})
    return splits


@pytest.mark.parametrize("copies", ["clean", "all"])
def test_no_copy_of_an_utterance_plays_another_role_than_the_utterance(features, copies):
    splits = splits_by_speaker(sorted(features.seconds))
    training = TrainingSettings(copies=copies, adversarial_weight=0)
    settings = HEADS["linear"][0](model="linear")
    head = HeadParams("linear", "emotions", "set", "corpus", "scratch", settings, training)
    task = TaskSettings(
        corpus="corpus", classes={name: [name] for name in "abc"}, split=SplitSettings(scheme="speaker")
    )
    jobs = fold_jobs("head", head, task=task, features=features, splits=splits).values()
    assert len(jobs) == len(fold_columns(splits)) == 3
    clips = {
        key: (name, copy) for name in splits["id"] for copy in features.copies for key in features.clips_of(name, copy)
    }
    for job in jobs:
        role = dict(splits[["id", f"fold_{job.fold}"]].itertuples(index=False, name=None))
        trained_on = {clips[key] for key in training_clips(job.roles["train"], features, training).ids}
        which = ["clean", *COPIES] if copies == "all" else ["clean"]
        assert trained_on == {(name, copy) for name in role if role[name] == "train" for copy in which}
        held_out = set(job.roles["validation"].ids) | set(job.roles["test"].ids)
        assert {role[name] for name in held_out} == {"validation", "test"}
        assert not held_out & {name for name, _ in trained_on}


def test_another_recording_of_noise_makes_other_clips(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = ClipsSettings()
    noisy = ClipsSettings(disturb=[{"noise": "data/noises/cafe", "snr": 5}, {"codec": "mp3"}])
    assert (
        recordings_of(plain, "set")
        == recordings_of(ClipsSettings(disturb=[{"codec": "mp3"}]), "set")
        == "no recordings\n"
    )
    assert recordings_of(noisy, "set") == "not here  data/noises/cafe\n"
    (tmp_path / "data/noises/cafe").mkdir(parents=True)
    described = set()
    for frequency in (200, 300):
        soundfile.write(tmp_path / "data/noises/cafe/a.wav", tone(0.2, frequency=frequency), 16000)
        described.add(recordings_of(noisy, "set"))
    assert len(described) == 2


def test_nobody_is_asked_for_recordings_that_the_index_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    noisy = ClipsSettings(disturb=[{"noise": "data/noises/cafe", "snr": 5}])
    (tmp_path / "data/noises/cafe").mkdir(parents=True)
    soundfile.write(tmp_path / "data/noises/cafe/a.wav", tone(0.2), 16000)
    code = tmp_path / "artifacts/code/preprocess-set"
    code.parent.mkdir(parents=True)
    code.write_text(recordings_of(noisy, "set"))
    features = write_features(tmp_path / "artifacts/features/set/corpus", copies=COPIES)
    write_json(features_index("corpus", "set"), describe_store(features, recordings=extract._recordings("set")))
    shutil.rmtree(tmp_path / "data")
    assert recordings_of(noisy, "set") == code.read_text()
    features_index("corpus", "set").unlink()
    assert recordings_of(noisy, "set") == "not here  data/noises/cafe\n"
