"""Finished pieces (a shard, a fold) of a stage's output, safe from crashes and from DVC, which clears outputs away.

A piece is named by the fingerprint of everything that determines its content. It is made in
``artifacts/.pieces/<fingerprint>`` and linked into the output when the stage is complete. An index remembers the MD5 of
its files, by which DVC names them in its cache; so a piece that only the cache still has is linked back from there.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from data.errors import UserError
from stages.running import ARTIFACTS

_PIECES = ARTIFACTS / ".pieces"
_INDEX = "index"


@dataclass(frozen=True)
class Piece:
    """One piece of an output.

    Attributes:
        fingerprint: names its content.
        target: where its files go, below the stage's output; empty for the output itself.
    """

    fingerprint: str
    target: str = ""

    @property
    def workshop(self) -> Path:
        """Where it is made; exists only while it is unfinished."""
        return _PIECES / f"{self.fingerprint}.partial"

    @property
    def shelf(self) -> Path:
        """Where it lies once it is finished."""
        return _PIECES / self.fingerprint


def fingerprint(**parts) -> str:
    """A name for content: SHA-256 of everything that determines it."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def code_digest(*places: str) -> str:
    """SHA-256 of source files and of all Python files in folders."""
    digest = hashlib.sha256()
    for place in places:
        path = Path(place)
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            digest.update(file.as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def make_pieces(
    output: Path, pieces: Sequence[Piece], make: Callable[[list[Piece]], Iterable[Piece]]
) -> tuple[int, int]:
    """Assemble a stage's output from pieces, making those that are not there yet.

    Args:
        output: the stage's output folder; replaced.
        pieces: all of it.
        make: given the missing pieces, each with an empty `Piece.workshop`, fills them and yields each one finished.

    Returns:
        How many pieces were kept and how many were made.
    """
    _PIECES.mkdir(parents=True, exist_ok=True)
    shelves = _Shelves()
    shelves.sweep()
    missing = [piece for piece in pieces if not (piece.shelf.is_dir() or shelves.restore(piece))]
    for piece in missing:
        piece.workshop.mkdir()
    if missing:
        for piece in make(missing):
            piece.workshop.rename(piece.shelf)
    unfinished = [piece.target or piece.fingerprint for piece in pieces if not piece.shelf.is_dir()]
    if unfinished:
        raise UserError(f"{output}: unfinished: {', '.join(unfinished)}")
    partial = output.with_name(f".{output.name}.partial")
    _clear(partial)
    for piece in pieces:
        _link_tree(piece.shelf, partial / piece.target)
        shelves.remember(piece)
    _clear(output)
    partial.rename(output)
    return len(pieces) - len(missing), len(missing)


class _Shelves:
    """The finished pieces, and the index of those that DVC's cache holds."""

    def restore(self, piece: Piece) -> bool:
        """Link a piece back from DVC's cache; whether the cache had all of it, undamaged."""
        files = self._cached_files(piece.fingerprint)
        if files is None:
            return False
        damaged = [cached for cached in files.values() if _md5(cached) != cached.parent.name + cached.name]
        for cached in damaged:  # as DVC does when it finds one: it is not what its name says
            cached.unlink()
        if damaged:
            return False
        for name, cached in files.items():
            _link(cached, piece.workshop / name)
        piece.workshop.rename(piece.shelf)
        return True

    def remember(self, piece: Piece) -> None:
        """Note the MD5 of a piece's files."""
        entry = self._entry(piece.fingerprint)
        if not entry.exists():
            files = sorted(path for path in piece.shelf.rglob("*") if path.is_file())
            content = {path.relative_to(piece.shelf).as_posix(): _md5(path) for path in files}
            entry.parent.mkdir(parents=True, exist_ok=True)
            partial = entry.with_suffix(".partial")
            partial.write_text(json.dumps(content))
            partial.replace(entry)

    def sweep(self) -> None:
        """Clear away what was left unfinished, and finished pieces that DVC's cache holds too."""
        for shelf in _PIECES.iterdir():
            unfinished = shelf.name.endswith(".partial")
            if shelf.name != _INDEX and (unfinished or self._cached_files(shelf.name) is not None):
                _clear(shelf)

    def _cached_files(self, name: str) -> dict[str, Path] | None:
        """A piece's file names and where DVC's cache has them; None unless it has all of them."""
        entry = self._entry(name)
        if not entry.exists() or self._cache is None:
            return None
        with suppress(ValueError, AttributeError):
            files = {file: self._cache / md5[:2] / md5[2:] for file, md5 in json.loads(entry.read_text()).items()}
            if all(path.is_file() for path in files.values()):
                return files
        return None

    @staticmethod
    def _entry(name: str) -> Path:
        return _PIECES / _INDEX / f"{name}.json"

    @cached_property
    def _cache(self) -> Path | None:
        """DVC's cache of files by MD5, wherever this project keeps it."""
        from dvc.exceptions import NotDvcRepoError  # DVC takes a while to import, and a first run needs none of it
        from dvc.repo import Repo

        try:
            with Repo() as repo:
                return Path(repo.cache.local.path)
        except NotDvcRepoError:
            return None


def _link_tree(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_file():
            _link(path, target / path.relative_to(source))


def _link(source: Path, target: Path) -> None:
    """Link, or copy where the file system cannot link."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _clear(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
