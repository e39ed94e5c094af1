"""Features of utterances in pieces: the same frames as clips of their own would have, known by utterance and piece."""

import shutil

import numpy as np
import pytest
import soundfile
import torch

from app.store_listing import describe_features, list_store
from data.clips import ClipsSettings, open_clips, write_clips
from data.errors import UserError
from data.json_files import write_json
from features.extraction import extract_shard
from features.index import describe_store, join_features
from features.kinds import open_encoder
from features.mfcc import MfccSettings
from features.ssl import SslSettings
from features.ssl import open_encoder as open_ssl
from features.store import FeatureSet, verify_shard
from tests.builders import TINY_ENCODER, tone, write_features
from training.batches import DeviceFrames, MappedFrames

CPU = torch.device("cpu")
SECONDS = {"long": 2.4, "short": 0.6, "two": 2.0}


def extract(folder, settings, name="shard.h5", **audio):
    """A shard of features of tones, or of the audio given by name."""
    folder.mkdir(parents=True)
    sounds = audio or {name: tone(seconds) for name, seconds in SECONDS.items()}
    for identifier, sound in sounds.items():
        soundfile.write(folder / f"{identifier}.wav", sound, 16000)
    clips = folder / f"clips-{name}"
    write_clips(clips, list(sounds), [folder / f"{identifier}.wav" for identifier in sounds], settings.clips)
    (folder / "features").mkdir()
    with_encoder = open_encoder(settings, CPU)
    extract_shard(open_clips(clips), folder / "features" / name, settings, with_encoder, fingerprint="f00d")
    return FeatureSet(folder / "features")


def mfcc(**clips):
    return MfccSettings(kind="mfcc", clips=ClipsSettings(**clips), n_mfcc=5, delta_orders=[0])


def test_a_pieces_frames_are_those_of_a_recording_that_is_nothing_else(tmp_path):
    pieces = extract(tmp_path / "pieces", mfcc(seconds=1.0, crop="segments"))
    assert pieces.ids == list(SECONDS)
    assert {name: len(pieces.clips_of(name)) for name in SECONDS} == {"long": 3, "short": 1, "two": 2}
    assert pieces.seconds == SECONDS
    assert len(pieces.locations) == 6
    sound = tone(2.4)
    starts = 0, 16000, 22400
    alone = {f"p{start}": sound[start : start + 16000] for start in starts}
    whole = extract(tmp_path / "whole", mfcc(seconds=None), **alone)
    for key, start in zip(pieces.clips_of("long"), starts, strict=True):
        np.testing.assert_array_equal(pieces.frames(key, 0), whole.frames(f"p{start}", 0))
    assert verify_shard(pieces.shards[0].path) == []


def test_without_long_utterances_the_frames_are_those_of_crop_start(tmp_path):
    settings = {"checkpoint": TINY_ENCODER, "layers": [2], "compute_dtype": "float32", "kind": "ssl"}
    start, segments = (
        extract(tmp_path / crop, SslSettings(clips=ClipsSettings(seconds=2.4, crop=crop), **settings))
        for crop in ("start", "segments")
    )
    for name in SECONDS:
        np.testing.assert_array_equal(start.frames(name, 2), segments.frames(*segments.clips_of(name), 2))


def test_an_error_names_the_piece(tmp_path):
    settings = SslSettings(
        kind="ssl", checkpoint=TINY_ENCODER, layers=[2], clips=ClipsSettings(seconds=1.0, crop="segments")
    )
    folder = tmp_path / "bad"
    folder.mkdir()
    soundfile.write(folder / "a.wav", tone(2.0), 16000)
    write_clips(folder / "s.h5", ["a"], [folder / "a.wav"], settings.clips)
    encoder = open_ssl(settings, CPU)
    encoder.num_frames = lambda count: 0
    with pytest.raises(UserError, match=r"a \(piece 0\)\n.*a \(piece 1\)"):
        extract_shard(open_clips(folder / "s.h5"), folder / "f.h5", settings, encoder, fingerprint="f00d")


@pytest.fixture
def store(tmp_path):
    for corpus in ("emodb", "turevdb"):
        write_features(tmp_path / "features/hubert" / corpus, speakers=2, most_pieces=3, copies=("room_small",))
    return tmp_path / "features"


def test_a_joined_set_knows_the_pieces_of_its_parts(store):
    indexes = {}
    for corpus in ("emodb", "turevdb"):
        indexes[corpus] = store / f"{corpus}.json"
        write_json(indexes[corpus], describe_store(store / "hubert" / corpus))
    assert describe_store(store / "hubert/emodb")["utterances"] == 20
    join_features(indexes, store / "hubert", store / "hubert/both")
    both, part = FeatureSet(store / "hubert/both"), FeatureSet(store / "hubert/emodb")
    assert both.copies == part.copies == ["clean", "room_small"]
    for copy in both.copies:
        keys = both.clips_of("emodb:s1-2-2", copy)
        assert keys == [f"emodb:{key}" for key in part.clips_of("s1-2-2", copy)]
        assert len(keys) == 3
        frames = both.gather(keys, [12])[0]
        assert torch.equal(frames, part.gather(part.clips_of("s1-2-2", copy), [12])[0])
    assert len(both.ids) == 40
    mean = np.mean([part.frames(key, 12).mean(axis=0, dtype=np.float32) for key in part.clips_of("s1-2-2")], axis=0)
    np.testing.assert_allclose(both.mean_frame("emodb:s1-2-2", [12]), mean, rtol=1e-5)


def test_the_gpus_flat_tensor_has_the_same_pieces(store):
    features = FeatureSet(store / "hubert/emodb")
    keys = [key for name in ("s1-2-2", "s0-1-1") for copy in features.copies for key in features.clips_of(name, copy)]
    one, other = (source(features, [12], CPU).gather(keys) for source in (MappedFrames, DeviceFrames))
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_what_is_not_there_is_named(store):
    features = FeatureSet(store / "hubert/emodb")
    with pytest.raises(UserError, match="no utterance 's9'"):
        features.clips_of("s9")
    with pytest.raises(UserError, match="no copy 'codec_mp3' of 's0-0-0'"):
        features.clips_of("s0-0-0", "codec_mp3")
    with pytest.raises(UserError, match="no clip 's0-1-1'; it has several clips"):
        features.frames("s0-1-1", 12)
    shutil.copy(store / "hubert/emodb/speaker-0.h5", store / "hubert/emodb/speaker-9.h5")
    shutil.copy(store / "hubert/emodb/speaker-0.json", store / "hubert/emodb/speaker-9.json")
    with pytest.raises(UserError, match=r"duplicate utterance id 's0-0-0', in speaker-0\.h5 and speaker-9\.h5"):
        FeatureSet(store / "hubert/emodb")


def test_the_store_counts_utterances(store, tmp_path):
    row = list_store(store).splitlines()[1].split()
    assert row[:4] == ["hubert", "emodb", "20", "2"]
    extract(tmp_path / "x", mfcc(seconds=1.0, crop="segments", hop=0.5))
    shutil.copytree(tmp_path / "x/features", tmp_path / "listed/mfcc/demo")
    described = describe_features(tmp_path / "listed", "mfcc/demo")
    assert "clips of 1 s, one every 0.5 s of an utterance" in described
