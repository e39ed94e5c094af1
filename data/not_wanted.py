"""A note in place of the clips or features that a corpus does not get."""

import shutil
from pathlib import Path

NOT_WANTED = "not_wanted.txt"


def mark_not_wanted(folder: Path, reason: str) -> None:
    """Leave a folder empty but for a note that says why; what was in it is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / NOT_WANTED).write_text(f"{reason}\n")


def why_not_wanted(folder: Path) -> str | None:
    """What the note says; None where there is none."""
    note = folder / NOT_WANTED
    return note.read_text().strip() if note.is_file() else None
