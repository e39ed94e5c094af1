"""A colleague's lists of files cannot make this project write, read or delete anything outside of its folders."""

import hashlib
import json
from pathlib import Path

import pytest

from stages.dvc_cache import DvcCache

PIECE = "f" * 64


@pytest.fixture
def cache(tmp_path, monkeypatch) -> DvcCache:
    monkeypatch.chdir(tmp_path)
    cache = DvcCache()
    cache.__dict__["root"] = tmp_path / "cache"
    return cache


def put(cache: DvcCache, content: bytes, suffix: str = "") -> str:
    digest = hashlib.md5(content).hexdigest()
    path = cache.root / digest[:2] / (digest[2:] + suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return digest


def put_output(cache: DvcCache, pieces: dict, shard: str | None = None) -> None:
    """An output of one file, as a colleague could have pushed it; ``shard`` is what it says that the file's MD5 is."""
    listing = {"pieces.json": put(cache, json.dumps(pieces).encode()), "s.h5": shard or put(cache, b"shard")}
    put(cache, json.dumps([{"relpath": name, "md5": digest} for name, digest in listing.items()]).encode(), ".dir")


def test_a_list_of_plain_names_is_followed(cache):
    put_output(cache, {PIECE: {"s.h5": "s.h5", "fold-0/seed-1/x": "s.h5"}})
    assert set(cache.files(PIECE)) == {"s.h5", "fold-0/seed-1/x"}


@pytest.mark.parametrize("name", ["../s.h5", "/s.h5", "a/../../s.h5", "..", "", "a//b", "a\0b", "x" * 300])
def test_a_name_that_leads_elsewhere_is_none_of_ours(cache, name):
    put_output(cache, {PIECE: {"s.h5": "s.h5", name: "s.h5"}})
    assert cache.files(PIECE) is None
    assert not cache.holds(PIECE)
    put_output(cache, {name: {"s.h5": "s.h5"}})
    assert cache.files(name) is None


def test_what_is_no_md5_leads_to_no_file_and_deletes_none(cache, tmp_path):
    """A damaged file of the cache is removed; a colleague's list must not choose which one."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    put_output(cache, {PIECE: {"s.h5": "s.h5"}}, shard=f"..{precious}")
    assert cache.files(PIECE) is None
    cache.remove(PIECE)
    assert precious.read_text() == "mine"


@pytest.mark.parametrize("content", [b"3", b"[" * 100_000, b'"x"', b"[[]]", b"null", b"\xff"])
def test_an_outputs_own_list_may_be_anything(cache, content):
    Path("out").mkdir()
    Path("out/pieces.json").write_bytes(content)
    assert cache.current_pieces(Path("out")) == []
