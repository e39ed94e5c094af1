"""Disturbed copies: what each disturbance does to a waveform, and that chance depends on seed and utterance alone."""

import numpy as np
import pytest
import soundfile
from pydantic import TypeAdapter
from scipy.signal import correlate

from data.clip_keys import keys_of
from data.clips import ClipsSettings, crop_waveform, open_clips, read_samples, write_clips
from data.copy_names import CopyName, parse_copy_name
from data.disturbances import DisturbSettings, disturbances, folder_digests, problems_here
from data.disturbances.codec import FILE_CODECS, CodecSettings, FileCodec
from data.disturbances.room import SYNTHETIC, from_direct_sound, synthetic_response
from data.errors import UserError
from data.shards import Shard
from tests.builders import tone

RATE = 16000


def speech(seconds: float = 2.0, sample_rate: int = RATE) -> np.ndarray:
    """Bursts of a voice-like sound with pauses between them, float32 [T]."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    voice = sum(np.sin(2 * np.pi * 150 * harmonic * time + harmonic) / harmonic for harmonic in range(1, 20))
    return (0.2 * voice * (np.sin(2 * np.pi * 1.7 * time) > -0.3)).astype(np.float32)


def parse(*entries):
    return TypeAdapter(DisturbSettings).validate_python(list(entries))


def copy(entry: dict, waveform: np.ndarray, sample_rate: int = RATE, key: str = "1 a") -> np.ndarray:
    (disturbance,) = disturbances(parse(entry))
    return disturbance.apply(waveform, sample_rate, key)


def decibels(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(np.square(one, dtype=float).mean() / np.square(other, dtype=float).mean()))


def share_above(waveform: np.ndarray, hertz: float, sample_rate: int = RATE) -> float:
    power = np.abs(np.fft.rfft(waveform)) ** 2
    return power[np.fft.rfftfreq(len(waveform), 1 / sample_rate) > hertz].sum() / power.sum()


def delay(waveform: np.ndarray, other: np.ndarray) -> int:
    return int(correlate(other, waveform, mode="full").argmax()) - (len(waveform) - 1)


@pytest.fixture
def recordings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("data/noises/cafe", "data/rooms/hall"):
        (tmp_path / folder).mkdir(parents=True)
    random = np.random.default_rng(2)
    for number in range(3):
        noise = random.normal(0, 0.1 * (number + 1), 9000)
        soundfile.write(tmp_path / f"data/noises/cafe/{number}.wav", noise, RATE)
    response = np.zeros(4000)
    response[700] = 0.9
    response[1200:] = 0.01 * random.standard_normal(2800)
    soundfile.write(tmp_path / "data/rooms/hall/a.flac", response, RATE)
    return tmp_path


@pytest.mark.parametrize("noise", ["white", "pink", "babble", "data/noises/cafe"])
@pytest.mark.parametrize("snr", [-5, 5, 20])
def test_noise_has_the_ratio_that_was_asked_for(recordings, noise, snr):
    clean = 0.01 * speech()
    noisy = copy({"noise": noise, "snr": snr}, clean)
    assert decibels(clean, noisy - clean) == pytest.approx(snr, abs=0.01)


def test_what_noise_would_bring_beyond_full_scale_is_turned_down_as_a_whole():
    quiet, loud = (copy({"noise": "white", "snr": -5}, level * speech()) for level in (0.01, 1.0))
    assert np.abs(loud).max() == 1
    np.testing.assert_allclose(loud, quiet / np.abs(quiet).max(), atol=1e-5)


def test_the_spectrum_of_noise_is_the_one_that_its_name_says():
    loud = 0.001 * speech(4.0)
    noise = {name: copy({"noise": name, "snr": -20}, loud) for name in ("white", "pink", "babble")}
    assert share_above(noise["white"], 4000) == pytest.approx(0.5, abs=0.02)
    octaves = [share_above(noise["pink"], low) - share_above(noise["pink"], 2 * low) for low in (500, 2000)]
    assert octaves[0] == pytest.approx(octaves[1], rel=0.1)
    assert share_above(noise["babble"], 1000) < 0.15


def test_the_same_noise_is_added_at_every_strength():
    clean = speech()
    louder, softer = (copy({"noise": "pink", "snr": snr}, clean) - clean for snr in (10, 30))
    np.testing.assert_allclose(louder, 10 * softer, atol=1e-5)


def test_chance_is_drawn_by_seed_and_utterance_alone(recordings):
    clean = speech()
    for entry in ({"noise": "white", "snr": 5}, {"noise": "data/noises/cafe", "snr": 5}, {"room": "small"}):
        first = copy(entry, clean)
        copy(entry, clean, key="1 b")
        assert (copy(entry, clean) == first).all()
        assert (copy(entry, clean, key="1 b") != first).any()
        assert (copy(entry, clean, key="2 a") != first).any()


@pytest.mark.parametrize("room", ["small", "large", "data/rooms/hall"])
def test_a_room_keeps_onset_length_and_loudness(recordings, room):
    clean = 0.2 * speech()
    clean[:3000] = 0
    echoing = copy({"room": room}, clean)
    assert len(echoing) == len(clean)
    assert np.abs(echoing[:2995]).max() < 1e-4
    assert np.abs(echoing[3000:3010]).max() > 0.3 * np.abs(clean[3000:3010]).max()
    assert decibels(echoing, clean) == pytest.approx(0, abs=0.01)
    assert decibels(echoing - clean, clean) > -20


@pytest.mark.parametrize("room", SYNTHETIC.values(), ids=SYNTHETIC)
def test_reverberation_decays_by_sixty_decibels_in_its_time(room):
    response = synthetic_response(room, RATE, np.random.default_rng(1))
    assert decibels(response[:1], response[1:]) - 10 * np.log10(len(response) - 1) == pytest.approx(
        room.direct, abs=0.1
    )
    tail = response[round(0.1 * room.rt60 * RATE) :]
    parts = np.array_split(tail, 10)
    assert decibels(parts[0], parts[-1]) == pytest.approx(60 * 0.9 * 0.9, abs=2)


def test_a_measured_room_begins_with_its_direct_sound():
    assert from_direct_sound(np.array([0.0, 0.1, -0.8, 0.2])).tolist() == [-0.8, 0.2]


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050, 44100])
@pytest.mark.parametrize("codec", ["mp3", "opus", "phone"])
def test_a_codec_changes_the_sound_but_not_its_place(codec, sample_rate):
    clean = speech(1.5, sample_rate)[:-77]
    coded = copy({"codec": codec}, clean, sample_rate)
    assert len(coded) == len(clean)
    assert abs(delay(clean, coded)) <= sample_rate / 8000
    assert 0.001 < np.square(coded - clean).mean() / np.square(clean).mean() < 1


@pytest.mark.parametrize("sample_rate", [8000, 16000, 48000])
def test_a_telephone_leaves_its_band(sample_rate):
    noise = 0.1 * np.random.default_rng(3).standard_normal(2 * sample_rate).astype(np.float32)
    received = copy({"codec": "phone"}, noise, sample_rate)
    assert share_above(received, 3600, sample_rate) < 1e-5
    assert 1 - share_above(received, 150, sample_rate) < 1e-4
    assert share_above(received, 400, sample_rate) - share_above(received, 3300, sample_rate) > 0.9


@pytest.mark.parametrize("factor", [0.9, 1.1, 2.0])
def test_speed_changes_length_and_pitch(factor):
    clean = tone(2.0, frequency=440)
    played = copy({"speed": factor}, clean)
    assert len(played) == pytest.approx(len(clean) / factor, abs=1)
    assert np.abs(np.fft.rfft(played)).argmax() / (len(played) / RATE) == pytest.approx(440 * factor, abs=1)


def test_gain_clips_as_a_recorder_does():
    clean = tone(0.5, level=0.5)
    assert decibels(copy({"gain": -20}, clean), clean) == pytest.approx(-20, abs=0.01)
    loud = copy({"gain": 10}, clean)
    assert np.abs(loud).max() == 1
    assert (np.abs(loud) == 1).mean() > 0.4


def test_copies_are_named_after_kind_and_strength(recordings):
    entries = parse(
        *({"noise": "white", "snr": [5, 7.5]}, {"noise": "data/noises/cafe", "snr": -5}, {"room": "small"}),
        *({"codec": "phone"}, {"speed": [0.9, 1.1]}, {"gain": -10}),
    )
    names = [disturbance.name for disturbance in disturbances(entries)]
    assert names == [
        *("noise_white_snr5", "noise_white_snr7.5", "noise_cafe_snr-5", "room_small", "codec_phone"),
        *("speed_0.9", "speed_1.1", "gain_-10"),
    ]
    assert [parse_copy_name(name) for name in names[1:]] == [
        *(CopyName("noise", "white", 7.5), CopyName("noise", "cafe", -5.0), CopyName("room", "small", None)),
        *(CopyName("codec", "phone", None), CopyName("speed", None, 0.9), CopyName("speed", None, 1.1)),
        CopyName("gain", None, -10.0),
    ]


def test_the_content_of_a_folder_has_a_name(recordings):
    entries = parse({"noise": "data/noises/cafe", "snr": [5, 10]}, {"room": "data/rooms/hall"}, {"codec": "mp3"})
    before = dict(folder_digests(entries))
    assert list(before) == ["data/noises/cafe", "data/rooms/hall"]
    (recordings / "data/noises/cafe/notes.txt").write_text("no sound")
    assert dict(folder_digests(entries)) == before
    (recordings / "data/noises/cafe/2.wav").rename(recordings / "data/noises/cafe/3.wav")
    after = dict(folder_digests(entries))
    assert [folder for folder in before if after[folder] != before[folder]] == ["data/noises/cafe"]


MISTAKES = [
    ({"noise": "whit", "snr": 5}, r"noise: 'whit': expected one of white, .*did you mean 'white'\?"),
    ({"noise": "/elsewhere/noises", "snr": 5}, "such as data/noises/mine"),
    ({"noise": "data/noises/white", "snr": 5}, "white is the name of a synthetic one"),
    ({"noise": "white"}, "snr is missing"),
    ({"noise": "white", "snr": [5, 90]}, "snr: 90: Input should be less than or equal to 60"),
    ({"noise": "white", "snr": []}, "snr: .*at least 1 item"),
    ({"nois": "white"}, r"no disturbance 'nois'; did you mean 'noise'\?"),
    ({"codec": "ogg"}, "codec: 'ogg'.*'mp3', 'opus' or 'phone'"),
    ({"room": "small", "codec": "mp3"}, "room and codec are two disturbances"),
    ({"room": "small", "rt60": 1.0}, "unknown parameter 'rt60'"),
    ({"speed": 1}, "1 changes nothing"),
    ({"gain": [3, 3]}, "asked for twice: gain_3"),
    ("mp3", "expected such as"),
]


@pytest.mark.parametrize(("entry", "message"), MISTAKES, ids=[message[:20] for _, message in MISTAKES])
def test_mistakes_are_named(entry, message):
    with pytest.raises(ValueError, match=message):
        parse(entry)


def test_what_this_machine_cannot_do_is_said_before_any_work(recordings, monkeypatch):
    for entry in ({"noise": "data/noises/missing", "snr": 5}, {"room": "data/rooms/missing"}):
        with pytest.raises(UserError, match=r"there is no folder data/.*/missing"):
            parse(entry)[0].check()
    monkeypatch.setitem(FILE_CODECS, "mp3", FileCodec("WAV", "MP3", 0.9, None, (8000,)))
    with pytest.raises(UserError, match="codec mp3 is not available"):
        CodecSettings(codec="mp3").check()
    assert problems_here(parse({"codec": "opus"}, {"speed": 0.9})) == []
    assert len(problems_here(parse({"codec": "mp3"}, {"room": "data/rooms/hall"}))) == 1
    for number in range(3):
        soundfile.write(recordings / f"data/noises/cafe/{number}.wav", np.zeros(9000), RATE)
    with pytest.raises(UserError, match=r"cafe/\d.wav: silent"):
        copy({"noise": "data/noises/cafe", "snr": 5}, speech())


def write_shard(folder, ids, workers=1, **recipe):
    folder.mkdir(exist_ok=True)
    audio = [folder.parent / f"{identifier}.wav" for identifier in ids]
    assert write_clips(folder / "s.h5", ids, audio, ClipsSettings(**recipe), workers=workers) == []
    return open_clips(folder / "s.h5")


def samples_of(clips: Shard) -> dict[str, bytes]:
    return {key: read_samples(clips, index).tobytes() for index, key in enumerate(keys_of(clips))}


COPIES = [{"noise": "babble", "snr": [0, 10]}, {"room": "small"}, {"codec": "opus"}, {"speed": 0.5}]


@pytest.fixture
def utterances(tmp_path):
    ids = [f"u{number}" for number in range(5)]
    for number, identifier in enumerate(ids):
        soundfile.write(tmp_path / f"{identifier}.wav", speech(0.6 + 0.1 * number), RATE)
    return ids


def test_copies_depend_on_no_order_no_worker_and_no_other_utterance(tmp_path, utterances):
    together = samples_of(write_shard(tmp_path / "a", utterances, workers=4, disturb=COPIES))
    assert len(together) == 5 * 6
    assert samples_of(write_shard(tmp_path / "b", utterances[::-1], disturb=COPIES)) == together
    alone = samples_of(write_shard(tmp_path / "c", utterances[3:4], disturb=COPIES))
    assert alone.items() <= together.items()
    again = samples_of(write_shard(tmp_path / "d", utterances, disturb=COPIES, disturb_seed=2))
    assert {key for key in again if again[key] != together[key]} == {
        key for key in again if "noise" in key or "room" in key
    }


def test_the_clean_clips_are_the_ones_that_there_are_without_copies(tmp_path, utterances):
    plain = write_shard(tmp_path / "a", utterances)
    disturbed = write_shard(tmp_path / "b", utterances, disturb=COPIES)
    assert samples_of(plain).items() <= samples_of(disturbed).items()
    assert not [name for name in plain.attributes if name.startswith("disturb")]
    assert (tmp_path / "a/s.h5").read_bytes() == write_shard(tmp_path / "c", utterances, disturb=[]).path.read_bytes()


def test_copies_are_made_of_whole_utterances_and_then_cut(tmp_path, utterances):
    clips = write_shard(tmp_path / "a", utterances[4:], disturb=COPIES, seconds=0.4, crop="centre")
    whole = write_shard(tmp_path / "b", utterances[4:], disturb=COPIES, seconds=None)
    for index in range(len(clips.ids)):
        expected = crop_waveform(read_samples(whole, index), 6400, "centre")
        np.testing.assert_array_equal(read_samples(clips, index), expected)
    pieces = write_shard(tmp_path / "c", utterances[4:], disturb=COPIES, seconds=0.5, crop="segments")
    assert [key for key in keys_of(pieces) if "speed" in key] == [f"u4 (speed_0.5, piece {n})" for n in range(4)]
    assert [key for key in keys_of(pieces) if "room" in key] == ["u4 (room_small, piece 0)", "u4 (room_small, piece 1)"]


def test_a_silent_copy_is_no_clip(tmp_path, utterances):
    soundfile.write(tmp_path / "quiet.wav", 1e-4 * speech(), RATE)
    (skipped,) = write_clips(
        tmp_path / "s.h5", ["quiet"], [tmp_path / "quiet.wav"], ClipsSettings(disturb=[{"gain": -60}])
    )
    assert skipped.reason == "silent: every sample of the copy gain_-60 is zero"
