"""JSON of which equal content has equal bytes, for files that DVC or git compares."""

import json
from pathlib import Path


def write_json(path: Path, content: dict) -> None:
    """Write JSON, keys sorted, so that git shows changes line by line; the folder is made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
