"""What `ser store diff` finds: every difference there is, and none where there is none."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app
from data.skipped import SKIPPED
from features.difference import compare_features
from features.store import FeatureSet
from features.writing import FeatureWriter
from tests.builders import write_features


def changed(
    source: Path, folder: Path, edit=lambda key, layer, frames: frames, drop: str = "", seconds=None, **recipe
) -> Path:
    """The same features with other frames, fewer utterances or another recipe; one shard."""
    features = FeatureSet(source)
    keys = [key for key in features.locations if key != drop]
    clips = [[edit(key, layer, features.frames(key, layer).astype("f4")) for layer in features.layers] for key in keys]
    folder.mkdir(parents=True)
    how = {"frame_rate": 50.0, "fingerprint": "f", "recipe": {**features.recipe, **recipe}}
    provenance = {**next(iter(features.provenance.values())), "device": "cuda"}
    counts = [len(layers[0]) for layers in clips]
    seconds = np.array([{**features.seconds, **(seconds or {})}[key] for key in keys])
    with FeatureWriter(
        folder / "all.h5", ids=keys, num_frames=counts, seconds=seconds, provenance=provenance, **how
    ) as writer:
        for index, layers in enumerate(clips):
            writer.write([index], [frames[None] for frames in layers])
    return folder


@pytest.fixture
def store(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_features(Path("artifacts/features/hubert/emodb"), layers=(0, 12), speakers=2)


def diff(first, second):
    result = CliRunner().invoke(app, ["store", "diff", str(first), str(second)])
    return result.exit_code, result.stdout


def test_the_same_frames_are_equal_whatever_shards_they_are_in_and_whoever_made_them(store):
    assert diff("hubert/emodb", "hubert/emodb")[0] == 0
    status, said = diff("hubert/emodb", changed(store, Path("theirs")))
    assert status == 0
    assert "20 clips in both; 20 of them equal to the bit" in said
    assert "made with different device: cpu (hubert/emodb), cuda (theirs)" in said
    assert said.endswith("They are equal: the same clips, frames, durations and recipe.\n")


def test_one_value_of_one_clip_is_found_and_measured(store):
    def edit(key, layer, frames):
        if (key, layer) == ("s1-4-1", 12):
            frames[3, 5] += 1
        return frames

    first, second = FeatureSet(store), FeatureSet(changed(store, Path("theirs"), edit))
    difference = compare_features(first, second, ("a", "b"))
    assert difference.differing == ["s1-4-1"]
    assert difference.equal == 19
    bottom, top = difference.layers
    assert (bottom.lowest_cosine, bottom.largest) == (pytest.approx(1), 0)
    frames, others = (features.frames("s1-4-1", 12).astype("f8") for features in (first, second))
    cosines = (frames * others).sum(1) / np.linalg.norm(frames, axis=1) / np.linalg.norm(others, axis=1)
    assert (top.layer, top.lowest_clip, top.frames) == (12, "s1-4-1", len(frames))
    assert top.lowest_cosine == pytest.approx(cosines.min())
    assert top.mean_cosine == pytest.approx(cosines.mean())
    assert top.largest == pytest.approx((np.abs(frames - others).max(0) / frames.std(0)).max(), rel=1e-3)
    status, said = diff(store, "theirs")
    assert status == 1
    assert "They cannot stand for each other: in layer 12 the cosine" in said


def test_rounding_leaves_sets_that_can_stand_for_each_other(store):
    status, said = diff(
        "hubert/emodb", changed(store, Path("theirs"), lambda key, layer, frames: frames * 1.001, pad="before")
    )
    assert status == 1
    assert "recipes differ in pad: after (hubert/emodb), before (theirs)" in said
    assert said.endswith(
        "They can stand for each other: no frame's cosine is below 0.999, and no dimension differs by more than "
        "0.1 sd.\n"
    )


def test_sets_of_the_same_frames_with_other_durations_or_skipped_utterances_are_not_equal(store):
    changed(store, Path("longer"), seconds={"s0-1-1": 99.5})
    status, said = diff("hubert/emodb", "longer")
    assert (status, "utterances of other durations: 1\n  s0-1-1: " in said) == (1, True)
    assert "and 99.5 s\n" in said
    (changed(store, Path("skipping")) / SKIPPED).write_text("id,path,reason\ns0-9-9,empty.wav,no samples\n")
    status, said = diff("hubert/emodb", "skipping")
    assert (status, "utterances skipped only in skipping: 1\n  s0-9-9\n" in said) == (1, True)
    assert said.endswith("They can stand for each other: the frames are the same.\n")


@pytest.mark.parametrize("num_frames", [1, 20])
def test_one_dimension_with_far_larger_values_does_not_hide_that_another_is_another(store, num_frames):
    """As among openSMILE's functionals; also where single vectors of one clip are all that differs."""

    def large(key, layer, frames):
        frames[:, 0] = 6e4
        return frames[:num_frames]

    def unrelated(key, layer, frames):
        frames = large(key, layer, frames)
        if (key, layer) == ("s1-4-1", 12):
            frames[:, 1] = -3 * frames[:, 1] + 1
        return frames

    changed(store, Path("ours"), large)
    difference = compare_features(
        FeatureSet(Path("ours")), FeatureSet(changed(store, Path("b"), unrelated)), ("a", "b")
    )
    assert difference.layers[1].lowest_cosine > 1 - 1e-7
    assert not difference.are_interchangeable
    assert "They cannot stand for each other: in layer 12, dimension 1 differs by" in diff("ours", "b")[1]


