"""What a shard's HDF5 says of itself, read with suspicion.

A file that carries the right SHA-256 may still be none of ours: sealed after it was damaged, or made to deceive. HDF5
can read other files by links, external storage and virtual datasets, allocate what a header claims, and loop forever in
a damaged heap. So nothing is read before it is known to be plain, contiguous and within the file. h5py's lower layer
takes a third of the time of its upper one, and there may be 10,000 shards.
"""

import math
import mmap
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from data.errors import UserError

_HEAP = b"GCOL"  # begins a global heap, which holds texts of attributes
_KINDS = "iufS"  # of elements: whole numbers, floating point, texts of fixed width


@dataclass(frozen=True)
class Layout:
    """Where a dataset's contiguous bytes are in the file, and what they mean."""

    offset: int
    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """In bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Structure:
    """The attributes of a file, where its datasets are, and the contents of the small ones.

    Attributes:
        attributes: texts and numbers.
        layouts: of all datasets, by name.
        ids: utterance ids [N].
        offsets: first row of each utterance, and the end [N+1]; they never fall.
        columns: the other datasets [N].
    """

    attributes: dict[str, str | int | float]
    layouts: dict[str, Layout]
    ids: list[str]
    offsets: np.ndarray
    columns: dict[str, np.ndarray]


def read_structure(path: Path, check_attributes: Callable[[dict], None]) -> Structure:
    """Read a shard's structure.

    Args:
        path: the file.
        check_attributes: called with the attributes before anything else is judged; raises a `UserError` where the file
            is of another kind or version.

    Raises:
        UserError: it is no HDF5 file, or none that this project writes.
    """
    try:
        with closing(h5py.h5f.open(os.fsencode(path), h5py.h5f.ACC_RDONLY, _without_locks())) as file:
            layouts = {name.decode(): _layout(file, name) for name in file}
            _check_heaps(path, layouts.values())
            attributes = dict(_attribute(file, index) for index in range(h5py.h5a.get_num_attrs(file)))
        check_attributes(attributes)
        return _contents(path, attributes, layouts)
    except UserError:
        raise
    except Exception as error:  # HDF5 and h5py have no errors of their own
        raise UserError(
            f"{path}: damaged, although its SHA-256 is right: {_in_one_line(error)}. "
            "Delete it and its sidecar, then `dvc repro` (or `dvc pull`)."
        ) from None


def _without_locks() -> h5py.h5p.PropFAID:
    """How to open a file: without locking it, as NFS may have no locks, and as files are never changed in place."""
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_file_locking(False, True)
    return access


class _UnsoundError(Exception):
    """What is wrong with the structure of a file."""


def _layout(file: h5py.h5f.FileID, name: bytes) -> Layout:
    """A dataset's layout, if it is plain and lies within the file."""
    if file.links.get_info(name).type != h5py.h5l.TYPE_HARD:
        raise _UnsoundError(f"{name.decode()!r} is a link to something else")
    dataset = h5py.h5o.open(file, name)
    if not isinstance(dataset, h5py.h5d.DatasetID):
        raise _UnsoundError(f"{name.decode()!r} is not a dataset")
    creation = dataset.get_create_plist()
    if creation.get_layout() != h5py.h5d.CONTIGUOUS or creation.get_external_count() or creation.get_nfilters():
        raise _UnsoundError(f"{name.decode()!r} is not stored as contiguous bytes of this file")
    layout = Layout(dataset.get_offset() or 0, dataset.dtype, dataset.shape)
    if layout.dtype.kind not in _KINDS or layout.dtype.byteorder == ">" or len(layout.shape or ()) not in (1, 2):
        raise _UnsoundError(f"{name.decode()!r} is {layout.dtype} {layout.shape}, which no shard holds")
    if layout.size and not 0 < layout.offset <= file.get_filesize() - layout.size:
        raise _UnsoundError(f"{name.decode()!r} is not within the file")
    return layout


