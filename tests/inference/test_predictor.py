"""A predictor gives the numbers of the pipeline, from the recordings themselves."""

import numpy as np
import pytest
import torch

from data.clips import ClipsSettings
from features.mfcc import MfccSettings
from features.ssl import SslSettings
from inference.opening import open_head, run_folders
from tests.builders import TINY_ENCODER, write_whisper
from tests.trained_heads import TrainedHead, train_on_recordings

CPU = torch.device("cpu")
# Another batch changes the last bits of a frame, so that some are rounded to the next number that the store can hold.
TOLERANCE = {"float32": 1e-4, "float16": 1e-4, "int8": 1e-3}
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
    "mfcc": (lambda _: MfccSettings(clips=CLIPS["start"], n_fft=512, delta_orders=[0, 1]), GRU, False),
}


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
    tolerance = TOLERANCE[trained.settings.storage] * (OF_RATINGS if ratings else 1)
    np.testing.assert_allclose(outputs, written[columns].to_numpy(), rtol=0, atol=tolerance)
    if not ratings:
        predicted = np.array(predictor.names)[outputs.argmax(axis=1)]
        best = np.sort(outputs, axis=1)
        assert (predicted == written["predicted"])[best[:, -1] - best[:, -2] > 2 * tolerance].all()
