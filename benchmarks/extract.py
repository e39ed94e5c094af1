"""Extraction against the usual loop: float32, one file at a time, `torch.save` per file.

HuBERT-base on clips of 3 s, and on whole utterances, whose lengths all differ.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch

from benchmarks.measuring import medians, report
from data.clips import ClipsSettings, open_clips, write_clips
from features.checkpoints import untrained_hubert
from features.extraction import extract_shard
from features.settings import SslSettings
from features.ssl import choose_compute_dtype, open_encoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    compute_dtype = choose_compute_dtype("auto", device)
    random = np.random.default_rng(0)
    whole = random.lognormal(np.log(3.8), 0.55, arguments.clips).clip(0.6, 20)  # about IEMOCAP's: 4.5 s on average
    report(
        "extract",
        clips=arguments.clips,
        device=device.type,
        compute_dtype=str(compute_dtype),
        clips_of_3_s=race(np.full(arguments.clips, 3.0), 3.0, arguments.rounds, device, compute_dtype),
        whole_utterances=race(whole, None, arguments.rounds, device, compute_dtype),
    )


def race(
    lengths: np.ndarray, longest: float | None, rounds: int, device: torch.device, compute_dtype: torch.dtype
) -> dict:
    """Both ways over files of some seconds each."""
    folder = Path(tempfile.mkdtemp())
    audio = [folder / f"{number}.wav" for number in range(len(lengths))]
    random = np.random.default_rng(0)
    for path, seconds in zip(audio, lengths, strict=True):
        soundfile.write(path, random.normal(0, 0.1, round(16000 * seconds)), 16000)
    model = untrained_hubert().to(device)
    settings = SslSettings(clips="speech", checkpoint="untrained", layers=[12])
    encoder = open_encoder(settings, device, compute_dtype)

    @torch.no_grad()
    def usual_loop() -> None:
        for path in audio:
            waveform = torch.from_numpy(soundfile.read(path, dtype="float32")[0]).to(device)
            waveform = (waveform - waveform.mean()) / torch.sqrt(waveform.var(unbiased=False) + 1e-7)
            torch.save(model(waveform[None]).last_hidden_state[0].cpu(), path.with_suffix(".pt"))

    def preprocess() -> None:
        recipe = ClipsSettings(seconds=longest)
        write_clips(folder / "clips.h5", [path.stem for path in audio], audio, recipe, workers=2)

    def extract() -> None:
        extract_shard(open_clips(folder / "clips.h5"), folder / "features.h5", settings, encoder, "benchmark")

    try:
        seconds = medians({"usual_loop": usual_loop, "preprocess": preprocess, "extract": extract}, rounds)
    finally:
        shutil.rmtree(folder)
    return {
        "mean_seconds": float(lengths.mean()),
        "seconds_per_clip": {name: value / len(lengths) for name, value in seconds.items()},
        "times_as_fast": seconds["usual_loop"] / seconds["extract"],
        "times_as_fast_with_preprocess": seconds["usual_loop"] / (seconds["preprocess"] + seconds["extract"]),
    }


if __name__ == "__main__":
    main()
