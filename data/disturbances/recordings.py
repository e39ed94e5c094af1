"""A folder of recordings that disturbances are drawn from: noises, or impulse responses of rooms."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile

from data.audio import UnusableAudioError, read_waveform
from data.digest import file_digest
from data.errors import UserError, nearest


def known_source(name: str, synthetic: Iterable[str], parent: str) -> str:
    """A validator: the name of a synthetic sound, or ``<parent>/<folder>``.

    Raises:
        ValueError: neither.
    """
    synthetic = list(synthetic)
    folder = re.fullmatch(rf"{parent}/([A-Za-z0-9_-]+)", name)
    if name in synthetic or (folder and folder[1] not in synthetic):
        return name
    if folder:
        raise ValueError(f"{folder[1]} is the name of a synthetic one; give the folder another name")
    raise ValueError(
        f"expected one of {', '.join(synthetic)}, or a folder of recordings such as {parent}/mine"
        f"{nearest(name, synthetic)}"
    )


def is_here(folder: str) -> bool:
    """Whether this machine has a folder of recordings. A colleague who makes no copies needs none."""
    return Path(folder).is_dir()


def list_recordings(folder: str) -> list[Path]:
    """All audio files in a folder and below, sorted.

    Raises:
        UserError: it is missing, or there are none.
    """
    if not is_here(folder):
        raise UserError(
            f"there is no folder {folder}. Put audio files there; links to folders elsewhere are not followed."
        )
    suffixes = {f".{name.lower()}" for name in soundfile.available_formats()} | {".aif"}
    found = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in suffixes and path.name[0] != ".")
    if not found:
        raise UserError(f"{folder}: no audio files here.")
    return found


def draw_recording(folder: str, sample_rate: int, random: np.random.Generator) -> np.ndarray:
    """One recording of a folder, float32 [T].

    Raises:
        UserError: there are none, or the one that is drawn cannot be used.
    """
    paths = list_recordings(folder)
    return _read(paths[random.integers(len(paths))], sample_rate)


def folder_digest(folder: str) -> str:
    """What names the content of a folder of recordings: their paths within it and their bytes."""
    digest = hashlib.blake2b(digest_size=32)
    for path in list_recordings(folder):
        digest.update(f"{path.relative_to(folder).as_posix()}\n{file_digest(path, 'blake2b')}\n".encode())
    return digest.hexdigest()


def _read(path: Path, sample_rate: int) -> np.ndarray:
    try:
        return read_waveform(path, sample_rate)
    except UnusableAudioError as error:
        raise UserError(f"{path}: {error}. Remove it, or replace it.") from None
