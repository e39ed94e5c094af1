"""`ser store`: what it lists, verifies, repairs and discards, one corpus at a time."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app
from data.not_wanted import mark_not_wanted
from tests.builders import write_features

PARAMS = "corpora: {iemocap: {}, emodb: {}}\njoined: {both: [emodb, iemocap]}\nfeatures: {hubert: {}, mfcc: {}}\n"


@pytest.fixture
def store(tmp_path, monkeypatch) -> Path:
    """Two corpora's features; one set is not wanted by one of them, and one is joined."""
    monkeypatch.chdir(tmp_path)
    root = Path("artifacts/features")
    write_features(root / "hubert/iemocap", layers=(0, 1, 2))
    write_features(root / "hubert/emodb", speakers=2, layers=(0, 1, 2), compute_dtypes=("float32", "bfloat16"))
    (root / "hubert/both").mkdir(parents=True)
    (root / "hubert/both/joined.json").write_text("{}\n")
    mark_not_wanted(root / "mfcc/emodb", "corpora.emodb.features leaves mfcc out")
    Path("params.yaml").write_text(PARAMS)
    return root


def ser(*arguments: str):
    return CliRunner().invoke(app, ["store", *arguments])


def said(*arguments: str) -> str:
    """The message of the error that a command stops with."""
    result = ser(*arguments)
    assert result.exit_code == 1
    return str(result.exception)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("arguments", [(), ("ls",)])
def test_a_line_says_what_there_is_of_each_set_and_corpus(store, arguments):
    lines = [line.split() for line in ser(*arguments).stdout.splitlines()]
    assert lines[0][:5] == ["set", "corpus", "utterances", "shards", "layers"]
    rows = {tuple(line[:2]): line[2:] for line in lines[1:5]}
    assert rows["hubert", "iemocap"][:5] == ["60", "6", "0-2", "12", "float16"]
    assert rows["hubert", "emodb"][:5] == ["20", "2", "0-2", "12", "float16"]
    assert " ".join(rows["hubert", "both"]) == "joined: a list of the shards of several corpora"
    assert " ".join(rows["mfcc", "emodb"]) == "not wanted: corpora.emodb.features leaves mfcc out"


def test_what_readers_of_results_should_know_is_listed_with_its_features(store):
    listing = ser("ls").stdout
    assert "hubert/iemocap: The encoder is untrained." in listing
    assert "hubert/emodb: Mixed compute types" in listing
    assert "hubert/iemocap: Mixed" not in listing


def test_the_shards_of_one_are_listed_with_what_made_them(store):
    listing = ser("ls", "hubert/iemocap").stdout
    assert listing.startswith(
        "hubert/iemocap: ssl, untrained, layers 0-2, 12 dimensions, float16, clips of at most 3 s, "
    )
    assert "weights 000000000000" in listing
    assert sum(line.startswith("speaker-") for line in listing.splitlines()) == 6
    assert "no features 'hubert/iemocab' here; did you mean 'hubert/iemocap'?" in said("ls", "hubert/iemocab")


def test_an_empty_store_says_how_to_fill_it(store):
    shutil.rmtree(store)
    for command in ("ls", "verify"):
        assert "no features here. Run `dvc repro`, or `dvc pull extract`" in said(command)


def test_damage_in_any_corpus_is_found_and_removed(store):
    assert "8 shards are intact" in ser("verify").stdout
    damaged = store / "hubert/emodb/speaker-1.h5"
    damage(damaged)
    assert "of 8 shards, some are damaged" in said("verify")
    assert "speaker-1.h5: damaged" in said("verify")
    assert str(damaged) in ser("repair").stdout
    assert not damaged.exists()
    assert "7 shards are intact" in ser("verify").stdout


def test_damaged_clips_are_removed_too(store):
    clips = Path("artifacts/clips/emodb/hubert/speaker-0.h5")
    clips.parent.mkdir(parents=True)
    for suffix in (".h5", ".json"):
        shutil.copyfile(store / f"hubert/emodb/speaker-0{suffix}", clips.with_suffix(suffix))
    assert "9 shards are intact" in ser("repair").stdout
    damage(clips)
    assert str(clips) in ser("repair").stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hubrt/emodb", "no feature set 'hubrt'; did you mean 'hubert'?"),
        ("hubert/emodbb", "no corpus 'emodbb'; did you mean 'emodb'?"),
        ("hubert", "of which corpus? There are hubert/emodb, hubert/iemocap."),
        ("hubert/both", "both is a list of joined corpora; discard theirs: hubert/emodb, hubert/iemocap"),
        ("mfcc/iemocap", "nothing to discard"),
        ("..", "no feature set"),
        ("../heads", "no feature set"),
        ("hubert/../../heads", "no corpus"),
    ],
)
def test_only_features_of_a_corpus_can_be_discarded(store, name, message):
    assert message in said("discard", name)


def test_features_are_exported_layer_by_layer_and_say_what_they_are(store, tmp_path):
    result = ser("export", "hubert/emodb", "out", "--format", "npy", "--layers", "0-1")
    assert "out: 20 clips of 20 utterances, layers 0, 1, 12 dimensions, float16, 0.0 MB" in result.stdout
    assert "as confidential as the recordings" in result.stdout
    assert np.load("out/s0-0-0.npy").shape[0] == 2
    kaldi = ser("export", "hubert/emodb", "deep/kaldi", "--format", "kaldi", "--layers", "2")
    assert "float32 (stored as float16)" in kaldi.stdout
    assert Path("deep/kaldi/feats.scp").read_text().startswith("s0-0-0 deep/kaldi/feats.ark:7\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "kaldy"), "no format 'kaldy'; did you mean 'kaldi'?"),
        (("--format", "npy", "--layers", "12"), "layer 12 is not stored"),
        (("--format", "npy", "--layers", "a"), "write numbers, such as 12"),
        (("--format", "npy", "--dtype", "int8"), "npy stores float16 or float32 only"),
        (("--format", "kaldi", "--dtype", "float16"), "kaldi stores float32 only"),
    ],
)
def test_what_cannot_be_exported_is_said_and_leaves_nothing(store, tmp_path, arguments, message):
    assert message in said("export", "hubert/emodb", "out", *arguments)
    assert "no features 'hubert/emodbb' here" in said("export", "hubert/emodbb", "out", "--format", "npy")
    assert not Path("out").exists()
