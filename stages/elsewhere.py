"""Pieces that dvc.lock names and that are not here: a remote probably has them, and they must not be made again.

A colleague's fresh clone has no listing of an output in DVC's cache. The output's index, which goes to git with
dvc.lock, says which pieces it holds; it counts if it is the one that dvc.lock names. DVC has removed the index when the
stage runs, so it is read from the last commit.
"""

import hashlib
import json
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from data.errors import UserError
from stages.dvc_cache import DvcCache
from stages.layout import ARTIFACTS, INDEX

_DISCARDED = ARTIFACTS / ".to-be-made"  # pieces that may be made again although dvc.lock names them, one a line


def check_not_elsewhere(output: Path, missing: Iterable[Sequence[str]], cache: DvcCache) -> None:
    """Refuse to make pieces that dvc.lock names.

    Args:
        output: ``artifacts/features/<set>/<corpus>``.
        missing: names of the pieces that are to be made; several for one where each of them would do.
        cache: this project's.

    Raises:
        UserError: dvc.lock names some of them, and nobody has discarded them.
    """
    named = named_pieces(output, cache) - _discarded()
    count = sum(not named.isdisjoint(alternatives) for alternatives in missing)
    if count:
        feature_set, corpus = output.parts[-2:]
        shards, them = ("a shard", "it") if count == 1 else (f"{count:,} shards", "them")
        raise UserError(
            f"dvc.lock names {shards} of {feature_set}/{corpus} that {'is' if count == 1 else 'are'} not here. Fetch "
            f"{them} instead of computing {them} again: dvc pull extract@{corpus}-{feature_set}, then `dvc repro`. If "
            f"no remote has {them}: ser store discard {feature_set}/{corpus}, then `dvc repro`."
        )


def named_pieces(output: Path, cache: DvcCache) -> set[str]:
    """The pieces of an output as dvc.lock names it, whether they are here or not; those that are known by name."""
    return {*cache.locked_pieces(output), *_indexed_pieces(output, cache)}


def note_discarded(pieces: Iterable[str]) -> None:
    """Permit that pieces are made again."""
    _write_discarded(_discarded() | set(pieces))


def note_had(pieces: Iterable[str]) -> None:
    """Permit no longer that pieces are made again: they have been made, or pulled, and may be lost another time."""
    discarded = _discarded()
    if not discarded.isdisjoint(pieces := set(pieces)):
        _write_discarded(discarded - pieces)


def committed(path: Path) -> bytes | None:
    """A file as the last commit has it; None if there is no commit, or no such file in it."""
    with suppress(OSError):
        shown = subprocess.run(["git", "show", f"HEAD:./{path.as_posix()}"], capture_output=True)
        return shown.stdout if shown.returncode == 0 else None
    return None


def _indexed_pieces(output: Path, cache: DvcCache) -> set[str]:
    index = INDEX / output.relative_to(ARTIFACTS).with_suffix(".json")
    content, locked = committed(index), cache.locked_digest(index)
    if content is None or hashlib.md5(content, usedforsecurity=False).hexdigest() != locked:
        return set()
    with suppress(ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return set(json.loads(content)["pieces"].values())
    return set()  # an index of an older version, or a damaged one


def _discarded() -> set[str]:
    return set(_DISCARDED.read_text().split()) if _DISCARDED.is_file() else set()


def _write_discarded(pieces: Iterable[str]) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    partial = _DISCARDED.with_name(f"{_DISCARDED.name}.partial")
    partial.write_text("".join(f"{piece}\n" for piece in sorted(pieces)))
    partial.replace(_DISCARDED)
