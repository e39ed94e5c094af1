"""What ``--json`` prints: one document on standard output, and nothing beside it."""

import json

import numpy as np


def print_json(content: dict | list) -> None:
    """Print a document; keys in their order, text as it is."""
    print(json.dumps(content, indent=2, ensure_ascii=False, default=_plain))


def _plain(value):
    """NumPy's numbers and others that JSON has no word for."""
    return value.item() if isinstance(value, np.generic) else str(value)
