"""The window of `ser live`, without a screen: what a person would do with it, and what may go wrong."""

import gc
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from data.errors import UserError
from tests.builders import tone, write_wav
from tests.inference.live.builders import CLASSES, SoundSystem, SteeredPredictor, mfcc_predictor

pytestmark = pytest.mark.extras
pytest.importorskip("PySide6")

# ruff: noqa: E402
import shiboken6
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QAction, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QMessageBox

from app.desktop.canvas import Canvas
from app.desktop.controller import Controller
from app.desktop.heads import rating_scales
from app.desktop.theme import choose_scheme
from app.desktop.window import MainWindow


@pytest.fixture(scope="module")
def application():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QT_QPA_PLATFORM", "offscreen")
        yield QApplication.instance() or QApplication(["test"])


@pytest.fixture
def machine(monkeypatch) -> SoundSystem:
    """A machine with one microphone."""
    system = SoundSystem(["USB"])
    system._terminate = system._initialize = lambda: None
    monkeypatch.setitem(sys.modules, "sounddevice", system)
    return system


@pytest.fixture
def opened(application, machine, monkeypatch):
    """Open a window whose heads are the given ones by name, the first of them at once."""
    windows, errors = [], []
    monkeypatch.setattr(sys, "excepthook", lambda *error: errors.append(error))  # Qt only prints a slot's

    def open_it(heads: dict, file: Path | None = None, **how) -> MainWindow:
        def open_predictor(where):
            found = heads[where.name]
            return found() if callable(found) else found

        controller = Controller(open_predictor, **how)
        window = MainWindow(controller, list(heads), file)
        windows.append(window)
        window.show()
        controller.load_head(Path(next(iter(heads))))
        return window

    yield open_it
    while windows:
        window = windows.pop()
        window.close()
        shiboken6.delete(window)
        del window
    gc.collect()  # here, and not in a thread of the next test, which Qt does not survive
    assert errors == []


