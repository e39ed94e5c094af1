"""artifacts/features/<set>/<corpus> and splits/<task>.csv -> artifacts/heads/<head>/fold-<k>/seed-<s>/."""

import os
import sys

from tqdm import tqdm

from data.roles import fold_columns
from features.current import check_checkpoint
from features.store import FeatureSet
from stages.fold_jobs import fold_jobs
from stages.inputs import read_usable_splits
from stages.layout import ARTIFACTS, features_folder, head_folder
from stages.pieces import Piece, make_pieces
from stages.running import run_stage
from stages.schema import HeadParams, read_params
from training.job import estimated_seconds
from training.parallel import choose_workers, train_folds
from training.solvable import is_convex


def main(name: str) -> None:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # same seed, same numbers, also on a GPU
    params = read_params()
    head = params.head(name)
    features = FeatureSet(features_folder(head.corpus, head.feature_set))
    check_checkpoint(params.features[head.feature_set], features, ARTIFACTS / ".encoders")
    features.check_layers(head.settings.choose_layers(features.layers))
    splits = read_usable_splits(head.task, features)
    device = params.runtime.choose_device().type
    asked = None if params.runtime.workers == "auto" else params.runtime.workers
    num_folds, num_seeds = len(fold_columns(splits)), len(head.training.seeds)
    num_clips = sum(len(features.clips_of(identifier)) for identifier in splits["id"])
    seconds = num_folds * num_seeds * estimated_seconds(head.settings, head.training, num_clips)
    workers, threads = choose_workers(num_folds * num_seeds, device, asked, seconds)
    task = params.tasks[head.task]
    jobs = fold_jobs(name, head, task=task, features=features, splits=splits, device=device, threads=threads)

    def make(missing: list[Piece]):
        piece_of = {jobs[piece].folder: piece for piece in missing}
        total = sum(jobs[piece].num_epochs for piece in missing)
        with tqdm(total=total, desc=f"train {name}", unit=_unit(head)) as bar:
            for job in train_folds([jobs[piece] for piece in missing], workers, bar.update):
                yield piece_of[job.folder]

    kept, made = make_pieces(head_folder(name), list(jobs), make)
    print(f"train {name}: {num_folds} folds x {num_seeds} seeds: {kept} kept, {made} trained on {device}")


def _unit(head: HeadParams) -> str:
    """What the progress bar counts."""
    if is_convex(head.settings, head.training):
        return "run"
    every = head.training.validate_every
    return f" x {every} steps" if every else "epoch"


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
