"""Finished pieces (a shard, a fold) of a stage's output, safe from crashes and from DVC, which clears outputs away.

A piece is named by the fingerprint of everything that determines its content. It is made in
``artifacts/.pieces/<fingerprint>`` and linked into the output when the stage is complete. The output lists its pieces
in ``pieces.json``; so a piece that only DVC's cache still has, made here or by a colleague, is linked back from there.
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

from data.digest import file_digest
from data.errors import UserError
from stages.running import ARTIFACTS

_PIECES = ARTIFACTS / ".pieces"
_LIST = "pieces.json"


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
    cache = _Cache()
    for shelf in _PIECES.iterdir():
        if shelf.name.endswith(".partial") or cache.holds(shelf.name):
            _clear(shelf)
    missing = [piece for piece in pieces if not (piece.shelf.is_dir() or cache.restore(piece))]
    for piece in missing:
        piece.workshop.mkdir()
    if missing:
        for piece in make(missing):
            piece.workshop.rename(piece.shelf)
    unfinished = [piece.target or piece.fingerprint for piece in pieces if not piece.shelf.is_dir()]
    if unfinished:
        raise UserError(f"{output}: unfinished: {', '.join(unfinished)}")
    _assemble(output, pieces)
    return len(pieces) - len(missing), len(missing)


def _assemble(output: Path, pieces: Sequence[Piece]) -> None:
    """Link the pieces into the output, with the list by which they are found again in DVC's cache."""
    partial = output.with_name(f".{output.name}.partial")
    _clear(partial)
    contents: dict[str, dict[str, str]] = {}
    for piece in pieces:
        files = sorted(path for path in piece.shelf.rglob("*") if path.is_file())
        names = [path.relative_to(piece.shelf).as_posix() for path in files]
        contents[piece.fingerprint] = {name: (Path(piece.target) / name).as_posix() for name in names}
        for name, target in contents[piece.fingerprint].items():
            _link(piece.shelf / name, partial / target)
    (partial / _LIST).write_text(json.dumps(contents, indent=1) + "\n")
    _clear(output)
    partial.rename(output)


class _Cache:
    """DVC's cache: what outputs it holds that were made of pieces, here or by a colleague."""

    def restore(self, piece: Piece) -> bool:
        """Link a piece back; whether the cache had all of it, undamaged."""
        files = self._pieces.get(piece.fingerprint)
        if files is None or not all(path.is_file() for path in files.values()):
            return False
        damaged = [
            cached for cached in files.values() if file_digest(cached, "md5") != cached.parent.name + cached.name
        ]
        for cached in damaged:  # as DVC does when it finds one: it is not what its name says
            cached.unlink()
        if damaged:
            return False
        for name, cached in files.items():
            _link(cached, piece.workshop / name)
        piece.workshop.rename(piece.shelf)
        return True

    def holds(self, name: str) -> bool:
        """Whether the cache has all files of a piece."""
        return name in self._pieces and all(path.is_file() for path in self._pieces[name].values())

    @cached_property
    def _pieces(self) -> dict[str, dict[str, Path]]:
        """Fingerprint -> name within the piece -> cached file, from the lists that stand in the outputs."""
        pieces: dict[str, dict[str, Path]] = {}
        root = cache_folder()
        for listing in sorted(root.glob("??/*.dir")) if root else []:
            with suppress(ValueError, KeyError, TypeError, OSError):
                cached = {each["relpath"]: root / each["md5"][:2] / each["md5"][2:] for each in read_listing(listing)}
                for name, files in json.loads(cached[_LIST].read_text()).items():
                    pieces[name] = {within: cached[relative] for within, relative in files.items()}
        return pieces


def cache_folder() -> Path | None:
    """DVC's cache of files by MD5, wherever this project keeps it; None outside of a DVC project."""
    from dvc.exceptions import NotDvcRepoError  # DVC takes a while to import
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            return Path(repo.cache.local.path)
    except NotDvcRepoError:
        return None


def read_listing(path: Path) -> list[dict[str, str]]:
    """DVC's list of the files of an output folder: ``relpath`` and ``md5`` of each."""
    return json.loads(path.read_text())


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
