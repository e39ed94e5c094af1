"""Which files a folder holds, listed once: a question per file takes minutes where there are 150,000 on a network."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path


def missing_files(root: Path, paths: Iterable[str]) -> list[str]:
    """The paths, relative to a folder and with forward slashes, at which there is no file; links count as files.

    Each folder that the paths name is listed once. A path that leads out of the folder is asked for by itself.
    """
    wanted: dict[str, list[str]] = {}
    for path in paths:
        wanted.setdefault(path.rpartition("/")[0], []).append(path)
    missing = []
    for folder, within in wanted.items():
        present = _file_names(root / folder)
        missing += [path for path in within if path.rpartition("/")[2] not in present]
    return sorted(missing)


def walk_files(root: Path) -> Iterator[str]:
    """All files below a folder, relative to it, with forward slashes; no hidden ones, and none behind links."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        within = Path(folder).relative_to(root).as_posix()
        prefix = "" if within == "." else f"{within}/"
        for name in sorted(files):
            if not name.startswith("."):
                yield prefix + name


def matching(paths: Iterable[str], glob: str) -> list[str]:
    """The paths that a pattern such as ``wav/**/*.wav`` matches: ``*`` within a folder, ``**/`` any number of them."""
    translated = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    pattern = re.compile("".join(translated.get(part, re.escape(part)) for part in parts))
    return [path for path in paths if pattern.fullmatch(path)]


def _file_names(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return set()
