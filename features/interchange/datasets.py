"""A folder that Hugging Face's ``datasets.load_from_disk`` reads: Arrow files, which it maps into memory.

A row is a clip: ``id``, ``num_frames``, ``seconds``, and ``frames``, an ``Array2D`` of [T, D]; of several layers a
column ``layer_<k>`` for each. Sets with disturbed copies or pieces also have ``copy`` or ``piece``. The files are
written by pyarrow. They say of what type the columns are as `datasets` does: as an extension type and its parameters,
and once more as JSON.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa

from data.clip_keys import CLEAN
from data.errors import UserError
from features.interchange.clip_table import ClipRow
from features.interchange.selection import Selection

LAYOUT = (
    "a folder for datasets.load_from_disk, with a row for each clip: id, num_frames, seconds, and frames [T, D], or "
    "layer_<k> [T, D] of several layers"
)
_COLUMNS = {"id": "string", "copy": "string", "piece": "int32", "num_frames": "int32", "seconds": "float64"}
_ELEMENTS = {"float16": pa.float16(), "float32": pa.float32()}
_BATCH_BYTES = 16_000_000
_FILE_BYTES = 500_000_000


def write(selection: Selection, rows: list[ClipRow], folder: Path, output: Path, file_bytes: int = _FILE_BYTES) -> None:
    """Write Arrow files of about ``file_bytes`` and the two descriptions that make a dataset of them."""
    layers = selection.layers
    arrays = ["frames"] if len(layers) == 1 else [f"layer_{layer}" for layer in layers]
    absent = {"copy"} if selection.features.copies == [CLEAN] else set()
    absent |= {"piece"} if rows[0].piece is None else set()
    description = {name: {"dtype": dtype, "_type": "Value"} for name, dtype in _COLUMNS.items() if name not in absent}
    shape = [None, selection.features.dimension]
    description |= {name: {"shape": shape, "dtype": selection.dtype, "_type": "Array2D"} for name in arrays}
    schema = _schema(description, selection, arrays)
    with ExitStack() as stack:
        paths: list[Path] = []
        file = writer = None
        for batch in _batches(selection, rows, schema):
            if file is None or file.tell() >= file_bytes:
                stack.close()
                paths.append(folder / f"data-{len(paths):05d}.arrow")
                file = stack.enter_context(pa.OSFile(str(paths[-1]), "wb"))
                writer = stack.enter_context(pa.ipc.new_stream(file, schema))
            writer.write_batch(batch)
    names = [f"data-{number:05d}-of-{len(paths):05d}.arrow" for number in range(len(paths))]
    for path, name in zip(paths, names, strict=True):
        path.rename(folder / name)
    identity = f"{selection.features.digest} {layers} {selection.dtype}"
    state = {
        "_data_files": [{"filename": name} for name in names],
        "_fingerprint": hashlib.sha256(identity.encode()).hexdigest()[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": "numpy",
        "_output_all_columns": False,
        "_split": None,
    }
    (folder / "state.json").write_text(json.dumps(state, indent=2) + "\n")
    (folder / "dataset_info.json").write_text(json.dumps({"features": description}, indent=2) + "\n")


def _schema(description: dict, selection: Selection, arrays: list[str]) -> pa.Schema:
    types = {"string": pa.string(), "int32": pa.int32(), "float64": pa.float64()}
    extension = {
        "ARROW:extension:name": "datasets.features.features.Array2DExtensionType",
        "ARROW:extension:metadata": json.dumps([[None, selection.features.dimension], selection.dtype]),
    }
    rows_of_frames = pa.list_(pa.list_(_ELEMENTS[selection.dtype]))
    fields = [pa.field(name, types[_COLUMNS[name]]) for name in description if name in _COLUMNS]
    fields += [pa.field(name, rows_of_frames, metadata=extension) for name in arrays]
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": description}})})


def _batches(selection: Selection, rows: list[ClipRow], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    held_rows: list[ClipRow] = []
    held: list[list[np.ndarray]] = []
    size = 0
    for row, layers in zip(rows, selection.frames(), strict=True):
        clip_size = sum(frames.nbytes for frames in layers)
        if held and size + clip_size > _BATCH_BYTES:
            yield _batch(held_rows, held, schema)
            held_rows, held, size = [], [], 0
        held_rows.append(row)
        held.append(layers)
        size += clip_size
    if held:
        yield _batch(held_rows, held, schema)


def _batch(rows: list[ClipRow], clips: list[list[np.ndarray]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        pa.array([getattr(row, field.name) for row in rows], field.type) for field in schema if field.name in _COLUMNS
    ]
    columns += [_lists(layer) for layer in zip(*clips, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _lists(clips: tuple[np.ndarray, ...]) -> pa.ListArray:
    """The frames [T, D] of clips as lists of lists."""
    dimension = clips[0].shape[1]
    ends = np.cumsum([0, *(len(frames) for frames in clips)])
    if ends[-1] * dimension > np.iinfo(np.int32).max:
        raise UserError("a clip of more than 2,147,483,647 values does not fit Arrow's lists; export .npy instead.")
    values = pa.array(np.concatenate(clips).reshape(-1))
    frames = pa.ListArray.from_arrays(np.arange(0, len(values) + 1, dimension, dtype=np.int32), values)
    return pa.ListArray.from_arrays(ends.astype(np.int32), frames)
