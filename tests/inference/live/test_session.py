"""A live session: the pipeline's numbers, one window a hop, nothing that lags, and a word for whatever goes wrong."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.audio import resample_waveform
from inference.live import LiveSession, State
from tests.builders import tone
from tests.inference.live.builders import CLASSES, TARGETS, SteeredPredictor, mfcc_predictor

HOP = 8000  # samples, of half a second


class Clock:
    """A clock that stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def play(session: LiveSession, waveform: np.ndarray, block: int = 1600) -> list:
    """Feed a waveform in blocks and analyse every window."""
    updates = []
    for start in range(0, len(waveform), block):
        session.feed(waveform[start : start + block])
        updates += session.analyse_due()
    return updates


def wait_for(condition, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


def windows(updates: list) -> list:
    return [update for update in updates if update.is_window]


@pytest.mark.parametrize("of_ratings", [False, True])
def test_a_window_is_predicted_bit_for_bit_as_the_same_waveform(of_ratings):
    predictor, waveform = mfcc_predictor(of_ratings), tone(3.0)
    (*_, last) = play(LiveSession(predictor, 16000), waveform)
    expected = predictor.predict([waveform])[0]
    assert last.time == 3.0
    assert np.array_equal(last.answer.outputs, expected.outputs)
    assert np.array_equal(last.attention, expected.attention)


@pytest.mark.parametrize(("crop", "window"), [("start", 3.0), ("segments", 5.0)])
def test_no_window_is_so_long_that_the_head_hears_a_part_of_it_only(crop, window):
    predictor, waveform = mfcc_predictor(crop=crop), np.concatenate([tone(3.0), tone(2.0, frequency=900)])
    session = LiveSession(predictor, 16000, window=5.0)
    (*_, last) = play(session, waveform)
    assert session.window == len(last.waveform) / 16000 == window
    assert np.array_equal(last.answer.outputs, predictor.predict([waveform[-len(last.waveform) :]])[0].outputs)


def test_another_rate_is_resampled_as_files_are():
    predictor, waveform = mfcc_predictor(), tone(3.0, sample_rate=44100)
    (*_, last) = play(LiveSession(predictor, 44100), waveform, block=1024)
    expected = predictor.predict([resample_waveform(waveform, 44100, 16000)])[0]
    assert np.array_equal(last.answer.outputs, expected.outputs)


@given(blocks=st.lists(st.integers(0, HOP), max_size=30))
def test_windows_end_at_every_hop_however_the_sound_arrives(blocks):
    predictor = SteeredPredictor()
    session = LiveSession(predictor, 16000)
    sound = 0.1 + 0.4 * np.random.default_rng(1).random(sum(blocks), dtype=np.float32)
    updates, start = [], 0
    for block in blocks:
        session.feed(sound[start : start + block])
        start += block
        updates += session.analyse_due()
    ends = [round(update.time * 16000) for update in windows(updates)]
    assert ends == list(range(HOP, len(sound) + 1, HOP))
    for end, window in zip(ends, predictor.windows, strict=True):
        assert np.array_equal(window, sound[max(0, end - 48000) : end])


def test_windows_that_come_due_during_an_analysis_are_dropped_and_counted_not_queued():
    predictor, updates = SteeredPredictor(free=False), []
    with LiveSession(predictor, 16000, on_update=updates.append) as session:
        session.feed(tone(0.5))
        assert predictor.started.acquire(timeout=5)
        for _ in range(7):
            session.feed(tone(0.5))  # returns although the analysis does not
        predictor.may_end.release()
        wait_for(lambda: windows(updates))
        assert not predictor.started.acquire(timeout=0.05)
        session.feed(tone(0.5))
        predictor.may_end.release()
        wait_for(lambda: len(windows(updates)) == 2)
    first, second = windows(updates)
    assert (first.time, second.time) == (0.5, 4.5)
    assert (first.dropped, second.dropped) == (7, 7)
    assert first.state is State.TOO_SLOW
    assert "88% of the last windows" in first.message


def test_after_ten_seconds_without_a_dropped_window_the_machine_is_fast_enough_again():
    session = LiveSession(SteeredPredictor(), 16000)
    session.feed(tone(4.0))
    updates = windows(session.analyse_due() + play(session, tone(12.0)))
    assert updates[0].dropped_share == pytest.approx(7 / 8)
    states = [update.state for update in updates]
    assert states[0] is State.TOO_SLOW
    assert states[-1] is State.SPEECH
    assert states == sorted(states, key=[State.TOO_SLOW, State.SPEECH].index)


def test_silence_is_said_and_not_predicted():
    predictor = SteeredPredictor()
    (update,) = windows(play(LiveSession(predictor, 16000), np.full(HOP, 1e-4, dtype=np.float32)))
    assert update.state is State.SILENCE
    assert update.answer is None
    assert predictor.windows == []


def test_a_short_word_in_a_quiet_room_is_not_silence():
    waveform = np.concatenate([np.zeros(44000), 0.02 * tone(0.2), np.zeros(800)])
    *_, update = windows(play(LiveSession(SteeredPredictor(), 16000), waveform))
    assert update.state is State.SPEECH


def test_clipping_is_said_and_predicted():
    (update,) = windows(play(LiveSession(SteeredPredictor(), 16000), np.clip(4 * tone(0.5), -1, 1)))
    assert update.state is State.CLIPPING
    assert update.answer is not None
    assert update.peak == 1.0


def test_what_no_sound_card_delivers_is_made_harmless():
    session = LiveSession(mfcc_predictor(), 16000)
    waveform = tone(0.5)
    waveform[100:103] = [np.nan, np.inf, 1e30]
    (update,) = windows(play(session, waveform))
    assert np.isfinite(update.answer.outputs).all()


@pytest.mark.parametrize("seconds", [0, 1])
def test_no_window_holds_what_came_before_a_pause_or_during_it(seconds):
    predictor = SteeredPredictor()
    session = LiveSession(predictor, 16000)
    play(session, tone(1.0))
    session.pause()
    assert [update.state for update in session.analyse_due()] == [State.PAUSED]
    assert play(session, np.ones(seconds * 16000, dtype=np.float32)) == []
    session.resume()
    assert session.analyse_due()[0].state is State.WAITING
    (update,) = windows(play(session, tone(0.5, frequency=300.0)))
    assert update.time == 1.5 + seconds
    assert np.array_equal(predictor.windows[-1], tone(0.5, frequency=300.0))


def test_a_window_can_be_analysed_between_two_hops():
    session = LiveSession(SteeredPredictor(), 16000)
    session.feed(tone(0.7))
    session.analyse_due()
    session.feed(tone(0.2))
    session.analyse_now()
    (update,) = session.analyse_due()
    assert update.time == pytest.approx(0.9)


def test_the_end_is_analysed_too_and_then_said():
    session = LiveSession(SteeredPredictor(), 16000)
    play(session, tone(0.7))
    session.end()
    last, end = session.analyse_due()
    assert last.time == pytest.approx(0.7)
    assert end.state is State.ENDED
    session.feed(tone(1.0))
    assert session.analyse_due() == []


def test_a_sound_that_is_too_short_to_analyse_is_said_to_be():
    session = LiveSession(mfcc_predictor(), 16000)
    play(session, tone(0.01))
    session.end()
    (end,) = session.analyse_due()
    assert "before there was enough" in end.message


def test_a_lost_source_is_said_with_its_reason():
    with LiveSession(SteeredPredictor(), 16000) as session:
        session.lose("The microphone was unplugged.")
        wait_for(lambda: session.latest() is not None and session.latest().state is State.LOST)
    assert session.latest().message == "The microphone was unplugged."


def test_sound_that_stops_coming_is_waited_for():
    clock = Clock()
    with LiveSession(SteeredPredictor(), 16000, clock=clock) as session:
        session.feed(tone(0.5))
        wait_for(lambda: session.latest() is not None and session.latest().is_window)
        clock.now = 2.0
        wait_for(lambda: session.latest().state is State.WAITING)


def test_an_error_is_told_and_the_next_window_is_analysed():
    predictor, updates = SteeredPredictor(), []
    with LiveSession(predictor, 16000, on_update=updates.append) as session:
        predictor.error = RuntimeError("out of memory")
        session.feed(tone(0.5))
        wait_for(lambda: windows(updates))
        predictor.error = None
        session.feed(tone(0.5))
        wait_for(lambda: len(windows(updates)) == 2)
    assert [update.state for update in windows(updates)] == [State.ERROR, State.SPEECH]
    assert "out of memory" in windows(updates)[0].message


def test_a_listener_that_fails_does_not_end_the_session():
    def listener(update):
        raise ValueError("mine")

    with LiveSession(SteeredPredictor(), 16000, on_update=listener) as session:
        session.feed(tone(0.5))
        wait_for(lambda: len(session.rows) == 1)
        session.feed(tone(0.5))
        wait_for(lambda: len(session.rows) == 2)


def test_it_says_how_far_it_is_behind():
    clock, predictor = Clock(), SteeredPredictor()
    session = LiveSession(predictor, 16000, clock=clock)
    session.feed(tone(0.5))
    clock.now = 0.3
    (update,) = windows(session.analyse_due())
    assert update.seconds_behind == pytest.approx(0.3)


def test_two_sessions_share_a_predictor():
    predictor, waveform = mfcc_predictor(), tone(2.0)
    expected = predictor.predict([waveform])[0].outputs
    with LiveSession(predictor, 16000) as one, LiveSession(predictor, 16000) as other:
        for session in (one, other):
            session.feed(waveform)
            wait_for(lambda session=session: session.latest() is not None and session.latest().is_window)
            assert np.array_equal(session.latest().answer.outputs, expected)


@pytest.mark.parametrize(
    ("of_ratings", "columns"),
    [
        (False, ["time", "state", "predicted", "confidence", *(f"p_{name}" for name in CLASSES)]),
        (True, ["time", "state", *(f"predicted_{name}" for name in TARGETS)]),
    ],
)
def test_the_history_has_a_row_per_window(tmp_path, of_ratings, columns):
    session = LiveSession(mfcc_predictor(of_ratings), 16000)
    session.save_history(tmp_path / "as-it-goes.csv")
    updates = windows(play(session, np.concatenate([tone(1.0), np.zeros(4 * 16000)])))
    session.write_history(tmp_path / "history.csv")
    table = pd.read_csv(tmp_path / "history.csv")
    assert list(table) == columns
    assert table.time.tolist() == [update.time for update in updates]
    assert set(table.state) == {"speech", "silence"}
    assert table.iloc[-1, 2:].isna().all()
    values = table[[name for name in columns if name.startswith(("p_", "predicted_"))]]
    assert np.allclose(values.iloc[1], updates[1].answer.outputs, atol=1e-6)
    assert (tmp_path / "as-it-goes.csv").read_text() == (tmp_path / "history.csv").read_text()  # before it is closed


def test_the_last_minute_is_a_part_of_the_history():
    session = LiveSession(SteeredPredictor(), 16000, history=2.0)
    play(session, tone(5.0))
    assert [row["time"] for row in session.history] == [3.5, 4.0, 4.5, 5.0]
    assert len(session.rows) == 10


def test_a_full_disk_is_told_and_the_session_goes_on(tmp_path, monkeypatch):
    session, updates = LiveSession(SteeredPredictor(), 16000), []
    session.on_update = updates.append
    session.save_history(tmp_path / "history.csv")
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(session.rows, "_saving", full)
        play(session, tone(1.0))
    (problem,) = [update for update in updates if not update.is_window]
    assert problem.state is State.ERROR
    assert "no longer saved: No space left on device" in problem.message
    assert len(session.rows) == 2
