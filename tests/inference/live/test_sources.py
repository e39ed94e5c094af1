"""Files and microphones that feed a session."""

import sys
import time

import numpy as np
import pytest
import soundfile

from data.audio import UnusableAudioError
from data.errors import UserError
from inference.live import LiveSession, State
from inference.live.microphone import MicrophoneSource, find_microphone, microphones
from inference.live.sources import FileSource
from tests.builders import tone, write_wav
from tests.inference.live.builders import SoundSystem, SteeredPredictor
from tests.inference.live.test_session import wait_for


@pytest.fixture
def machine(monkeypatch):
    """Make this machine one with certain inputs."""

    def become(*names, **how) -> SoundSystem:
        system = SoundSystem(names, **how)
        monkeypatch.setitem(sys.modules, "sounddevice", system)
        return system

    return become


def test_a_file_is_fed_whole_and_in_order(tmp_path):
    waveform = tone(1.23)
    soundfile.write(tmp_path / "a.wav", np.stack([waveform, waveform], axis=1), 16000, subtype="FLOAT")
    assert np.array_equal(np.concatenate(list(FileSource(tmp_path / "a.wav").blocks())), waveform)


def test_a_file_plays_at_its_own_speed_and_ends(tmp_path):
    source, updates = FileSource(write_wav(tmp_path / "a.wav", 0.8)), []
    begin = time.monotonic()
    with LiveSession(SteeredPredictor(), source.sample_rate, on_update=updates.append) as session:
        source.start(session)
        wait_for(lambda: updates and updates[-1].state is State.ENDED)
        took = time.monotonic() - begin
        source.stop()
    assert took >= 0.8
    assert [round(update.time, 3) for update in updates if update.is_window] == [0.5, 0.8]


def test_a_paused_file_stands_still_and_can_be_stopped(tmp_path):
    source = FileSource(write_wav(tmp_path / "a.wav", 5.0))
    with LiveSession(SteeredPredictor(), source.sample_rate) as session:
        source.pause()
        source.start(session)
        time.sleep(0.1)
        assert session.level().peak == 0.0
        source.resume()
        wait_for(lambda: session.level().peak > 0)
        source.pause()
        source.stop()


def test_what_is_no_recording_is_refused(tmp_path):
    (tmp_path / "a.wav").write_text("not audio, whatever its name says")
    with pytest.raises(UnusableAudioError):
        FileSource(tmp_path / "a.wav")


def test_microphones_are_listed_and_found_by_number_or_name(machine):
    machine("Built-in 2", "USB Headset")
    assert [(found.index, found.is_default) for found in microphones()] == [(1, True), (2, False)]
    assert find_microphone().name == "Built-in 2"
    assert find_microphone("2").name == "USB Headset"  # a number before a part of a name
    assert find_microphone("headset").index == 2
    with pytest.raises(UserError, match=r"No microphone 'studio'.*\n  1  Built-in 2\n  2  USB Headset"):
        find_microphone("studio")


def test_a_machine_without_a_microphone_is_told_what_else_it_can_do(machine):
    machine()
    assert microphones() == []
    with pytest.raises(UserError, match=r"no audio input.*ser live --file.*ser serve"):
        find_microphone()


def test_sounddevice_or_portaudio_missing_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(UserError, match=r'pip install -e "\.\[live\]"'):
        microphones()


def test_another_rate_is_used_where_the_device_refuses_its_own(machine):
    machine("USB", rates=(44100,))
    assert MicrophoneSource().sample_rate == 44100
    machine("USB", rates=())
    with pytest.raises(UserError, match="none of the usual sample rates"):
        MicrophoneSource()


@pytest.mark.parametrize(
    ("opening", "message"),
    [
        ("Error opening InputStream: Device unavailable [PaErrorCode -9985]", "another program is using it"),
        ("Error opening InputStream: Unanticipated host error [PaErrorCode -9999]", "may not use it. Allow it in"),
    ],
)
def test_a_microphone_that_cannot_be_opened_says_why(machine, opening, message):
    machine("USB", opening=opening)
    with pytest.raises(UserError, match=rf"USB cannot be used: .*{message}"):
        MicrophoneSource().start(LiveSession(SteeredPredictor(), 48000))


def test_a_microphone_feeds_its_session_and_is_missed_when_it_goes(machine):
    system, predictor = machine("USB"), SteeredPredictor()
    source = MicrophoneSource()
    with LiveSession(predictor, source.sample_rate) as session:
        source.start(session)
        block = tone(0.5, sample_rate=48000)[:, None]
        system.stream.callback(block, len(block), None, None)
        block[:] = 0  # PortAudio uses its memory again
        wait_for(lambda: session.latest() is not None and session.latest().is_window)
        assert session.latest().state is State.SPEECH
        system.stream.finished_callback()
        wait_for(lambda: session.latest().state is State.LOST)
        source.stop()
    assert session.latest().message == "USB has gone. Was it unplugged?"


def test_a_microphone_that_falls_silent_without_a_word_is_missed(machine, monkeypatch):
    machine("USB")
    monkeypatch.setattr("inference.live.microphone._GONE_AFTER", 0.1)
    source = MicrophoneSource()
    with LiveSession(SteeredPredictor(), source.sample_rate) as session:
        source.start(session)
        wait_for(lambda: session.latest() is not None and session.latest().state is State.LOST)
        source.stop()
    assert "no longer delivers sound" in session.latest().message


def test_a_closed_microphone_is_not_missed(machine):
    system = machine("USB")
    source, session = MicrophoneSource(), LiveSession(SteeredPredictor(), 48000)
    source.start(session)
    source.stop()
    system.stream.finished_callback()
    assert [update.state for update in session.analyse_due()] == [State.WAITING]
