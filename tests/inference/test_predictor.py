"""A predictor gives the numbers of the pipeline, from the recordings themselves."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
import torch

from data.audio import UnusableAudioError
from data.clips import ClipsSettings
from data.errors import UserError
from features.mfcc import MfccSettings
from features.ssl import SslSettings
from inference.opening import open_head, run_folders
from tests.builders import TINY_ENCODER, tone, write_whisper
from tests.trained_heads import TrainedHead, train_on_recordings

CPU = torch.device("cpu")
WRITTEN = 2e-6  # predictions.csv has six decimals
# Another batch changes the last bits of a frame, so that some are rounded to the next number that the store can hold.
ROUNDED = {"float32": 1e-4, "float16": 1e-4, "int8": 1e-3}
OF_RATINGS = 5  # ratings from 1 to 5 are as many times as far apart as probabilities
GRU = {"model": "gru", "hidden_size": 6, "num_layers": 1, "attention": "dot"}
LINEAR = {"model": "linear", "l2": [1.0]}
CLIPS = {
    "start": ClipsSettings(seconds=0.5),
    "centre": ClipsSettings(seconds=0.5, crop="centre"),
    "loudest": ClipsSettings(seconds=0.5, crop="loudest"),
    "segments": ClipsSettings(seconds=0.5, crop="segments", hop=0.3),
    "whole": ClipsSettings(seconds=None),
    "disturbed": ClipsSettings(seconds=0.5, disturb=[{"noise": "white", "snr": [10]}]),
}


def ssl(crop: str, **settings) -> SslSettings:
    return SslSettings(**{"clips": CLIPS[crop], "checkpoint": TINY_ENCODER, "layers": [2], **settings})


def whisper(crop: str, folder, **settings) -> SslSettings:
    write_whisper(folder / "whisper", seconds=2)
    return ssl(crop, checkpoint=str(folder / "whisper"), layers="all", **settings)


def mfcc(storage: str) -> MfccSettings:
    return MfccSettings(clips=CLIPS["start"], n_fft=512, delta_orders=[0, 1], storage=storage)


CASES = {  # what is predicted from -> settings of the feature set, head, whether it predicts ratings
    "start, float16": (lambda _: ssl("start"), GRU, False),
    "centre, int8": (lambda _: ssl("centre", storage="int8", layers="all"), GRU, False),
    "loudest, float32": (lambda _: ssl("loudest", storage="float32"), LINEAR, False),
    "segments, int8": (lambda _: ssl("segments", storage="int8"), GRU, False),
    "whole utterances": (lambda _: ssl("whole"), GRU, False),
    "padded": (lambda _: ssl("start", pad="before"), LINEAR, False),
    "disturbed copies": (lambda _: ssl("disturbed"), LINEAR, False),
    "ratings": (lambda _: ssl("start"), GRU, True),
    "ratings of segments": (lambda _: ssl("segments"), LINEAR, True),
    "whisper": (lambda folder: whisper("start", folder), GRU, False),
    "whisper, segments": (lambda folder: whisper("segments", folder, context="full"), LINEAR, False),
    "mfcc, float16": (lambda _: mfcc("float16"), GRU, False),
    "mfcc, int8": (lambda _: mfcc("int8"), GRU, False),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> TrainedHead:
    """A head that attends, with two runs. Read only."""
    return train_on_recordings(tmp_path_factory.mktemp("trained"), head=GRU, folds=2)


def open_small(trained: TrainedHead, **changes):
    settings = trained.settings.model_copy(update=changes)
    return open_head("small", run_folders(trained.folder), settings, CPU)


@pytest.mark.parametrize("case", CASES)
def test_every_utterance_gets_from_its_file_what_the_run_that_tested_it_wrote(case, tmp_path):
    settings, head, ratings = CASES[case]
    trained = train_on_recordings(tmp_path, settings(tmp_path), head, ratings)
    predictor = open_small(trained)
    columns = [f"predicted_{name}" if ratings else f"p_{name}" for name in predictor.names]
    written = trained.predictions()
    assert len(written) == 12
    outputs = np.stack([predictor.predict_file(trained.audio[name]).outputs for name in written.index])
    rounded = ROUNDED[trained.settings.storage] if trained.settings.kind == "ssl" else 0  # MFCCs know no batches
    tolerance = WRITTEN + rounded * (OF_RATINGS if ratings else 1)
    np.testing.assert_allclose(outputs, written[columns].to_numpy(), rtol=0, atol=tolerance)
    if not ratings:
        predicted = np.array(predictor.names)[outputs.argmax(axis=1)]
        best = np.sort(outputs, axis=1)
        assert (predicted == written["predicted"])[best[:, -1] - best[:, -2] > 2 * tolerance].all()


def test_many_recordings_at_once_are_predicted_as_one_by_one_and_frames_of_few_are_held(trained, monkeypatch):
    predictor = open_small(trained)
    alone = [predictor.predict_file(path) for path in trained.audio.values()]
    monkeypatch.setattr("inference.predictor._HELD_SECONDS", 1.0)
    held, done = [], []
    real = predictor._encoded
    monkeypatch.setattr(predictor, "_encoded", lambda *a: (held.append(len(frames)) or frames for frames in real(*a)))
    together = predictor.predict_clips([predictor.read(path) for path in trained.audio.values()], done.append)
    assert sum(held) == sum(done) == len(together) == 24
    assert max(held) < 24
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.outputs, other.outputs, rtol=0, atol=1e-4)
        np.testing.assert_allclose(one.attention, other.attention, rtol=0, atol=1e-3)


def test_several_runs_answer_with_the_mean_of_their_probabilities(trained):
    runs = run_folders(trained.folder)
    assert len(runs) == 2
    path = trained.audio["s3-4-1"]
    alone = [open_head("small", [run], trained.settings, CPU).predict_file(path) for run in runs]
    together = open_small(trained).predict_file(path)
    assert np.abs(alone[0].outputs - alone[1].outputs).max() > 1e-3
    np.testing.assert_allclose(together.outputs, (alone[0].outputs + alone[1].outputs) / 2, atol=1e-9)
    np.testing.assert_allclose(together.attention, (alone[0].attention + alone[1].attention) / 2, atol=1e-6)


def test_a_temperature_divides_the_logits(trained):
    predictor = open_small(trained)
    path = trained.audio["s3-4-1"]
    predictor.runs = predictor.runs[:1]
    predictor._models = predictor._models[:1]
    plain = predictor.predict_file(path).outputs
    predictor.runs = [dataclasses.replace(predictor.runs[0], temperature=2.0)]
    np.testing.assert_allclose(predictor.predict_file(path).outputs, np.sqrt(plain) / np.sqrt(plain).sum(), atol=1e-9)


@pytest.mark.parametrize(
    ("crop", "start", "end"), [("start", 0, 0.5), ("centre", 0.25, 0.75), ("segments", 0, 1), ("loudest", 0.5, 1)]
)
def test_it_says_which_part_of_a_recording_is_predicted(trained, crop, start, end):
    predictor = open_small(trained)
    predictor.settings = predictor.settings.model_copy(update={"clips": CLIPS[crop]})
    clips = predictor.cut(np.linspace(0, 1, 16000, dtype=np.float32))
    assert (clips.start, clips.end, clips.seconds) == (start, end, 1)


def test_what_cannot_be_predicted_is_refused_with_a_reason(trained, tmp_path):
    predictor = open_small(trained)
    silent_at_first = np.concatenate([np.zeros(16000, np.float32), tone(0.5)])
    soundfile.write(tmp_path / "late.wav", silent_at_first, 16000)
    with pytest.raises(UnusableAudioError, match="silent: every sample of the part"):
        predictor.read(tmp_path / "late.wav")
    predictor.settings = predictor.settings.model_copy(update={"clips": CLIPS["whole"]})
    predictor.read(tmp_path / "late.wav")
    with pytest.raises(UserError, match=r"too long: 301 s at once.*--hop"):
        predictor.predict([np.ones(301 * 16000, np.float32)])
    with pytest.raises(UserError, match="shorter than one frame"):
        predictor.predict([np.ones(100, np.float32)])


def test_threads_that_share_a_predictor_get_their_own_answers(trained):
    predictor = open_small(trained)
    paths = list(trained.audio.values())
    expected = [predictor.predict_file(path).outputs for path in paths]
    with ThreadPoolExecutor(4) as pool:
        answers = [answer.outputs for answer in pool.map(predictor.predict_file, paths * 2)]
    np.testing.assert_allclose(answers, expected * 2, rtol=0, atol=1e-6)
