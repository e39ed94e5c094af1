"""Exports hold the store's frames to the bit, under names that are safe anywhere, and come back by our own import."""

import csv
import json
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile

from data.clips import ClipsSettings, open_clips, write_clips
from data.errors import UserError
from features.extraction import extract_shard
from features.imported import ImportedEncoder, ImportedSettings
from features.interchange.clip_table import CLIP_TABLE, read_names
from features.interchange.datasets import write as write_datasets
from features.interchange.export import FORMATS, export_features
from features.interchange.file_names import file_names
from features.interchange.selection import Selection
from features.interchange.webdataset import write as write_webdataset
from features.store import FeatureSet
from features.writing import FeatureWriter
from tests.builders import REPOSITORY, tone, write_features

CLIPS = {"sample_rate": 16000, "seconds": 0.0, "crop": "start"}
MAKER = {"checkpoint": "noise", "compute_dtype": "float32", "device": "cpu", "versions": {}}
AWKWARD = [
    *("../../etc/passwd", "..", ".", "/root", "a/b", "a b", "a", "A", "é", unicodedata.normalize("NFD", "é"), "É"),
    *("-rf", ".hidden", "a.b", "a.B.c", "emodb:1", "tab\there", "line\nbreak", "quote\"s'", "ﬁ", "fi", "ß", "ss"),
    *("x" * 255, "X" * 255, "x" * 254 + "y", "語" * 80, "%2E%2E", "a%2Fb", "a~b", "~", "$(rm)", "*", "con", ""),
]


def of_ids(folder: Path, ids: list[str], storage: str = "float16", dimension: int = 4) -> FeatureSet:
    """A store of one shard, in which every utterance has frames of its own."""
    folder.mkdir(parents=True)
    recipe = {"kind": "imported", "layers": [0], "dimension": dimension, "storage": storage, "clips": CLIPS}
    how = {"frame_rate": 50.0, "fingerprint": "f", "provenance": MAKER}
    counts, random = [8 + number % 5 for number in range(len(ids))], np.random.default_rng(3)
    with FeatureWriter(
        folder / "one.h5", ids=ids, num_frames=counts, seconds=np.array(counts) / 50, recipe=recipe, **how
    ) as features:
        for index, count in enumerate(counts):
            features.write([index], [random.normal(size=(1, count, dimension)).astype(np.float32)])
    return FeatureSet(folder)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / CLIP_TABLE).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def exported(features: FeatureSet, folder: Path, form: str, **how) -> Path:
    export_features(Selection(features, **how), form, folder)
    return folder


def expected(features: FeatureSet, key: str, dtype: str = "float16") -> np.ndarray:
    layers = [features.frames(key, layer) for layer in features.layers]
    return (layers[0] if len(layers) == 1 else np.stack(layers)).astype(dtype)


def same(found: np.ndarray, wanted: np.ndarray) -> bool:
    return found.dtype == wanted.dtype and found.shape == wanted.shape and found.tobytes() == wanted.tobytes()


def test_names_are_safe_and_never_two_alike_wherever_they_are_written(tmp_path):
    names = file_names([(identifier,) for identifier in AWKWARD])
    alike = {unicodedata.normalize("NFKD", name).casefold() for name in names}
    assert len(alike) == len(AWKWARD)
    for name in names:
        assert len(f"{name}.frames.npy".encode()) <= 255
        assert re.fullmatch(r"[\w.+=@,%~-]+", name)
        assert name[0] not in "-."
    plain = ["03a01Fa", "Ses01F_impro01_F000", "MSP-PODCAST_0001_0008", "語", "a.b"]
    assert file_names([(identifier,) for identifier in plain]) == plain
    assert file_names([("a.b",), ("語",)], also_quote=".") == ["a%2Eb", "語"]
    assert file_names([("a", "room"), ("a", "piece1"), ("a~room",)]) == ["a~room", "a~piece1", "a%7Eroom"]


