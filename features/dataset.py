"""A `torch.utils.data.Dataset` over the store, for people who train with code of their own.

::

    from features.dataset import FrameDataset, pad_frames

    dataset = FrameDataset("artifacts/features/hubert/iemocap", layers=12)
    loader = DataLoader(dataset, batch_size=32, shuffle=True, collate_fn=pad_frames, pin_memory=True)
    for frames, lengths, ids in loader: ...
"""

import itertools
import os
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from data.clip_keys import CLEAN
from data.errors import UserError, listed
from data.shards import MappedShard, Shard
from features.quantisation import restore
from features.shard_contents import layer_name
from features.store import MOST_MAPPED, FeatureSet

Item = tuple[Tensor, str]  # frames [T, D] or [L, T, D], and the utterance's id


class FrameDataset(Dataset):
    """Clips of a feature set, each as its frames and its utterance's id.

    Every file is read once and compared with its SHA-256 when the dataset is made. Copies of the dataset in worker
    processes, whether forked or spawned, map the same files, after a look at their size and time; nothing is verified
    or parsed again. What is sent to a worker is a few numbers per clip.

    Args:
        folder: ``artifacts/features/<set>/<corpus>``, of one corpus or joined.
        layers: one layer, whose frames are [T, D]; or several, whose frames are [L, T, D].
        ids: of the utterances wanted, in order; None for all.
        copies: of the disturbed copies those wanted, where there are any.
        verify: whether to read every file once.

    Attributes:
        ids: the utterance of each item. One that is stored in pieces is several items, in the order of time.
        keys: of each item, as `FeatureSet` calls its clips.
        lengths: T of each item, int64 [N]; for samplers that put clips of similar length into one batch.
        dimension: D.

    Raises:
        UserError: no features there, or damaged ones; or no such layer, utterance or copy.
    """

    def __init__(
        self,
        folder: Path | str,
        layers: int | Sequence[int],
        ids: Iterable[str] | None = None,
        copies: Collection[str] = (CLEAN,),
        verify: bool = True,
    ):
        features = FeatureSet(Path(folder), verify)
        self._is_single = isinstance(layers, int)
        self._layers = features.check_layers([layers] if isinstance(layers, int) else list(layers))
        wanted = features.ids if ids is None else _check_ids(features, list(ids))
        self.keys = [key for identifier in wanted for copy in copies for key in features.clips_of(identifier, copy)]
        locations = [features.locations[key] for key in self.keys]
        self.ids = [location.id for location in locations]
        self.dimension = features.dimension
        columns = [(place.shard, place.index, place.start, place.stop) for place in locations]
        self._places = np.array(columns, dtype=np.int64).reshape(-1, 4)
        self.lengths = self._places[:, 3] - self._places[:, 2]
        self._shards = [_ShardFile(shard, self._layers, features.is_quantised) for shard in features.shards]
        self._map = lru_cache(MOST_MAPPED)(_ShardFile.map)

    def __len__(self):
        return len(self.keys)

    def __getstate__(self):
        return {name: value for name, value in self.__dict__.items() if name != "_map"}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._map = lru_cache(MOST_MAPPED)(_ShardFile.map)

    def __getitem__(self, index: int) -> Item:
        """One clip: its frames as stored (int8: float32), and its id.

        Use ``frames.float()`` where the arithmetic begins, on the GPU if there is one: half of the bytes get there.
        """
        frames, identifier = self._view(index)
        return frames.clone(), identifier

    def __getitems__(self, indices: Sequence[int]) -> list[Item]:
        """The clips of a batch, for `DataLoader`: views of the mapped files, which a collate function is to copy."""
        return [self._view(index) for index in indices]

    def _view(self, index: int) -> Item:
        number, *place = self._places[index].tolist()
        shard = self._shards[number]
        mapped = self._map(shard)
        layers = [shard.frames(mapped, layer, *place) for layer in range(len(self._layers))]
        return torch.from_numpy(layers[0] if self._is_single else np.stack(layers)), self.ids[index]


def pad_frames(items: Sequence[Item]) -> tuple[Tensor, Tensor, list[str]]:
    """A batch for `DataLoader(collate_fn=...)`.

    Returns:
        frames [B, T, D] or [B, L, T, D], zero after each clip's end; lengths int64 [B]; ids.
    """
    clips, ids = zip(*items, strict=True)
    lengths = torch.tensor([frames.shape[-2] for frames in clips])
    *layers, _, dimension = clips[0].shape
    batch = torch.zeros(len(clips), *layers, int(lengths.max()), dimension, dtype=clips[0].dtype)
    for row, frames in zip(batch, clips, strict=True):
        row[..., : frames.shape[-2], :] = frames
    return batch, lengths, list(ids)


def _check_ids(features: FeatureSet, ids: list[str]) -> list[str]:
    known = set(features.ids)
    if missing := [identifier for identifier in ids if identifier not in known]:
        lines = [f"{name}{' (skipped: unusable audio)' if name in features.skipped else ''}" for name in missing]
        raise UserError(
            f"{features.folder}: {len(missing):,} of {len(ids):,} utterances are not here:\n{listed(lines)}"
        )
    return ids


class _ShardFile:
    """Where the wanted layers are in a file: small to send to other processes, which map it when they need it."""

    def __init__(self, shard: Shard, layers: Sequence[int], is_quantised: bool):
        self._path, self._identity = shard.path.absolute(), _identity(shard.path)
        self._names = [
            [layer_name(layer), *([f"offset_{layer}", f"scale_{layer}"] if is_quantised else [])] for layer in layers
        ]
        self._layouts = shard.layouts(itertools.chain.from_iterable(self._names))

    def map(self) -> MappedShard:
        """The file in memory.

        Raises:
            UserError: it is not the file any more that was verified.
        """
        if _identity(self._path) != self._identity:
            raise UserError(f"{self._path}: another file than when the dataset was made. Make the dataset again.")
        return MappedShard(self._path, self._layouts)

    def frames(self, mapped: MappedShard, position: int, row: int, start: int, stop: int) -> np.ndarray:
        """The frames [T, D] of the utterance at ``row``, of the layer at ``position``."""
        frames, *quantised = (mapped.rows(name) for name in self._names[position])
        if not quantised:
            return frames[start:stop]
        offset, scale = quantised
        return restore(frames[start:stop], offset[row], scale[row])


def _identity(path: Path) -> tuple[int, int, int]:
    status = os.stat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns
