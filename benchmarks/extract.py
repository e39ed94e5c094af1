"""Extraction against the usual loop: float32, one file at a time, `torch.save` per file.

HuBERT-base on clips of 3 s and on whole utterances, whose lengths all differ; Whisper tiny's encoder on clips of 3 s,
which the usual loop fills up to 30 s. Weights are random: they change no time. Then, in one thread, against the limit:
the bare matrix products of the encoder.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from transformers import HubertConfig, WhisperConfig, WhisperFeatureExtractor, WhisperModel

from benchmarks.bare_products import BareProducts
from benchmarks.measuring import against, medians, report
from data.clips import ClipsSettings, open_clips, write_clips
from features.checkpoints import is_whisper, load_checkpoint
from features.extraction import extract_shard
from features.ssl import SslSettings, choose_compute_dtype, open_encoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=1, help="clips per batch, beside the limit")
    parser.add_argument("--limit", action="store_true", help="only compare with the bare matrix products")
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    compute_dtype = choose_compute_dtype("auto", device)
    random = np.random.default_rng(0)
    whole = random.lognormal(np.log(3.8), 0.55, arguments.clips).clip(0.6, 20)  # about IEMOCAP's: 4.5 s on average
    clips = np.full(arguments.clips, 3.0)
    how = {"rounds": arguments.rounds, "device": device}
    if arguments.limit:
        report("extract", compute_dtype=str(compute_dtype), limit=approach(clips, 3.0, arguments.batch, **how))
        return
    folder = Path(tempfile.mkdtemp())
    WhisperModel(WhisperConfig(decoder_layers=0)).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    report(
        "extract",
        clips=arguments.clips,
        device=device.type,
        compute_dtype=str(compute_dtype),
        clips_of_3_s=race("untrained", clips, 3.0, **how),
        whole_utterances=race("untrained", whole, None, **how),
        whisper_clips_of_3_s=race(str(folder), clips, 3.0, **how),
        limit=approach(clips, 3.0, arguments.batch, **how),
    )
    shutil.rmtree(folder)


def race(
    checkpoint: str,
    lengths: np.ndarray,
    longest: float | None,
    rounds: int,
    device: torch.device,
) -> dict:
    """Both ways over files of some seconds each."""
    folder = Path(tempfile.mkdtemp())
    audio = write_noise(folder, lengths)
    recipe = ClipsSettings(seconds=longest)
    loaded = load_checkpoint(SslSettings(clips=recipe, checkpoint=checkpoint, layers=[0]))
    last = loaded.config.num_hidden_layers
    settings = SslSettings(clips=recipe, checkpoint=checkpoint, layers=[last])
    model, extractor = loaded.model.to(device), loaded.extractor
    model = getattr(model, "encoder", model) if is_whisper(loaded.config) else model
    encoder = open_encoder(settings, device)

    @torch.no_grad()
    def usual_loop() -> None:
        for path in audio:
            waveform = soundfile.read(path, dtype="float32")[0]
            inputs = extractor(waveform, sampling_rate=16000, return_tensors="pt")[extractor.model_input_names[0]]
            states = model(inputs.to(device), output_hidden_states=True).hidden_states
            torch.save(states[last][0].cpu(), path.with_suffix(".pt"))

    def preprocess() -> None:
        write_clips(folder / "clips.h5", [path.stem for path in audio], audio, recipe, workers=2)

    def extract() -> None:
        clips = open_clips(folder / "clips.h5")
        extract_shard(clips, folder / "features.h5", settings, encoder, fingerprint="benchmark")

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


def approach(lengths: np.ndarray, seconds: float, batch: int, rounds: int, device: torch.device) -> dict:
    """HuBERT-base in one thread: its products alone, encoding alone, and all from audio files to a closed store."""
    folder, threads = Path(tempfile.mkdtemp()), torch.get_num_threads()
    audio, recipe = write_noise(folder, lengths), ClipsSettings(seconds=seconds)
    encoder = open_encoder(settings := SslSettings(clips=recipe, checkpoint="untrained", layers=[12]), device)
    shapes = (HubertConfig(), round(seconds * recipe.sample_rate), batch, encoder.compute_dtype, device)
    products, usual_products = BareProducts(*shapes), BareProducts(*shapes, packed=False)
    batches = len(lengths) // batch
    inputs = [encoder.prepare(soundfile.read(path, dtype="float32")[0]) for path in audio[:batch]]

    def preprocess_and_extract() -> None:
        write_clips(folder / "clips.h5", [path.stem for path in audio], audio, recipe, workers=1)
        clips = open_clips(folder / "clips.h5")
        extract_shard(clips, folder / "features.h5", settings, encoder, fingerprint="benchmark", batch_size=batch)

    contestants = {
        "products": lambda: [products() for _ in range(batches)],
        "products_in_torchs_usual_layout": lambda: [usual_products() for _ in range(batches)],
        "encode": lambda: [encoder.encode(inputs) for _ in range(batches)],
        "from_wav_to_hdf5": preprocess_and_extract,
    }
    torch.set_num_threads(1)
    try:
        for run in contestants.values():
            run()
        results = against("products", contestants, rounds)
    finally:
        torch.set_num_threads(threads)
        shutil.rmtree(folder)
    clips = {name: len(lengths) if name == "from_wav_to_hdf5" else batches * batch for name in contestants}
    return {
        "threads": 1,
        "clips_per_batch": batch,
        "gflop_per_clip": products.flop / 1e9,
        "tflop_per_second": batches * batch * products.flop / results["products"]["seconds"] / 1e12,
        **{
            name: {
                "seconds_per_clip": result["seconds"] / clips[name],
                "cpu_seconds_per_clip": result["cpu_seconds"] / clips[name],
                "times_the_products": result["ratio"] * clips["products"] / clips[name],
                "times_the_products_cpu": result["cpu_ratio"] * clips["products"] / clips[name],
            }
            for name, result in results.items()
        },
    }


def write_noise(folder: Path, lengths: np.ndarray) -> list[Path]:
    """Audio files of some seconds each."""
    audio = [folder / f"{number}.wav" for number in range(len(lengths))]
    random = np.random.default_rng(0)
    for path, seconds in zip(audio, lengths, strict=True):
        soundfile.write(path, random.normal(0, 0.1, round(16000 * seconds)), 16000)
    return audio


if __name__ == "__main__":
    main()
