"""What is exported: clips in the order of their ids, some layers, as one type of number."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np

from data.clip_keys import CLEAN, PIECE, clip_columns, copies_in
from data.errors import UserError
from features.interchange.clip_table import ClipRow
from features.interchange.file_names import file_names
from features.store import FeatureSet

DTYPES = ("float16", "float32")


class Selection:
    """Layers of a feature set, to be written clip by clip: only one clip's frames are in memory at a time.

    Args:
        features: the set.
        layers: some of its layers; None for all.
        dtype: ``float16`` or ``float32``; None for the stored type, and float32 where that is int8, which is what
            heads are trained on.
        on_clip: called for every clip that has been read.

    Raises:
        UserError: one of the layers is not stored, or named twice.
    """

    def __init__(
        self,
        features: FeatureSet,
        layers: Sequence[int] | None = None,
        dtype: str | None = None,
        on_clip: Callable[[], None] = lambda: None,
    ):
        if layers is not None and len(set(layers)) < len(layers):
            raise UserError(f"layers {', '.join(map(str, layers))}: name each layer once.")
        self.features = features
        self.layers = features.check_layers(list(layers)) if layers is not None else features.layers
        self.dtype = dtype or ("float32" if features.is_quantised else features.recipe["storage"])
        self._on_clip = on_clip

    @cached_property
    def keys(self) -> list[str]:
        """Of the clips, sorted by id; an utterance's own follow one another as in the store, the clean ones first."""
        locations = self.features.locations
        return sorted(locations, key=lambda key: locations[key].id)

    def __len__(self):
        return len(self.keys)

    def rows(self, also_quote: str = "") -> list[ClipRow]:
        """A line for each clip, in order; the characters ``also_quote`` are in no name."""
        features = self.features
        columns = [clip_columns(shard) for shard in features.shards]
        copies = [copies_in(own, len(shard.ids)) for own, shard in zip(columns, features.shards, strict=True)]
        rows = []
        for key in self.keys:
            location = features.locations[key]
            pieces = columns[location.shard].get(PIECE)
            piece = None if pieces is None else int(pieces[location.index])
            copy = copies[location.shard][location.index]
            seconds = features.seconds[location.id]
            rows.append(ClipRow("", location.id, copy, piece, features.num_frames(key), seconds))
        names = file_names([_parts(row) for row in rows], also_quote)
        return [row._replace(name=name) for row, name in zip(rows, names, strict=True)]

    def frames(self) -> Iterator[list[np.ndarray]]:
        """The frames [T, D] of each clip's layers, in order, little-endian.

        Raises:
            UserError: a value is beyond what the type holds.
        """
        dtype = np.dtype(self.dtype).newbyteorder("<")
        for key in self.keys:
            frames = [self.features.frames(key, layer) for layer in self.layers]
            with np.errstate(over="ignore"):
                converted = [np.ascontiguousarray(layer, dtype=dtype) for layer in frames]
            if dtype.itemsize < frames[0].dtype.itemsize and not all(np.isfinite(layer).all() for layer in converted):
                raise UserError(f"{key}: values beyond what {self.dtype} holds. Use --dtype float32.")
            yield converted
            self._on_clip()

    def stacked_frames(self) -> Iterator[np.ndarray]:
        """The frames of each clip, in order: [T, D] of a single layer, [L, T, D] of several."""
        for layers in self.frames():
            yield layers[0] if len(layers) == 1 else np.stack(layers)


def _parts(row: ClipRow) -> tuple[str, ...]:
    copy = (row.copy,) if row.copy != CLEAN else ()
    piece = (f"piece{row.piece}",) if row.piece is not None else ()
    return (row.id, *copy, *piece)