def test_what_is_only_in_one_and_other_lengths_are_listed(store):
    shorter = changed(
        store, Path("b"), lambda key, layer, frames: frames[1:] if key == "s0-1-1" else frames, drop="s0-3-0"
    )
    status, said = diff("hubert/emodb", shorter)
    assert status == 1
    assert "clips only in hubert/emodb: 1\n  s0-3-0\n" in said
    assert "clips of other lengths: 1\n  s0-1-1: " in said
    assert "Elsewhere they cannot." in said
    result = CliRunner().invoke(app, ["store", "diff", "b", "hubert/emodb", "--json"])
    contents = json.loads(result.stdout)
    assert (contents["equal"], contents["interchangeable"], contents["clips_equal"]) == (False, False, 18)
    assert contents["only_second"] == ["s0-3-0"]


def test_other_dimensions_and_layers_cannot_be_compared(store):
    write_features(Path("artifacts/features/mfcc/emodb"), dimension=5, layers=(0,), speakers=2)
    write_features(Path("artifacts/features/deep/emodb"), layers=(12, 24), speakers=2)
    assert "They cannot stand for each other: 12 and 5 dimensions." in diff("hubert/emodb", "mfcc/emodb")[1]
    status, said = diff("hubert/emodb", "deep/emodb")
    assert status == 1
    assert "layers only in hubert/emodb: 0\n" in said
    assert "layers only in deep/emodb: 24\n" in said


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hubrt/emodb", "did you mean 'hubert/emodb'?"),
        ("hubert/emodb@nowhere", "nowhere: no such revision in this git repository"),
        ("hubert/emodb@--help", "no features 'hubert/emodb@--help' here"),
        ("..", "no features here"),
    ],
)
def test_what_is_not_there_is_said(store, name, message):
    result = CliRunner().invoke(app, ["store", "diff", "hubert/emodb", name])
    assert result.exit_code == 1
    assert message in str(result.exception)


@pytest.mark.slow
def test_features_of_a_git_revision_come_from_dvcs_cache(store):
    run = {"check": True, "capture_output": True}
    name = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["git", "init"], ["dvc", "init", "-q"], ["dvc", "add", "-q", str(store)], ["git", "add", "-A"]):
        subprocess.run(command, **run)
    subprocess.run(["git", *name, "commit", "-qm", "first"], **run)
    assert diff("hubert/emodb", "hubert/emodb@HEAD")[0] == 0
    for path in store.iterdir():
        path.unlink()
    store.rmdir()
    write_features(store, layers=(0, 12), speakers=3)
    status, said = diff("hubert/emodb@HEAD", "hubert/emodb")
    assert status == 1
    assert "clips only in hubert/emodb: 10" in said
    assert [path.name for path in Path("artifacts").iterdir() if path.name.startswith(".diff")] == []
