"""What is said of the features that a head was trained on."""

import json
import shutil

import h5py
import pandas as pd
import pytest

from data.labels import TaskSettings
from data.manifest import CorpusSettings
from data.shards import seal
from data.splits import SplitSettings
from evaluation.description import describe_run
from features.store import FeatureSet

VERSIONS = {"torch": "2", "transformers": "5", "python": "3"}
USUAL = {"compute_dtype": "float32", "device": "cpu", "versions": VERSIONS}
NAMED = {"checkpoint": "facebook/hubert-base-ls960", "revision": "abc"}


def change_attributes(folder, shard: str, provenance: dict, recipe: dict | None = None) -> None:
    """Give one shard another provenance, and its recipe other entries (None removes one)."""
    path, changed = folder / f"{shard}.h5", folder / "changed.h5.partial"
    shutil.copyfile(path, changed)
    with h5py.File(changed, "r+") as file:
        known = {**json.loads(file.attrs["recipe"]), **(recipe or {})}
        file.attrs["recipe"] = json.dumps({key: value for key, value in known.items() if value is not None})
        file.attrs["provenance"] = json.dumps(provenance)
        file.attrs["cautions"] = json.dumps({})
    seal(changed, path)


@pytest.fixture
def folder(feature_folder, tmp_path):
    """Features of six speakers with the usual provenance."""
    copy = tmp_path / "hubert"
    shutil.copytree(feature_folder, copy)
    return copy


def describe(folder) -> dict:
    features = FeatureSet(folder)
    ids = sorted(features.places)
    manifest = pd.DataFrame({"id": ids, "emotion": ["NLW"[int(name[-1])] for name in ids], "text": "", "dialog": ""})
    manifest["speaker"] = manifest["id"].str[:2]
    usable = pd.DataFrame({"id": ids, "label": "", "fold_0": ["test" if name < "s3" else "train" for name in ids]})
    task = TaskSettings(classes={"neutral": ["N"], "bored": ["L"], "angry": ["W"]})
    config = {"features": {"set": "hubert"}, **dict.fromkeys(("settings", "training", "num_parameters", "layers"))}
    corpus, split = CorpusSettings(name="emodb", root="corpora/emodb"), SplitSettings(scheme="speaker")
    return describe_run(corpus, task, split, manifest, usable, features, config)


def test_classes_are_in_an_order_of_their_own(folder):
    assert list(describe(folder)["codes"]) == list(describe(folder)["counts"]) == ["angry", "bored", "neutral"]


def test_mixed_compute_types_are_named_with_their_shards(folder):
    assert not any("Mixed compute types" in warning for warning in describe(folder)["warnings"])
    for speaker in (1, 4):
        change_attributes(folder, f"speaker-{speaker}", provenance={**NAMED, **USUAL, "compute_dtype": "bfloat16"})
    warning = FeatureSet(folder).mixed_types()
    assert warning.startswith(
        "Mixed compute types in the features hubert (bfloat16: speaker-1, speaker-4; "
        "float32: speaker-0, speaker-2, speaker-3, speaker-5)"
    )
    assert "`ser store discard hubert`" in warning
    described = describe(folder)
    assert warning in described["warnings"]
    assert not any("several ways" in each for each in described["warnings"])


def test_other_versions_are_several_ways(folder):
    change_attributes(folder, "speaker-1", provenance={**NAMED, **USUAL, "versions": {**VERSIONS, "torch": "3"}})
    assert any("several ways" in each for each in describe(folder)["warnings"])


def test_the_checkpoint_is_the_one_that_the_shards_name(folder):
    described = describe(folder)
    assert described["encoders"] == [{"checkpoint": "untrained", "revision": None}]
    assert any("encoder is untrained" in each for each in described["warnings"])
    for speaker in range(6):
        moved = {"pad": None, "context": "clip"}
        change_attributes(folder, f"speaker-{speaker}", {**USUAL, **NAMED}, moved)
    described = describe(folder)
    assert described["encoders"] == [NAMED]
    assert described["provenance"] == [USUAL]
