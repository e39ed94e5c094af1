"""A pack as a zip, which may come from anyone: only what pack.json names is read, and never more than it says."""

import errno
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import UserError
from inference.pack_format import PACK_FILE, PackDescription, read_description

_FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # the same content is the same bytes
_MOST_DESCRIPTION = 16 * 1024**2  # bytes of pack.json
_MOST_BYTES = 4 * 1024**3  # of all files
_MOST_RATIO = 20  # how much larger the content may be than the archive; weights hardly shrink
_CHUNK = 1024**2


def write_archive(folder: Path, path: Path) -> None:
    """Zip a pack, uncompressed: weights hardly shrink."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _FIRST_DAY)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3  # as if written on Unix, wherever it is
            entry.file_size = file.stat().st_size
            with archive.open(entry, "w") as target, file.open("rb") as source:
                shutil.copyfileobj(source, target, _CHUNK)


def read_archive_file(path: Path, name: str) -> bytes:
    """A small file of a zipped pack, such as its card.

    Raises:
        UserError: the archive is damaged, or the file is not in it, or not small.
    """
    with _opened(path) as (archive, prefix):
        return _read_small(path, archive, prefix + name)


def unpack_archive(path: Path, folder: Path) -> PackDescription:
    """Write the files that pack.json names, and pack.json, into an empty folder; no other ones.

    Raises:
        UserError: the archive is damaged, or holds far more than its size suggests.
    """
    with _opened(path) as (archive, prefix):
        text = _read_small(path, archive, prefix + PACK_FILE)
        description = read_description(text, str(path))
        size = sum(file.bytes for file in description.files.values())
        if size > min(_MOST_BYTES, _MOST_RATIO * path.stat().st_size + _MOST_DESCRIPTION):
            raise UserError(
                f"{path}: not unpacked: {size / 1e9:.1f} GB is far more than a packed model of this size holds."
            )
        (folder / PACK_FILE).write_bytes(text)
        for name, file in description.files.items():
            if prefix + name in archive.namelist():  # `packing` names those that are missing
                _write(archive, prefix + name, folder / name, file.bytes)
    return description


@contextmanager
def _opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, str]]:
    """An archive, and the name of the folder that the pack is in, if it was zipped with its folder."""
    try:
        with zipfile.ZipFile(path) as archive:
            places = [name for name in archive.namelist() if re.fullmatch(rf"([^/]+/)?{re.escape(PACK_FILE)}", name)]
            if not places:
                raise UserError(
                    f"{path}: no {PACK_FILE} in this zip, so it is no packed model. `ser pack` writes them."
                )
            yield archive, min(places, key=len).removesuffix(PACK_FILE)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, KeyError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # a position before the beginning
            raise
        raise UserError(f"{path}: this zip is damaged. Copy or download it again.") from error


def _read_small(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as file:
        content = file.read(_MOST_DESCRIPTION + 1)
    if len(content) > _MOST_DESCRIPTION:
        raise UserError(f"{path}: {name} is too large to be that of a packed model.")
    return content


def _write(archive: zipfile.ZipFile, name: str, path: Path, size: int) -> None:
    """Write one file, and no more of it than one byte beyond its size: its digest then shows that it is another one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    left = size + 1
    with archive.open(name) as source, path.open("wb") as target:
        while left and (chunk := source.read(min(_CHUNK, left))):
            target.write(chunk)
            left -= len(chunk)
