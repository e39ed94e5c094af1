"""The formats that `benchmarks.formats` compares, each written and read as its own library does it."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from features.store import FeatureSet
from features.writing import FeatureWriter

FRAMES, DIMENSION, RATE = 149, 768, 50.0  # three seconds of HuBERT-base
SHARDS = 8
LAYER = 12


def clip_name(number: int) -> str:
    """What a clip is called everywhere."""
    return f"clip-{number:06d}"


def shards_of(count: int) -> list[np.ndarray]:
    """The numbers of the clips of each shard."""
    return np.array_split(np.arange(count), SHARDS)


class Format:
    """One way to keep clips.

    Attributes:
        name: in the table.
        has_random_access: whether clips can be read in any order.
    """

    name: str
    has_random_access = True

    def write(self, folder: Path, clips: np.ndarray) -> None:
        """Write float32 frames [N, T, D] as float16 into an empty folder."""
        raise NotImplementedError

    def open(self, folder: Path) -> None:
        """Make ready to read."""
        raise NotImplementedError

    def read(self, number: int) -> np.ndarray:
        """One clip [T, D]."""
        raise NotImplementedError

    def read_part(self, part: int, parts: int, count: int) -> Iterable[np.ndarray]:
        """One of ``parts`` of all clips, in the order in which they are stored."""
        return (self.read(int(number)) for number in np.array_split(np.arange(count), parts)[part])

    def import_libraries(self) -> None:
        """Import what reading needs, before the clock starts."""


class Store(Format):
    """Our HDF5: a contiguous dataset per layer, mapped into memory."""

    name = "emocache's store"

    def write(self, folder, clips):
        clips_recipe = {"sample_rate": 16000, "seconds": 3.0, "crop": "start"}
        recipe = {"kind": "imported", "layers": [LAYER], "dimension": DIMENSION, "storage": "float16"}
        for shard, numbers in enumerate(shards_of(len(clips))):
            with FeatureWriter(
                folder / f"{shard}.h5",
                ids=[clip_name(number) for number in numbers],
                num_frames=[FRAMES] * len(numbers),
                seconds=[3.0] * len(numbers),
                recipe={**recipe, "clips": clips_recipe},
                frame_rate=RATE,
                fingerprint="benchmark",
                provenance={"checkpoint": "noise", "compute_dtype": "float32", "device": "cpu", "versions": {}},
            ) as features:
                for index, number in enumerate(numbers):
                    features.write([index], [clips[number][None]])

    def open(self, folder):
        self._features = FeatureSet(folder, verify=False)

    def read(self, number):
        return self._features.frames(clip_name(number), LAYER)


class Npy(Format):
    """One file per clip."""

    name = "one `.npy` per clip"

    def write(self, folder, clips):
        for number, frames in enumerate(clips):
            np.save(folder / f"{clip_name(number)}.npy", frames.astype(np.float16))

    def open(self, folder):
        self._folder = folder

    def read(self, number):
        return np.load(self._folder / f"{clip_name(number)}.npy")


class Hdf5(Format):
    """A dataset per clip, by h5py."""

    name = "HDF5, a dataset per clip"

    def write(self, folder, clips):
        with h5py.File(folder / "clips.h5", "w") as file:
            for number, frames in enumerate(clips):
                file.create_dataset(clip_name(number), data=frames.astype(np.float16))

    def open(self, folder):
        self._file = h5py.File(folder / "clips.h5")

    def read(self, number):
        return self._file[clip_name(number)][()]


class Arrow(Format):
    """Hugging Face's `datasets`: Arrow files, mapped into memory."""

    name = "Arrow (`datasets`)"

    def write(self, folder, clips):
        import datasets

        columns = {"id": datasets.Value("string"), "frames": datasets.Array2D((None, DIMENSION), "float16")}

        def rows() -> Iterator[dict]:
            for number, frames in enumerate(clips):
                yield {"id": clip_name(number), "frames": frames.astype(np.float16)}

        path = str(folder / "clips.arrow")
        writer = datasets.arrow_writer.ArrowWriter(features=datasets.Features(columns), path=path)
        for row in rows():
            writer.write(row)
        writer.finalize()
        writer.stream.close()

    def open(self, folder):
        import datasets

        opened = datasets.Dataset.from_file(str(folder / "clips.arrow"))
        self._rows = opened.with_format("numpy", dtype=np.float16)

    def read(self, number):
        return self._rows[number]["frames"]

    def read_part(self, part, parts, count):
        numbers = np.array_split(np.arange(count), parts)[part]
        return (row["frames"] for row in self._rows.select(range(numbers[0], numbers[-1] + 1)))

    def import_libraries(self):
        import datasets
        import torch  # the first row would import it  # noqa: F401

        datasets.disable_progress_bars()


