"""``export.json``: what a reader of an export needs beside the frames."""

import json
from pathlib import Path

from data.errors import UserError

DESCRIPTION = "export.json"


def exported_layers(folder: Path) -> list[int] | None:
    """The numbers of the layers in the files of an export; None where the folder is none.

    Raises:
        UserError: they are not listed, or not in increasing order, in which layers are stored.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        return None
    try:
        layers = json.loads(path.read_text(encoding="utf-8"))["layers"]
        known = bool(layers) and all(type(layer) is int and layer >= 0 for layer in layers)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        known = False
    if not known:
        raise UserError(f"{path}: it does not list the layers. Set layers, or remove the file to count them from 0.")
    if sorted(set(layers)) != layers:
        raise UserError(f"{path}: layers {layers} are not in increasing order, each once. Export them again in order.")
    return layers
