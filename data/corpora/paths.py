"""What the paths of a corpus say, and which files a table means."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated

import pandas as pd
from pydantic import AfterValidator

from data.corpora.rows import COLUMN_NAMES
from data.errors import UserError, listed, nearest
from data.folder_listing import walk_files

AUDIO_ENDINGS = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".oga", ".aiff", ".aif", ".au", ".sph", ".w64", ".caf")


def _known_groups(pattern: str) -> str:
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    allowed = [name for name in COLUMN_NAMES if name != "path"]
    if not groups:
        raise ValueError("it has no named groups, such as (?P<emotion>[a-z]+)")
    for name in groups:
        if name not in allowed:
            raise ValueError(f"no such group {name!r}{nearest(name, allowed)} (there are {', '.join(allowed)})")
    return pattern


Pattern = Annotated[str, AfterValidator(_known_groups)]
"""A regular expression whose named groups are columns of a manifest."""


def audio_files(root: Path) -> list[str]:
    """The audio files below a folder, relative to it and with forward slashes."""
    return [path for path in walk_files(root) if path.lower().endswith(AUDIO_ENDINGS)]


def locate_files(names: Iterable[str], files: list[str]) -> dict[str, str | None]:
    """Find the files that a table names.

    A name may have backslashes, lack the ending, begin further down than the corpus's folder, or further up, as long as
    only one file fits. Letters with accents may be written as one or as two characters.

    Args:
        names: as the table has them.
        files: all audio files, relative to the corpus's folder.

    Returns:
        Name -> the file; None where there is none, or several.
    """
    ends: dict[int, dict[str, list[str]]] = {}  # how many trailing parts -> these parts -> the files that have them
    wholes: dict[str, list[str]] = {}
    for file in files:
        wholes.setdefault(_without_ending(file), []).append(file)

    def ending_in(parts: list[str]) -> list[str]:
        if len(parts) not in ends:
            ends[len(parts)] = {}
            for whole, same in wholes.items():
                ends[len(parts)].setdefault("/".join(whole.split("/")[-len(parts) :]), []).extend(same)
        return ends[len(parts)].get("/".join(parts), [])

    known = set(files)
    found = {}
    for name in names:
        path = name.replace("\\", "/").removeprefix("./")
        if path in known:
            found[name] = path
            continue
        parts = _without_ending(path).lstrip("/").split("/")
        shorter = (wholes.get("/".join(parts[-count:]), []) for count in range(len(parts) - 1, 0, -1))
        fitting = ending_in(parts) or next((same for same in shorter if same), [])
        same_ending = [file for file in fitting if file.lower().endswith(PurePosixPath(path).suffix.lower())]
        fitting = same_ending or fitting
        found[name] = fitting[0] if len(fitting) == 1 else None
    return found


def _without_ending(path: str) -> str:
    """A path without the ending of an audio file, its accents as one character each."""
    path = unicodedata.normalize("NFC", path)
    return path.rpartition(".")[0] if path.lower().endswith(AUDIO_ENDINGS) else path


def match_paths(paths: pd.Series, pattern: str, parameter: str) -> dict[str, list[str]]:
    """What a pattern's groups find in paths.

    Args:
        paths: relative to the corpus's folder.
        pattern: see `Pattern`; it is searched, so it need not match the whole path.
        parameter: its key, for the error.

    Returns:
        Group -> its text in each path, empty where an optional group has none.

    Raises:
        UserError: paths in which it finds nothing.
    """
    expression = re.compile(pattern)
    matches = [expression.search(path) for path in paths]
    without = [path for path, match in zip(paths, matches, strict=True) if match is None]
    if without:
        raise UserError(
            f"{parameter}: {len(without)} of {len(paths)} paths do not match. Change the pattern, or say with files "
            f"which ones there are (e.g. files: wav/*.wav):\n{listed(without)}"
        )
    return {name: [match[name] or "" for match in matches] for name in expression.groupindex}