@pytest.mark.parametrize("form", list(FORMATS))
def test_clips_are_sorted_described_and_leave_nothing_half_written(form, tmp_path):
    features = of_ids(tmp_path / "set/corpus", AWKWARD)
    folder = exported(features, tmp_path / "out", form)
    rows = table(folder)
    assert [row["id"] for row in rows] == sorted(AWKWARD)
    assert [int(row["num_frames"]) for row in rows] == [features.num_frames(row["id"]) for row in rows]
    about = json.loads((folder / "export.json").read_text())
    assert about["recipe"] == features.recipe
    assert about["frame_rate"] == 50
    assert "confidential" in about["licence"]
    assert {path.name for path in tmp_path.iterdir()} == {"set", "out"}
    assert all(path.parent == folder for path in folder.rglob("*"))
    with pytest.raises(UserError, match=r"out exists already"):
        exported(features, folder, form)
    with pytest.raises(RuntimeError):
        exported(features, tmp_path / "stopped", form, on_clip=fail)
    assert {path.name for path in tmp_path.iterdir()} == {"set", "out"}


def fail() -> None:
    raise RuntimeError


@pytest.mark.parametrize("storage", ["float16", "float32"])
def test_what_is_exported_as_npy_is_imported_to_the_bit(storage, tmp_path):
    ids = sorted(identifier for identifier in AWKWARD if identifier)
    soundfile.write(tmp_path / "one.wav", tone(0.2), 16000)
    whole = ClipsSettings(seconds=None)
    write_clips(tmp_path / "shard.h5", ids, [tmp_path / "one.wav"] * len(ids), whole)
    features = of_ids(tmp_path / "set/corpus", ids, storage)
    folder = exported(features, tmp_path / "out", "npy")
    settings = ImportedSettings(clips=whole, frame_rate=50.0, storage=storage)
    (tmp_path / "again").mkdir()
    encoder = ImportedEncoder(settings, folder)
    extract_shard(open_clips(tmp_path / "shard.h5"), tmp_path / "again/s.h5", settings, encoder, fingerprint="f")
    again = FeatureSet(tmp_path / "again")
    assert again.ids == ids
    assert all(same(again.frames(key, 0), features.frames(key, 0)) for key in ids)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,name\na,../a\n", "no plain file name"),
        ("id,name\na,a\na,b\n", "has several clips"),
        ("id,file\na,a\n", "not a table with the columns id and name"),
        ('id,name\na,"a', "cannot be read as a table"),
    ],
)
def test_a_table_of_names_that_is_wrong_is_refused(content, message, tmp_path):
    (tmp_path / CLIP_TABLE).write_text(content)
    with pytest.raises(UserError, match=message):
        read_names(tmp_path)


def test_int8_is_restored_and_smaller_types_are_checked(tmp_path):
    features = FeatureSet(write_features(tmp_path / "int8", storage="int8", layers=(0, 12)))
    key = next(iter(features.locations))
    folder = exported(features, tmp_path / "full", "npy")
    assert same(np.load(folder / f"{key}.npy"), expected(features, key, "float32"))
    folder = exported(features, tmp_path / "half", "npy", dtype="float16", layers=[12])
    assert same(np.load(folder / f"{key}.npy"), features.frames(key, 12).astype("float16"))
    large = of_ids(tmp_path / "set/large", ["a"], "float32")
    for rows in large.maps(0):
        rows[3, 2] = 1e6
    with pytest.raises(UserError, match=r"^a: values beyond what float16 holds"):
        exported(large, tmp_path / "large", "npy", dtype="float16")
    assert not (tmp_path / "large").exists()


def test_a_layer_named_twice_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"^layers 12, 12: name each layer once"):
        Selection(FeatureSet(write_features(tmp_path / "f", layers=(0, 12))), layers=[12, 12])


def test_pieces_copies_and_layers_are_all_there(tmp_path):
    features = FeatureSet(
        write_features(tmp_path / "f", layers=(0, 12), most_pieces=3, copies=("room_small",), speakers=2)
    )
    rows = table(exported(features, tmp_path / "npy", "npy"))
    assert len(rows) == len(features.locations)
    own = [row for row in rows if row["id"] == "s1-2-2"]
    assert [row["name"] for row in own] == [
        f"s1-2-2~{end}"
        for end in ("piece0", "piece1", "piece2", "room_small~piece0", "room_small~piece1", "room_small~piece2")
    ]
    for row in own:
        key = features.clips_of(row["id"], row["copy"])[int(row["piece"])]
        assert same(np.load(tmp_path / f"npy/{row['name']}.npy"), expected(features, key))
    exported(features, tmp_path / "h5", "hdf5")
    with h5py.File(tmp_path / "h5/features.h5") as file:
        assert len(file) == len(rows)
        assert same(file["s1-2-2~room_small~piece1"][:], expected(features, "s1-2-2 (room_small, piece 1)"))


