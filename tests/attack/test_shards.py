"""A shard that carries the right SHA-256 and is none of ours is refused in our own words; HDF5 gets no chance."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app
from data.errors import UserError
from data.shards import seal
from features.store import FeatureSet
from tests.attack.isolation import Isolation
from tests.attack.shards import MASKS, Damage, read_clips, read_features, small_clips, small_features


@pytest.fixture
def shard(tmp_path) -> Path:
    return small_features(tmp_path)


def resealed(path: Path, change: Callable[[h5py.File], None]) -> Path:
    """Change a shard as its owner could, checksums and all."""
    with h5py.File(path, "r+") as file:
        change(file)
    seal(path, path)
    return path


def damages(folder: Path) -> dict[str, Damage]:
    return {
        "float16": Damage(small_features(folder / "float16"), read_features),
        "int8": Damage(small_features(folder / "int8", "int8"), read_features),
        "clips": Damage(small_clips(folder / "clips"), read_clips),
    }


@pytest.mark.parametrize("every", [230, pytest.param(5, marks=pytest.mark.slow)])
def test_a_flipped_byte_under_a_right_sha256_is_named_or_harmless(tmp_path, every):
    for damage in damages(tmp_path).values():
        size = damage.path.stat().st_size
        ways, unsafe = damage.ends(
            [*damage.flips(range(3, size, every), MASKS[:2]), *damage.cuts(range(0, size, every))]
        )
        assert not unsafe
        assert ways["named"] > ways["other"]


def test_a_heap_that_makes_hdf5_loop_forever_is_refused(shard):
    """HDF5 2.0 adds 16 to a size without looking, and never gets on."""
    content = bytearray(shard.read_bytes())
    heap = content.index(b"GCOL") + 16
    first = int.from_bytes(content[heap + 8 : heap + 16], "little")
    second = heap + 16 + -(-first // 8) * 8
    content[second + 8 : second + 16] = (2**64 - 16).to_bytes(8, "little")
    shard.write_bytes(content)
    seal(shard, shard)
    with Isolation(read_features, seconds=20) as isolation:
        outcome = isolation.attempt(shard)
    assert (outcome.kind, "texts of its attributes are cut" in outcome.what) == ("refused", True)


@pytest.mark.parametrize("name", ["fingerprint", "frame_rate", "recipe", "provenance", "cautions", "format_version"])
@pytest.mark.parametrize("value", [None, "{", "[" * 100_000, b"\xff", np.nan, [1, 2]])
def test_an_attribute_that_is_missing_or_makes_no_sense_is_named(tmp_path, name, value):
    shard = small_features(tmp_path)
    resealed(shard, lambda file: file.attrs.pop(name) if value is None else file.attrs.update({name: value}))
    if (name, type(value)) == ("fingerprint", str):
        return  # any text will do
    with pytest.raises(UserError, match=r"speaker-0\.h5: (damaged|written in)"):
        FeatureSet(shard.parent)


def test_ser_store_ls_names_a_missing_attribute(tmp_path, monkeypatch):
    shard = resealed(small_features(tmp_path / "artifacts"), lambda file: file.attrs.pop("provenance"))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["store", "ls"])
    assert isinstance(result.exception, UserError)
    assert f"{shard.relative_to(tmp_path)}: damaged" in str(result.exception)
    assert "provenance" in str(result.exception)


def replace(name: str, make: Callable[[h5py.File, np.ndarray], object]) -> Callable[[h5py.File], None]:
    """A change of a file that puts something else in a dataset's place."""

    def change(file: h5py.File) -> None:
        values = file[name][:]
        del file[name]
        make(file, values)

    return change


def virtual(file: h5py.File, values: np.ndarray) -> None:
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", values.shape)
    file.create_virtual_dataset("layer_1", layout)


def claimed(shape: tuple[int, ...]) -> Callable[[h5py.File, np.ndarray], object]:
    """A dataset that claims a size and has no bytes."""
    return lambda file, values: file.create_dataset("layer_1", shape=shape, dtype=values.dtype)


STRUCTURES = {
    "an external link": replace("layer_1", lambda f, _: f.update({"layer_1": h5py.ExternalLink("/etc/passwd", "/x")})),
    "a soft link": replace("layer_1", lambda f, _: f.update({"layer_1": h5py.SoftLink("/layer_0")})),
    "a virtual dataset": replace("layer_1", virtual),
    "bytes of another file": replace(
        "layer_1", lambda f, v: f.create_dataset("layer_1", v.shape, v.dtype, external=[("/etc/passwd", 0, v.nbytes)])
    ),
    "compressed": replace("layer_1", lambda f, v: f.create_dataset("layer_1", data=v, compression="gzip")),
    "a terabyte": replace("layer_1", claimed((10**12, 3))),
    "other rows": replace("layer_1", claimed((17, 3))),
    "another type": replace("layer_1", lambda f, v: f.create_dataset("layer_1", data=v.astype("f4"))),
    "big-endian": replace("layer_1", lambda f, v: f.create_dataset("layer_1", data=v.astype(">f2"))),
    "a group": replace("layer_1", lambda f, _: f.create_group("layer_1")),
    "no layer": replace("layer_1", lambda *_: None),
    "no ids": replace("id", lambda *_: None),
    "ids in objects": replace("id", lambda f, v: f.create_dataset("id", data=v.astype(object))),
    "offsets that fall": replace("offsets", lambda f, v: f.create_dataset("offsets", data=v[::-1])),
    "offsets that wrap": replace("offsets", lambda f, v: f.create_dataset("offsets", data=v - 2**62)),
    "too few offsets": replace("offsets", lambda f, v: f.create_dataset("offsets", data=v[:-1])),
    "no lengths": replace("seconds", lambda f, v: f.create_dataset("seconds", data=v * np.nan)),
    "copies in numbers": replace("copy", lambda f, v: f.create_dataset("copy", data=np.arange(len(v)))),
}


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_file_that_only_looks_like_a_shard_is_refused(shard, structure):
    resealed(shard, STRUCTURES[structure])
    with Isolation(read_features, seconds=20) as isolation:
        outcome = isolation.attempt(shard)
    assert outcome.kind == "refused", outcome
    assert "damaged, although its SHA-256 is right" in outcome.what
    assert isolation.peak_megabytes < 1500
