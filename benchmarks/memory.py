"""The peak memory of extraction: ten times the clips must not take ten times the memory. One process per size."""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.measuring import report
from data.clips import ClipsSettings, clips_writer, open_clips
from features.extraction import extract_shard
from features.ssl import SslSettings, open_encoder

_SIZES = (40, 400)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, help="measure this size alone, in this process")
    arguments = parser.parse_args()
    if arguments.clips:
        print(extract_and_measure(arguments.clips))
        return
    command = [sys.executable, "-m", "benchmarks.memory", "--clips"]
    peaks = {size: int(subprocess.check_output([*command, str(size)], text=True).split()[-1]) for size in _SIZES}
    report("memory", peak_megabytes_by_clips={str(size): peak for size, peak in peaks.items()})


def extract_and_measure(clips: int) -> int:
    """Extract two layers of 3 s clips with a one-layer encoder; the process's peak in MB."""
    cpu = torch.device("cpu")
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "clips.h5"
        recipe = ClipsSettings(seconds=3.0)
        ids = [f"clip-{number}" for number in range(clips)]
        with clips_writer(path, ids=ids, lengths=[48000] * clips, seconds=[3.0] * clips, recipe=recipe) as shard:
            for number in range(clips):
                shard.write(number, {"waveform": random.integers(-3000, 3000, 48000)})
        settings = SslSettings(clips=recipe, checkpoint="untrained:0,layers=1", layers=[0, 1])
        encoder = open_encoder(settings, cpu)
        extract_shard(open_clips(path), Path(name) / "features.h5", settings, encoder, fingerprint="benchmark")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
