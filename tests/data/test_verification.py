"""Small stores are verified as a whole at each start, large ones in turn; what has changed always is."""

import os
import shutil

import pytest

from data.errors import UserError
from data.verification import verify_seals


@pytest.fixture
def paths(feature_folder, tmp_path):
    return sorted(shutil.copytree(feature_folder, tmp_path / "set").glob("*.h5"))


def flip(path):
    """A bit that flips on the disk: neither size nor date tells of it."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[-100] ^= 1
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_small_store_is_read_at_every_start(paths, tmp_path):
    assert [verify_seals(paths, tmp_path / "known") for _ in range(2)] == [6, 6]
    flip(paths[3])
    with pytest.raises(UserError, match=r"speaker-3\.h5: damaged"):
        verify_seals(paths, tmp_path / "known")


def test_a_large_store_is_read_in_turn_and_a_flipped_bit_is_found_within_a_round(paths, tmp_path):
    known, some = tmp_path / "known", paths[0].stat().st_size + 1  # room for two files
    assert verify_seals(paths, known, some) == 6
    flip(paths[3])
    assert verify_seals(paths, known, some) == 2
    with pytest.raises(UserError, match=r"speaker-3\.h5: damaged"):
        verify_seals(paths, known, some)
    with pytest.raises(UserError, match=r"speaker-3\.h5: damaged"):  # and is not forgotten
        verify_seals(paths, known, some)


def test_what_was_replaced_is_read(paths, tmp_path):
    known = tmp_path / "known"
    verify_seals(paths, known)
    assert verify_seals(paths, known, 0) == 0
    copy = shutil.copyfile(paths[1], tmp_path / "copy")
    copy.replace(paths[1])
    assert verify_seals(paths, known, 0) == 1
    paths[2].write_bytes(paths[2].read_bytes()[:-1])
    with pytest.raises(UserError, match=r"speaker-2\.h5: damaged: [\d,]+ bytes instead of"):
        verify_seals(paths, known, 0)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}', "[" * 100_000])
def test_a_record_that_makes_no_sense_counts_as_none(paths, tmp_path, content):
    (tmp_path / "known").write_text(content)
    assert verify_seals(paths, tmp_path / "known", 0) == 6
    assert verify_seals(paths, tmp_path / "known", 0) == 0
