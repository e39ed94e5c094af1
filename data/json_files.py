"""JSON of which equal content has equal bytes, for files that DVC or git compares."""

import json
from pathlib import Path

from data.errors import UserError


def read_json(path: Path) -> dict:
    """Read a JSON object that may have been damaged.

    Raises:
        UserError: there is no such file, or something else in it.
    """
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"there is no {path}. Run `dvc repro`, or `dvc pull`.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read: {error}. Run `dvc pull`, or copy it again.") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: damaged: not a JSON object. Run `dvc pull`, or copy it again.")
    return content


def write_json(path: Path, content: dict) -> None:
    """Write JSON, keys sorted, so that git shows changes line by line; the folder is made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
