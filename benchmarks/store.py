"""Reading every utterance's frames from the store, in random order, against `np.fromfile` of the same bytes."""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measuring import medians, report
from data.shards import Rows, ShardWriter
from features.store import KIND, FeatureSet, frames_checksum

FRAMES, DIMENSION = 149, 768


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        _write_store(folder / "store", arguments.clips)
        features = FeatureSet(folder / "store")
        order = np.random.default_rng(0).permutation(list(features.places))
        flat = folder / "flat.bin"
        with flat.open("wb") as file:
            for rows in features.maps(12):
                file.write(rows.tobytes())
        frames = np.empty((FRAMES, DIMENSION), np.float16)

        def from_store() -> None:
            for identifier in order:
                np.copyto(frames, features.frames(identifier, 12))

        def open_and_read_once() -> None:
            opened = FeatureSet(folder / "store", verify=False)
            for identifier in order:
                np.copyto(frames, opened.frames(identifier, 12))

        def from_flat_file() -> None:
            np.fromfile(flat, np.float16)

        seconds = medians(
            {"np.fromfile": from_flat_file, "store": from_store, "store_opened_anew": open_and_read_once},
            arguments.rounds,
        )
        size = flat.stat().st_size
        report(
            "store",
            megabytes=size / 1e6,
            gigabytes_per_second={name: size / value / 1e9 for name, value in seconds.items()},
            store_to_fromfile=seconds["np.fromfile"] / seconds["store"],
            store_opened_anew_to_fromfile=seconds["np.fromfile"] / seconds["store_opened_anew"],
        )
    finally:
        shutil.rmtree(folder)


def _write_store(folder: Path, clips: int) -> None:
    folder.mkdir()
    frames = np.random.default_rng(0).normal(0, 1, (FRAMES, DIMENSION)).astype(np.float16)
    recipe = {"layers": [12], "dimension": DIMENSION, "storage": "float16"}
    for number, ids in enumerate(np.array_split(np.arange(clips), 5)):
        with ShardWriter(
            folder / f"{number}.h5",
            KIND,
            ids=[f"clip-{each}" for each in ids],
            lengths=[FRAMES] * len(ids),
            rows=[Rows("layer_12", "f2", (DIMENSION,))],
            columns={"seconds": np.full(len(ids), 3.0)},
            late_columns=[Rows("checksum", "u4")],
            attributes={"recipe": json.dumps(recipe), "fingerprint": "benchmark", "provenance": "{}"},
        ) as shard:
            for place in range(len(ids)):
                shard.write(place, {"layer_12": frames})
            shard.set_column("checksum", np.full(len(ids), frames_checksum([frames])))


if __name__ == "__main__":
    main()
