"""Reading every utterance's frames from the store, in random order, against `np.fromfile` of the same bytes."""

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measuring import medians, report
from benchmarks.random_store import DIMENSION, FRAMES, write_store
from features.store import FeatureSet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        features = write_store(folder / "store", arguments.clips, [12])
        order = np.random.default_rng(0).permutation(list(features.locations))
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


if __name__ == "__main__":
    main()
