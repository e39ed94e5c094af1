"""Which recordings `ser predict` is asked for: files, folders, and names on standard input."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data.corpora.paths import AUDIO_ENDINGS
from data.errors import UserError
from data.folder_listing import walk_files

ENDINGS = (*AUDIO_ENDINGS, ".m4a", ".aac", ".wma", ".amr", ".webm", ".mka")


@dataclass
class Inputs:
    """Recordings, each of them once, and what cannot be one.

    Attributes:
        recordings: in the order in which they were given; a folder's in alphabetical order.
        unusable: what was given, and why there is no recording.
        repeated: how many were given again.
    """

    recordings: list[Path] = field(default_factory=list)
    unusable: list[tuple[str, str]] = field(default_factory=list)
    repeated: int = 0


def find_recordings(given: Sequence[str]) -> Inputs:
    """Find the recordings that are meant.

    Args:
        given: files, folders (which are searched for files that end like audio), or ``-``: names on standard input, one
            a line, or with zero bytes between them, as ``find -print0`` writes them.
    """
    inputs, seen = Inputs(), set()
    for name in _named(given):
        path = Path(name)
        files = [path]
        if os.path.isdir(path):  # Path.is_dir stops at names that are too long
            files = [path / file for file in walk_files(path) if file.lower().endswith(ENDINGS)]
            if not files:
                inputs.unusable.append((name, f"no recordings in this folder (looked for {', '.join(ENDINGS)})"))
        for file in files:
            if (same := file.absolute()) in seen:
                inputs.repeated += 1
                continue
            seen.add(same)
            if os.path.exists(file):
                inputs.recordings.append(file)
            else:
                inputs.unusable.append((str(file), "no such file"))
    return inputs


def _named(given: Sequence[str]) -> Iterator[str]:
    for name in given:
        if name == "-":
            yield from _names_on_standard_input()
        else:
            yield name


def _names_on_standard_input() -> list[str]:
    if sys.stdin is None:
        raise UserError("-: standard input is closed; pipe file names into it, or name the files")
    content = sys.stdin.buffer.read().decode(sys.getfilesystemencoding(), "surrogateescape")
    names = content.split("\0") if "\0" in content else content.splitlines()
    return [name for name in names if name.strip()]