class WebDataset(Format):
    """Tar files that are read from the beginning to the end."""

    name = "WebDataset"
    has_random_access = False

    def write(self, folder, clips):
        import webdataset

        most = max(len(numbers) for numbers in shards_of(len(clips)))
        with webdataset.ShardWriter(str(folder / "clips-%06d.tar"), maxcount=most, verbose=0) as writer:
            for number, frames in enumerate(clips):
                writer.write({"__key__": clip_name(number), "npy": frames.astype(np.float16)})

    def open(self, folder):
        self._paths = sorted(map(str, folder.glob("*.tar")))

    def read_part(self, part, parts, count):
        import webdataset

        samples = webdataset.WebDataset(self._paths[part::parts], shardshuffle=False).decode()
        return (sample["npy"] for sample in samples)

    def import_libraries(self):
        import webdataset  # noqa: F401


class LhotseShar(Format):
    """lhotse's sequential format: tar files of arrays beside manifests."""

    name = "lhotse Shar"
    has_random_access = False

    def write(self, folder, clips):
        from lhotse import Features, MonoCut
        from lhotse.features.io import MemoryRawWriter
        from lhotse.shar import SharWriter

        most, memory = max(len(numbers) for numbers in shards_of(len(clips))), MemoryRawWriter()
        about = {"type": "hubert", "num_frames": FRAMES, "num_features": DIMENSION, "frame_shift": 1 / RATE}
        about |= {"sampling_rate": 16000, "start": 0, "duration": FRAMES / RATE, "channels": 0}
        about |= {"storage_type": "memory_raw", "storage_path": ""}
        with SharWriter(str(folder), fields={"features": "numpy"}, shard_size=most) as writer:
            for number, frames in enumerate(clips):
                key = memory.write(clip_name(number), frames.astype(np.float16))
                features = Features(storage_key=key, recording_id=clip_name(number), **about)
                cut = MonoCut(clip_name(number), 0, FRAMES / RATE, 0, features=features)
                writer.write(cut)

    def open(self, folder):
        self._fields = {field: sorted(map(str, folder.glob(f"{field}.*"))) for field in ("cuts", "features")}

    def read_part(self, part, parts, count):
        from lhotse import CutSet

        fields = {field: paths[part::parts] for field, paths in self._fields.items()}
        return (cut.load_features() for cut in CutSet.from_shar(fields=fields))

    def import_libraries(self):
        import lhotse  # noqa: F401


class Zarr(Format):
    """One array, a chunk per clip, with several chunks in a file (sharding)."""

    def __init__(self, compressed: bool):
        self._compressed = compressed
        self.name = "Zarr, zstd (its default)" if compressed else "Zarr, uncompressed"

    def write(self, folder, clips):
        import zarr

        per_shard = max(len(numbers) for numbers in shards_of(len(clips)))
        how = {} if self._compressed else {"compressors": None}
        array = zarr.create_array(
            str(folder / "clips.zarr"),
            shape=(-(-len(clips) // per_shard) * per_shard, FRAMES, DIMENSION),
            chunks=(1, FRAMES, DIMENSION),
            shards=(per_shard, FRAMES, DIMENSION),
            dtype="float16",
            **how,
        )
        for start in range(0, len(clips), per_shard):
            array[start : start + len(clips[start : start + per_shard])] = clips[start : start + per_shard].astype(
                np.float16
            )

    def open(self, folder):
        import zarr

        self._array = zarr.open_array(str(folder / "clips.zarr"), mode="r")

    def read(self, number):
        return self._array[number]

    def import_libraries(self):
        import zarr

        zarr.config.set({"threading.max_workers": 1, "async.concurrency": 1})


def all_formats() -> Sequence[Format]:
    """In the order of the table."""
    return [Store(), Npy(), Hdf5(), Arrow(), WebDataset(), LhotseShar(), Zarr(False), Zarr(True)]


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum((Path(where) / file).stat().st_size for where, _, files in os.walk(folder) for file in files)
