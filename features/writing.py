"""Writing shards of features, clips in any order and in any number of processes: see `features.store` for the file.

One process begins a shard and completes it (`FeatureWriter`); it and others fill it (`FrameWriter`).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from data.clip_keys import clip_keys
from data.errors import UserError
from data.shards import Rows, ShardWriter, UnfinishedShard
from features.quantisation import Noise
from features.shard_contents import KIND, ORIGIN, ORIGIN_SIZE, layer_name, layer_rows
from features.store import frames_checksum, stored_form


class UnstorableError(UserError):
    """Frames that are not finite, or beyond what their storage can hold."""


class FeatureWriter:
    """Write one shard of features; it takes its name when it is complete.

    Args:
        path: ``<shard>.h5``; the folder exists.
        ids: of each clip's utterance [N].
        num_frames: of each clip [N].
        seconds: of each uncut utterance [N].
        recipe: what determines the frames; it names their ``layers``, ``dimension`` and ``storage``.
        frame_rate: frames per second; 0 where a clip is one frame.
        fingerprint: of the content.
        provenance: what made it: ``checkpoint``, ``revision``, ``compute_dtype``, ``device``, ``versions``.
        cautions: what a reader of results must know: a code and a sentence.
        columns: ``piece`` and ``copy`` of each clip [N], where utterances may have several.
        encoder: `features.origin.Origins.encoder`, where clips come with their origins; None where they do not.

    Raises:
        UserError: the disk is full.
    """

    def __init__(
        self,
        path: Path,
        *,
        ids: Sequence[str],
        num_frames: Sequence[int],
        seconds: Sequence[float] | np.ndarray,
        recipe: dict,
        frame_rate: float,
        fingerprint: str,
        provenance: dict,
        cautions: dict[str, str] | None = None,
        columns: Mapping[str, np.ndarray] | None = None,
        encoder: str | None = None,
    ):
        self.path = path
        self._keys = clip_keys(ids, columns or {})
        self._recipe = recipe
        self._quantised = recipe["layers"] if recipe["storage"] == "int8" else []
        noise_rows = [Rows(f"noise_{layer}", "f4", (recipe["dimension"],), per="shard") for layer in self._quantised]
        origin = [Rows(ORIGIN, "u1", (ORIGIN_SIZE,), per="utterance")] if encoder else []
        self._shard = ShardWriter(
            path,
            KIND,
            ids=ids,
            lengths=num_frames,
            rows=[
                *layer_rows(recipe["layers"], recipe["dimension"], recipe["storage"]),
                Rows("checksum", "u4", per="utterance"),
                *noise_rows,
                *origin,
            ],
            columns={"seconds": np.asarray(seconds, dtype="<f8"), **(columns or {})},
            attributes={
                "fingerprint": fingerprint,
                "recipe": json.dumps(recipe, sort_keys=True),
                "frame_rate": frame_rate,
                "provenance": json.dumps(provenance, sort_keys=True),
                "cautions": json.dumps(cautions or {}, sort_keys=True),
            },
            summary={"encoder": encoder, "layers": recipe["layers"]} if encoder else None,
        )

    def __enter__(self):
        self._shard.__enter__()
        try:
            self._frames = FrameWriter(self.path, self._keys)
        except BaseException as error:
            self._shard.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def write(
        self, indices: Sequence[int], layers: Sequence[np.ndarray], origins: Sequence[np.ndarray] | None = None
    ) -> None:
        """Write clips here; see `FrameWriter.write`."""
        self._frames.write(indices, layers, origins)

    def copy(self, index: int, stored: Mapping[str, np.ndarray]) -> None:
        """Write a clip that is stored elsewhere; see `FrameWriter.copy`."""
        self._frames.copy(index, stored)

    def __exit__(self, kind, error, trace):
        self._frames.close()
        try:
            if kind is None:
                for layer in self._quantised:
                    self._shard.set(f"noise_{layer}", self._noise(layer)[None])
        except BaseException as failure:
            self._shard.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._shard.__exit__(kind, error, trace)

    def _noise(self, layer: int) -> np.ndarray:
        """The noise of int8 in each dimension of a layer [D]."""
        names = layer_name(layer), f"offset_{layer}", f"scale_{layer}"
        steps, offsets, scales = (self._shard.rows(name) for name in names)
        noise = Noise(self._recipe["dimension"])
        for index, start in enumerate(self._shard.offsets[:-1]):
            noise.add_stored(steps[start : self._shard.offsets[index + 1]], offsets[index], scales[index])
        return noise.relative()


class FrameWriter:
    """Fill a shard that a `FeatureWriter` has begun, in this or another process.

    Args:
        path: the name that the shard will take.
        keys: of its clips [N], for messages.
    """

    def __init__(self, path: Path, keys: Sequence[str]):
        self._keys = keys
        self._shard = UnfinishedShard(path)
        recipe = json.loads(self._shard.attributes["recipe"])
        self._layers, self._storage = recipe["layers"], recipe["storage"]
        self._datasets = [rows.name for rows in layer_rows(self._layers, recipe["dimension"], self._storage)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Nothing more will be written through this one."""
        self._shard.close()

    def write(
        self, indices: Sequence[int], layers: Sequence[np.ndarray], origins: Sequence[np.ndarray] | None = None
    ) -> None:
        """Write clips of the same number of frames.

        Args:
            indices: which of the shard's they are [B].
            layers: frames float32 [B, T, D] of each of the recipe's layers.
            origins: of the clips [B], if the shard has them.

        Raises:
            UnstorableError: naming the first clip whose frames cannot be stored.
            UserError: the disk is full.
        """
        forms = [stored_form(frames, layer, self._storage) for layer, frames in zip(self._layers, layers, strict=True)]
        stored = {name: values for form in forms for name, values in form.items()}  # dataset -> [B, T, D] or [B, D]
        finite = np.logical_and.reduce(
            [np.isfinite(values).reshape(len(indices), -1).all(axis=1) for values in stored.values()]
        )
        if not finite.all():
            identifier = self._keys[indices[int(finite.argmin())]]
            raise UnstorableError(f"{identifier}: frames that are not finite, or do not fit {self._storage}.")
        for row, index in enumerate(indices):
            origin = {} if origins is None else {ORIGIN: origins[row]}
            self.copy(index, {name: values[row] for name, values in stored.items()} | origin)

    def copy(self, index: int, stored: Mapping[str, np.ndarray]) -> None:
        """Write one clip's rows of all datasets as they are to be stored."""
        checksum = frames_checksum([stored[name] for name in self._datasets])
        self._shard.write(index, {**stored, "checksum": np.uint32(checksum)})
