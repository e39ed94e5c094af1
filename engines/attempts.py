"""A folder for every attempt at a task: what another attempt has left behind, or still writes, is never in it.

A node of a cluster that is only out of reach goes on with a task that is done again elsewhere.
"""

import secrets
import shutil
from pathlib import Path


def begin_attempt(folder: Path) -> Path:
    """Make a new folder beside a task's own; its name ends in ``.partial``, as of all that is unfinished."""
    attempt = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.partial")
    attempt.mkdir()
    return attempt


def finish_attempt(attempt: Path, folder: Path) -> None:
    """Put a complete attempt in the place of the task's folder, and clear other attempts away."""
    shutil.rmtree(folder)
    attempt.rename(folder)
    for lost in folder.parent.glob(f"{folder.name}.*.partial"):
        shutil.rmtree(lost, ignore_errors=True)
