"""artifacts/features/<set>/<corpus> and splits/<task>.csv -> artifacts/heads/<head>/fold-<k>/seed-<s>/."""

import sys
from dataclasses import replace
from functools import partial

from tqdm import tqdm

from data.roles import fold_columns
from engines.local import keep_to_one_thread
from features.current import check_checkpoint
from features.store import FeatureSet
from stages.engine import opened_engine
from stages.fold_jobs import fold_jobs
from stages.inputs import read_usable_splits
from stages.layout import ARTIFACTS, features_folder, head_folder
from stages.pieces import Piece, make_pieces
from stages.running import run_stage
from stages.schema import HeadParams, read_params
from training.job import estimated_seconds
from training.parallel import train_folds
from training.solvable import is_convex


def main(name: str) -> None:
    keep_to_one_thread()
    params = read_params()
    head = params.head(name)
    features = FeatureSet(features_folder(head.corpus, head.feature_set), known=ARTIFACTS / ".verified")
    check_checkpoint(params.features[head.feature_set], features, ARTIFACTS / ".encoders")
    features.check_layers(head.settings.choose_layers(features.layers))
    splits = read_usable_splits(head.task, features)
    num_folds, num_seeds = len(fold_columns(splits)), len(head.training.seeds)
    num_clips = sum(len(features.clips_of(identifier)) for identifier in splits["id"])
    seconds = estimated_seconds(head.settings, head.training, num_clips)
    jobs = fold_jobs(name, head, task=params.tasks[head.task], features=features, splits=splits)

    def make(missing: list[Piece]):
        piece_of = {jobs[piece].folder: piece for piece in missing}
        total = sum(jobs[piece].num_epochs for piece in missing)
        with (
            opened_engine(params.runtime, len(missing), len(missing) * seconds) as engine,
            tqdm(total=total, desc=f"train {name} on {engine.device}", unit=_unit(head)) as bar,
        ):
            run = partial(engine.run, on_progress=bar.update, on_lost=bar.write)
            for job in train_folds([replace(jobs[piece], device=engine.device) for piece in missing], run):
                yield piece_of[job.folder]

    kept, made = make_pieces(head_folder(name), list(jobs), make)
    print(f"train {name}: {num_folds} folds x {num_seeds} seeds: {kept} kept, {made} trained")


def _unit(head: HeadParams) -> str:
    """What the progress bar counts."""
    if is_convex(head.settings, head.training):
        return "run"
    every = head.training.validate_every
    return f" x {every} steps" if every else "epoch"


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
