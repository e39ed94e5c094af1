"""A shard of features, opened only if it holds what every reader relies on."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data.clip_keys import COPY, PIECE
from data.errors import UserError
from data.shards import Rows, Shard

KIND = "emocache-features"
_ELEMENTS = {"float16": "f2", "float32": "f4"}
ORIGIN = "origin"  # the dataset of where clips come from (`features.origin`); older shards lack it
ORIGIN_SIZE = 16  # bytes
_COLUMNS = (Rows("checksum", "u4", per="utterance"), Rows("seconds", "f8", per="utterance"))


class _Described(BaseModel):
    """What a shard says of itself may say more, and other kinds of features do."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Clips(_Described):
    sample_rate: Annotated[int, Field(gt=0)]
    seconds: Annotated[float, Field(ge=0)]
    crop: str
    hop: Annotated[float, Field(gt=0)] = 1.0  # where they are segments


class _Recipe(_Described):
    kind: str
    layers: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    dimension: Annotated[int, Field(gt=0)]
    storage: Literal["float16", "float32", "int8"]
    clips: _Clips


class _Provenance(_Described):
    checkpoint: str
    compute_dtype: str
    device: str
    versions: dict[str, str]


class _Attributes(_Described):
    fingerprint: str
    frame_rate: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    recipe: _Recipe
    provenance: _Provenance
    cautions: dict[str, str]


def open_features(path: Path, verify: bool = True, sidecar: Path | None = None) -> Shard:
    """Open a shard of features.

    Args:
        path: ``<shard>.h5``.
        verify: read the file once and compare its SHA-256.
        sidecar: where that is, if it is not beside the file.

    Raises:
        UserError: it is missing, damaged, of another kind or format, or lacks what its recipe names.
    """
    shard = Shard(path, KIND, verify, sidecar)
    try:
        described = {name: _read_json(value) for name, value in shard.attributes.items()}
        recipe = _Attributes.model_validate(described).recipe
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise _refusal(path, f"{'.'.join(map(str, problem['loc']))}: {problem['msg'].lower()}") from None
    counts = {"frame": int(shard.offsets[-1]), "utterance": len(shard.ids), "shard": 1}
    noise = [Rows(f"noise_{layer}", "f4", (recipe.dimension,), per="shard") for layer in recipe.layers]
    layers = layer_rows(recipe.layers, recipe.dimension, recipe.storage)
    for rows in [*layers, *_COLUMNS, *(noise if recipe.storage == "int8" else [])]:
        if not shard.has_rows(rows.name, rows.dtype, (counts[rows.per], *rows.shape)):
            raise _refusal(path, f"{rows.name} is missing, or not of the type and shape that the recipe says")
    for name in (PIECE, COPY):
        if shard.has_column(name) and shard.column(name).dtype.kind != {PIECE: "i", COPY: "S"}[name]:
            raise _refusal(path, f"{name} is of another type")
    seconds = shard.column("seconds")
    if not (np.isfinite(seconds) & (seconds >= 0)).all():
        raise _refusal(path, "seconds that are no lengths")
    return shard


def has_origins(shard: Shard) -> bool:
    """Whether a shard of features says where its clips' frames come from."""
    return shard.has_rows(ORIGIN, "u1", (len(shard.ids), ORIGIN_SIZE))


def layer_name(layer: int) -> str:
    """The dataset of a layer's frames."""
    return f"layer_{layer}"


def layer_rows(layers: Sequence[int], dimension: int, storage: str) -> list[Rows]:
    """The datasets that hold the layers, in the order of the checksum."""
    shape, rows = (dimension,), []
    for layer in layers:
        if storage == "int8":
            rows += [
                Rows(layer_name(layer), "i1", shape),
                Rows(f"offset_{layer}", "f2", shape, per="utterance"),
                Rows(f"scale_{layer}", "f2", shape, per="utterance"),
            ]
        else:
            rows.append(Rows(layer_name(layer), _ELEMENTS[storage], shape))
    return rows


def _read_json(value):
    """The content of an attribute that is JSON; any other as it is."""
    if isinstance(value, str) and value.startswith("{"):
        with suppress(ValueError, RecursionError):
            return json.loads(value)
    return value


def _refusal(path: Path, what: str) -> UserError:
    return UserError(
        f"{path}: damaged, although its SHA-256 is right: {what}. Delete it and its sidecar, then `dvc repro` "
        "(or `dvc pull`)."
    )
