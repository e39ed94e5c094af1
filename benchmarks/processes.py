"""Extraction by one process of several threads, as it was, and by several processes of one thread, as it is.

HuBERT-base with random weights on clips of 3 s, on a machine that does nothing else and beside one other busy process.
Ways take turns, each in a process of its own. Memory is the proportional set size of all processes together, in which
what they share counts once.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.measuring import report
from data.clips import ClipsSettings, clips_writer, open_clips
from data.processes import available_cores
from features.extraction import ShardJob, extract_shard
from features.shared_extraction import extract_shards
from features.ssl import SslSettings, open_encoder

_BUSY = "while True: pass"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--way", nargs=2, metavar=("KIND", "COUNT"), help="measure one way alone, in this process")
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(measure(arguments.way[0], int(arguments.way[1]), arguments.clips)))
        return
    cores = available_cores()
    ways = [("threads", 1), ("threads", cores), ("processes", cores)]
    found: dict[str, list[dict]] = {}
    for _ in range(arguments.rounds):
        for busy in (False, True):
            for kind, count in ways:
                with beside_another(busy):
                    name = f"{count} {kind}{' beside a busy process' if busy else ''}"
                    found.setdefault(name, []).append(in_a_process(kind, count, arguments.clips))
    report(
        "processes",
        clips=arguments.clips,
        seconds_per_clip={name: median(run["seconds_per_clip"] for run in runs) for name, runs in found.items()},
        megabytes={name: median(run["megabytes"] for run in runs) for name, runs in found.items()},
    )


def in_a_process(kind: str, count: int, clips: int) -> dict:
    """`measure` in a new process."""
    command = [sys.executable, "-m", "benchmarks.processes", "--clips", str(clips), "--way", kind, str(count)]
    return json.loads(subprocess.check_output(command, text=True).splitlines()[-1])


@contextmanager
def beside_another(busy: bool):
    """Keep one core busy, if asked to."""
    other = subprocess.Popen([sys.executable, "-c", _BUSY]) if busy else None
    try:
        yield
    finally:
        if other:
            other.kill()
            other.wait()


def measure(kind: str, count: int, num_clips: int) -> dict:
    """Extract clips by ``count`` threads of this process, or by ``count`` processes of one thread each."""
    torch.set_num_threads(count if kind == "threads" else 1)
    settings = SslSettings(clips=ClipsSettings(seconds=3.0), checkpoint="untrained", layers=[12])
    encoder = open_encoder(settings, torch.device("cpu"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = write_clips(folder / "clips.h5", num_clips)
        start = time.perf_counter()
        with peak_of_all() as peak:
            if kind == "threads":
                extract_shard(clips, folder / "features.h5", settings, encoder, fingerprint="benchmark")
            else:
                job = ShardJob(clips, folder / "features.h5", "benchmark")
                list(extract_shards([job], settings, encoder, workers=count))
        seconds = time.perf_counter() - start
    return {"seconds_per_clip": seconds / num_clips, "megabytes": peak["megabytes"]}


def write_clips(path: Path, count: int):
    """A shard of noise, 3 s each."""
    random = np.random.default_rng(0)
    ids = [f"clip-{number}" for number in range(count)]
    how = {"lengths": [48000] * count, "seconds": [3.0] * count, "recipe": ClipsSettings(seconds=3.0)}
    with clips_writer(path, ids=ids, **how) as shard:
        for number in range(count):
            shard.write(number, {"waveform": random.integers(-3000, 3000, 48000)})
    return open_clips(path)


@contextmanager
def peak_of_all(every: float = 0.25):
    """The most memory of this process and its children together, in MB (10^6 bytes), looked at now and then."""
    peak, done = {"megabytes": 0.0}, threading.Event()

    def watch() -> None:
        while not done.wait(every):
            own = [os.getpid(), *children_of_this()]
            peak["megabytes"] = max(peak["megabytes"], sum(map(proportional_bytes, own)) / 1e6)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def children_of_this() -> list[int]:
    """The processes that the main thread has started; none outside of Linux."""
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(name) for name in path.read_text().split()] if path.exists() else []


def proportional_bytes(process: int) -> int:
    """The proportional set size of a process; 0 if it has ended, or outside of Linux."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