def test_memory_is_flat_however_large_the_store(tmp_path):
    """The process's own memory (not the pages of mapped files) stays far below what is exported."""
    program = f"""
import json, re, threading, time
from pathlib import Path
import pyarrow
from features.interchange.export import FORMATS, export_features
from features.interchange.selection import Selection
from features.store import FeatureSet
def own():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
def watch():
    while True:
        most[form] = max(most[form], own() - before)
        time.sleep(0.001)
features, most = FeatureSet(Path({str(tmp_path / "set")!r}), verify=False), dict.fromkeys(FORMATS, 0)
before, form = own(), "npy"
threading.Thread(target=watch, daemon=True).start()
for form in FORMATS:
    export_features(Selection(features), form, Path({str(tmp_path)!r}) / form)
print(json.dumps(most))
"""
    of_ids(tmp_path / "set", [f"clip-{number}" for number in range(40)], dimension=100_000)  # 80 MB
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert max(json.loads(done.stdout).values()) < 50, done.stdout


@pytest.mark.extras
def test_the_libraries_themselves_read_what_is_written(tmp_path):
    import datasets
    import kaldiio
    import webdataset

    features = FeatureSet(write_features(tmp_path / "f", layers=(0, 12), most_pieces=3))
    keys = {
        (row["name"]): key
        for row, key in zip(
            table(exported(features, tmp_path / "kaldi", "kaldi")), Selection(features).keys, strict=True
        )
    }
    for position, layer in enumerate(features.layers):
        matrices = kaldiio.load_scp(str(tmp_path / f"kaldi/feats_layer_{layer}.scp"))
        assert sorted(matrices) == sorted(keys)
        for name, key in keys.items():
            assert same(matrices[name], expected(features, key, "float32")[position])
    for folder, write in ((tmp_path / "tar", write_webdataset), (tmp_path / "arrow", write_datasets)):
        folder.mkdir()
        selection = Selection(features)
        write(selection, selection.rows("."), folder, folder, 20_000)  # several files
    shards = sorted(str(path) for path in (tmp_path / "tar").glob("*.tar"))
    assert len(shards) > 3
    samples = {sample["__key__"]: sample for sample in webdataset.WebDataset(shards, shardshuffle=False).decode()}
    assert list(samples) == list(keys)
    assert all(same(samples[name]["npy"], expected(features, key)) for name, key in keys.items())
    assert samples["s0-2-2~piece1"]["json"]["piece"] == 1
    rows = datasets.load_from_disk(str(tmp_path / "arrow"))
    assert len(list((tmp_path / "arrow").glob("*.arrow"))) >= 1
    assert rows.features["layer_12"] == datasets.Array2D((None, 12), "float16")
    for row, key in zip(rows, keys.values(), strict=True):
        for position, layer in enumerate(features.layers):
            found = row[f"layer_{layer}"].astype("float16")
            assert same(found, expected(features, key)[position])
        assert row["id"] == features.locations[key].id


@pytest.mark.extras
def test_awkward_ids_survive_every_library(tmp_path):
    import datasets
    import kaldiio
    import webdataset

    features = of_ids(tmp_path / "set/corpus", AWKWARD)
    rows = table(exported(features, tmp_path / "tar", "webdataset"))
    samples = list(webdataset.WebDataset(str(tmp_path / "tar/shard-000000.tar"), shardshuffle=False).decode())
    assert [sample["json"]["id"] for sample in samples] == sorted(AWKWARD)
    assert all(same(sample["npy"], expected(features, sample["json"]["id"])) for sample in samples)
    rows = table(exported(features, tmp_path / "kaldi", "kaldi"))
    matrices = kaldiio.load_scp(str(tmp_path / "kaldi/feats.scp"))
    assert all(same(matrices[row["name"]], expected(features, row["id"], "float32")) for row in rows)
    found = datasets.load_from_disk(str(exported(features, tmp_path / "arrow", "datasets")))
    assert [str(row["id"]) for row in found] == sorted(AWKWARD)
