"""The HDF5 layout that clips and features share: rows of all utterances end to end, and where each one begins.

A shard holds contiguous datasets of rows (``waveform``, or ``layer_12`` and so on), ``offsets`` [N+1], ``id`` [N], a
few columns [N] and, where needed, tables with a row per utterance. Contiguous data can be memory-mapped by any number
of processes. HDF5 lays out the frame of the file in memory; everything reaches the disk by plain system calls, rows in
any order. They report a full disk as such, where HDF5 has been seen to crash.

Beside ``<shard>.h5`` stands ``<shard>.json`` with its size and SHA-256. Readers check both before HDF5 sees a byte: a
damaged HDF5 file can pass its own checksums and has been seen to hang the library. The same content is the same bytes:
no time stamps.
"""

import errno
import io
import json
import math
import mmap
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from data.digest import file_digest
from data.errors import UserError
from data.shard_structure import Layout, read_structure

FORMAT_VERSION = 2

_NO_RESERVE = 0x4000 if sys.platform == "linux" else 0  # MAP_NORESERVE: nothing is written, so no memory is set aside
_READ_AND_WRITE = mmap.PROT_READ | mmap.PROT_WRITE  # torch takes no arrays that are read only


@dataclass(frozen=True)
class Rows:
    """A dataset of rows: its name, element type, the shape of one row, and how many rows there are.

    ``per`` is ``frame`` for as many as the utterances' lengths say, ``utterance`` for one each, ``shard`` for one.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] = ()
    per: Literal["frame", "utterance", "shard"] = "frame"


class ShardWriter:
    """Write one shard, utterance by utterance, in any order; it takes its name when it is complete.

    Args:
        path: ``<shard>.h5``; the folder exists.
        kind: what is stored, e.g. ``emocache-features``.
        ids: utterance ids [N]; one may come several times, if the columns tell its clips apart (`data.clip_keys`).
        lengths: rows of each utterance [N].
        rows: the datasets that `write` and `set` fill.
        columns: columns [N] known beforehand.
        attributes: of the file; texts and numbers.
        summary: what the sidecar says beside size and SHA-256, for readers who do not want to open the file.

    Raises:
        UserError: the disk is full.
    """

    def __init__(
        self,
        path: Path,
        kind: str,
        ids: Sequence[str],
        lengths: Sequence[int],
        rows: Sequence[Rows],
        columns: dict[str, np.ndarray] | None = None,
        attributes: dict[str, str | int | float] | None = None,
        summary: dict | None = None,
    ):
        self.path = path
        self.offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self._partial = _partial_path(path)
        self._summary = summary or {}
        counts = {"frame": int(self.offsets[-1]), "utterance": len(ids), "shard": 1}
        frame = _SparseMemory()
        with h5py.File(frame, "w", libver="v110") as file:
            file.attrs.update({"format": kind, "format_version": FORMAT_VERSION, **(attributes or {})})
            for name, values in {"offsets": self.offsets, "id": _fixed_width(ids), **(columns or {})}.items():
                file.create_dataset(name, data=values)
            for dataset in rows:
                self._allocate(file, dataset, counts[dataset.per])
        self._frame = frame

    def __enter__(self):
        self._file = os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            with _full_disk_as_user_error(self.path):
                for position, page in self._frame.pages():
                    _write_all(self._file, page, position)
                os.ftruncate(self._file, self._frame.size)
            self._rows = UnfinishedShard(self.path)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def write(self, index: int, rows: dict[str, np.ndarray]) -> None:
        """Write utterance ``index``'s rows, see `UnfinishedShard.write`."""
        self._rows.write(index, rows)

    def set(self, name: str, values: np.ndarray) -> None:
        """Write all rows of a dataset."""
        self._rows.set(name, values)

    def rows(self, name: str) -> np.ndarray:
        """All rows of a dataset as they have been written so far, memory-mapped [number of rows, ...]."""
        return self._rows.rows(name)

    def __exit__(self, kind, error, trace):
        try:
            if kind is None:
                with _full_disk_as_user_error(self.path):
                    os.fsync(self._file)
                    seal(self._partial, self.path, self._summary)
        finally:
            if hasattr(self, "_rows"):
                self._rows.close()
            os.close(self._file)
            self._partial.unlink(missing_ok=True)

    def _allocate(self, file: h5py.File, rows: Rows, count: int) -> None:
        """Reserve contiguous room without writing to it."""
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_layout(h5py.h5d.CONTIGUOUS)
        creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        creation.set_obj_track_times(False)
        dtype = np.dtype(rows.dtype).newbyteorder("<")
        space = h5py.h5s.create_simple((count, *rows.shape))
        h5py.h5d.create(file.id, rows.name.encode(), h5py.h5t.py_create(dtype), space, creation)


