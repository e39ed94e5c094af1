"""A clip is encoded once, whatever shard it is in; and what has other frames is never taken for the same."""

import dataclasses
import json
import platform

import h5py
import numpy as np
import pytest
import torch

from data.clip_keys import COPY, PIECE
from data.clips import ClipsSettings, clips_recipe, clips_writer, open_clips, to_int16
from data.shards import seal, sidecar_path
from features import kinds
from features.encoder import clips_in
from features.extraction import extract_shard, recipe_of
from features.imported import ImportedSettings
from features.kinds import KINDS, open_encoder
from features.logmel import LogmelSettings
from features.origin import Origins
from features.reuse import Donor
from features.shard_contents import ORIGIN
from features.ssl import SslSettings
from features.store import FeatureSet, verify_shard
from features.writing import FeatureWriter
from tests.builders import tone, write_hubert, write_whisper

CPU = torch.device("cpu")
CLIPS = ClipsSettings(seconds=1.0)
NAMES = ["a", "b", "c", "d"]


def write_clips(path, waveforms: dict[str, np.ndarray], recipe=CLIPS, **columns):
    """A shard of clips; several may be of one utterance, by columns."""
    path.parent.mkdir(exist_ok=True, parents=True)
    samples = {name: to_int16(waveform) for name, waveform in waveforms.items()}
    how = {"seconds": [1.0] * len(samples), "recipe": recipe, "columns": columns}
    ids, lengths = [name.split()[0] for name in samples], [len(waveform) for waveform in samples.values()]
    with clips_writer(path, ids=ids, lengths=lengths, **how) as shard:
        for index, waveform in enumerate(samples.values()):
            shard.write(index, {"waveform": waveform})
    return open_clips(path)


def waveforms(*names: str, seconds: float = 0.5) -> dict[str, np.ndarray]:
    return {name: tone(seconds, frequency=100 + ord(name[0])) for name in names}


@pytest.fixture(scope="module")
def hubert(tmp_path_factory):
    return str(write_hubert(tmp_path_factory.mktemp("hubert") / "one"))


@pytest.fixture
def ssl(hubert):
    """Settings of a small HuBERT."""

    def settings(**changes) -> SslSettings:
        return SslSettings(**{"clips": CLIPS, "checkpoint": hubert, "layers": [1, 2], **changes})

    return settings


def extract(clips, folder, settings, *donors, name="shard.h5"):
    """A shard of features, and how many clips were encoded."""
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / name
    source = folder if settings.kind == "imported" else None
    how = {"fingerprint": "f" * 64, "donors": [Donor.at(donor) for donor in donors]}
    cost = extract_shard(clips, path, settings, open_encoder(settings, CPU, source), **how)
    assert verify_shard(path) == []
    return path, cost["clips"]


@pytest.fixture
def first(ssl, tmp_path):
    """A shard of four clips."""
    clips = write_clips(tmp_path / "clips/shard.h5", waveforms(*NAMES))
    path, encoded = extract(clips, tmp_path / "first", ssl())
    assert encoded == len(NAMES)
    return path


@pytest.mark.parametrize("storage", ["float16", "int8"])
@pytest.mark.parametrize("layers", [[1, 2], [2]])
def test_known_clips_cost_nothing_and_the_bytes_are_those_of_a_fresh_extraction(storage, layers, ssl, tmp_path):
    """One clip is changed, one renamed, one added, one removed; they stand in another order."""
    sounds = waveforms(*NAMES, "e", seconds=2.1)
    before = write_clips(tmp_path / "clips/before.h5", {name: sounds[name] for name in NAMES})
    donor, _ = extract(before, tmp_path / "before", ssl(storage=storage))
    sounds = {"e": sounds["e"], "d": sounds["d"], "c": tone(2.2), "renamed": sounds["b"]}
    after = write_clips(tmp_path / "clips/after.h5", sounds)
    fresh, encoded = extract(after, tmp_path / "fresh", ssl(storage=storage, layers=layers))
    assert encoded == 4
    reused, encoded = extract(after, tmp_path / "reused", ssl(storage=storage, layers=layers), donor)
    assert encoded == 2
    assert reused.read_bytes() == fresh.read_bytes()
    assert sidecar_path(reused).read_text() == sidecar_path(fresh).read_text()


@pytest.mark.parametrize(
    "change",
    [{"layers": [0, 1, 2]}, {"compute_dtype": "float16"}, {"storage": "float32"}, {"pad": "before"}],
    ids=lambda change: next(iter(change)),
)
def test_other_settings_are_other_frames(change, first, ssl, tmp_path):
    clips = open_clips(tmp_path / "clips/shard.h5")
    if "compute_dtype" in change:
        first, _ = extract(clips, tmp_path / "typed", ssl(compute_dtype="float32"))
        change = {"compute_dtype": "bfloat16"}
    assert extract(clips, tmp_path / "other", ssl(**change), first)[1] == len(NAMES)


