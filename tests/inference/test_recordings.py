"""Any audio file is read, and none that is hostile does harm."""

import os
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data.audio import UnusableAudioError, read_waveform
from inference import recordings
from inference.recordings import open_recording
from tests.builders import tone, write_wav
from tests.programs import program

FORMATS = {"wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS", "opus": "OPUS", "mp3": "MPEG_LAYER_III"}
DECODED = ["m4a", "aac", "webm", "mp4", "wma", "mkv"]


def read(audio, rate: int = 16000, **how) -> np.ndarray:
    with open_recording(audio, **how) as recording:
        return recording.read(rate)


def ffmpeg(*arguments: object) -> None:
    subprocess.run([program("ffmpeg"), "-v", "error", "-nostdin", "-y", *map(str, arguments)], check=True)


def why_not(audio, **how) -> str:
    with pytest.raises(UnusableAudioError) as error, open_recording(audio, **how) as recording:
        recording.read(16000)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("extension", FORMATS)
def test_what_libsndfile_reads_gives_the_samples_of_the_pipeline(extension, tmp_path):
    path = tmp_path / f"ü {'x' * 200}.{extension}"
    stereo = np.stack([tone(0.5, 48000), tone(0.5, 48000, 300)], axis=1)
    soundfile.write(path, stereo, 48000, format="OGG" if extension == "opus" else None, subtype=FORMATS[extension])
    expected = read_waveform(path, 16000)
    np.testing.assert_array_equal(read(path), expected)
    np.testing.assert_array_equal(read(path.read_bytes()), expected)


@pytest.mark.extras
@pytest.mark.parametrize("extension", DECODED)
def test_what_only_ffmpeg_reads_sounds_as_it_did(extension, tmp_path):
    path = tmp_path / f"-i; it's\n100%d.{extension}"
    ffmpeg("-i", write_wav(tmp_path / "tone.wav", 1.0), f"file:{path}")
    for audio in (path, path.read_bytes()):
        spectrum = np.abs(np.fft.rfft(read(audio)[2000:10000]))
        assert abs(2 * spectrum.argmax() - 220) <= 2


@pytest.mark.extras
def test_an_mp3_whose_header_does_not_say_how_long_it_is_is_read_to_its_end(tmp_path):
    sound = np.concatenate([np.random.default_rng(0).normal(0, 0.1, 44100), np.zeros(3 * 44100)])
    soundfile.write(tmp_path / "sound.wav", sound, 44100)
    ffmpeg("-i", tmp_path / "sound.wav", "-c:a", "libmp3lame", "-q:a", "2", "-write_xing", "0", tmp_path / "x.mp3")
    assert abs(soundfile.info(tmp_path / "x.mp3").duration - 4.0) > 0.5  # libsndfile alone is wrong
    assert len(read(tmp_path / "x.mp3")) / 16000 == pytest.approx(4.0, abs=0.1)


@pytest.mark.extras
def test_a_flac_written_to_a_pipe_is_read_to_its_end(tmp_path):
    write_wav(tmp_path / "tone.wav", 1.0)
    with (tmp_path / "piped.flac").open("wb") as file:
        subprocess.run([program("ffmpeg"), "-v", "error", "-i", tmp_path / "tone.wav", "-f", "flac", "-"], stdout=file)
    np.testing.assert_array_equal(read(tmp_path / "piped.flac"), read(tmp_path / "tone.wav"))


@pytest.mark.extras
def test_a_rate_whose_resampling_would_take_gigabytes_is_converted_by_ffmpeg(tmp_path):
    write_wav(tmp_path / "odd.wav", 1.0, sample_rate=44101)
    with open_recording(tmp_path / "odd.wav") as recording:
        assert recording.sample_rate == 48000
        assert recording.name == "odd.wav"


def test_a_part_is_read_as_a_file_that_holds_nothing_else(tmp_path):
    soundfile.write(tmp_path / "all.wav", tone(2.0, 44100), 44100)
    soundfile.write(tmp_path / "part.wav", soundfile.read(tmp_path / "all.wav")[0][22050:44100], 44100)
    with open_recording(tmp_path / "all.wav") as recording:
        recording.read(16000)
        np.testing.assert_array_equal(recording.read(16000, 0.5, 1.0), read_waveform(tmp_path / "part.wav", 16000))


