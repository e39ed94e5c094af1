"""`ser store export`: a feature set in a format that other projects read."""

import os
import re
from pathlib import Path

from tqdm import tqdm

from app.store_listing import find_features
from data.errors import UserError, nearest
from features.interchange.export import CONFIDENTIAL, FORMATS, export_features, refuse_existing
from features.interchange.selection import DTYPES, Selection
from features.store import FeatureSet


def export_store(
    root: Path, name: str, output: Path, format_name: str, layers: str | None = None, dtype: str | None = None
) -> None:
    """Verify the features, export them and say what was written.

    Args:
        root: the store.
        name: ``<set>/<corpus>``.
        output: a folder that does not exist yet.
        format_name: a key of `FORMATS`.
        layers: ``0,6,12`` or ``0-12``; None for all.
        dtype: ``float16`` or ``float32``; None for the stored one.

    Raises:
        UserError: there is no such format, set or layer, the features are damaged, or the folder exists.
    """
    if format_name not in FORMATS:
        raise UserError(f"no format {format_name!r}{nearest(format_name, FORMATS)} (there are {', '.join(FORMATS)})")
    only = FORMATS[format_name].only
    if dtype not in (None, *DTYPES) or (only and dtype not in (None, only)):
        raise UserError(f"--dtype {dtype}: {format_name} stores {only or ' or '.join(DTYPES)} only")
    refuse_existing(output)
    features = FeatureSet(find_features(root, name))
    with tqdm(total=len(features.locations), desc="export", unit="clip", disable=None) as bar:
        selection = Selection(features, _parse_layers(layers), dtype or only, on_clip=bar.update)
        export_features(selection, format_name, output)
    print(_summary(selection, output))
    print(f"It holds {FORMATS[format_name].layout};")
    print("clips.csv, which says which name is which clip; and export.json, which says what made them.")
    print(CONFIDENTIAL)


def _parse_layers(text: str | None) -> list[int] | None:
    """``0,6,12`` or ``0-12`` as numbers, each once, in increasing order."""
    if text is None or text.strip() == "all":
        return None
    layers: set[int] = set()
    for part in text.split(","):
        if not (match := re.fullmatch(r"\s*(\d{1,4})\s*(?:-\s*(\d{1,4})\s*)?", part)):
            raise UserError(f"--layers {text}: write numbers, such as 12, or 0,6,12, or 0-12")
        layers |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
    return sorted(layers)


def _summary(selection: Selection, output: Path) -> str:
    features = selection.features
    stored = features.recipe["storage"]
    restored = f" (stored as {stored})" if stored != selection.dtype else ""
    layers = f"layer{'s' if len(selection.layers) > 1 else ''} {', '.join(map(str, selection.layers))}"
    size = sum(entry.stat().st_size for entry in os.scandir(output)) / 1e6
    return (
        f"{output}: {len(selection):,} clips of {len(features.ids):,} utterances, {layers}, {features.dimension} "
        f"dimensions, {selection.dtype}{restored}, {size:,.1f} MB"
    )
