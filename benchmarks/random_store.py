"""A store of random frames in the size of three seconds of HuBERT-base, for benchmarks."""

import json
from pathlib import Path

import numpy as np

from data.shards import ShardWriter
from features.store import KIND, FeatureSet, frames_checksum, layer_rows, stored_form

FRAMES, DIMENSION = 149, 768


def write_store(folder: Path, clips: int, layers: list[int]) -> FeatureSet:
    """Random frames, five shards."""
    folder.mkdir()
    frames = np.random.default_rng(0).normal(0, 1, (FRAMES, DIMENSION)).astype(np.float32)
    recipe = {"weights": "0" * 64, "layers": layers, "dimension": DIMENSION, "storage": "float16"}
    rows = {name: values for layer in layers for name, values in stored_form(frames, layer, "float16").items()}
    for number, ids in enumerate(np.array_split(np.arange(clips), 5)):
        with ShardWriter(
            folder / f"{number}.h5",
            KIND,
            ids=[f"clip-{each}" for each in ids],
            lengths=[FRAMES] * len(ids),
            rows=layer_rows(layers, DIMENSION, "float16"),
            columns={
                "seconds": np.full(len(ids), 3.0),
                "checksum": np.full(len(ids), frames_checksum(list(rows.values())), "u4"),
            },
            attributes={"recipe": json.dumps(recipe), "fingerprint": "benchmark", "provenance": "{}", "cautions": "{}"},
        ) as shard:
            for place in range(len(ids)):
                shard.write(place, rows)
    return FeatureSet(folder)
