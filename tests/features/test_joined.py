"""Features of several corpora read as one set, without a copy, and only if they are what was joined."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from data.errors import UserError
from data.json_files import write_json
from data.not_wanted import mark_not_wanted
from features.index import describe_differences, describe_store, join_features
from features.store import JOINED, FeatureSet
from tests.builders import write_features

CORPORA = {"emodb": {"speakers": 3}, "turevdb": {"speakers": 2, "compute_dtypes": ("bfloat16",)}}


def write_index(folder, corpus: str):
    """The corpus's index file, as extract writes it."""
    path = folder.parent.parent / "index" / f"{corpus}.json"
    write_json(path, describe_store(folder / corpus))
    return path


@pytest.fixture
def folder(tmp_path):
    """``features/hubert`` with two corpora, one of them with a skipped utterance."""
    folder = tmp_path / "features/hubert"
    for corpus, how in CORPORA.items():
        write_features(folder / corpus, per_speaker=4, **how)
    skipped = pd.DataFrame({"id": ["s9-9-9"], "path": ["a.wav"], "reason": ["silent, from end to end"]})
    skipped.to_csv(folder / "emodb/skipped.csv", index=False)
    return folder


@pytest.fixture
def joined(folder):
    join_features({corpus: write_index(folder, corpus) for corpus in CORPORA}, folder, folder / "both")
    return folder / "both"


def test_a_joined_set_has_all_utterances_of_its_parts_by_corpus_and_id(joined, folder):
    both = FeatureSet(joined)
    parts = {corpus: FeatureSet(folder / corpus) for corpus in CORPORA}
    assert list(both.locations) == [f"{corpus}:{name}" for corpus, part in parts.items() for name in part.locations]
    for corpus, part in parts.items():
        for name in part.locations:
            np.testing.assert_array_equal(both.frames(f"{corpus}:{name}", 12), part.frames(name, 12))
            assert both.seconds[f"{corpus}:{name}"] == part.seconds[name]
    assert both.skipped == {"emodb:s9-9-9"}
    assert parts["emodb"].skipped == {"s9-9-9"}
    assert both.recipe == parts["emodb"].recipe
    assert both.provenance["turevdb:speaker-1"]["compute_dtype"] == "bfloat16"
    frames, lengths = both.gather(["turevdb:s0-0-0", "emodb:s0-0-0"], [12])
    assert lengths.tolist() == [parts["turevdb"].num_frames("s0-0-0"), parts["emodb"].num_frames("s0-0-0")]
    assert torch.equal(frames[0, 0, : lengths[0]], torch.from_numpy(parts["turevdb"].frames("s0-0-0", 12)).float())


def test_mixed_compute_types_of_the_parts_name_both_corpora(joined):
    warning = FeatureSet(joined).mixed_types()
    assert "in the features hubert/both (bfloat16: turevdb:speaker-0, turevdb:speaker-1; float32: emodb:s" in warning
    assert "`ser store discard hubert/emodb`, `ser store discard hubert/turevdb`" in warning


def test_nothing_is_copied(joined):
    assert [path.name for path in joined.iterdir()] == [JOINED]


def test_the_digest_is_of_the_joined_corpora_only(joined, folder):
    before = FeatureSet(joined).digest
    write_features(folder / "ravdess", speakers=1)
    join_features({corpus: write_index(folder, corpus) for corpus in reversed(CORPORA)}, folder, folder / "again")
    assert FeatureSet(folder / "again").digest == FeatureSet(joined).digest == before
    three = {corpus: write_index(folder, corpus) for corpus in (*CORPORA, "ravdess")}
    join_features(three, folder, folder / "three")
    assert FeatureSet(folder / "three").digest != before
    shutil.rmtree(folder / "turevdb")
    write_features(folder / "turevdb", speakers=2, per_speaker=5)
    join_features({corpus: write_index(folder, corpus) for corpus in CORPORA}, folder, folder / "both")
    assert FeatureSet(joined).digest != before


def test_the_project_may_be_moved(joined, tmp_path):
    shutil.move(tmp_path / "features", tmp_path / "elsewhere")
    assert len(FeatureSet(tmp_path / "elsewhere/hubert/both").locations) == 20


@pytest.mark.parametrize("lost", ["speaker-1.h5", "speaker-1.json", "."])
def test_a_missing_part_names_the_commands(joined, folder, lost):
    path = folder / "turevdb" / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    message = r"missing.*dvc pull extract@turevdb-hubert.*dvc repro extract@turevdb-hubert"
    with pytest.raises(UserError, match=message):
        FeatureSet(joined)


