"""What is said of the features that a head was trained on."""

import json
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest

from data.cautions import Caution, Kind
from data.shards import seal
from evaluation.cautions import feature_cautions, task_cautions
from evaluation.description import describe_features, describe_task
from features.store import FeatureSet
from tests.builders import task_description

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
    copy = tmp_path / "hubert/emodb"
    shutil.copytree(feature_folder, copy)
    return copy


def splits_of(features: FeatureSet) -> pd.DataFrame:
    ids = sorted(features.locations)
    splits = pd.DataFrame({"id": ids, "corpus": "emodb", "text": "", "dialog": ""})
    splits["speaker"] = splits["id"].str[:2]
    splits["label"] = [["angry", "calm", "sad"][int(name[-1])] for name in ids]
    return splits.assign(fold_0=np.where(splits["id"] < "s3", "test", "train"))


def kinds(folder) -> list[Kind]:
    return [caution.kind for caution in feature_cautions(FeatureSet(folder), share_cut=0.05)]


def test_the_task_is_described_by_what_has_features(folder):
    splits = splits_of(FeatureSet(folder))
    data = describe_task(task_description(), splits, num_skipped=2)
    assert (data.utterances, data.speakers, data.skipped) == (60, 6, 2)
    assert data.counts == {"emodb": {"angry": 24, "calm": 18, "sad": 18}}
    assert data.count("angry") == 24
    assert data.fold_sizes[0].model_dump() == {"train": 30, "validation": 0, "test": 30}
    assert data.unvalidated == 1
    assert Kind.SKIPPED_UTTERANCES in [caution.kind for caution in task_cautions(data, splits)]


def test_mixed_compute_types_are_named_with_their_shards(folder):
    assert Kind.MIXED_COMPUTE_TYPES not in kinds(folder)
    for speaker in (1, 4):
        change_attributes(folder, f"speaker-{speaker}", provenance={**NAMED, **USUAL, "compute_dtype": "bfloat16"})
    warning = FeatureSet(folder).mixed_types()
    assert warning.startswith(
        "Mixed compute types in the features hubert/emodb (bfloat16: speaker-1, speaker-4; "
        "float32: speaker-0, speaker-2, speaker-3, speaker-5)"
    )
    assert "`ser store discard hubert/emodb`" in warning
    assert Caution(kind=Kind.MIXED_COMPUTE_TYPES, text=warning) in feature_cautions(FeatureSet(folder), share_cut=0)
    assert Kind.MIXED_PROVENANCE not in kinds(folder)


def test_other_versions_are_several_ways(folder):
    change_attributes(folder, "speaker-1", provenance={**NAMED, **USUAL, "versions": {**VERSIONS, "torch": "3"}})
    assert Kind.MIXED_PROVENANCE in kinds(folder)


def test_truncated_speech_is_warned_of_above_a_tenth(folder):
    features = FeatureSet(folder)
    (caution,) = [
        caution for caution in feature_cautions(features, share_cut=0.25) if caution.kind == Kind.TRUNCATED_SPEECH
    ]
    assert caution.text.startswith("25% of the speech")
    assert Kind.TRUNCATED_SPEECH not in kinds(folder)


def test_the_checkpoint_is_the_one_that_the_shards_name(folder):
    described = describe_features("hubert/emodb", FeatureSet(folder), splits_of(FeatureSet(folder)))
    assert described.set == "hubert"
    assert described.encoders == [{"checkpoint": "untrained", "revision": None}]
    assert Kind.UNTRAINED_ENCODER in kinds(folder)
    for speaker in range(6):
        moved = {"pad": None, "context": "clip"}
        change_attributes(folder, f"speaker-{speaker}", {**USUAL, **NAMED}, moved)
    described = describe_features("hubert/emodb", FeatureSet(folder), splits_of(FeatureSet(folder)))
    assert described.encoders == [NAMED]
    assert described.provenance == [USUAL]
    assert Kind.UNTRAINED_ENCODER not in kinds(folder)