def test_other_weights_and_another_version_are_other_frames(first, ssl, tmp_path, monkeypatch):
    clips = open_clips(tmp_path / "clips/shard.h5")
    other = ssl(checkpoint=str(write_hubert(tmp_path / "hubert", seed=5)))
    assert extract(clips, tmp_path / "other", other, first)[1] == len(NAMES)
    monkeypatch.setitem(kinds.KINDS, "ssl", dataclasses.replace(KINDS["ssl"], version=99))
    assert extract(clips, tmp_path / "newer", ssl(), first)[1] == len(NAMES)


def test_padding_before_the_encoder_is_part_of_a_clip(ssl, tmp_path):
    """The same samples, filled up to another length."""
    clips = write_clips(tmp_path / "clips/shard.h5", waveforms(*NAMES))
    donor, _ = extract(clips, tmp_path / "first", ssl(pad="before"))
    assert extract(clips, tmp_path / "same", ssl(pad="before"), donor)[1] == 0
    longer = ClipsSettings(seconds=2.0)
    clips = write_clips(tmp_path / "clips/longer.h5", waveforms(*NAMES), longer)
    assert extract(clips, tmp_path / "longer", ssl(pad="before", clips=longer), donor)[1] == len(NAMES)


def test_another_crop_encodes_what_differs(first, ssl, tmp_path):
    """What is shorter than both crops is the same clip in both."""
    recipe = ClipsSettings(seconds=0.4)
    sounds = {**waveforms("a", "b"), **waveforms("c", "d", seconds=0.4)}
    clips = write_clips(tmp_path / "clips/other.h5", {name: wave[:6400] for name, wave in sounds.items()}, recipe)
    assert extract(clips, tmp_path / "shorter", ssl(clips=recipe), first)[1] == 4
    donor = tmp_path / "shorter/shard.h5"
    clips = write_clips(tmp_path / "clips/longer.h5", sounds)
    assert extract(clips, tmp_path / "longer", ssl(), first, donor)[1] == 0


def test_the_same_samples_at_another_rate_are_another_clip(tmp_path):
    settings = [LogmelSettings(clips=ClipsSettings(seconds=1.0, sample_rate=rate)) for rate in (16000, 8000)]
    shards = [
        write_clips(tmp_path / f"clips/{one.clips.sample_rate}.h5", waveforms("a"), one.clips) for one in settings
    ]
    donor, _ = extract(shards[0], tmp_path / "first", settings[0])
    assert extract(shards[0], tmp_path / "same", settings[0], donor)[1] == 0
    assert extract(shards[1], tmp_path / "other", settings[1], donor)[1] == 1


def test_whispers_context_is_part_of_its_frames(tmp_path):
    write_whisper(tmp_path / "whisper", 1)
    clips = write_clips(tmp_path / "clips/shard.h5", waveforms("a"))
    how = {"clips": CLIPS, "checkpoint": str(tmp_path / "whisper"), "layers": [2]}
    donor, _ = extract(clips, tmp_path / "clip", SslSettings(**how))
    assert extract(clips, tmp_path / "same", SslSettings(**how), donor)[1] == 0
    assert extract(clips, tmp_path / "full", SslSettings(**how, context="full"), donor)[1] == 1


def test_pieces_and_copies_are_known_by_their_sound(first, ssl, tmp_path):
    """Clips of one id, of which two sound like utterances that are known: as they sound, not by id or copy."""
    sounds = {"x 1": waveforms("b")["b"], "x 2": tone(0.3), "x 3": waveforms("a")["a"], "y 1": waveforms("a")["a"]}
    columns = {PIECE: np.array([0, 1, 0, 0], "<i4"), COPY: np.array([b"clean", b"clean", b"phone", b"clean"])}
    clips = write_clips(tmp_path / "clips/pieces.h5", sounds, **columns)
    path, encoded = extract(clips, tmp_path / "pieces", ssl(), first)
    assert encoded == 1
    known, taken = FeatureSet(first.parent), FeatureSet(path.parent)
    for key, name in {"x (piece 0)": "b", "x (phone, piece 0)": "a", "y (piece 0)": "a"}.items():
        np.testing.assert_array_equal(taken.frames(key, 2), known.frames(name, 2))