def until(condition, seconds: float = 10.0) -> None:
    """Let the window work until something has happened."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        QTest.qWait(10)


def drop(window: MainWindow, *paths: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    position = QPointF(window.rect().center())
    event = QDropEvent(
        position, Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    window.dropEvent(event)


def loud(level: float, seconds: float = 6.0) -> np.ndarray:
    """A sound that `SteeredPredictor` calls by its loudness."""
    return level * np.sign(np.sin(np.arange(round(seconds * 16000)) / 20)).astype(np.float32)


def test_the_label_the_bars_and_the_timeline_follow_what_is_heard(opened, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.concatenate([loud(0.15, 0.5), loud(0.25, 1.0)]), 16000, subtype="FLOAT")
    window, said = opened({"steered": SteeredPredictor()}, tmp_path / "a.wav"), []
    until(lambda: said.append(window.verdict.text()) or "ended" in window.state.text())
    said = [text for text in dict.fromkeys(said) if "%" in text]
    assert said == [f"{CLASSES[1]}  70%", f"{CLASSES[2]}  70%"]
    assert window.bars.values.argmax() == 2
    assert "neutral 70%" in window.bars.accessibleDescription()
    assert [time for time, _ in window.timeline.points] == [0.5, 1.0, 1.5]
    assert len(window.waveform.waveform) == 24000
    assert window.actions_.listen.text() == "&Listen"


def test_attention_is_drawn_on_the_waveform(opened, tmp_path):
    window = opened({"gru": mfcc_predictor()}, write_wav(tmp_path / "a.wav", 1.0))
    until(lambda: window.waveform.attention is not None)
    plain, window.waveform.attention = window.waveform.grab().toImage(), None
    assert plain != window.waveform.grab().toImage()


def test_a_pause_stands_still_and_goes_on(opened, tmp_path):
    window = opened({"steered": SteeredPredictor()}, write_wav(tmp_path / "a.wav", 30.0))
    until(lambda: window.timeline.points)
    QTest.keyClick(window, Qt.Key.Key_Space)
    until(lambda: "Paused" in window.state.text())
    assert window.actions_.pause.text() == "&Go on"
    windows = len(window.timeline.points)
    QTest.qWait(700)
    assert len(window.timeline.points) == windows
    QTest.keyClick(window, Qt.Key.Key_Space)
    until(lambda: len(window.timeline.points) > windows)


def test_a_dropped_recording_is_played_and_an_unusable_one_changes_nothing_but_says_why(opened, tmp_path):
    window = opened({"steered": SteeredPredictor()}, write_wav(tmp_path / "a.wav", 30.0))
    until(lambda: window.timeline.points)
    (tmp_path / "text.wav").write_text("no sound")
    drop(window, tmp_path / "text.wav")
    until(lambda: window.banner.text.startswith("text.wav: "))
    assert "a.wav" in window.details.text()
    drop(window, write_wav(tmp_path / "späße.wav", 30.0), tmp_path / "a.wav")
    assert "the first of 2 files" in window.banner.text
    until(lambda: "späße.wav" in window.details.text())


def test_the_microphone_is_heard_and_missed_when_it_is_pulled_out(opened, machine):
    window = opened({"steered": SteeredPredictor()})
    until(lambda: machine.stream is not None)
    assert window.microphones.currentText() == "USB"
    block = tone(0.5, sample_rate=48000)[:, None]
    machine.stream.callback(block, len(block), None, None)
    until(lambda: window.timeline.points)
    assert window.meter.db > -30
    machine.stream.finished_callback()
    until(lambda: "unplugged" in window.banner.text)
    assert window.actions_.listen.text() == "&Listen"


def test_without_a_microphone_the_window_says_so_and_plays_files(opened, machine, tmp_path):
    machine.names = ()
    window = opened({"steered": SteeredPredictor()})
    until(lambda: "No microphone" in window.banner.text)
    assert not window.microphones.isEnabled()
    drop(window, write_wav(tmp_path / "a.wav", 1.0))
    until(lambda: window.timeline.points)
    assert window.banner.text == ""


def test_a_machine_that_is_too_slow_is_said_to_be_and_the_window_stays_quick(opened, tmp_path):
    predictor = SteeredPredictor()
    answer = predictor.predict
    predictor.predict = lambda waveforms: time.sleep(1.3) or answer(waveforms)
    window, last, longest = opened({"slow": predictor}, write_wav(tmp_path / "a.wav", 30.0)), time.monotonic(), 0.0
    end = time.monotonic() + 15
    while "Too slow" not in window.state.text():
        assert time.monotonic() < end
        QTest.qWait(5)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    assert longest < 0.5
    assert "dropped" in window.details.text()


def test_a_head_is_loaded_while_the_old_one_works_on(opened, tmp_path):
    may_load = threading.Event()

    def load():
        assert may_load.wait(10)
        return mfcc_predictor(of_ratings=True)

    window = opened({"steered": SteeredPredictor(), "ratings": load}, write_wav(tmp_path / "a.wav", 30.0))
    until(lambda: window.timeline.points)
    window.heads.setCurrentText("ratings")
    window.heads.activated.emit(window.heads.currentIndex())
    assert not window.spinner.isHidden()
    windows = len(window.timeline.points)
    until(lambda: len(window.timeline.points) > windows)
    may_load.set()
    until(lambda: "valence" in window.verdict.text())
    assert window.spinner.isHidden()
    assert "activation" in window.bars.accessibleDescription()
    assert "%" not in window.bars.accessibleDescription()
    files = window.controller.save_history(tmp_path / "history.csv")
    assert [file.name for file in files] == ["history.csv", "history-2.csv"]
    assert "p_angry" in pd.read_csv(files[0])
    assert "predicted_valence" in pd.read_csv(files[1])


def test_a_head_that_cannot_be_loaded_leaves_the_old_one_in_use(opened, tmp_path):
    def damaged():
        raise UserError("heads/damaged: cannot load this head")

    window = opened({"steered": SteeredPredictor(), "damaged": damaged}, write_wav(tmp_path / "a.wav", 30.0))
    until(lambda: window.timeline.points)
    window.heads.setCurrentText("damaged")
    window.heads.activated.emit(window.heads.currentIndex())
    until(lambda: "cannot load this head" in window.banner.text)
    assert window.heads.currentText() == "steered"
    windows = len(window.timeline.points)
    until(lambda: len(window.timeline.points) > windows)


def test_closing_in_the_middle_of_an_analysis_ends_every_thread_and_keeps_the_history(opened, tmp_path):
    predictor = SteeredPredictor()
    window = opened({"steered": predictor}, write_wav(tmp_path / "a.wav", 30.0), save=tmp_path / "history.csv")
    until(lambda: window.timeline.points)
    saved = pd.read_csv(tmp_path / "history.csv")
    assert len(saved) >= 1
    predictor.free = False
    while predictor.started.acquire(blocking=False):
        pass
    until(lambda: predictor.started.acquire(blocking=False))
    threading.Timer(0.3, predictor.may_end.release, [50]).start()
    window.close()
    until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("live")])


def test_silence_is_written_instead_of_a_class(opened, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(16000), 16000)
    window = opened({"steered": SteeredPredictor()}, tmp_path / "a.wav")
    until(lambda: window.verdict.text() == "Silence")
    assert window.bars.values is None


def test_every_control_has_a_name_and_every_action_a_key_of_its_own(opened, tmp_path):
    window = opened({"steered": SteeredPredictor()}, write_wav(tmp_path / "a.wav", 1.0))
    controls = window.findChildren(QComboBox) + window.findChildren(Canvas) + window.findChildren(QAbstractButton)
    nameless = [control for control in controls if not (control.accessibleName() or getattr(control, "text", str)())]
    assert [control for control in nameless if control.isVisible()] == []
    keys = [action.shortcut().toString() for action in window.findChildren(QAction)]
    keys = [key for key in keys if key]
    assert len(keys) == len(set(keys)) == 9


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [(700, 450), (2400, 1400)])
def test_it_draws_at_any_size_light_and_dark(opened, tmp_path, dark, size):
    window = opened({"gru": mfcc_predictor()}, write_wav(tmp_path / "a.wav", 1.0))
    next(
        action for action in window.findChildren(QAction) if action.text() == ("&Dark" if dark else "&Light")
    ).trigger()
    window.resize(*size)
    until(lambda: window.timeline.points)
    image = window.bars.grab().toImage()
    choose_scheme(None)
    assert (image.pixelColor(image.width() // 2, 6).lightness() < 128) == dark
    assert (window.width(), window.height()) == size


def test_ratings_are_shown_between_three_deviations_of_the_training_ratings():
    assert np.allclose(rating_scales(mfcc_predictor(of_ratings=True)), [(0.9, 5.1)] * 3)


def test_the_keys_are_listed(opened, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(QMessageBox, "information", lambda parent, title, text: shown.append(text))
    window = opened({"steered": SteeredPredictor()}, write_wav(tmp_path / "a.wav", 1.0))
    window.actions_.keys.trigger()
    assert "Space" in shown[0]