class UnfinishedShard:
    """A shard that a `ShardWriter` has begun, here or in another process; any number of them may fill it.

    Args:
        path: the name that the shard will take.

    Attributes:
        attributes: of the file.
    """

    def __init__(self, path: Path):
        self.path = path
        self._partial = _partial_path(path)
        structure = read_structure(self._partial, lambda attributes: None)
        self.attributes, self._offsets, self._layouts = structure.attributes, structure.offsets, structure.layouts
        self._file = os.open(self._partial, os.O_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Nothing more will be written through this one."""
        os.close(self._file)

    def write(self, index: int, rows: dict[str, np.ndarray]) -> None:
        """Write the rows of utterance ``index``: all of its frames [length, ...], or its one row of a dataset that has
        a row per utterance [...].
        """
        for name, values in rows.items():
            of_frames = values.ndim == len(self._layouts[name].shape)
            self._write_at(name, int(self._offsets[index]) if of_frames else index, values)

    def set(self, name: str, values: np.ndarray) -> None:
        """Write all rows of a dataset."""
        self._write_at(name, 0, values)

    def rows(self, name: str) -> np.ndarray:
        """All rows of a dataset as they have been written so far, memory-mapped [number of rows, ...]."""
        return MappedShard(self._partial, self._layouts).rows(name)

    def _write_at(self, name: str, row: int, values: np.ndarray) -> None:
        layout = self._layouts[name]
        content = memoryview(np.ascontiguousarray(values, layout.dtype)).cast("B") if values.size else b""
        row_bytes = layout.dtype.itemsize * math.prod(layout.shape[1:])
        with _full_disk_as_user_error(self.path):
            _write_all(self._file, content, layout.offset + row * row_bytes)


class Shard:
    """One shard, checked and open for reading.

    Args:
        path: the file.
        kind: what it must hold.
        verify: compare its SHA-256, which reads all of it.
        sidecar: where that is, if it is not beside the file.

    Attributes:
        path: the file.
        attributes: of the file.
        ids: utterance ids [N].
        offsets: first row of each utterance, and the end [N+1].

    Raises:
        UserError: the file or its sidecar is missing, damaged, of another kind, or of another format version.
    """

    def __init__(self, path: Path, kind: str, verify: bool = True, sidecar: Path | None = None):
        self.path = path
        check_seal(path, verify, sidecar)
        structure = read_structure(path, lambda attributes: self._check_format(kind, attributes))
        self.attributes, self.ids, self.offsets = structure.attributes, structure.ids, structure.offsets
        self._columns, self._layouts = structure.columns, structure.layouts

    @cached_property
    def lengths(self) -> np.ndarray:
        """Rows of each utterance [N]."""
        return np.diff(self.offsets)

    def column(self, name: str) -> np.ndarray:
        """A column [N]."""
        return self._columns[name]

    def has_column(self, name: str) -> bool:
        """Whether there is such a column."""
        return name in self._columns

    def num_bytes(self, name: str) -> int:
        """The size of a dataset of rows."""
        return self._layouts[name].size

    def rows(self, name: str) -> np.ndarray:
        """All rows of a dataset, memory-mapped [number of rows, ...]; never written back."""
        return self.map().rows(name)

    def map(self) -> "MappedShard":
        """The whole file, memory-mapped: one map and one open file for all of its datasets."""
        return MappedShard(self.path, self._layouts)

    def layouts(self, names: Iterable[str]) -> dict[str, Layout]:
        """Where some datasets of rows are in the file."""
        return {name: self._layouts[name] for name in names}

    def has_rows(self, name: str, dtype: str, shape: tuple[int, ...]) -> bool:
        """Whether there is a dataset of this type and shape."""
        layout = self._layouts.get(name)
        return layout is not None and layout.dtype == np.dtype(dtype) and layout.shape == shape

    def _check_format(self, kind: str, attributes: dict) -> None:
        found = attributes.get("format"), attributes.get("format_version")
        if found[0] != kind:
            raise UserError(f"{self.path}: this is not an {kind} file but {found[0] or 'some other HDF5 file'}.")
        if found[1] != FORMAT_VERSION:
            raise UserError(
                f"{self.path}: written in format version {found[1]}, and this emocache reads version {FORMAT_VERSION}. "
                "Update emocache, or delete the file and run `dvc repro`."
            )


class MappedShard:
    """A shard's datasets in memory, as far as they have been looked at; the file is open until all arrays are gone."""

    def __init__(self, path: Path, layouts: Mapping[str, Layout]):
        self._layouts = layouts
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE | _NO_RESERVE, prot=_READ_AND_WRITE)

    def rows(self, name: str) -> np.ndarray:
        """All rows of a dataset [number of rows, ...]; what is written to them is seen by this process alone."""
        layout = self._layouts[name]
        buffer = self._map if layout.size else None
        return np.ndarray(layout.shape, layout.dtype, buffer, layout.offset if layout.size else 0)


