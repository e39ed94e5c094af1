"""A long recording is predicted window by window, as files that hold nothing else would be."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from data.audio import Excerpt, UnusableAudioError
from data.errors import UserError
from inference.opening import open_head, run_folders
from inference.predictor import Answer, Predictor
from inference.recordings import open_recording
from inference.timeline import Span, smoothed, timeline, windows
from tests.builders import tone
from tests.inference.live.builders import mfcc_predictor
from tests.trained_heads import train_on_recordings

RATE = 16000


@pytest.fixture(scope="module")
def predictor(tmp_path_factory) -> Predictor:
    """Of clips of half a second."""
    trained = train_on_recordings(tmp_path_factory.mktemp("trained"))
    return open_head("small", run_folders(trained.folder), trained.settings, torch.device("cpu"))


def write(path: Path, *parts: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(path, np.concatenate(parts), rate)
    return path


def spans_of(path: Path, predictor: Predictor, hop: float, **how) -> list[Span]:
    with open_recording(path) as recording:
        return list(timeline(recording, predictor, hop, **how))


@pytest.mark.parametrize("seconds", [0.3, 3.0, 3.2, 4.0, 10.0, 100.1])
@pytest.mark.parametrize("hop", [0.1, 0.5, 3.0])
def test_windows_cover_a_recording_and_all_have_one_length(seconds, hop):
    cut = windows(seconds, 3.0, hop)
    assert cut[0][0] == 0.0
    assert cut[-1][1] == pytest.approx(seconds)
    assert {round(end - start, 6) for start, end in cut} == {min(seconds, 3.0)}
    steps = np.diff([start for start, _ in cut])
    assert np.all(steps > 1e-6)
    assert np.allclose(steps[:-1], hop)
    assert np.all(steps <= hop + 1e-6)


@pytest.mark.parametrize(("length", "hop"), [(3.0, 0.0), (3.0, -1.0), (0.0, 1.0), (3.0, float("nan"))])
def test_windows_that_make_no_sense_are_refused(length, hop):
    with pytest.raises(UserError, match="more than 0 s"):
        windows(10.0, length, hop)


def test_a_window_is_predicted_as_a_file_that_holds_nothing_else(predictor, tmp_path):
    path = write(tmp_path / "long.wav", *(tone(0.7, 44100, frequency) for frequency in (150, 250, 400)), rate=44100)
    spans = spans_of(path, predictor, hop=0.4)
    assert [(span.start, round(span.end, 6)) for span in spans] == [
        (0, 0.5),
        (0.4, 0.9),
        (0.8, 1.3),
        (1.2, 1.7),
        (1.6, 2.1),
    ]
    for span in spans:
        alone = predictor.predict_file(Excerpt(path, span.start, span.end))
        np.testing.assert_allclose(span.answer.outputs, alone.outputs, atol=1e-4)
    assert np.ptp([span.answer.outputs for span in spans], axis=0).max() > 0.01


def test_a_window_is_one_piece_though_its_rate_does_not_divide_evenly(monkeypatch, tmp_path):
    predictor, pieces = mfcc_predictor(crop="segments", hop=1.5), []
    cut = predictor.cut
    monkeypatch.setattr(predictor, "cut", lambda waveform: pieces.append(cut(waveform).pieces) or cut(waveform))
    spans_of(write(tmp_path / "odd.wav", tone(5.0, 11025), rate=11025), predictor, hop=0.5)
    assert [len(of_window) for of_window in pieces] == [1] * 5


def test_a_silent_window_has_no_answer_and_a_broken_one_is_named(predictor, tmp_path):
    path = write(tmp_path / "pause.wav", tone(1.0), np.zeros(RATE), tone(1.0))
    assert [span.silent for span in spans_of(path, predictor, hop=0.5)] == [False, False, True, True, False, False]
    assert all((span.answer is None) == span.silent for span in spans_of(path, predictor, hop=0.5))
    broken = np.concatenate([tone(1.0), np.full(RATE, np.nan, dtype=np.float32)])
    soundfile.write(tmp_path / "broken.wav", broken, RATE, subtype="FLOAT")
    with pytest.raises(UnusableAudioError, match=r"from 1\.0 to 1\.5 s: not finite"):
        spans_of(tmp_path / "broken.wav", predictor, hop=0.5)


def test_smoothing_averages_the_windows_nearby_and_passes_over_silence():
    values = [0.0, 1.0, None, 1.0, 0.0, 0.0]
    spans = [
        Span(
            float(start),
            start + 3.0,
            None if value is None else Answer(np.array([value, 1 - value]), None),
            value is None,
        )
        for start, value in enumerate(values)
    ]
    means = [span.answer and round(float(span.answer.outputs[0]), 6) for span in smoothed(iter(spans), 2.0)]
    assert means == [0.5, 0.5, None, 0.5, 0.333333, 0.0]
    same = [span.answer and float(span.answer.outputs[0]) for span in smoothed(iter(spans), 0.5)]
    assert same == values


def test_the_windows_of_a_recording_are_done_one_batch_after_another(predictor, tmp_path):
    path = write(tmp_path / "long.wav", tone(20.0))
    done = []
    with open_recording(path) as recording:
        spans = timeline(recording, predictor, 0.5, on_done=done.append)
        next(spans)
        assert done == []  # the first windows are there before the last are read
        assert len(list(spans)) == 39
    assert done == [32, 8]


@pytest.mark.slow
def test_three_hours_take_no_more_memory_than_a_minute(predictor, tmp_path):
    for name, minutes in (("minute", 1), ("hours", 180)):
        with soundfile.SoundFile(tmp_path / f"{name}.flac", "w", RATE, 1) as file:
            for _ in range(minutes):
                file.write(tone(60.0) * np.repeat(np.tile([1.0, 0.01], 3), 10 * RATE))
    peaks = {name: _peak_of_child(tmp_path / f"{name}.flac", predictor) for name in ("minute", "hours")}
    assert peaks["hours"] - peaks["minute"] < 100 * 2**10  # KiB; decoded, the hours are 690 MB


def _peak_of_child(path: Path, predictor: Predictor) -> int:
    """The largest resident memory, in KiB, of a process that predicts a recording."""
    if not (child := os.fork()):
        list(_count(path, predictor))
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    assert status == 0
    return usage.ru_maxrss


def _count(path: Path, predictor: Predictor):
    with open_recording(path) as recording:
        yield from (span.start for span in timeline(recording, predictor, 2.0, smooth=4.0, speech_only=True))
