"""artifacts/features/<set>, manifest and splits -> artifacts/heads/<head>/fold-<k>/seed-<s>/."""

import math
import os
import sys

import pandas as pd
import sklearn
import torch
from tqdm import tqdm

from data.roles import ROLES, fold_columns
from features.current import check_checkpoint
from features.store import FeatureSet
from models.head import HeadSettings, View
from stages.code import training_code
from stages.inputs import read_usable_splits
from stages.pieces import Piece, fingerprint, make_pieces
from stages.running import ARTIFACTS, run_stage
from stages.schema import read_params
from training.convex import is_convex
from training.job import FoldJob, Utterances, check_job, training_view
from training.parallel import choose_workers, train_folds
from training.schedule import Budget
from training.settings import TrainingSettings

_SECONDS_PER_STEP_ON_MOMENTS = 0.001
_SECONDS_PER_SOLUTION = 1.0


def main(name: str) -> None:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # same seed, same numbers, also on a GPU
    params = read_params()
    head, training = params.head(name)
    classes = sorted(params.task.classes)  # DVC does not see their order, so it must not decide the logits
    features = FeatureSet(ARTIFACTS / "features" / head.features)
    check_checkpoint(params.features[head.features], features, ARTIFACTS / ".encoders")
    features.check_layers(head.choose_layers(features.layers))
    splits = read_usable_splits(ARTIFACTS, features)
    device = params.runtime.choose_device().type
    folds = fold_columns(splits)
    asked = None if params.runtime.workers == "auto" else params.runtime.workers
    count = len(folds) * len(training.seeds)
    workers, threads = choose_workers(count, device, asked, count * _seconds(head, training, len(splits)))

    jobs: dict[Piece, FoldJob] = {}
    for fold, column in enumerate(folds):
        roles = {role: _utterances(splits[splits[column] == role], classes) for role in ROLES}
        for seed in training.seeds:
            content = fingerprint(
                stage="train",
                code=training_code(head.model),
                torch=torch.__version__,
                solver=sklearn.__version__ if is_convex(head, training) else None,
                head=head.model_dump(),
                training=training.model_dump(exclude={"seeds"}),
                classes=classes,
                features=features.digest,
                fold=fold,
                seed=seed,
                roles={role: vars(utterances) for role, utterances in roles.items()},
            )
            piece = Piece(content, f"fold-{fold}/seed-{seed}")
            jobs[piece] = FoldJob(
                name=name,
                head=head,
                training=training,
                features=features.folder,
                classes=classes,
                fold=fold,
                seed=seed,
                roles=roles,
                fingerprint=piece.fingerprint,
                folder=piece.workshop,
                rescue=ARTIFACTS / "rescued" / name / piece.target,
                measurement=ARTIFACTS / "measured/heads" / name / f"{piece.target}.json",
                device=device,
                threads=threads,
            )
            check_job(jobs[piece])

    unit = f" x {training.validate_every} steps" if training.validate_every else "epoch"
    unit = "run" if is_convex(head, training) else unit

    def make(missing: list[Piece]):
        piece_of = {jobs[piece].folder: piece for piece in missing}
        with tqdm(total=sum(jobs[piece].num_epochs for piece in missing), desc=f"train {name}", unit=unit) as bar:
            for job in train_folds([jobs[piece] for piece in missing], workers, bar.update):
                yield piece_of[job.folder]

    kept, made = make_pieces(ARTIFACTS / "heads" / name, list(jobs), make)
    print(f"train {name}: {len(folds)} folds x {len(training.seeds)} seeds: {kept} kept, {made} trained on {device}")


def _seconds(head: HeadSettings, training: TrainingSettings, num_utterances: int) -> float:
    """About how long a run takes, if it is known to be short."""
    if training_view(head, training) is View.FRAMES:
        return math.inf
    if is_convex(head, training):
        return _SECONDS_PER_SOLUTION
    return Budget.of(training, num_utterances).num_steps * _SECONDS_PER_STEP_ON_MOMENTS


def _utterances(rows: pd.DataFrame, classes: list[str]) -> Utterances:
    return Utterances(list(rows["id"]), list(rows["speaker"]), [classes.index(label) for label in rows["label"]])


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
