"""A feature set in one of the formats that others read, in a folder of its own."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from data.errors import UserError
from data.json_files import write_json
from features.interchange import datasets, hdf5, kaldi, npy, webdataset
from features.interchange.clip_table import ClipRow, write_clip_table
from features.interchange.description import DESCRIPTION
from features.interchange.selection import Selection

CONFIDENTIAL = (
    "Features are as confidential as the recordings that they were made from: the corpus's licence holds for them, too."
)


@dataclass(frozen=True)
class Format:
    """How features are written for others.

    Attributes:
        write: given what to write, a line for each clip, the folder to write to, and the one that it becomes.
        layout: a sentence on what is in the folder.
        also_quote: characters that names cannot have.
        only: the one type of number that there is, if there is only one.
    """

    write: Callable[[Selection, list[ClipRow], Path, Path], None]
    layout: str
    also_quote: str = ""
    only: str | None = None


FORMATS = {
    "npy": Format(npy.write, npy.LAYOUT),
    "hdf5": Format(hdf5.write, hdf5.LAYOUT),
    "datasets": Format(datasets.write, datasets.LAYOUT),
    "webdataset": Format(webdataset.write, webdataset.LAYOUT, also_quote=webdataset.ALSO_QUOTE),
    "kaldi": Format(kaldi.write, kaldi.LAYOUT, only="float32"),
}


def export_features(selection: Selection, format_name: str, output: Path) -> None:
    """Write a new folder with the frames, ``clips.csv`` and ``export.json``; it takes its name when it is complete.

    Args:
        selection: what to write.
        format_name: a key of `FORMATS`.
        output: does not exist yet.

    Raises:
        UserError: it exists, or values do not fit the type of number.
    """
    refuse_existing(output)
    form = FORMATS[format_name]
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.absolute().with_name(f".{output.absolute().name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        rows = selection.rows(form.also_quote)
        form.write(selection, rows, partial, output)
        write_clip_table(partial, rows)
        write_json(partial / DESCRIPTION, describe(selection, format_name))
        partial.rename(output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def refuse_existing(output: Path) -> None:
    """Stop where something would be overwritten.

    Raises:
        UserError: there is something.
    """
    if output.exists() or output.is_symlink():
        raise UserError(f"{output} exists already: choose another folder, or remove it.")


def describe(selection: Selection, format_name: str) -> dict:
    """What a reader needs beside the frames."""
    features = selection.features
    return {
        "format": format_name,
        "layout": FORMATS[format_name].layout,
        "features": str(features.name),
        "layers": selection.layers,
        "dimension": features.dimension,
        "dtype": selection.dtype,
        "frame_rate": features.frame_rate,
        "utterances": len(features.ids),
        "clips": len(selection),
        "skipped": sorted(features.skipped),
        "sha256": features.digest,
        "recipe": features.recipe,
        "provenance": features.provenance,
        "cautions": features.cautions,
        "licence": CONFIDENTIAL,
    }