def test_a_part_of_other_bytes_than_were_joined_names_the_commands(joined, folder):
    shutil.rmtree(folder / "turevdb")
    write_features(folder / "turevdb", speakers=2, per_speaker=5)
    message = r"turevdb/speaker-0\.h5: these are not the features that.*dvc pull extract@turevdb-hubert.*dvc repro ext"
    with pytest.raises(UserError, match=message):
        FeatureSet(joined, verify=False)


def test_a_damaged_part_is_found(joined, folder):
    path = folder / "emodb/speaker-0.h5"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"speaker-0\.h5: damaged"):
        FeatureSet(joined)


@pytest.mark.parametrize("content", ["", "[]", '{"emodb": {}}', '{"emodb": 3}'])
def test_a_damaged_listing_is_refused(joined, content):
    (joined / JOINED).write_text(content)
    with pytest.raises(UserError, match=r"joined\.json: damaged"):
        FeatureSet(joined)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"dimension": 20}, r"dimension: 12 \(emodb\), 20 \(turevdb\)"),
        ({"layers": (6, 12)}, r"layers: \[12\] \(emodb\), \[6, 12\] \(turevdb\)"),
        ({"weights": "1" * 64}, r"weights: 000000000000 \(emodb\), 111111111111 \(turevdb\)"),
        ({"storage": "int8"}, r"storage: float16 \(emodb\), int8 \(turevdb\)"),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)
def test_parts_of_different_recipes_are_refused_saying_how_they_differ(folder, how, message):
    shutil.rmtree(folder / "turevdb")
    write_features(folder / "turevdb", speakers=2, **how)
    indexes = {corpus: write_index(folder, corpus) for corpus in CORPORA}
    with pytest.raises(UserError, match=rf"{message}\. Make them again: dvc repro extract@emodb-hubert extract@t"):
        join_features(indexes, folder, folder / "both")
    assert not (folder / "both").exists()


def test_differences_of_three_recipes_and_of_nested_keys():
    clips = {"seconds": 3.0}
    recipes = {"a": {"clips": clips}, "b": {"clips": {"seconds": 2.0}}, "c": {"clips": clips, "pad": "after"}}
    assert describe_differences(recipes) == "clips.seconds: 3.0 (a, c), 2.0 (b); pad: none (a, b), after (c)"
    assert describe_differences({"a": recipes["a"], "b": recipes["a"]}) == ""


def test_features_are_joined_although_they_are_not_here(folder):
    indexes = {corpus: write_index(folder, corpus) for corpus in CORPORA}
    shutil.rmtree(folder)
    join_features(indexes, folder, folder / "both")
    with pytest.raises(UserError, match=r"dvc pull extract@emodb-hubert"):
        FeatureSet(folder / "both")


def test_a_missing_or_damaged_index_names_the_command(folder):
    indexes = {corpus: write_index(folder, corpus) for corpus in CORPORA}
    for content in ("", "[]", "{}", '{"wanted": true}'):
        indexes["emodb"].write_text(content)
        with pytest.raises(UserError, match=r"emodb\.json: damaged.*dvc repro --force extract@emodb-hubert"):
            join_features(indexes, folder, folder / "both")
    indexes["emodb"].unlink()
    with pytest.raises(UserError, match=r"features of emodb are missing.*dvc pull extract@emodb-hubert"):
        join_features(indexes, folder, folder / "both")


def test_a_set_that_a_corpus_does_not_get_names_the_parameter(folder):
    mark_not_wanted(folder / "ravdess", "corpora.ravdess.features leaves hubert out")
    assert describe_store(folder / "ravdess") == {"wanted": False}
    with pytest.raises(UserError, match=r"corpora\.ravdess\.features leaves out hubert"):
        FeatureSet(folder / "ravdess")
    indexes = {corpus: write_index(folder, corpus) for corpus in ("emodb", "ravdess")}
    with pytest.raises(UserError, match=r"corpora\.ravdess\.features leaves out hubert"):
        join_features(indexes, folder, folder / "both")


def test_an_index_says_what_there_is_and_is_the_same_for_the_same_features(folder, tmp_path):
    index = describe_store(folder / "emodb")
    assert (index["wanted"], index["utterances"], index["skipped"]) == (True, 12, ["s9-9-9"])
    assert index["recipe"]["dimension"] == 12
    sidecar = json.loads((folder / "emodb/speaker-2.json").read_text())
    assert index["shards"]["speaker-2.h5"] == sidecar["sha256"]
    shutil.copytree(folder / "emodb", tmp_path / "other/emodb")
    for name, where in (("one", folder), ("two", tmp_path / "other")):
        write_json(tmp_path / name, describe_store(where / "emodb"))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_features_that_are_not_here_name_the_stage(tmp_path):
    with pytest.raises(UserError, match=r"no features here.*dvc pull extract@emodb-hubert.*dvc repro extract@emodb"):
        FeatureSet(tmp_path / "hubert/emodb")
