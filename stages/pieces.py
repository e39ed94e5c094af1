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
from dataclasses import dataclass
from pathlib import Path

from data.errors import UserError
from stages.dvc_cache import LIST, DvcCache
from stages.elsewhere import check_not_elsewhere, named_pieces, note_discarded, note_had
from stages.running import ARTIFACTS

_PIECES = ARTIFACTS / ".pieces"
_VARIANT = "-"


@dataclass(frozen=True)
class Piece:
    """One piece of an output.

    Attributes:
        fingerprint: names its content.
        target: where its files go, below the stage's output; empty for the output itself.
        variant: which one it is of several contents of the same fingerprint that can stand for each other.
    """

    fingerprint: str
    target: str = ""
    variant: str = ""

    @property
    def name(self) -> str:
        """Fingerprint and variant."""
        return self.fingerprint + (_VARIANT + self.variant if self.variant else "")

    @property
    def workshop(self) -> Path:
        """Where it is made; exists only while it is unfinished."""
        return _PIECES / f"{self.name}.partial"

    @property
    def shelf(self) -> Path:
        """Where it lies once it is finished."""
        return _PIECES / self.name


def fingerprint(**parts) -> str:
    """A name for content: SHA-256 of everything that determines it."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def make_pieces(
    output: Path,
    wanted: Sequence[Piece | Sequence[Piece]],
    make: Callable[[list[Piece]], Iterable[Piece]],
    *,
    costly: bool = False,
) -> tuple[int, int]:
    """Assemble a stage's output from pieces, making those that are not there yet.

    What the current output holds is kept, byte for byte, before any other piece that would do is looked for.

    Args:
        output: the stage's output folder; replaced.
        wanted: all of it; where several pieces would do, a list of them, the one that would be made first.
        make: given the missing pieces, each with an empty `Piece.workshop`, fills them and yields each one finished.
        costly: whether pieces that dvc.lock names must not be made again, but pulled.

    Returns:
        How many pieces were kept and how many were made.

    Raises:
        UserError: pieces were not finished, or are to be pulled.
    """
    _PIECES.mkdir(parents=True, exist_ok=True)
    cache = DvcCache()
    current = cache.current_pieces(output)
    for unfinished in _PIECES.glob("*.partial"):
        _clear(unfinished)
    alternatives = [[entry] if isinstance(entry, Piece) else entry for entry in wanted]
    pieces = [_choose(entry, current, cache) for entry in alternatives]
    for shelf in {*_PIECES.iterdir()} - {piece.shelf for piece in pieces}:
        if cache.holds(shelf.name):
            _clear(shelf)
    missing = [piece for piece in pieces if not piece.shelf.is_dir()]
    if costly and missing:
        would_do = [entry for entry, piece in zip(alternatives, pieces, strict=True) if piece in missing]
        check_not_elsewhere(output, [[piece.name for piece in entry] for entry in would_do], cache)
    for piece in missing:
        piece.workshop.mkdir()
    if missing:
        for piece in make(missing):
            piece.workshop.rename(piece.shelf)
    unfinished = [piece.target or piece.name for piece in pieces if not piece.shelf.is_dir()]
    if unfinished:
        raise UserError(f"{output}: unfinished: {', '.join(unfinished)}")
    _assemble(output, pieces)
    note_had(piece.name for entry in alternatives for piece in entry)
    return len(pieces) - len(missing), len(missing)


def shelved(pattern: str) -> list[Path]:
    """The files of finished pieces that have not been cleared away, by a pattern of their names."""
    return [path for path in sorted(_PIECES.glob(f"*/{pattern}")) if not path.parent.name.endswith(".partial")]


def discard_pieces(output: Path) -> int:
    """Forget the pieces that an output holds, in all their variants, here and in DVC's cache: they are made again.

    So are those that dvc.lock names and that are not here.

    Returns:
        How many there were.
    """
    cache = DvcCache()
    names = {*cache.current_pieces(output), *named_pieces(output, cache)}
    fingerprints = {name.partition(_VARIANT)[0] for name in names}
    if not fingerprints:
        return 0
    note_discarded(names)
    shelves = _PIECES.iterdir() if _PIECES.is_dir() else ()
    for shelf in [path for path in shelves if path.name.partition(_VARIANT)[0] in fingerprints]:
        _clear(shelf)
    for name in cache.pieces:
        if name.partition(_VARIANT)[0] in fingerprints:
            cache.remove(name)
    _clear(output)
    return len(fingerprints)


def _choose(alternatives: Sequence[Piece], current: Sequence[str], cache: DvcCache) -> Piece:
    """Of pieces that would all do, the current output's, else one that is finished, else the first one.

    If it is finished, it is on its shelf afterwards.
    """
    for piece in sorted(alternatives, key=lambda piece: piece.name not in current):
        was_held = cache.holds(piece.name)
        if files := cache.files(piece.name):
            for name, cached in files.items():
                _link(cached, piece.workshop / name)
            _clear(piece.shelf)
            piece.workshop.rename(piece.shelf)
        elif was_held:
            note_discarded([piece.name])  # it was damaged, and is made again as anything that is lost here
        if piece.shelf.is_dir():
            return piece
    return alternatives[0]


def _assemble(output: Path, pieces: Sequence[Piece]) -> None:
    """Link the pieces into the output, with the list by which they are found again in DVC's cache."""
    partial = output.with_name(f".{output.name}.partial")
    _clear(partial)
    contents: dict[str, dict[str, str]] = {}
    for piece in pieces:
        files = sorted(path for path in piece.shelf.rglob("*") if path.is_file())
        names = [path.relative_to(piece.shelf).as_posix() for path in files]
        contents[piece.name] = {name: (Path(piece.target) / name).as_posix() for name in names}
        for name, target in contents[piece.name].items():
            _link(piece.shelf / name, partial / target)
    (partial / LIST).write_text(json.dumps(contents, indent=1) + "\n")
    _clear(output)
    partial.rename(output)


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
