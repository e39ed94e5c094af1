"""Audio of all kinds into clips; unusable audio into a list."""

import struct

import numpy as np
import pytest
import soundfile

from data.audio import UnusableAudioError, read_waveform
from data.clips import ClipsSettings, crop_waveform, from_int16, open_clips, read_samples, to_int16, write_clips
from tests.builders import tone


@pytest.mark.parametrize(
    ("subtype", "sample_rate", "channels"),
    [
        ("PCM_U8", 16000, 1),
        ("PCM_16", 8000, 1),
        ("PCM_24", 48000, 2),
        ("PCM_32", 44100, 1),
        ("FLOAT", 16000, 2),
        ("DOUBLE", 22050, 1),
    ],
)
def test_any_width_rate_and_channels_become_the_same_waveform(tmp_path, subtype, sample_rate, channels):
    path = tmp_path / "a.wav"
    sound = tone(0.5, sample_rate)
    soundfile.write(path, np.stack([sound] * channels, axis=1), sample_rate, subtype=subtype)
    waveform = read_waveform(path, 16000)
    assert waveform.dtype == np.float32
    assert abs(len(waveform) - 8000) <= 1
    middle = slice(1000, 7000)
    assert np.corrcoef(waveform[middle], tone(0.5)[middle])[0, 1] > 0.99
    assert np.abs(waveform[middle]).max() == pytest.approx(0.3, abs=0.05)


def test_thirty_milliseconds_are_enough_and_twenty_are_not(tmp_path):
    for milliseconds in (30, 20):
        soundfile.write(tmp_path / f"{milliseconds}.wav", tone(milliseconds / 1000), 16000)
    assert len(read_waveform(tmp_path / "30.wav", 16000)) == 480
    with pytest.raises(UnusableAudioError, match="too short: 20 ms"):
        read_waveform(tmp_path / "20.wav", 16000)


def damaged(folder, kind):
    path = folder / f"{kind}.wav"
    if kind == "text":
        path.write_text("this is not sound\n" * 20)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "no samples":
        soundfile.write(path, np.zeros(0), 16000)
    elif kind == "truncated":
        soundfile.write(path, tone(1.0), 16000)
        path.write_bytes(path.read_bytes()[:20000])
    elif kind == "silent":
        soundfile.write(path, np.zeros(16000), 16000)
    elif kind == "not finite":
        soundfile.write(path, np.full(16000, np.nan, np.float32), 16000, subtype="FLOAT")
    elif kind == "out of range":
        soundfile.write(path, tone(1.0) * 32768, 16000, subtype="FLOAT")
    elif kind == "opposite phase":
        soundfile.write(path, np.stack([tone(1.0), -tone(1.0)], axis=1), 16000, subtype="FLOAT")
    elif kind == "nearly opposite phase":
        soundfile.write(path, np.stack([tone(1.0), -0.99 * tone(1.0)], axis=1), 16000)
    return path


REASONS = {
    "text": "unreadable",
    "empty": "unreadable",
    "no samples": "empty",
    "truncated": "truncated",
    "silent": "silent",
    "not finite": "not finite",
    "out of range": "out of range",
    "opposite phase": "channels cancel each other out",
    "nearly opposite phase": "channels cancel each other out",
}


@pytest.mark.parametrize(("kind", "reason"), REASONS.items())
def test_unusable_audio_says_why(tmp_path, kind, reason):
    with pytest.raises(UnusableAudioError, match=f"^{reason}"):
        read_waveform(damaged(tmp_path, kind), 16000)


@pytest.mark.parametrize("other", [0.0, 0.5, 1.0, -0.5], ids=lambda level: f"second channel times {level}")
def test_one_silent_or_quieter_channel_does_not_make_a_recording_unusable(tmp_path, other):
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([tone(0.5), other * tone(0.5)], axis=1), 16000, subtype="FLOAT")
    np.testing.assert_allclose(read_waveform(path, 16000), (1 + other) / 2 * tone(0.5), atol=1e-6)


def test_channels_that_cancel_each_other_out_say_what_to_do(tmp_path):
    with pytest.raises(UnusableAudioError, match=r"opposite phase.*keep one channel.*invert one"):
        read_waveform(damaged(tmp_path, "opposite phase"), 48000)


def test_an_mp3_is_read_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.mp3"
    soundfile.write(path, tone(2.0), 16000, format="MP3")
    assert len(read_waveform(path, 16000)) == 32000
    content = path.read_bytes()
    path.write_bytes(content[:-2000])
    with pytest.raises(UnusableAudioError, match="truncated: 2,000 bytes"):
        read_waveform(path, 16000)
    path.write_bytes(content.replace(b"Xing", b"\0\0\0\0").replace(b"Info", b"\0\0\0\0"))
    with pytest.raises(UnusableAudioError, match=r"does not say how long it is.*ffmpeg"):
        read_waveform(path, 16000)


def test_a_stream_of_unknown_length_is_not_truncated(tmp_path):
    path = tmp_path / "stream.wav"
    soundfile.write(path, tone(0.5), 16000)
    content = path.read_bytes()
    start = content.index(b"data") + 4
    path.write_bytes(content[:start] + struct.pack("<I", 0xFFFFFFFF) + content[start + 4 :])
    assert len(read_waveform(path, 16000)) == 8000


def test_crops():
    waveform = np.zeros(100, np.float32)
    waveform[70:80] = 1
    assert crop_waveform(np.arange(100), 10, "start")[0] == 0
    assert crop_waveform(np.arange(100), 10, "centre")[0] == 45
    assert crop_waveform(waveform, 10, "loudest").sum() == 10
    assert len(crop_waveform(np.arange(5), 10, "loudest")) == 5


def test_clips_keep_true_lengths_and_the_uncut_duration(tmp_path):
    lengths = {"long": 4.0, "short": 0.7}
    for name, seconds in lengths.items():
        soundfile.write(tmp_path / f"{name}.wav", tone(seconds), 16000)
    audio = [tmp_path / f"{name}.wav" for name in lengths]
    assert write_clips(tmp_path / "s.h5", list(lengths), audio, ClipsSettings(seconds=3.0), workers=2) == []
    clips = open_clips(tmp_path / "s.h5")
    assert clips.ids == ["long", "short"]
    assert list(clips.lengths) == [48000, 11200]
    assert list(clips.column("seconds")) == [4.0, 0.7]
    assert np.abs(read_samples(clips, 1) - tone(0.7)).max() < 1e-4


def test_sixteen_bits_and_back_are_off_by_half_a_step_and_full_scale_is_clipped():
    waveform = np.array([-1.5, -1.0, -0.3, 0.0, 0.3, 1.0], np.float32)
    assert to_int16(waveform).tolist() == [-32768, -32768, -9830, 0, 9830, 32767]
    restored = from_int16(to_int16(waveform))
    assert restored.dtype == np.float32
    np.testing.assert_allclose(restored, waveform.clip(-1, 1 - 2**-15), atol=2**-16)


def test_unusable_files_stop_the_shard_or_are_skipped(tmp_path):
    audio = [damaged(tmp_path, kind) for kind in REASONS]
    soundfile.write(tmp_path / "good.wav", tone(0.5), 16000)
    audio.append(tmp_path / "good.wav")
    ids = [path.stem for path in audio]
    unusable = write_clips(tmp_path / "s.h5", ids, audio, ClipsSettings())
    assert {skipped.id for skipped in unusable} == set(REASONS)
    assert not (tmp_path / "s.h5").exists()
    write_clips(tmp_path / "s.h5", ids, audio, ClipsSettings(on_error="skip"))
    assert open_clips(tmp_path / "s.h5").ids == ["good"]