def test_files_made_elsewhere_are_read_again(tmp_path):
    clips = write_clips(tmp_path / "clips/shard.h5", waveforms("a"))
    settings = ImportedSettings(clips=CLIPS, frame_rate=50.0)
    for value, folder in enumerate((tmp_path / "one", tmp_path / "two")):
        folder.mkdir()
        np.save(folder / "a.npy", np.full((25, 3), value, np.float32))
    donor, _ = extract(clips, tmp_path / "one", settings)
    path, encoded = extract(clips, tmp_path / "two", settings, donor)
    assert encoded == 1
    assert FeatureSet(path.parent).frames("a", 0).max() == 1


def test_nothing_is_taken_from_a_damaged_or_older_shard(first, ssl, tmp_path):
    clips = open_clips(tmp_path / "clips/shard.h5")
    sidecar = json.loads(sidecar_path(first).read_text())
    seal(first, first)  # as older shards are: without a summary
    assert extract(clips, tmp_path / "older", ssl(), first)[1] == len(NAMES)
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    sidecar_path(first).write_text(json.dumps(sidecar))
    assert extract(clips, tmp_path / "damaged", ssl(), first)[1] == len(NAMES)
    assert extract(clips, tmp_path / "gone", ssl(), tmp_path / "nothing.h5")[1] == len(NAMES)


def test_whoever_made_what_is_reused_is_named(first, ssl, tmp_path, monkeypatch):
    monkeypatch.setattr("features.extraction.platform.python_version", lambda: "4.0")
    clips = write_clips(tmp_path / "clips/more.h5", waveforms(*NAMES, "e"))
    path, encoded = extract(clips, tmp_path / "more", ssl(), first)
    assert encoded == 1
    ((_, provenance),) = FeatureSet(path.parent).provenance.items()
    (theirs,) = provenance["reused"]
    assert (provenance["versions"]["python"], theirs["versions"]["python"] != "4.0") == ("4.0", True)


def test_provenance_of_what_is_reused_stays_flat(first, ssl, tmp_path, monkeypatch):
    """However often a shard is made from the one before, each maker is named once."""
    for number, version in enumerate(["4.0", "5.0", "4.0"]):
        monkeypatch.setattr("features.extraction.platform.python_version", lambda version=version: version)
        clips = write_clips(tmp_path / f"clips/{number}.h5", waveforms(*NAMES, *"efg"[: number + 1]))
        first, _ = extract(clips, tmp_path / str(number), ssl(), first)
    ((_, provenance),) = FeatureSet(first.parent).provenance.items()
    monkeypatch.undo()
    others = [maker["versions"]["python"] for maker in provenance["reused"]]
    assert (provenance["versions"]["python"], sorted(others)) == ("4.0", sorted(["5.0", platform.python_version()]))
    assert not any("reused" in maker for maker in provenance["reused"])


@pytest.mark.parametrize("lie", ["dimension", "compute_dtype", "frames", "not finite", "sidecar"])
def test_a_donor_that_lies_with_the_right_sha256_gives_nothing(lie, first, ssl, tmp_path):
    clips, settings = open_clips(tmp_path / "clips/shard.h5"), ssl(layers=[2])
    encoder = open_encoder(settings, CPU)
    origins, recipe = Origins(settings, encoder), recipe_of(settings, encoder, clips_recipe(clips))
    dimension = recipe["dimension"] = encoder.dimension + 5 * (lie == "dimension")
    compute_type = "float16" if lie == "compute_dtype" else encoder.compute_type
    versions = {"checkpoint": "x", "revision": None, "compute_dtype": compute_type, "device": "cpu", "versions": {}}
    liar = tmp_path / "liar/shard.h5"
    liar.parent.mkdir()
    num_frames = [encoder.frames_of(clip) for clip in clips_in(clips)]
    how = {"recipe": recipe, "frame_rate": 50.0, "fingerprint": "f" * 64, "provenance": versions}
    how |= {"ids": clips.ids, "num_frames": num_frames, "seconds": [1.0] * len(NAMES), "encoder": origins.encoder}
    with FeatureWriter(liar, **how) as writer:
        for index, clip in enumerate(clips_in(clips)):
            frames = np.full((num_frames[index], dimension), np.nan if lie == "not finite" else 7, np.float16)
            writer.copy(index, {"layer_2": frames, ORIGIN: origins.of(clip)})
    if lie == "frames":
        with h5py.File(liar, "r+") as file:
            file["layer_2"][:] = 8
        seal(liar, liar, json.loads(sidecar_path(liar).read_text()))
    if lie == "sidecar":
        sidecar_path(liar).write_text("[" * 200_000)
    _, encoded = extract(clips, tmp_path / "out", settings, liar)
    assert encoded == len(NAMES)
