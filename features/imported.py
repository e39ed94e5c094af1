"""``kind: imported``: frames made elsewhere, from files in ``data/imported/<set>/<corpus>``, checked and stored."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from data.digest import file_digest
from data.errors import UserError, listed
from features.encoder import Clip, Encoder
from features.frame_files import SUFFIXES, read_frames
from features.interchange.clip_table import read_names
from features.interchange.description import exported_layers
from features.settings import KindSettings

VERSION = 1  # raise it when the bytes of these features change on purpose: all of this kind are then stored again

_LARGEST = {"float16": 65504.0, "float32": float(np.finfo(np.float32).max), "int8": 65504.0}
_TOLERATED_SHARE, _TOLERATED_FRAMES = 0.05, 3  # that may be missing, or too many, by the frame rate
_MOST_LISTED = 30


class ImportedSettings(KindSettings):
    """One feature set of ``kind: imported``.

    Attributes:
        frame_rate: frames per second of the clips; null: each file holds one vector, for the whole clip.
        layers: the numbers of the layers in files of [L, T, D]; null takes those of an export's ``export.json``, and
            otherwise counts them from 0.
        dataset: to read from HDF5 files; null where there is only one.
        source: where the files come from, in your own words, for the report.
    """

    kind: Literal["imported"] = "imported"
    frame_rate: Annotated[float, Field(gt=0)] | None
    layers: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = None
    dataset: str | None = None
    source: str | None = None

    @model_validator(mode="after")
    def _whole_clips(self):
        if self.clips.in_pieces or self.clips.disturb:
            raise ValueError("clips: imported frames cannot be cut or disturbed as audio can; leave out the pieces")
        if self.layers and sorted(set(self.layers)) != self.layers:
            raise ValueError("layers: list each layer once, in increasing order")
        return self

    def known_layers(self) -> list[int] | None:
        return self.layers

    @property
    def single_frame(self) -> bool:
        return self.frame_rate is None

    def source_folder(self, feature_set: str, corpus: str) -> Path:
        return Path("data/imported") / feature_set / corpus


class ImportedEncoder(Encoder):
    """Reads what others have encoded.

    Args:
        settings: of the feature set.
        folder: holds ``<utterance id>`` with one of `SUFFIXES`; an id with slashes is a path. The ``clips.csv`` of an
            export says which name stands for which id.

    Raises:
        UserError: there is no such folder, no file in it, one that cannot be read, or an export whose layers are not in
            increasing order.
    """

    advice = "Use storage: float32, if they do not fit."

    def __init__(self, settings: ImportedSettings, folder: Path):
        self._settings, self._folder, self._names = settings, folder, read_names(folder)
        self._checked: set[str] = set()
        files = sorted(
            path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.name[:2] != "._"
        )  # macOS's
        if not files:
            raise UserError(
                f"{folder}: no features here. Put a file per utterance there, named by its id: "
                f"{', '.join(f'<id>{suffix}' for suffix in SUFFIXES)}"
            )
        self._first = files[0]
        try:
            self._num_layers, _, self.dimension = read_frames(files[0], settings.dataset).shape
        except ValueError as error:
            raise UserError(f"{files[0]} {error}") from None
        self.layers = settings.layers or exported_layers(folder) or list(range(self._num_layers))
        self.frame_rate = settings.frame_rate or 0.0
        self.name = settings.source or "imported"

    @property
    def recipe(self) -> dict:
        return {name: getattr(self._settings, name) for name in ("frame_rate", "dataset", "source")}

    @property
    def cautions(self) -> dict[str, str]:
        source = f" ({self._settings.source})" if self._settings.source else ""
        return {
            "imported_features": (
                f"The features were imported{source}: emocache has not computed them and cannot say whether "
                "their encoder has seen the test speakers."
            )
        }

    def sources(self, clips: Sequence[Clip]) -> dict:
        return {clip.id: file_digest(self._file_of(clip), "blake2b") for clip in clips}

    def check_clips(self, clips: Sequence[Clip]) -> None:
        unchecked = [clip for clip in clips if clip.id not in self._checked]
        problems = {clip.id: problem for clip in unchecked if (problem := self._check(clip))}
        if problems:
            lines = [f"{identifier}: {problem}" for identifier, problem in problems.items()]
            raise UserError(
                f"{self._folder}: {len(problems):,} of {len(clips):,} utterances cannot be imported (the first file "
                f"here is {self._first.relative_to(self._folder)}):\n{listed(lines, _MOST_LISTED)}"
            )
        self._checked |= {clip.id for clip in clips}

    def frames_of(self, clip: Clip) -> int:
        return self._read(clip).shape[1]

    def input_of(self, clip: Clip) -> np.ndarray:
        """Frames float32 [L, T, D]."""
        return self._read(clip).astype(np.float32)

    def encode(self, inputs: Sequence[np.ndarray]) -> list[Tensor]:
        self.passes += len(inputs)
        return list(torch.from_numpy(np.stack(inputs, axis=1)))

    def _read(self, clip: Clip) -> np.ndarray:
        return read_frames(self._file_of(clip), self._settings.dataset)

    def _files_of(self, clip: Clip) -> list[Path]:
        name = self._names.get(clip.id, clip.id)
        if _leads_out(name):
            return []
        return [path for suffix in SUFFIXES if (path := self._folder / f"{name}{suffix}").is_file()]

    def _file_of(self, clip: Clip) -> Path:
        return self._files_of(clip)[0]

    def _check(self, clip: Clip) -> str | None:
        """What is wrong with a clip's file; None if nothing is."""
        files = self._files_of(clip)
        if not files:
            is_outside = _leads_out(self._names.get(clip.id, clip.id))
            return "the id is a path that leads out of the folder" if is_outside else "no file"
        if len(files) > 1:
            return f"several files: {', '.join(path.name for path in files)}"
        try:
            frames = self._read(clip)
        except ValueError as error:
            return f"{files[0].name} {error}"
        return self._check_shape(clip, frames.shape) or self._check_values(frames)

    def _check_shape(self, clip: Clip, shape: tuple[int, ...]) -> str | None:
        num_layers, num_frames, dimension = shape
        if (num_layers, dimension) != (len(self.layers), self.dimension):
            wanted = f"{len(self.layers)} layers of {self.dimension} dimensions"
            return f"{num_layers} layers of {dimension} dimensions instead of {wanted}"
        if not self.frame_rate:
            if num_frames != 1:
                return f"{num_frames} frames, but frame_rate: null is for one vector per clip"
            return None
        expected = clip.seconds * self.frame_rate
        if abs(num_frames - expected) > max(_TOLERATED_FRAMES, _TOLERATED_SHARE * expected):
            return (
                f"{num_frames} frames, but {clip.seconds:.2f} s at {self.frame_rate:g} per second are "
                f"{expected:.0f}; is frame_rate right, and clips.seconds (null: whole utterances)?"
            )
        return None

    def _check_values(self, frames: np.ndarray) -> str | None:
        if not np.isfinite(frames).all():
            return "values that are not finite"
        if (largest := float(np.abs(frames).max())) > _LARGEST[self._settings.storage]:
            return f"values of up to {largest:.3g}, beyond what {self._settings.storage} holds; use storage: float32"
        return None


def _leads_out(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts


def open_encoder(settings: ImportedSettings, device: torch.device, source: Path) -> ImportedEncoder:
    """The reader of the files in a folder; nothing is computed, on whatever device.

    Raises:
        UserError: there are no such files.
    """
    return ImportedEncoder(settings, source)
