"""Damage is found before HDF5 sees it, and a full disk leaves nothing half written."""

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from data import shards
from data.errors import UserError
from data.shards import MappedShard, Rows, ShardWriter, seal
from features import store
from features.quantisation import Noise, quantise, restore
from features.store import FeatureSet, stored_form, verify_shard
from features.writing import FeatureWriter
from tests.builders import REPOSITORY, write_features


@pytest.fixture
def folder(feature_folder, tmp_path):
    return shutil.copytree(feature_folder, tmp_path / "features" / "hubert" / "easy")


def test_any_utterance_by_its_id(folder):
    features = FeatureSet(folder)
    frames, lengths = features.gather(["s5-0-0", "s0-9-0"], [12])
    assert frames.shape == (2, 1, lengths.max(), 12)
    for row, identifier in enumerate(["s5-0-0", "s0-9-0"]):
        np.testing.assert_array_equal(frames[row, 0, : lengths[row]], features.frames(identifier, 12))
        assert not frames[row, :, lengths[row] :].any()
    assert verify_shard(folder / "speaker-0.h5") == []


@given(arrays(np.float32, (5, 7), elements=st.floats(-1e4, 1e4, width=32)))
def test_quantised_frames_are_off_by_at_most_half_their_dimensions_scale(frames):
    steps, offset, scale = quantise(frames)
    assert (steps.dtype, offset.dtype, scale.dtype) == (np.int8, np.float16, np.float16)
    error = np.abs(restore(steps, offset, scale) - frames)
    assert (error <= 0.5 * scale.astype(np.float64) * (1 + 1e-5) + 1e-6 * np.abs(frames) + 1e-37).all()
    spread = np.ptp(frames.astype(np.float64), axis=0)
    rounding = 2**-10 * np.abs(frames).max(axis=0) / 127 + 1e-7  # of the offset, and of the scale to the next float16
    assert (scale <= spread / 254 * 1.002 + rounding).all()


def test_quantising_keeps_silence_silent_and_an_outlier_dimension_to_itself():
    """Trained large encoders have dimensions a hundred deviations out; the others must not pay for them."""
    frames = np.random.default_rng(0).normal(0, 1, (149, 64)).astype(np.float32)
    frames[:, 0] = 0
    frames[:, 7] = 100 + frames[:, 7]
    frames[40, 9] = 50
    noise = Noise(64)
    noise.add(frames, restore(*quantise(frames)))
    relative = noise.relative()
    assert relative[0] == 0
    assert not restore(*quantise(frames))[:, 0].any()
    assert relative[7] < 0.03  # its offset is float16, too
    assert np.delete(relative, [0, 7, 9]).max() < 0.01
    errors = restore(*quantise(frames)) - frames
    expected = np.sqrt((errors[:, 1:] ** 2).mean(axis=0)) / frames[:, 1:].std(axis=0)
    np.testing.assert_allclose(relative[1:], expected, rtol=1e-3)


def test_values_beyond_float16_are_not_hidden():
    assert not np.isfinite(stored_form(np.array([[1e6], [1e6]], np.float32), 2, "int8")["offset_2"]).any()


def test_only_the_bytes_of_the_layers_asked_for_are_read(tmp_path, monkeypatch):
    features = FeatureSet(write_features(tmp_path / "features", layers=(0, 6, 12), storage="int8"), verify=False)
    read, rows = [], MappedShard.rows
    monkeypatch.setattr(MappedShard, "rows", lambda shard, name: read.append(name) or rows(shard, name))
    identifiers = list(features.locations)
    one, _ = features.gather(identifiers[:5], [6])
    assert set(read) == {"layer_6", "offset_6", "scale_6"}
    several, _ = features.gather(identifiers[:5], [6, 12])
    assert several.shape[1] == 2
    assert torch.equal(several[:, :1], one)
    assert "layer_0" not in read


def test_a_set_of_many_shards_keeps_few_files_open_and_finds_every_clip(tmp_path, monkeypatch):
    """A process may have 1,024 open files, and each map of a file is one."""
    monkeypatch.setattr(store, "MOST_MAPPED", 5)
    how = {"speakers": 40, "per_speaker": 2, "layers": (0, 6, 12), "storage": "int8", "most_pieces": 2}
    features = FeatureSet(write_features(tmp_path / "features", **how), verify=False)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for key, location in features.locations.items():
        index = location.index
        with h5py.File(features.shards[location.shard].path) as file:
            assert file["id"][index].decode() == location.id
            rows = file["layer_6"][file["offsets"][index] : file["offsets"][index + 1]]
            expected = restore(rows, file["offset_6"][index], file["scale_6"][index])
        np.testing.assert_array_equal(features.frames(key, 6), expected)
        assert key in features.clips_of(location.id)
    features.gather(list(features.locations), features.layers)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 5


def test_a_scale_that_differs_names_the_utterance(tmp_path):
    path = write_features(tmp_path / "features", storage="int8") / "speaker-3.h5"
    with h5py.File(path, "r+") as file:
        file["scale_12"][4] *= 2
    seal(path, path)  # as if it had been written so
    assert verify_shard(path) == [f"{path}: s3-4-1: checksum differs"]


@pytest.mark.parametrize("position", [0.0, 0.3, 0.7, 0.999])
def test_a_flipped_bit_anywhere_is_found(folder, position):
    path = folder / "speaker-2.h5"
    content = bytearray(path.read_bytes())
    content[int(position * len(content))] ^= 4
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"speaker-2\.h5: damaged.*ser store repair"):
        FeatureSet(folder)