def _attribute(file: h5py.h5f.FileID, index: int) -> tuple[str, str | int | float]:
    """The name and the value of an attribute, if it is a text or a number."""
    attribute = h5py.h5a.open(file, index=index)
    name, dtype = attribute.name.decode(), attribute.dtype
    if attribute.shape != () or not (h5py.check_string_dtype(dtype) or dtype.kind in "iuf") or dtype.kind == "S":
        raise _UnsoundError(f"attribute {name!r} is neither a text nor a number")
    value = np.empty((), dtype)
    attribute.read(value)
    value = value.item()
    return name, value.decode() if isinstance(value, bytes) else value


def _contents(path: Path, attributes: dict, layouts: dict[str, Layout]) -> Structure:
    """Read the small datasets, and check that all of them belong together."""

    def read(name: str) -> np.ndarray:
        layout = layouts[name]
        return np.fromfile(path, layout.dtype, math.prod(layout.shape), offset=layout.offset).reshape(layout.shape)

    if missing := {"id", "offsets"} - set(layouts):
        raise _UnsoundError(f"{' and '.join(sorted(missing))} missing")
    if layouts["id"].dtype.kind != "S" or len(layouts["id"].shape) != 1:
        raise _UnsoundError("its ids are not texts")
    count = layouts["id"].shape[0]
    if layouts["offsets"].dtype != np.int64 or layouts["offsets"].shape != (count + 1,):
        raise _UnsoundError("the number of offsets does not fit the number of ids")
    offsets = read("offsets")
    if offsets[0] != 0 or (np.diff(offsets) < 0).any():
        raise _UnsoundError("its offsets are out of order")
    expected = {count, int(offsets[-1]), 1}
    for name, layout in layouts.items():
        if name != "offsets" and layout.shape[0] not in expected:
            raise _UnsoundError(f"{name!r} has {layout.shape[0]:,} rows, which fits neither ids nor offsets")
    columns = {name: read(name) for name, layout in layouts.items() if name != "id" and layout.shape == (count,)}
    for name, column in columns.items():
        if column.dtype.kind == "S":
            _decode(name, column)
    return Structure(attributes, layouts, _decode("id", read("id")), offsets, columns)


def _decode(name: str, texts: np.ndarray) -> list[str]:
    try:
        return [text.decode() for text in texts.tolist()]
    except UnicodeDecodeError:
        raise _UnsoundError(f"{name!r} is not UTF-8") from None


def _check_heaps(path: Path, layouts: Iterable[Layout]) -> None:
    """Check that the objects of each global heap fill it exactly: HDF5 2.0 loops forever where a size overflows."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for start, stop in _gaps(layouts, len(content)):
            position = content.find(_HEAP, start, stop)
            while position >= 0:
                position = content.find(_HEAP, _end_of_heap(content, position), stop)


def _gaps(layouts: Iterable[Layout], end: int) -> Iterator[tuple[int, int]]:
    """What is between the datasets: all that HDF5 itself interprets."""
    position = 0
    for layout in sorted(layouts, key=lambda layout: layout.offset):
        if layout.size:
            yield position, layout.offset
            position = max(position, layout.offset + layout.size)
    yield position, end


def _end_of_heap(content: mmap.mmap, start: int) -> int:
    """Where a heap ends: 16 bytes with its size, then objects of 16 bytes with their size, and their content."""
    (size,) = struct.unpack_from("<Q", content, start + 8)
    end = start + size
    if not start + 16 <= end <= len(content):
        raise _UnsoundError("a heap is not within the file")
    position = start + 16
    while position + 16 <= end:
        number, length = struct.unpack_from("<H6xQ", content, position)
        # object 0 is the free space, and its size includes its own head
        position += length if number == 0 else 16 + -(-length // 8) * 8
        if length > size or position > end or (number == 0 and length < 16):
            raise _UnsoundError("the texts of its attributes are cut")
    return end


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).strip("'\"").split()) or type(error).__name__
