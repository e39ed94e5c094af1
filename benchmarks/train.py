"""Seconds per epoch of every head at IEMOCAP's size, against HuBERT in every step and a DataLoader over loose files."""

import argparse
import dataclasses
import itertools
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from benchmarks.measuring import medians, report
from benchmarks.random_store import DIMENSION, write_store
from data.processes import available_cores
from engines.local import run_local
from features.checkpoints import untrained_hubert
from features.store import FeatureSet
from models import HEADS
from models.building import build_head
from models.head import HeadSettings, View
from training.batches import (
    MappedFrames,
    MomentFrames,
    UtteranceMoments,
    shuffled_batches,
    standardising_statistics,
)
from training.checkpoint import StandardisedHead
from training.job import FoldJob, Utterances
from training.parallel import train_folds
from training.run import TrainingRun
from training.settings import TrainingSettings

CLIPS, CLASSES, SPEAKERS = 5531, 4, 8
LAYERS = list(range(13))
HEAD_SETTINGS = {
    "linear": {"model": "linear", "l2": None},
    "weighted_layers": {"model": "weighted_layers"},
    "gru": {"model": "gru", "hidden_size": 256},
    "enhanced_gru": {"model": "enhanced_gru", "hidden_size": 256},
}
PLAIN = {"schedule": "constant", "warmup": 0, "adversarial_weight": 0}
ENHANCED = {"adversarial_weight": 0.05, "augment": True}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=CLIPS, help="in the store of one layer")
    parser.add_argument("--sample", type=int, default=256, help="clips on which recurrent heads are timed")
    parser.add_argument("--original", type=int, default=64, help="clips that go through HuBERT")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    folder = Path(tempfile.mkdtemp())
    try:
        one = write_store(folder / "one", arguments.clips, [12])
        all_layers = write_store(folder / "all", arguments.sample, LAYERS)
        report(
            "train",
            clips=arguments.clips,
            sampled_clips=arguments.sample,
            device=device.type,
            threads=torch.get_num_threads(),
            seconds_per_epoch=epochs_of_heads(one, all_layers, arguments, device),
            reading=reading(one, arguments, device),
            hubert_in_every_step=hubert_in_every_step(one, arguments, device),
            loose_files=loose_files(one, folder / "files", arguments, device),
            side_by_side=side_by_side(one, arguments, folder) if device.type == "cpu" else None,
        )
    finally:
        shutil.rmtree(folder)


def make_job(
    features: FeatureSet, head: str, clips: int, device: torch.device, settings: HeadSettings | None = None, **changes
) -> FoldJob:
    """Train on some clips of a store; nothing is validated."""
    settings = settings or HEADS[HEAD_SETTINGS[head]["model"]][0](**HEAD_SETTINGS[head])
    how = TrainingSettings(**{"epochs": 1, **PLAIN, **(ENHANCED if head == "enhanced_gru" else {}), **changes})
    ids = list(features.locations)[:clips]
    people = Utterances(
        ids, [f"s{n % SPEAKERS}" for n in range(len(ids))], [n // SPEAKERS % CLASSES for n in range(len(ids))]
    )
    roles = {
        "train": people,
        "validation": Utterances([], [], []),
        "test": Utterances(*([part[0]] for part in (people.ids, people.speakers, people.labels))),
    }
    names = [f"class-{number}" for number in range(CLASSES)]
    return FoldJob(
        name=head,
        head=settings,
        training=how,
        features=features.folder,
        classes=names,
        fold=0,
        seed=1,
        roles=roles,
        num_clips=len(people.ids),
        fingerprint="benchmark",
        folder=Path(),
        rescue=Path(),
        measurement=Path(),
        device=device.type,
    )


def make_run(features: FeatureSet, job: FoldJob, on_means: bool = False) -> TrainingRun:
    """A run whose epochs can be timed."""
    device = torch.device(job.device)
    layers = job.head.choose_layers(features.layers)
    shape = len(layers), DIMENSION
    speakers = SPEAKERS if job.training.adversarial_weight else 0
    head = build_head(job.head, DIMENSION, CLASSES, len(layers), speakers)
    model = StandardisedHead(head, torch.zeros(shape), torch.ones(shape)).to(device)
    frames = MappedFrames(features, layers, device)
    if on_means:
        frames = MomentFrames(UtteranceMoments(features, layers), View.MEAN, device)
    return TrainingRun(model, frames, job, {}, features)


def epochs_of_heads(one: FeatureSet, all_layers: FeatureSet, arguments, device) -> dict:
    """Seconds per epoch, scaled from the sample to the whole number of clips where only a sample was timed."""
    results = {}
    for head, features, clips in (
        ("linear", one, arguments.clips),
        ("weighted_layers", all_layers, arguments.sample),
    ):
        run = make_run(features, make_job(features, head, clips, device), on_means=True)
        scale = arguments.clips / clips
        start = time.perf_counter()
        standardising_statistics(features, run.job.head.choose_layers(features.layers), run.train.ids, of_means=True)
        first = time.perf_counter() - start
        run.train_epoch(1)  # reads the means
        seconds = medians({head: lambda run=run: run.train_epoch(1)}, 5)[head]
        results[head] = {"float32": scale * seconds, "reading_the_means_once": scale * first}
    for head in ("gru", "enhanced_gru"):
        runs = {
            precision: make_run(one, make_job(one, head, arguments.sample, device, precision=precision))
            for precision in ("float32", "bfloat16")
        }
        contestants = {name: lambda run=run: run.train_epoch(1) for name, run in runs.items()}
        seconds = medians(contestants, arguments.rounds)
        results[head] = {name: value * arguments.clips / arguments.sample for name, value in seconds.items()}
        results[head]["times_as_fast_in_bfloat16"] = seconds["float32"] / seconds["bfloat16"]
    return results


def reading(one: FeatureSet, arguments, device) -> dict:
    """What gathering frames from the store takes of an epoch of the GRU, on the same clips."""
    run = make_run(one, make_job(one, "gru", arguments.sample, device))

    def gather() -> None:
        for batch in shuffled_batches(len(run.train.ids), run.training.batch_size, torch.Generator().manual_seed(0)):
            run.frames.gather([run.train.ids[index] for index in batch])

    seconds = medians({"gather": gather, "epoch": lambda: run.train_epoch(1)}, arguments.rounds)
    return {**seconds, "share_of_a_gru_epoch": seconds["gather"] / seconds["epoch"]}


def hubert_in_every_step(one: FeatureSet, arguments, device) -> dict:
    """The original way: the frozen encoder runs for every batch of every epoch; float32."""
    run = make_run(one, make_job(one, "gru", arguments.original, device))
    hubert = untrained_hubert().to(device)
    waveforms = torch.randn(arguments.original, 48000)

    class Encoded:
        @torch.no_grad()
        def gather(self, identifiers):
            rows = [run.train.ids.index(identifier) for identifier in identifiers]
            frames = hubert(waveforms[rows].to(device)).last_hidden_state
            return frames[:, None], torch.full((len(frames),), frames.shape[1], device=device)

    original = make_run(one, run.job)
    original.frames = Encoded()
    seconds = medians(
        {"original": lambda: original.train_epoch(1), "gru": lambda: run.train_epoch(1)}, arguments.rounds
    )
    return {
        "seconds_on_sample": seconds,
        "clips": arguments.original,
        "gru_times_as_fast": seconds["original"] / seconds["gru"],
    }


class LooseFiles(Dataset):
    """One .npy file per clip, float16."""

    def __init__(self, paths: list[Path], labels: list[int]):
        self.paths, self.labels = paths, labels

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int):
        return torch.from_numpy(np.load(self.paths[index])).float(), self.labels[index]