def test_a_truncated_file_and_a_missing_sidecar_are_found(folder):
    path = folder / "speaker-1.h5"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"speaker-1\.h5: damaged: [\d,]+ bytes instead of"):
        FeatureSet(folder, verify=False)
    (folder / "speaker-1.json").unlink()
    with pytest.raises(UserError, match=r"speaker-1\.json: missing"):
        FeatureSet(folder)


def test_a_checksum_that_differs_names_the_utterance(folder):
    path = folder / "speaker-3.h5"
    with h5py.File(path, "r+") as file:
        file["checksum"][4] += 1
    seal(path, path)  # as if it had been written so
    assert verify_shard(path) == [f"{path}: s3-4-1: checksum differs"]


def test_another_format_version_and_another_kind_are_refused(folder, monkeypatch):
    path = folder / "speaker-0.h5"
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 99
    seal(path, path)
    with pytest.raises(UserError, match="format version 99, and this emocache reads version 2"):
        FeatureSet(folder)
    with h5py.File(path, "w") as file:
        file["something"] = [1, 2, 3]
    seal(path, path)
    with pytest.raises(UserError, match="this is not an emocache-features file"):
        FeatureSet(folder)


def test_shards_of_different_recipes_are_refused(folder):
    path = folder / "speaker-4.h5"
    with h5py.File(path, "r+") as file:
        recipe = json.loads(file.attrs["recipe"])
        file.attrs["recipe"] = json.dumps({**recipe, "pad": "before"})
    seal(path, path)
    with pytest.raises(UserError, match="made by 2 different recipes"):
        FeatureSet(folder)


def test_one_utterance_in_two_shards_is_refused(folder):
    for name in ("speaker-9.h5", "speaker-9.json"):
        shutil.copyfile(folder / name.replace("9", "3"), folder / name)
    with pytest.raises(UserError, match=r"duplicate utterance id 's3-0-0', in speaker-3\.h5 and speaker-9\.h5"):
        FeatureSet(folder)


def test_a_set_of_mixed_compute_types_is_named(tmp_path):
    folder = write_features(tmp_path / "features/mixed/demo", speakers=3, compute_dtypes=("float32", "bfloat16"))
    sentence = FeatureSet(folder).mixed_types()
    assert "(bfloat16: speaker-1; float32: speaker-0, speaker-2)" in sentence
    assert "ser store discard" in sentence


@pytest.mark.parametrize("room", [1_000, 60_000])
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, room):
    """The system refuses to let the file grow: at its first bytes, or in the middle of the rows."""
    program = f"""
import resource, signal, numpy as np
from pathlib import Path
from data.errors import UserError
from data.shards import Rows, ShardWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, resource.RLIM_INFINITY))
try:
    with ShardWriter(Path({str(tmp_path / "s.h5")!r}), "k", ["a", "b"], [100, 100], [Rows("x", "f4", (256,))]) as shard:
        for index in (0, 1):
            shard.write(index, {{"x": np.ones((100, 256))}})
except UserError as error:
    print("said:", error)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert "cannot write: the file is larger than permitted" in done.stdout, done.stderr
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_an_error_while_writing_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), ShardWriter(tmp_path / "s.h5", "k", ["a"], [3], [Rows("x", "f4")]):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def write_frames(path, *batches: tuple[list[int], np.ndarray], storage: str = "float16") -> None:
    """A shard of two utterances of two frames; each batch is which of them, and their frames [B, 2, 3]."""
    clips = {"sample_rate": 16000, "seconds": 3.0, "crop": "start"}
    recipe = {"kind": "ssl", "layers": [0], "dimension": 3, "storage": storage, "clips": clips}
    provenance = {"checkpoint": "random", "compute_dtype": "float32", "device": "cpu", "versions": {}}
    how = {"frame_rate": 50.0, "fingerprint": "f", "provenance": provenance}
    with FeatureWriter(path, ids=["a", "b"], num_frames=[2, 2], seconds=[1, 1], recipe=recipe, **how) as features:
        for indices, frames in batches:
            features.write(indices, [frames.astype(np.float32)])


@pytest.mark.parametrize("storage", ["float16", "int8"])
def test_what_is_written_in_any_order_and_batch_is_read_back(tmp_path, storage):
    frames = np.arange(12).reshape(2, 2, 3)
    for name in ("together", "backwards"):
        (tmp_path / name).mkdir()
    write_frames(tmp_path / "together/s.h5", ([0, 1], frames), storage=storage)
    write_frames(tmp_path / "backwards/s.h5", ([1], frames[1:]), ([0], frames[:1]), storage=storage)
    for folder in (tmp_path / "together", tmp_path / "backwards"):
        assert verify_shard(folder / "s.h5") == []
        np.testing.assert_allclose(FeatureSet(folder).frames("b", 0), frames[1], atol=0.02)
    if storage == "float16":
        assert (tmp_path / "together/s.h5").read_bytes() == (tmp_path / "backwards/s.h5").read_bytes()


@pytest.mark.parametrize("storage", ["float16", "int8"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_frames_that_cannot_be_stored_name_the_utterance_and_leave_nothing(tmp_path, storage, value):
    frames = np.ones((2, 2, 3))
    frames[1] = value
    with pytest.raises(UserError, match=f"^b: frames that are not finite, or do not fit {storage}"):
        write_frames(tmp_path / "s.h5", ([0, 1], frames), storage=storage)
    assert list(tmp_path.iterdir()) == []


def test_sidecars_are_read_with_suspicion(folder):
    for content in ("", "[]", '{"size": "big", "sha256": 3}', '{"size": 1}'):
        shards.sidecar_path(folder / "speaker-0.h5").write_text(content)
        with pytest.raises(UserError, match=r"speaker-0\.json: damaged"):
            FeatureSet(folder)
