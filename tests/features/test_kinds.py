"""Every registered kind of features keeps the one protocol, and has a version of its own."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from pydantic import TypeAdapter, ValidationError

from data.clips import ClipsSettings, open_clips, write_clips
from features import kinds
from features.encoder import Encoder, clips_in
from features.extraction import content_of, extract_shard
from features.kinds import KINDS, FeatureSettings, open_encoder, version_line
from features.settings import KindSettings
from features.store import FeatureSet, verify_shard
from tests.builders import TINY_ENCODER, tone

CPU = torch.device("cpu")
SMALL = {
    "ssl": {"checkpoint": TINY_ENCODER, "layers": [0, 2]},
    "mfcc": {"delta_orders": [0, 1]},
    "logmel": {"n_mels": 20},
    "opensmile": {"level": "functionals"},
    "imported": {"frame_rate": 50.0},
}
ALL_KINDS = [pytest.param(kind, marks=pytest.mark.extras) if kind == "opensmile" else kind for kind in KINDS]
IMPORTED = Path("data/imported/frames/corpus")
SECONDS = {"one": 0.9, "two": 0.9, "three": 0.4}


def settings_of(kind: str, **changes) -> KindSettings:
    return KINDS[kind].settings(clips=ClipsSettings(seconds=1.0), **{**SMALL[kind], **changes})


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for name, seconds in SECONDS.items():
        soundfile.write(folder / f"{name}.wav", tone(seconds), 16000)
    audio = [folder / f"{name}.wav" for name in SECONDS]
    write_clips(folder / "shard.h5", list(SECONDS), audio, ClipsSettings(seconds=1.0))
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.chdir(folder)
    IMPORTED.mkdir(parents=True)
    for name, seconds in SECONDS.items():
        frames = np.random.default_rng(len(name)).normal(size=(2, round(50 * seconds), 6))
        np.save(IMPORTED / f"{name}.npy", frames.astype(np.float32))
    yield open_clips(folder / "shard.h5")
    monkeypatch.undo()


def open_one(settings: KindSettings) -> Encoder:
    return open_encoder(settings, CPU, settings.source_folder("frames", "corpus"))


@pytest.mark.parametrize("storage", ["float16", "float32", "int8"])
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_every_kind_goes_through_the_store(kind, storage, clips, tmp_path):
    settings = settings_of(kind, storage=storage)
    encoder = open_one(settings)
    folder = tmp_path / "features"
    folder.mkdir()
    extract_shard(clips, folder / "shard.h5", settings, encoder, fingerprint="f" * 64)
    features = FeatureSet(folder)
    assert verify_shard(folder / "shard.h5") == []
    assert encoder.passes == len(SECONDS)
    assert (features.layers, features.dimension) == (encoder.layers, encoder.dimension)
    assert settings.known_layers() in (None, features.layers)
    assert (features.frame_rate, features.cautions) == (encoder.frame_rate, encoder.cautions)
    assert features.recipe.items() >= {"kind": kind, "storage": storage, **encoder.recipe}.items()
    for clip in clips_in(clips):
        assert features.num_frames(clip.id) == encoder.frames_of(clip)
        for layer, frames in zip(encoder.layers, encoder.encode([encoder.input_of(clip)]), strict=True):
            expected = frames[0, : encoder.frames_of(clip)].numpy()
            steps = np.ptp(expected, axis=0) / 200 if storage == "int8" else 0
            tolerance = steps + 2**-10 * np.abs(expected) + 1e-2
            assert (np.abs(features.frames(clip.id, layer) - expected) <= tolerance).all()


@pytest.mark.parametrize("kind", KINDS)
def test_kind_chooses_the_settings(kind):
    chosen = TypeAdapter(FeatureSettings).validate_python({"kind": kind, "clips": {}, **SMALL[kind]})
    assert type(chosen) is KINDS[kind].settings
    with pytest.raises(ValidationError, match="kind"):
        TypeAdapter(FeatureSettings).validate_python({"kind": "other", "clips": {}})


@pytest.mark.parametrize("raised", sorted(KINDS.keys() - {"opensmile"}))
def test_raising_one_kinds_version_changes_the_fingerprints_of_that_kind_alone(raised, clips, monkeypatch):
    def contents() -> dict[str, dict]:
        every = {kind: settings_of(kind) for kind in KINDS.keys() - {"opensmile"}}
        return {
            kind: content_of(settings, open_one(settings), clips) | {"line": version_line(settings)}
            for kind, settings in every.items()
        }

    before = contents()
    newer = dataclasses.replace(KINDS[raised], version=KINDS[raised].version + 1)
    monkeypatch.setitem(kinds.KINDS, raised, newer)
    assert {kind for kind, content in contents().items() if content != before[kind]} == {raised}


def test_versions_are_a_line_of_kind_and_number():
    assert version_line(settings_of("mfcc")) == f"mfcc {KINDS['mfcc'].version}\n"


def test_auto_takes_what_is_there_and_a_named_type_is_kept_to():
    assert settings_of("ssl").compute_types("bfloat16") == ["bfloat16", "float32", "float16"]
    assert settings_of("ssl", compute_dtype="float32").compute_types("float32") == ["float32"]
    assert settings_of("mfcc").compute_types("float32") == ["float32"]
