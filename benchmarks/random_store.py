"""A store of random frames in the size of three seconds of HuBERT-base, for benchmarks."""

from pathlib import Path

import numpy as np

from features.store import FeatureSet
from features.writing import FeatureWriter

FRAMES, DIMENSION = 149, 768


def write_store(folder: Path, clips: int, layers: list[int]) -> FeatureSet:
    """Random frames, five shards."""
    folder.mkdir()
    frames = np.random.default_rng(0).normal(0, 1, (1, FRAMES, DIMENSION)).astype(np.float32)
    recipe = {
        **{"kind": "ssl", "weights": "0" * 64, "layers": layers, "dimension": DIMENSION, "storage": "float16"},
        "clips": {"sample_rate": 16000, "seconds": 3.0, "crop": "start"},
    }
    for number, rows in enumerate(np.array_split(np.arange(clips), 5)):
        with FeatureWriter(
            folder / f"{number}.h5",
            ids=[f"clip-{row}" for row in rows],
            num_frames=[FRAMES] * len(rows),
            seconds=[3.0] * len(rows),
            recipe=recipe,
            frame_rate=50.0,
            fingerprint="benchmark",
            provenance={"checkpoint": "random", "compute_dtype": "float32", "device": "cpu", "versions": {}},
        ) as features:
            for index in range(len(rows)):
                features.write([index], [frames] * len(layers))
    return FeatureSet(folder)
