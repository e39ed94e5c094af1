"""What is made to deceive: headers that claim gigabytes, bombs, code in pickles, paths that lead elsewhere."""

import json
import pickle
import struct
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import soundfile
import torch
from pyarrow import parquet

from data.audio import UnusableAudioError, read_waveform
from data.errors import UserError
from data.table_files import read_table
from features.frame_files import read_frames
from features.store import FeatureSet
from inference.opening import load_run
from stages.params import read_yaml
from tests.attack.fuzz import fuzz
from tests.attack.isolation import Isolation, Outcome
from tests.attack.shards import small_features
from tests.attack.targets import TARGETS, HeadConfigs
from tests.builders import tone, write_wav


def attempt(read, path: Path) -> Outcome:
    """How reading ends with half a gigabyte of memory and 30 s; what lists of unusable files would say is a refusal."""

    def job() -> None:
        try:
            read(path)
        except (UnusableAudioError, ValueError) as error:
            raise UserError(str(error)) from None

    with Isolation(job, seconds=30, megabytes=500) as isolation:
        return isolation.attempt()


def read_speech(path: Path) -> None:
    read_waveform(path, 16000)


def wav_that_claims(path: Path, size: int) -> Path:
    content = bytearray(write_wav(path).read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", size)
    path.write_bytes(content)
    return path


def flac_that_claims(path: Path, samples: int) -> Path:
    soundfile.write(path, tone(0.5), 16000, format="FLAC")
    content = bytearray(path.read_bytes())
    content[21] = content[21] & 0xF0 | samples >> 32  # STREAMINFO: the last 4 bits of this byte, and 4 bytes more
    content[22:26] = (samples & 2**32 - 1).to_bytes(4, "big")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("size", [2_000_000_000, 2**31, 2**32 - 2])
def test_a_wav_that_claims_gigabytes_is_truncated(tmp_path, size):
    how = attempt(read_speech, wav_that_claims(tmp_path / "a.wav", size))
    assert (how.kind, how.what[:9]) == ("refused", "truncated"), how


@pytest.mark.parametrize("samples", [10**9, 2**36 - 1])
def test_a_flac_that_claims_gigabytes_is_damaged(tmp_path, samples):
    how = attempt(read_speech, flac_that_claims(tmp_path / "a.flac", samples))
    assert how.kind == "refused"
    assert "cannot hold the" in how.what


@pytest.mark.parametrize("rate", [1, 44_101, 2**31 - 19])
def test_a_rate_that_takes_gigabytes_to_resample_is_refused(tmp_path, rate):
    content = bytearray(write_wav(tmp_path / "a.wav").read_bytes())
    content[24:28] = struct.pack("<I", rate)
    (tmp_path / "a.wav").write_bytes(content)
    how = attempt(read_speech, tmp_path / "a.wav")
    assert (how.kind, "sample rate" in how.what) == ("refused", True), how


def test_a_workbook_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path):
    path = tmp_path / "a.xlsx"
    pd.DataFrame({"file": ["a.wav"]}).to_excel(path, index=False)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        with archive.open("xl/media/x", "w") as file:
            for _ in range(200):
                file.write(bytes(2**20))
    how = attempt(read_table, path)
    assert (how.kind, "unpacks to" in how.what) == ("refused", True), how


def test_a_parquet_table_that_claims_a_billion_rows_is_not_read(tmp_path):
    path, rows = tmp_path / "a.parquet", pa.array(["x"] * 100_000)
    with parquet.ParquetWriter(path, pa.schema([("file", pa.string())])) as writer:
        for _ in range(200):
            writer.write_table(pa.table({"file": rows}))
    how = attempt(read_table, path)
    assert (how.kind, "20,000,000 rows" in how.what) == ("refused", True), how


def test_aliases_that_multiply_are_counted_and_not_written_out(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 12)]
    (tmp_path / "params.yaml").write_text("\n".join(lines))
    how = attempt(read_yaml, tmp_path / "params.yaml")
    assert (how.kind, "anchors and aliases" in how.what) == ("refused", True), how
    (tmp_path / "params.yaml").write_text("a: &a [*a]\n")
    assert attempt(read_yaml, tmp_path / "params.yaml").kind == "refused"


class Evil:
    """Runs code where it is unpickled."""

    def __init__(self, path: Path):
        self._path = path

    def __reduce__(self):
        return Path.touch, (self._path,)


@pytest.mark.parametrize("suffix", [".npy", ".pt"])
def test_nothing_is_unpickled(tmp_path, suffix):
    path, proof = tmp_path / f"a{suffix}", tmp_path / "proof"
    if suffix == ".npy":
        np.save(path, np.array([Evil(proof)], dtype=object), allow_pickle=True)
    else:
        torch.save(Evil(proof), path)
    with pytest.raises(ValueError, match=r"unpickling|no array of numbers"):
        read_frames(path)
    path.write_bytes(pickle.dumps(Evil(proof)))
    with pytest.raises(ValueError, match=r"unpickling|damaged|no array"):
        read_frames(path)
    assert not proof.exists()


def external(file: h5py.File) -> None:
    file.create_dataset("frames", (4, 2), "f4", external=[("/etc/passwd", 0, 32)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4, 2), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4, 2))
    file.create_virtual_dataset("frames", layout)


def huge(file: h5py.File) -> None:
    file.create_dataset("frames", (10**9, 2), "f4", chunks=(1000, 2), compression="gzip")


def linked(file: h5py.File) -> None:
    file["frames"] = h5py.ExternalLink("/etc/passwd", "/x")


@pytest.mark.parametrize("make", [external, virtual, huge, linked])
def test_imported_hdf5_holds_its_own_frames(tmp_path, make):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        make(file)
    assert attempt(read_frames, tmp_path / "a.h5").kind == "refused"


@pytest.mark.parametrize(
    ("name", "value", "message"), [("hidden_size", 20_000, "has the shape"), ("num_layers", 10**6, "1,000,000 layers")]
)
def test_a_config_that_claims_a_larger_head_reserves_no_memory(tmp_path, name, value, message):
    target = HeadConfigs(tmp_path)
    config = json.loads(target.seeds[0])
    config["settings"][name] = value
    (tmp_path / "config.json").write_text(json.dumps(config))
    how = attempt(load_run, tmp_path)
    assert (how.kind, message in how.what) == ("refused", True), how


def test_a_joined_set_reads_no_other_folder(tmp_path):
    shard = small_features(tmp_path / "elsewhere")
    digest = json.loads(shard.with_suffix(".json").read_text())["sha256"]
    joined = tmp_path / "features" / "hubert" / "both"
    joined.mkdir(parents=True)
    listing = {"easy": {"folder": str(shard.parent), "shards": {shard.name: digest}, "skipped": []}}
    for folder in (str(shard.parent), f"../../../elsewhere/features/hubert/{shard.parent.name}"):
        listing["easy"]["folder"] = folder
        (joined / "joined.json").write_text(json.dumps(listing))
        with pytest.raises(UserError, match=r"joined\.json: damaged"):
            FeatureSet(joined)


@pytest.mark.parametrize("turns", [1, pytest.param(15, marks=pytest.mark.slow)])
def test_random_damage_of_any_input_ends_in_our_own_error(tmp_path, turns):
    for name, fuzzing in fuzz(list(TARGETS), 1, tmp_path / "files", tmp_path / "failures", turns=turns).items():
        assert not fuzzing.tally.failures, (name, fuzzing.tally.failures)
