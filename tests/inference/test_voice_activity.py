"""Speech stands out from a recording's own background, whatever their levels."""

import tracemalloc

import numpy as np
import pytest
import soundfile

from inference.recordings import open_recording
from inference.voice_activity import FRAME, find_speech, is_speech

RATE = 16000


def babble(seconds: float, level: float, seed: int = 0) -> np.ndarray:
    """Harmonics of a voice whose level rises and falls four times a second, as syllables do."""
    time = np.arange(round(seconds * RATE)) / RATE
    voice = sum(np.sin(2 * np.pi * 130 * number * time) / number for number in range(1, 8))
    return level * voice * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * time + seed))


def noise(seconds: float, level: float) -> np.ndarray:
    return np.random.default_rng(1).normal(0, level, round(seconds * RATE))


def speech_in(waveform: np.ndarray, path) -> np.ndarray:
    """Whether each tenth of a second is speech."""
    soundfile.write(path, np.clip(waveform, -1, 1), RATE)
    with open_recording(path) as recording:
        found = find_speech(recording)
    return np.array([found.seconds(start, start + 0.1) > 0.05 for start in np.arange(0, len(waveform) / RATE, 0.1)])


@pytest.mark.parametrize("gain", [1.0, 0.1, 0.01])
@pytest.mark.parametrize("background", [0.0, 0.001, 0.02])
def test_speech_is_found_at_any_level_above_its_background(background, gain, tmp_path):
    waveform = noise(9.0, background)
    waveform[3 * RATE : 6 * RATE] += babble(3.0, 0.2)
    found = speech_in(gain * waveform, tmp_path / "x.wav")
    truth = np.repeat([False, True, False], 30)
    assert np.mean(found == truth) > 0.95


@pytest.mark.parametrize("waveform", [noise(5.0, 0.1), np.zeros(5 * RATE), np.full(5 * RATE, 0.3)])
def test_nobody_speaks_in_noise_of_even_level_or_in_silence(waveform, tmp_path):
    assert not speech_in(waveform, tmp_path / "x.wav").any()


def test_somebody_who_never_stops_is_heard(tmp_path):
    assert speech_in(babble(5.0, 0.2) + noise(5.0, 0.001), tmp_path / "x.wav").mean() > 0.95


def test_many_channels_at_a_high_rate_take_little_memory(tmp_path):
    with soundfile.SoundFile(tmp_path / "x.flac", "w", 655_350, 8) as file:
        for _ in range(3):
            file.write(np.zeros((655_350, 8), dtype=np.int16))
    tracemalloc.start()
    with open_recording(tmp_path / "x.flac") as recording:
        find_speech(recording)
    assert tracemalloc.get_traced_memory()[1] < 40e6
    tracemalloc.stop()


def test_short_pauses_are_filled_and_clicks_dropped():
    levels = np.full(200, -60.0)
    levels[50:100] = levels[104:140] = -20.0  # a pause of 0.12 s
    levels[[10, 180, 199]] = -10.0  # a frame each
    expected = np.zeros(200, dtype=bool)
    expected[50:140] = True
    np.testing.assert_array_equal(is_speech(levels), expected)


def test_speech_that_touches_the_ends_is_kept():
    levels = np.full(100, -60.0)
    levels[:20] = levels[-20:] = -20.0
    assert is_speech(levels)[[0, 19, -20, -1]].all()
    assert not is_speech(levels)[30:70].any()


def test_a_window_is_spoken_if_a_fifth_of_it_is(tmp_path):
    waveform = noise(6.0, 0.001)
    waveform[:RATE] += babble(1.0, 0.2)
    soundfile.write(tmp_path / "x.wav", waveform, RATE)
    with open_recording(tmp_path / "x.wav") as recording:
        found = find_speech(recording)
    assert found.is_spoken(0.0, 3.0)
    assert found.is_spoken(0.9, 1.4)
    assert not found.is_spoken(0.95, 3.95)
    assert found.seconds(0.0, 6.0) == pytest.approx(1.0, abs=2 * FRAME)
