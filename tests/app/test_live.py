"""`ser live --headless`: one line per hop."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from app.desktop.opening import check_screen
from app.live import LiveOptions, open_source, print_live, run_live
from data.errors import UserError
from tests.builders import tone, write_wav
from tests.inference.live.builders import CLASSES, mfcc_predictor


def lines(capsys, predictor, **options) -> tuple[list[str], str]:
    chosen = LiveOptions(**options)
    print_live(predictor, open_source(chosen), chosen)
    printed = capsys.readouterr()
    return printed.out.splitlines(), printed.err


def test_a_file_gives_one_json_line_per_hop_the_same_every_time(tmp_path, capsys):
    predictor, file = mfcc_predictor(), write_wav(tmp_path / "a.wav", 3.2)
    options = {"file": file, "fast": True, "as_json": True, "save": tmp_path / "history.csv"}
    printed, _ = lines(capsys, predictor, **options)
    rows = [json.loads(line) for line in printed]
    assert [row["time"] for row in rows] == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.2]
    expected = predictor.predict([soundfile.read(file, dtype="float32")[0][:48000]])[0].outputs
    assert np.allclose([rows[5][f"p_{name}"] for name in CLASSES], expected, atol=1e-6)
    assert rows[5]["predicted"] == CLASSES[expected.argmax()]
    assert rows[-1]["dropped"] == 0
    assert pd.read_csv(tmp_path / "history.csv").predicted.tolist() == [row["predicted"] for row in rows]
    assert lines(capsys, predictor, **options)[0] == printed


def test_a_line_for_people_has_the_class_its_confidence_and_bars(tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", np.concatenate([tone(0.5), np.zeros(48000)]), 16000)
    (first, *_, last), notes = lines(capsys, mfcc_predictor(), file=tmp_path / "a.wav", fast=True)
    assert first.split()[:2] == ["0.5", "s"]
    assert first.split()[2] in CLASSES
    assert "█" in first
    assert last.endswith("silence")
    assert "Is the microphone muted" in notes


def test_ratings_are_printed_as_values(tmp_path, capsys):
    ((line,), _) = lines(capsys, mfcc_predictor(of_ratings=True), file=write_wav(tmp_path / "a.wav"), fast=True)
    assert "valence " in line
    assert "%" not in line


def test_a_file_in_real_time_gives_the_same_windows(tmp_path, capsys):
    predictor, file = mfcc_predictor(), write_wav(tmp_path / "a.wav", 1.1)
    slow = [json.loads(line) for line in lines(capsys, predictor, file=file, as_json=True)[0]]
    fast = [json.loads(line) for line in lines(capsys, predictor, file=file, as_json=True, fast=True)[0]]
    assert [{name: row[name] for name in fast[0]} for row in slow] == fast


@pytest.mark.parametrize(
    ("options", "headless", "message"),
    [
        ({"fast": True}, True, "--fast analyses a recording"),
        ({"as_json": True}, False, "give --headless too"),
        ({"file": Path("a.wav"), "microphone": "1"}, True, "give one of them"),
        ({"file": Path("missing.wav")}, True, "missing.wav: no such file"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_a_head_is_loaded(options, headless, message):
    with pytest.raises(UserError, match=message):
        run_live(LiveOptions(**options), headless, None, "cpu", None)


def test_without_the_package_or_a_screen_the_window_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'PySide6: pip install -e "\.\[live\]"\. .*ser live --headless.*ser serve'):
        check_screen()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match="no screen here"):
        check_screen()


@pytest.mark.extras
def test_a_screen_that_does_not_answer_is_said_to_be_one(monkeypatch):
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.setenv("DISPLAY", ":4321")
    with pytest.raises(UserError, match=r"could not connect to display :4321\. Without one"):
        check_screen()
