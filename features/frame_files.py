"""Frames that others have saved: one ``.npy``, ``.pt`` or HDF5 file per utterance. Nothing is ever unpickled."""

from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError

import h5py
import numpy as np
import torch

_NUMBERS = "fiu"  # kinds of elements
_UNQUESTIONED, _MOST_RATIO = 2**26, 100  # bytes of frames; how far HDF5 may have compressed more than that


def read_frames(path: Path, dataset: str | None = None) -> np.ndarray:
    """The frames in a file, memory-mapped where its format permits.

    Args:
        path: ``.npy``, ``.pt``, ``.h5`` or ``.hdf5``.
        dataset: its name in an HDF5 file; None where there is only one.

    Returns:
        Numbers [L, T, D], as they are; of files with [T, D] the one layer, of files with [D] also the one frame.

    Raises:
        ValueError: what is wrong with the file.
    """
    try:
        values = _READERS[path.suffix](path, dataset)
    except ValueError:
        raise
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from None
    except Exception as error:  # NumPy's, torch's and HDF5's readers fail in many ways
        raise ValueError(f"is damaged: {_first_line(error)}") from None
    if values.dtype.kind not in _NUMBERS:
        raise ValueError(f"holds values of type {values.dtype}, not numbers")
    if not 1 <= values.ndim <= 3 or 0 in values.shape:
        raise ValueError(f"has the shape {list(values.shape)}; expected [T, D], [L, T, D] or [D]")
    return values.reshape((1,) * (3 - values.ndim) + values.shape)


def _read_npy(path: Path, dataset: str | None) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"is no array of numbers: {_first_line(error)}") from None


def _read_pt(path: Path, dataset: str | None) -> np.ndarray:
    try:
        try:
            tensor = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:  # torch's older format cannot be mapped
            tensor = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:
        raise ValueError(
            "needs unpickling, which can run any code; save the tensor alone: torch.save(frames, path)"
        ) from None
    except (RuntimeError, EOFError) as error:
        raise ValueError(f"is damaged: {_first_line(error)}") from None
    if not isinstance(tensor, torch.Tensor):
        raise ValueError(f"holds a {type(tensor).__name__}, not a tensor; save the tensor alone")
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _read_hdf5(path: Path, dataset: str | None) -> np.ndarray:
    with h5py.File(path) as file:
        found: list[str] = []
        file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
        if dataset is None and len(found) != 1:
            raise ValueError(f"holds {len(found)} datasets ({', '.join(found)}); name one: dataset")
        if dataset is not None and dataset not in found:
            raise ValueError(f"has no dataset {dataset!r}; there are {', '.join(found) or 'none'}")
        frames = file[dataset or found[0]]
        if frames.is_virtual or frames.external:
            raise ValueError("holds frames that are in other files; copy them into one")
        if frames.dtype.kind not in _NUMBERS:
            raise ValueError(f"holds values of type {frames.dtype}, not numbers")
        if frames.nbytes > _UNQUESTIONED + _MOST_RATIO * path.stat().st_size:
            raise ValueError(f"is damaged: it claims {frames.nbytes:,} bytes of frames")
        return frames[()]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


_READERS: dict[str, Callable[[Path, str | None], np.ndarray]] = {
    ".npy": _read_npy,
    ".pt": _read_pt,
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
}
SUFFIXES = tuple(_READERS)