def _partial_path(path: Path) -> Path:
    """Where a shard is written before it takes its name."""
    return path.with_name(f".{path.name}.partial")


def _write_all(file: int, content: bytes | memoryview, position: int) -> None:
    while len(content):
        written = os.pwrite(file, content, position)
        content, position = content[written:], position + written


def seal(written: Path, path: Path, summary: dict | None = None) -> None:
    """Give a finished file its name, with a sidecar beside it: its size, its SHA-256 and what there is of a summary."""
    sidecar = {"size": written.stat().st_size, "sha256": file_digest(written, "sha256"), **(summary or {})}
    partial = written.with_name(f".{path.stem}.json.partial")
    partial.write_text(json.dumps(sidecar) + "\n")
    partial.replace(sidecar_path(path))
    written.replace(path)


def sidecar_path(path: Path) -> Path:
    """``<shard>.h5`` -> ``<shard>.json``."""
    return path.with_suffix(".json")


def content_digest(path: Path) -> str:
    """The shard's SHA-256, as its sidecar says.

    Raises:
        UserError: there is no readable sidecar.
    """
    return _read_sidecar(path, sidecar_path(path))["sha256"]


def check_seal(path: Path, read_content: bool = True, sidecar: Path | None = None) -> None:
    """Compare a file with its sidecar, without HDF5.

    Raises:
        UserError: it is missing, shorter or longer than it was, or not the bytes that were written.
    """
    again = "Run `ser store repair`, then `dvc repro` (or `dvc pull`)."
    expected = _read_sidecar(path, sidecar or sidecar_path(path))
    if not path.is_file():
        raise UserError(f"{path}: the file is missing. {again}")
    if (size := path.stat().st_size) != expected["size"]:
        raise UserError(f"{path}: damaged: {size:,} bytes instead of {expected['size']:,}. {again}")
    if read_content and file_digest(path, "sha256") != expected["sha256"]:
        raise UserError(f"{path}: damaged: its content is not what was written (SHA-256 differs). {again}")


def _read_sidecar(path: Path, sidecar: Path) -> dict:
    try:
        content = json.loads(sidecar.read_text())
        if isinstance(content["size"], int) and re.fullmatch("[0-9a-f]{64}", content["sha256"]):
            return content
    except FileNotFoundError:
        raise UserError(
            f"{sidecar}: missing; without it {path.name} cannot be trusted. Run `ser store repair`, then `dvc repro`."
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise UserError(
        f"{sidecar}: damaged; without it {path.name} cannot be trusted. Run `ser store repair`, then `dvc repro`."
    )


def _fixed_width(texts: Sequence[str]) -> np.ndarray:
    return np.array([text.encode() for text in texts], dtype=np.bytes_)


class _SparseMemory(io.RawIOBase):
    """A file in memory that holds only the pages written to: HDF5's frame without the rows' gigabytes."""

    _PAGE = 4096

    def __init__(self):
        super().__init__()
        self.size = 0
        self._position = 0
        self._pages: dict[int, bytearray] = {}

    def pages(self) -> Iterator[tuple[int, bytes]]:
        """Position and content of every page, none beyond the end."""
        for number, page in sorted(self._pages.items()):
            position = number * self._PAGE
            yield position, bytes(page[: max(0, self.size - position)])

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + (0, self._position, self.size)[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def truncate(self, size: int) -> int:
        self.size = size
        return size

    def write(self, content) -> int:
        for page, within, part in self._spans(memoryview(content).cast("B")):
            self._pages.setdefault(page, bytearray(self._PAGE))[within : within + len(part)] = part
        self.size = max(self.size, self._position)
        return len(content)

    def readinto(self, buffer) -> int:
        for page, within, part in self._spans(memoryview(buffer).cast("B")):
            part[:] = self._pages.get(page, bytes(self._PAGE))[within : within + len(part)]
        return len(buffer)

    def _spans(self, content: memoryview) -> Iterator[tuple[int, int, memoryview]]:
        """A stretch at the current position, page by page; moves the position past it."""
        while len(content):
            page, within = divmod(self._position, self._PAGE)
            count = min(len(content), self._PAGE - within)
            yield page, within, content[:count]
            content = content[count:]
            self._position += count


_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "the file is larger than permitted",
}


@contextmanager
def _full_disk_as_user_error(path: Path) -> Iterator[None]:
    """Turn "no space left" into a message for the user."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise UserError(
            f"{path}: cannot write: {_FULL[error.errno]}. Free some space, then run `dvc repro` again: "
            "finished work is kept."
        ) from error
