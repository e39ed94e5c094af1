"""Utterances within longer files: what is cut, how it is read, and times that cannot be."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from data.audio import Excerpt, read_waveform
from data.errors import UserError
from data.times import check_times


def noise(seconds: float, sample_rate: int) -> np.ndarray:
    return np.random.default_rng(4).normal(0, 0.1, round(seconds * sample_rate)).astype(np.float32)


@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100])
@pytest.mark.parametrize(("start", "end"), [(None, 0.5), (0.25, 0.75), (1.0, None), (1.2, 2.03)])
def test_an_excerpt_is_what_a_file_that_holds_only_that_part_is(tmp_path, sample_rate, start, end):
    whole = noise(2.0, sample_rate)
    part = whole[round((start or 0) * sample_rate) : round((end or 2.0) * sample_rate)]
    for name, waveform in {"whole": whole, "part": part}.items():
        soundfile.write(tmp_path / f"{name}.wav", waveform, sample_rate, subtype="FLOAT")
    found = read_waveform(Excerpt(tmp_path / "whole.wav", start, end), 16000)
    assert np.array_equal(found, read_waveform(tmp_path / "part.wav", 16000))


@pytest.mark.parametrize("file", ["long.wav", "long.flac"])
def test_an_excerpt_is_not_decoded_from_the_beginning(tmp_path, file, monkeypatch):
    soundfile.write(tmp_path / file, noise(5.0, 16000), 16000)
    asked = []
    read = soundfile.SoundFile.read
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda self, *a, **b: asked.append(a) or read(self, *a, **b))
    assert len(read_waveform(Excerpt(tmp_path / file, 4.0, 4.5), 16000)) == 8000
    assert asked == [(8000,)]


def rows(**columns) -> pd.DataFrame:
    whole = {"id": ["a", "b"], "path": "long.wav", "start": [0.0, 0.5], "end": [0.5, 1.0]}
    return pd.DataFrame({**whole, **columns}).astype({"start": float, "end": float})


def test_times_that_cannot_be_are_named(tmp_path):
    soundfile.write(tmp_path / "long.wav", noise(1.0, 16000), 16000)
    check_times(tmp_path, rows())
    check_times(tmp_path, rows(end=[None, 1.04]))  # annotations are rounded
    for times, message in (
        ({"start": [0.0, 1.0]}, "1 utterances do not start before they end:\n  b: 1 s to 1 s"),
        ({"start": [-0.5, 0.5]}, "do not start before they end:\n  a: -0.5 s to 0.5 s"),
        ({"end": [0.5, 3.0]}, r"b: 0.5 s to 3 s, and long.wav lasts 1.000 s"),
        ({"start": [0.0, 1.0], "end": [0.5, None]}, r"b: 1 s to the end, and long.wav lasts 1.000 s"),
    ):
        with pytest.raises(UserError, match=message):
            check_times(tmp_path, rows(**times))
