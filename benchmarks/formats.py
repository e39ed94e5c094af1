"""The same frames in eight formats: bytes, time to write, and reading, in order and at random, cold and warm.

    python -m benchmarks.formats --clips 5531          # the size of IEMOCAP, 1.27 GB a format; needs 12 GB of disk

Needs the packages `datasets`, `webdataset`, `lhotse` and `zarr`. Frames are noise, float16, 149 x 768 a clip: like
real features they can hardly be compressed (see ``compressed_to``, with ``--real`` also of a store's real frames).

Each figure is a median over rounds; in each round, all formats take their turn. Reading means opening and copying each
clip once into a buffer, in 1 and in 4 processes that share the clips out and have imported everything before. Time is
wall time until the last is done. Cold: all files are dropped from the page cache before; how much of them was in memory
nevertheless, and how much the processes read from the disk, is reported. Formats of tar files have no random access.
"""

import argparse
import lzma
import multiprocessing
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow

from benchmarks import page_cache
from benchmarks.format_readers import DIMENSION, FRAMES, Format, all_formats, size_of
from benchmarks.measuring import report
from features.store import FeatureSet

_fork = multiprocessing.get_context("fork")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--folder", type=Path, help="on the disk to measure; by default where temporary files go")
    parser.add_argument("--real", type=Path, help="a folder of features, to see how far real frames can be compressed")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    formats = all_formats()
    for form in formats:
        form.import_libraries()
    try:
        clips = noise(arguments.clips)
        written = {form.name: write(form, folder / str(number), clips) for number, form in enumerate(formats)}
        expected = clips.astype(np.float16)[:, 0, 0].view(np.uint16).astype(np.int64)
        read = measure(formats, folder, expected, arguments.workers, arguments.rounds)
        compressed = {"noise": compressibility(clips[:50].astype(np.float16))}
        if arguments.real:
            compressed["real frames"] = compressibility(real_frames(arguments.real))
    finally:
        shutil.rmtree(folder)
    gigabytes = arguments.clips * FRAMES * DIMENSION * 2 / 1e9
    print_tables(formats, written, read, arguments.workers, gigabytes)
    report(
        "formats",
        clips=arguments.clips,
        gigabytes=gigabytes,
        rounds=arguments.rounds,
        written=written,
        read=read,
        compressed_to=compressed,
    )


def noise(count: int) -> np.ndarray:
    """Clips float32 [N, T, D] of standard normal noise."""
    random = np.random.default_rng(0)
    return random.standard_normal((count, FRAMES, DIMENSION), dtype=np.float32)


def write(form: Format, folder: Path, clips: np.ndarray) -> dict[str, float]:
    """Seconds until everything is on the disk, and bytes."""
    folder.mkdir()
    start = time.perf_counter()
    form.write(folder, clips)
    page_cache.write_back(folder)
    return {"seconds": time.perf_counter() - start, "bytes": size_of(folder)}


