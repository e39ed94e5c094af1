"""Pieces that dvc.lock names and that are not here are not made again, unless they cannot be had."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from data.errors import UserError
from stages.elsewhere import note_discarded
from stages.pieces import Piece, discard_pieces, fingerprint, make_pieces

OUTPUT = Path("artifacts/features/hubert/emodb")
INDEX = Path("index/features/hubert/emodb.json")
SPEAKERS = [[Piece(fingerprint(speaker=name), variant=kind) for kind in ("float32", "bfloat16")] for name in "abc"]


@pytest.fixture(autouse=True)
def _in_a_fresh_clone(tmp_path, monkeypatch):
    """A colleague has made b and c in bfloat16, and has committed dvc.lock and the index."""
    monkeypatch.chdir(tmp_path)
    INDEX.parent.mkdir(parents=True)
    commit({"b": SPEAKERS[1][1].name, "c": SPEAKERS[2][1].name})


def commit(pieces: dict[str, str]) -> None:
    INDEX.write_text(json.dumps({"pieces": pieces}))
    write_lock(INDEX.read_bytes())
    for command in (["init", "--quiet"], ["add", "index"], ["commit", "--quiet", "--message", "features"]):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *command], check=True)
    INDEX.unlink()  # as DVC does before it runs the stage


def write_lock(index: bytes) -> None:
    digest = hashlib.md5(index).hexdigest()
    Path("dvc.lock").write_text(f"stages: {{extract: {{outs: [{{path: {INDEX}, md5: {digest}}}]}}}}\n")


def make(missing):
    for piece in missing:
        (piece.workshop / "shard.h5").write_text(piece.name)
        yield piece


def extract(wanted=SPEAKERS) -> tuple[int, int]:
    return make_pieces(OUTPUT, wanted, make, costly=True)


def test_what_a_colleague_has_made_is_to_be_pulled():
    with pytest.raises(UserError) as error:
        extract()
    assert "dvc.lock names 2 shards of hubert/emodb that are not here" in str(error.value)
    assert "dvc pull extract@emodb-hubert" in str(error.value)
    assert "ser store discard hubert/emodb" in str(error.value)
    assert not OUTPUT.exists()


def test_what_has_changed_is_made():
    """A recording, the recipe, or the compute type that params.yaml asks for."""
    assert extract(SPEAKERS[:1]) == (0, 1)
    assert extract([[Piece(fingerprint(speaker=name, seconds=2))] for name in "abc"]) == (0, 3)
    assert extract([[types[0]] for types in SPEAKERS]) == (1, 2)


def test_what_dvc_lock_no_longer_names_is_made():
    """Such as the features of a preset that was left, and cleared away by dvc gc."""
    write_lock(b"of another preset")
    assert extract() == (0, 3)


def test_what_no_remote_has_is_made_once_it_is_discarded():
    assert discard_pieces(OUTPUT) == 2
    assert extract() == (0, 3)


def test_what_was_discarded_and_made_is_to_be_pulled_if_it_is_lost_again():
    discard_pieces(OUTPUT)
    extract()
    for folder in (OUTPUT, Path("artifacts/.pieces")):
        shutil.rmtree(folder)
    with pytest.raises(UserError, match=r"dvc\.lock names 2 shards"):
        extract()


def test_a_repaired_shard_is_made_and_the_others_are_to_be_pulled():
    note_discarded([SPEAKERS[1][1].name])
    with pytest.raises(UserError, match=r"dvc\.lock names a shard of hubert/emodb that is not here"):
        extract()


def test_what_the_cache_had_and_was_damaged_is_made_again(monkeypatch):
    monkeypatch.setattr("stages.dvc_cache.DvcCache.holds", lambda cache, name: name == SPEAKERS[1][1].name)
    assert extract(SPEAKERS[:2]) == (0, 2)  # c, which is not here at all, would be refused


def test_without_git_or_a_commit_everything_is_made():
    shutil.rmtree(".git")
    assert extract() == (0, 3)
