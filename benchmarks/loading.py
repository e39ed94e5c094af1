"""Shuffled, padded batches by a torch `DataLoader`: from `FrameDataset`, `datasets` and one .npy file per clip.

    python -m benchmarks.loading --clips 5531          # the size of IEMOCAP; needs the package `datasets`

Every epoch is a new loader, as in most training loops: workers start and end with it. The files are in the page cache.
"""

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.measuring import medians, report
from benchmarks.random_store import write_store
from features.dataset import FrameDataset, pad_frames
from features.interchange.export import export_features
from features.interchange.selection import Selection

_LAYER = 12


class NpyFiles(Dataset):
    """One .npy file per clip."""

    def __init__(self, folder: Path, ids: list[str]):
        self._folder, self._ids = folder, ids

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int):
        return torch.from_numpy(np.load(self._folder / f"{self._ids[index]}.npy")), self._ids[index]


def pad_rows(rows: Iterable[dict]):
    """The rows of `datasets` as a batch."""
    return pad_frames([(row["frames"], row["id"]) for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 4])
    parser.add_argument("--folder", type=Path, help="on the disk to measure; by default where temporary files go")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        seconds = {
            f"{workers} workers": medians(contestants(folder, arguments.clips, workers), arguments.rounds)
            for workers in arguments.workers
        }
    finally:
        shutil.rmtree(folder)
    print("| seconds per epoch | " + " | ".join(seconds) + " |")
    print("|---" * (1 + len(seconds)) + "|")
    for name in next(iter(seconds.values())):
        print(f"| {name} | " + " | ".join(f"{own[name]:.2f}" for own in seconds.values()) + " |")
    print()
    report("loading", clips=arguments.clips, batch_size=32, rounds=arguments.rounds, seconds=seconds)


def contestants(folder: Path, clips: int, workers: int) -> dict[str, Callable[[], None]]:
    """An epoch of each."""
    import datasets

    if not (folder / "store").exists():
        selection = Selection(write_store(folder / "store", clips, [_LAYER]))
        for name in ("npy", "datasets"):
            export_features(selection, name, folder / name)
    ours = FrameDataset(folder / "store", _LAYER, verify=False)
    arrow = datasets.load_from_disk(str(folder / "datasets"))
    by_name = {
        "FrameDataset": (ours, pad_frames),
        "one .npy per clip": (NpyFiles(folder / "npy", ours.ids), pad_frames),
        "`datasets`, format torch": (arrow.with_format("torch", dtype=torch.float16), pad_rows),
    }

    def epoch(dataset: Dataset, collate: Callable) -> None:
        loader = DataLoader(dataset, batch_size=32, shuffle=True, num_workers=workers, collate_fn=collate)
        seen = sum(int(lengths.sum()) for _, lengths, _ in loader)
        assert seen == ours.lengths.sum()

    return {name: lambda how=how: epoch(*how) for name, how in by_name.items()}


if __name__ == "__main__":
    main()