def collate(items: list) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pad a batch."""
    frames, labels = zip(*items, strict=True)
    lengths = torch.tensor([len(utterance) for utterance in frames])
    return pad_sequence(frames, batch_first=True)[:, None], lengths, torch.tensor(labels)


def loose_files(one: FeatureSet, folder: Path, arguments, device) -> dict:
    """The linear head from a torch DataLoader over one file per clip, in this process or in one per core."""
    folder.mkdir()
    job = make_job(one, "linear", arguments.clips, device)
    train = job.roles["train"]
    paths = [folder / f"{identifier}.npy" for identifier in train.ids]
    for identifier, path in zip(train.ids, paths, strict=True):
        np.save(path, one.frames(identifier, 12))
    ours, every = make_run(one, job, on_means=True), make_run(one, job)
    ours.train_epoch(1)  # reads the means
    theirs = make_run(one, job)

    def epoch(loader: DataLoader) -> None:
        for frames, lengths, labels in loader:
            logits = theirs.model(frames.to(device), lengths.to(device)).emotion_logits
            theirs.optimizer.zero_grad()
            nn.functional.cross_entropy(logits, labels.to(device)).backward()
            nn.utils.clip_grad_norm_(theirs.model.parameters(), 1.0)
            theirs.optimizer.step()

    loaders = {
        f"data_loader_{count}_processes": DataLoader(
            LooseFiles(paths, train.labels), 32, shuffle=True, collate_fn=collate, num_workers=count
        )
        for count in (0, torch.get_num_threads())
    }
    contestants = {name: lambda loader=loader: epoch(loader) for name, loader in loaders.items()}
    contestants |= {"linear": lambda: ours.train_epoch(1), "linear_on_all_frames": lambda: every.train_epoch(1)}
    seconds = medians(contestants, arguments.rounds)
    best = min(value for name, value in seconds.items() if name.startswith("data_loader"))
    return {
        "seconds_per_epoch": seconds,
        "linear_times_as_fast": best / seconds["linear"],
        "on_all_frames_times_as_fast": best / seconds["linear_on_all_frames"],
    }


def side_by_side(one: FeatureSet, arguments, folder: Path) -> dict:
    """Four runs, start of the processes included: one process of one thread, or a process per core."""
    cores = available_cores()
    seconds, count = {}, itertools.count()
    for head in ("linear", "gru"):
        for workers in (1, cores):
            jobs = []
            for number in range(4):
                job = make_job(one, head, arguments.sample, torch.device("cpu"), epochs=4)
                where = folder / f"run-{next(count)}"
                where.mkdir()
                paths = {"folder": where, "rescue": where, "measurement": where / "measured.json"}
                jobs.append(dataclasses.replace(job, fold=number, **paths))
            start = time.perf_counter()
            list(train_folds(jobs, partial(run_local, workers=workers)))
            seconds[f"{head}_{workers}_processes"] = time.perf_counter() - start
    return {"seconds": seconds}


if __name__ == "__main__":
    main()
