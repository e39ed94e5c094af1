"""Files without the page cache: dropping what it holds of them, and looking whether it is gone."""

import ctypes
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)


def files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder."""
    return (Path(where) / name for where, _, names in os.walk(folder) for name in names)


def write_back(folder: Path) -> None:
    """Wait until all files below a folder are on the disk."""
    for path in files_below(folder):
        with path.open("rb") as file:
            os.fdatasync(file.fileno())


def drop(folder: Path) -> float:
    """Drop all files below a folder from the page cache (``POSIX_FADV_DONTNEED``).

    Returns:
        The share of their pages that is in memory still (``mincore``); 0 if the next reading is cold.
    """
    write_back(folder)
    for path in files_below(folder):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return resident_share(folder)


def resident_share(folder: Path) -> float:
    """The share of the pages of all files below a folder that is in the page cache."""
    counts = [_resident_pages(path) for path in files_below(folder)]
    return sum(resident for resident, _ in counts) / max(1, sum(pages for _, pages in counts))


def _resident_pages(path: Path) -> tuple[int, int]:
    size = path.stat().st_size
    if not size:
        return 0, 0
    pages = -(-size // mmap.PAGESIZE)
    with path.open("rb") as file, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY) as mapped:
        vector = (ctypes.c_ubyte * pages)()
        anchor = ctypes.c_char.from_buffer(mapped)
        failed = _LIBC.mincore(ctypes.c_void_p(ctypes.addressof(anchor)), ctypes.c_size_t(size), vector)
        del anchor
    if failed:
        raise OSError(ctypes.get_errno(), "mincore", str(path))
    return sum(page & 1 for page in vector), pages


def bytes_read_from_disk() -> int:
    """By this process, since it began."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("read_bytes")))
