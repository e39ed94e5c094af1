"""Corpora whose file names say everything."""

import re
from pathlib import Path

from data.corpora.paths import audio_files
from data.errors import UserError, listed


def named_files(root: Path, name: re.Pattern, corpus: str, example: str) -> list[tuple[str, re.Match]]:
    """The audio files of a corpus, and what their paths say.

    A file that is there twice, in copies of the folders nested in each other, counts once.

    Args:
        root: the corpus's folder.
        name: matches the end of the path of every file, from the beginning of a folder's or the file's name.
        corpus: its name, for errors.
        example: a path, for errors.

    Returns:
        Path below ``root`` and match; the least nested first.

    Raises:
        UserError: no audio file is named like this, or some are not.
    """
    files = sorted(audio_files(root), key=lambda path: (path.count("/"), path))
    whole = re.compile(rf"(?:.*/)?(?P<name>{name.pattern})", name.flags)
    matches = [whole.fullmatch(path) for path in files]
    unexpected = [path for path, match in zip(files, matches, strict=True) if match is None]
    if len(unexpected) == len(files):
        raise UserError(
            f"{root} does not look like {corpus}: no {example} or the like in it. Put its folder, or a link to it, "
            "there."
        )
    if unexpected:
        raise UserError(
            f"{root}: {len(unexpected)} audio files are not named like {corpus}'s ({example}); move them elsewhere:\n"
            f"{listed(unexpected)}"
        )
    once = {match["name"]: (path, match) for path, match in zip(reversed(files), reversed(matches), strict=True)}
    return list(reversed(once.values()))