def measure(
    formats: list[Format], folder: Path, expected: np.ndarray, workers: list[int], rounds: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Format -> way of reading -> medians of seconds, and of what was cold."""
    ways = [(order, cold, count) for order in ("in order", "random") for cold in (True, False) for count in workers]
    taken: dict[str, dict[str, list[dict[str, float]]]] = {form.name: {} for form in formats}
    for turn in range(rounds):
        for order, cold, count in ways:
            for number in np.roll(np.arange(len(formats)), turn):
                form, where = formats[number], folder / str(number)
                if order == "random" and not form.has_random_access:
                    continue
                if cold:
                    resident = page_cache.drop(where)
                else:
                    if page_cache.resident_share(where) < 1:
                        read_all(form, where, expected, "in order", 1)  # into the page cache
                    resident = page_cache.resident_share(where)
                seconds, from_disk = read_all(form, where, expected, order, count)
                taken[form.name].setdefault(way(order, cold, count), []).append(
                    {"seconds": seconds, "resident_before": resident, "from_disk": from_disk / size_of(where)}
                )
    return {
        name: {
            how: {key: statistics.median(figures[key] for figures in rounds_of) for key in rounds_of[0]}
            for how, rounds_of in by_way.items()
        }
        for name, by_way in taken.items()
    }


def way(order: str, cold: bool, count: int) -> str:
    return f"{order}, {'cold' if cold else 'warm'}, {count} process{'es' if count > 1 else ''}"


def read_all(form: Format, folder: Path, expected: np.ndarray, order: str, count: int) -> tuple[float, int]:
    """Read every clip once.

    Returns:
        Seconds, and bytes that came from the disk.
    """
    start_together, results = _fork.Barrier(count + 1), _fork.Queue()
    processes = [
        _fork.Process(
            target=_read_share, args=(form, folder, len(expected), order, part, count, start_together, results)
        )
        for part in range(count)
    ]
    for process in processes:
        process.start()
    start_together.wait()
    start = time.perf_counter()
    shares = [results.get(timeout=600) for _ in processes]
    seconds = time.perf_counter() - start
    for process in processes:
        process.join()
    clips, total, from_disk = (sum(values) for values in zip(*shares, strict=True))
    if (clips, total) != (len(expected), int(expected.sum())):
        raise AssertionError(f"{form.name}: read {clips} clips, and not the values that were written")
    return seconds, from_disk


def _read_share(
    form: Format, folder, num_clips: int, order: str, part: int, parts: int, start_together, results
) -> None:
    buffer, bits = np.empty((FRAMES, DIMENSION), np.float16), 0
    shuffled = np.array_split(np.random.default_rng(1).permutation(num_clips), parts)[part]
    before = page_cache.bytes_read_from_disk()
    start_together.wait()
    form.open(folder)
    number = 0
    clips = form.read_part(part, parts, num_clips) if order == "in order" else map(form.read, shuffled.tolist())
    for frames in clips:
        np.copyto(buffer, frames)
        bits += int(buffer[0, 0].view(np.uint16))
        number += 1
    results.put((number, bits, page_cache.bytes_read_from_disk() - before))


def compressibility(clips: np.ndarray) -> dict[str, float]:
    """Bytes after compression, as a share: of the values as they are, and with first and second bytes apart."""
    content = np.ascontiguousarray(clips).tobytes()
    shuffled = np.frombuffer(content, np.uint8).reshape(-1, 2).T.tobytes()
    zstd = pyarrow.Codec("zstd", compression_level=3)
    return {
        "zstd": len(zstd.compress(content)) / len(content),
        "zstd, bytes apart": len(zstd.compress(shuffled)) / len(content),
        "lzma": len(lzma.compress(content[:2_000_000])) / len(content[:2_000_000]),
        "lzma, bytes apart": len(lzma.compress(shuffled)) / len(content),
    }


def real_frames(folder: Path) -> np.ndarray:
    """Some frames of a store, of its last layer [T, D]."""
    features = FeatureSet(folder)
    keys = list(features.locations)[:: max(1, len(features.locations) // 50)]
    return np.concatenate([features.frames(key, features.layers[-1]) for key in keys]).astype(np.float16)


def print_tables(formats: list[Format], written: dict, read: dict, workers: list[int], gigabytes: float) -> None:
    """The tables of docs/interchange.md: MB and seconds, then GB/s."""
    for order in ("in order", "random"):
        ways = [(cold, count) for cold in (True, False) for count in workers]
        heads = [f"{'cold' if cold else 'warm'}, {count}" for cold, count in ways]
        before = ["MB", "s to write"] if order == "in order" else []
        print("| " + " | ".join([f"GB/s {order}", *before, *heads]) + " |")
        print("|---" * (1 + len(before) + len(heads)) + "|")
        for form in formats:
            own = read[form.name]
            about = [f"{written[form.name]['bytes'] / 1e6:,.0f}", f"{written[form.name]['seconds']:.1f}"]
            speeds = [
                f"{gigabytes / own[key]['seconds']:.2f}" if (key := way(order, cold, count)) in own else ""
                for cold, count in ways
            ]
            if any(speeds):
                print("| " + " | ".join([form.name, *(about if before else []), *speeds]) + " |")
        print()


if __name__ == "__main__":
    main()