@pytest.mark.parametrize("rate", [24000, 48000])
@pytest.mark.parametrize("extension", FORMATS)
def test_parts_in_any_order_are_those_of_the_whole(extension, rate, tmp_path, capfd):
    path = tmp_path / f"speech.{extension}"
    sound = np.concatenate([tone(0.5, rate, 100 + 40 * number) for number in range(20)])
    sound *= 0.6 + 0.4 * np.sin(np.arange(len(sound)) / 3000)
    sound[:: rate // 7] = 0.9  # clicks, which make an MP3's frames borrow bits
    soundfile.write(path, sound, rate, format="OGG" if extension == "opus" else None, subtype=FORMATS[extension])
    whole = read_waveform(path, rate)
    with open_recording(path) as recording:
        for start in (0.0, 0.5, 1.0, 1.25, 6.0, 8.5, 3.0, 9.9):
            part = recording.read(rate, start, start + 1.5)
            np.testing.assert_allclose(part, whole[round(start * rate) :][: len(part)], atol=1e-4)
            assert len(part) == min(round(1.5 * rate), len(whole) - round(start * rate))
    assert capfd.readouterr().err == ""


def hostile(folder: Path) -> dict[str, Path]:
    """Files that libsndfile alone has to tell from a recording: what is wrong -> the file."""
    whole = write_wav(folder / "whole.wav", 1.0).read_bytes()
    contents = {"empty": b"", "truncated": whole[:20000]}
    soundfile.write(folder / "whole.flac", tone(1.0), 16000)
    contents["truncated: it ends before the 1.0 s"] = (folder / "whole.flac").read_bytes()[:9000]
    soundfile.write(folder / "whole.mp3", tone(1.0), 16000)
    contents["truncated: 2,"] = (folder / "whole.mp3").read_bytes()[:-2500]
    paths = {}
    for number, (message, content) in enumerate(contents.items()):
        paths[message] = folder / f"{number}.wav"
        paths[message].write_bytes(content)
    paths["too short: 10 ms"] = write_wav(folder / "short.wav", 0.01)
    paths["silent"] = folder / "silent.wav"
    soundfile.write(paths["silent"], np.zeros(16000), 16000)
    paths["too many samples: 255 channels"] = folder / "wide.wav"
    soundfile.write(paths["too many samples: 255 channels"], np.full((30000, 255), 0.1), 768000)
    paths["a sample rate of 1 Hz"] = folder / "slow.wav"
    soundfile.write(paths["a sample rate of 1 Hz"], np.full(1000, 0.1), 1)
    paths["not a regular file"] = folder / "fifo.wav"
    os.mkfifo(paths["not a regular file"])
    return paths | {"a folder": folder, "no such file": folder / "none.wav", "unreadable: File": folder / ("x" * 300)}


def test_what_is_no_usable_recording_is_refused_in_one_sentence(tmp_path):
    for message, path in hostile(tmp_path).items():
        assert why_not(path).startswith(message)


def test_a_small_file_of_hours_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "bomb.flac"
    with soundfile.SoundFile(path, "w", 8000, 1, format="FLAC") as file:
        for _ in range(60):
            file.write(np.zeros(8000 * 60))
    assert path.stat().st_size < 500_000
    assert why_not(path, longest=60) == "too long: more than 60 s"


def test_without_ffmpeg_it_is_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    (tmp_path / "voice.m4a").write_bytes(b"\0" * 100)
    assert "sudo apt-get install ffmpeg" in why_not(tmp_path / "voice.m4a")


@pytest.mark.extras
def test_what_ffmpeg_cannot_read_either_is_refused_in_one_sentence(tmp_path):
    program("ffmpeg")
    (tmp_path / "renamed.wav").write_text("Dear colleague, this is not audio at all.")
    (tmp_path / "encrypted.m4a").write_bytes(np.random.default_rng(0).bytes(100_000))
    for name in ("renamed.wav", "encrypted.m4a"):
        assert why_not(tmp_path / name).startswith("unreadable: not audio that libsndfile or ffmpeg recognises")
    ffmpeg("-f", "lavfi", "-i", "testsrc=d=1:s=64x64", "-an", tmp_path / "silent film.mp4")
    assert why_not(tmp_path / "silent film.mp4").startswith("no sound in it")
    write_wav(tmp_path / "long.wav", 30.0)
    for extension, flags in (("webm", []), ("m4a", ["-movflags", "+faststart"]), ("mp4", [])):
        ffmpeg("-i", tmp_path / "long.wav", *flags, tmp_path / f"long.{extension}")
        whole = (tmp_path / f"long.{extension}").read_bytes()
        assert why_not(whole[: len(whole) // 2]).startswith("truncated: ")
    assert why_not(tmp_path / "long.m4a", longest=10) == "too long: more than 10 s"


@pytest.mark.extras
def test_no_playlist_makes_ffmpeg_open_an_address_or_another_file(tmp_path):
    program("ffmpeg")
    secret = write_wav(tmp_path / "secret.wav", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/x.ts"
        for target in (address, f"file:{secret}", str(secret)):
            playlists = {
                "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n",
                "concat": f"ffconcat version 1.0\nfile '{target}'\n",
                "dash": f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{target}</BaseURL></MPD>',
                "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
            }
            for name, text in playlists.items():
                (tmp_path / f"{name}.m4a").write_text(text)
                assert why_not(text.encode()).startswith(("not a recording", "unreadable: not audio"))
                assert why_not(tmp_path / f"{name}.m4a").startswith(("not a recording", "unreadable: not audio"))
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.extras
def test_ffmpeg_is_stopped_when_it_takes_too_long_or_writes_too_much(tmp_path, monkeypatch):
    ffmpeg("-i", write_wav(tmp_path / "tone.wav", 60.0), tmp_path / "tone.m4a")
    monkeypatch.setattr(recordings, "_LARGEST_DECODED", 100_000)
    assert why_not(tmp_path / "tone.m4a").startswith("too long: more than")
    monkeypatch.setattr(recordings, "_LEAST_PATIENCE", 0.0)
    assert why_not(tmp_path / "tone.m4a", longest=0.01) == "unreadable: ffmpeg took too long to decode it"
