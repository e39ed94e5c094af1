"""Finished pieces survive what clears outputs away; unfinished ones are never taken for finished."""

import errno
import json
import shutil
from pathlib import Path

import pytest

from data.errors import UserError
from stages.pieces import Piece, discard_pieces, fingerprint, make_pieces
from stages.running import only_one

OUTPUT = Path("artifacts/thing")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class Maker:
    """Makes pieces, remembers which, and may break at one."""

    def __init__(self, breaks_at=None):
        self.made, self.breaks_at = [], breaks_at

    def __call__(self, missing):
        for piece in missing:
            (piece.workshop / "half.txt").write_text("half")
            if piece.target == self.breaks_at:
                raise UserError("broken")
            (piece.workshop / "half.txt").rename(piece.workshop / "whole.txt")
            self.made.append(piece.target)
            yield piece


PIECES = [Piece(fingerprint(name=name), name) for name in ("a", "b", "c")]


def test_outputs_are_assembled_and_made_once():
    assert make_pieces(OUTPUT, PIECES, Maker()) == (0, 3)
    assert {path.as_posix() for path in OUTPUT.rglob("*.txt")} == {
        f"artifacts/thing/{name}/whole.txt" for name in "abc"
    }
    again = Maker()
    assert make_pieces(OUTPUT, PIECES, again) == (3, 0)
    assert again.made == []


def test_a_crash_keeps_what_is_finished_and_leaves_no_output():
    with pytest.raises(UserError):
        make_pieces(OUTPUT, PIECES, Maker(breaks_at="b"))
    assert not OUTPUT.exists()
    after = Maker()
    assert make_pieces(OUTPUT, PIECES, after) == (1, 2)
    assert after.made == ["b", "c"]


def test_other_content_is_another_piece():
    make_pieces(OUTPUT, PIECES, Maker())
    changed = Maker()
    make_pieces(OUTPUT, [PIECES[0], Piece(fingerprint(name="b", more=1), "b")], changed)
    assert changed.made == ["b"]
    assert not (OUTPUT / "c").exists()  # no longer part of it


def variants(*names: str) -> list[Piece]:
    return [Piece("f" * 64, variant=name) for name in names]


def test_of_pieces_that_would_do_the_current_one_is_kept_then_a_finished_one_then_the_first_is_made():
    assert make_pieces(OUTPUT, [variants("a", "b", "c")], Maker()) == (0, 1)
    assert list(json.loads((OUTPUT / "pieces.json").read_text())) == ["f" * 64 + "-a"]
    assert make_pieces(OUTPUT, [variants("c")], Maker()) == (0, 1)  # a named one is kept to
    assert make_pieces(OUTPUT, [variants("a", "b", "c")], Maker()) == (1, 0)
    assert list(json.loads((OUTPUT / "pieces.json").read_text())) == ["f" * 64 + "-c"]
    shutil.rmtree(OUTPUT)
    assert make_pieces(OUTPUT, [variants("b", "a", "c")], Maker()) == (1, 0)
    assert list(json.loads((OUTPUT / "pieces.json").read_text())) == ["f" * 64 + "-a"]


def test_what_is_not_there_is_not_discarded_and_a_folder_without_its_list_is_kept():
    OUTPUT.mkdir(parents=True)
    (OUTPUT / "whole.txt").write_text("mine")
    assert discard_pieces(OUTPUT) == 0
    assert (OUTPUT / "whole.txt").exists()


def test_discarded_pieces_are_made_again_in_all_variants():
    make_pieces(OUTPUT, [variants("a")], Maker())
    make_pieces(OUTPUT, [variants("b")], Maker())
    assert discard_pieces(OUTPUT) == 1
    assert not OUTPUT.exists()
    assert make_pieces(OUTPUT, [variants("a", "b")], Maker()) == (0, 1)
    assert discard_pieces(Path("artifacts/nothing")) == 0


def test_fingerprints_depend_on_everything_that_is_named():
    one = fingerprint(recipe={"layers": [12]}, version="1")
    assert one == fingerprint(version="1", recipe={"layers": [12]})
    assert one != fingerprint(recipe={"layers": [11]}, version="1")


def test_two_stages_do_not_write_side_by_side():
    with (
        only_one(Path("lock")),
        pytest.raises(UserError, match=r"another stage is writing.*kill \d+"),
        only_one(Path("lock")),
    ):
        pass
    with only_one(Path("lock")):
        pass


def test_where_the_file_system_has_no_locks_a_stage_warns_and_runs(monkeypatch, capsys):
    """As on NFS without its lock service; no such file system can be mounted in a test."""

    def refuse(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with only_one(Path("lock")):
        pass
    assert "Make sure that only one `dvc repro` runs" in capsys.readouterr().err
