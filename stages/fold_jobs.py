"""What a head's folds and seeds are to be trained on, and the fingerprint of each run."""

from importlib.metadata import version

import pandas as pd
import torch

from data.labels import TaskSettings, target_columns
from data.roles import ROLES, fold_columns
from features.store import FeatureSet
from stages.code import training_code
from stages.layout import ARTIFACTS
from stages.pieces import Piece, fingerprint
from stages.schema import HeadParams
from training.clips import training_clips
from training.job import FoldJob, Utterances, check_job
from training.solvable import is_convex


def fold_jobs(
    name: str,
    head: HeadParams,
    *,
    task: TaskSettings,
    features: FeatureSet,
    splits: pd.DataFrame,
) -> dict[Piece, FoldJob]:
    """A run for every fold and seed, by the piece that it makes.

    Args:
        name: the head's.
        head: its parameters.
        task: its task.
        features: what it reads.
        splits: of the utterances that have features.

    Raises:
        UserError: a run that would fail, or mean nothing.
    """
    jobs = {}
    classes = sorted(task.classes)  # DVC does not see their order, so it must not decide the logits
    code = training_code(head.model)
    for fold, column in enumerate(fold_columns(splits)):
        roles = {role: _utterances(splits[splits[column] == role], classes, task) for role in ROLES}
        num_clips = len(training_clips(roles["train"], features, head.training).ids)
        for seed in head.training.seeds:
            content = fingerprint(
                stage="train",
                code=code,
                torch=torch.__version__,
                solver=version("scikit-learn") if is_convex(head.settings, head.training) else None,
                head=head.settings.model_dump(),
                training=head.training.content,
                classes=classes,
                targets=task.targets,
                features=features.digest,
                fold=fold,
                seed=seed,
                roles={role: vars(utterances) for role, utterances in roles.items()},
            )
            piece = Piece(content, f"fold-{fold}/seed-{seed}")
            jobs[piece] = FoldJob(
                name=name,
                head=head.settings,
                training=head.training,
                features=features.folder,
                classes=classes,
                targets=task.targets,
                fold=fold,
                seed=seed,
                roles=roles,
                num_clips=num_clips,
                fingerprint=piece.fingerprint,
                folder=piece.workshop,
                rescue=ARTIFACTS / "rescued" / name / piece.target,
                measurement=ARTIFACTS / "measured/heads" / name / f"{piece.target}.json",
            )
            check_job(jobs[piece])
    return jobs


def _utterances(rows: pd.DataFrame, classes: list[str], task: TaskSettings) -> Utterances:
    known, columns = (list(rows["id"]), list(rows["speaker"])), target_columns(task, classes)
    labels = [classes.index(label) for label in rows["label"]] if classes else []
    return Utterances(*known, labels, rows[columns].astype(float).to_numpy().tolist() if columns else [])
