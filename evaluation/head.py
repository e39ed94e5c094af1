"""The evaluation of a head that was trained here."""

import numpy as np
import pandas as pd

from data.task_description import TaskDescription
from evaluation.assessment import assess_predictions
from evaluation.cautions import feature_cautions, interval_cautions, task_cautions, training_cautions
from evaluation.description import describe_features, describe_task
from evaluation.durations import duration_name
from evaluation.embedding import two_dimensions
from evaluation.evaluation import Evaluation, predictions_table, ratings_table
from evaluation.leakage import probe_runs
from evaluation.progress import chosen_epochs, chosen_strengths, layer_weights, learning_curve
from evaluation.regression import assess_ratings
from evaluation.results import Details, FeatureData, Fingerprints, RegressionDetails, Training
from evaluation.robustness import assess_copies
from evaluation.runs import HeadRuns
from evaluation.settings import EvaluateSettings
from features.store import FeatureSet


def evaluate_head(
    name: str,
    runs: HeadRuns,
    *,
    task: TaskDescription,
    splits: pd.DataFrame,
    features_name: str,
    features: FeatureSet,
    fingerprints: Fingerprints,
    settings: EvaluateSettings,
) -> Evaluation:
    """Everything that is said of a head.

    Args:
        name: the head's.
        runs: what was trained.
        task: the description of its task.
        splits: the task's: roles, labels, and the manifest's columns.
        features_name: ``<set>/<corpus>``.
        features: what it was trained on.
        fingerprints: of the pieces of the features and of the runs.
        settings: of the bootstrap.
    """
    usable = splits[splits["id"].isin(features.seconds)].reset_index(drop=True)
    durations = usable["id"].map(features.seconds).map(duration_name)
    test, timed = runs.test, usable.assign(duration=durations)
    if runs.targets:
        assessment = assess_ratings(test, timed, runs.targets, settings)
    else:
        assessment = assess_predictions(test, timed, runs.classes, settings)
    data = describe_task(task, usable, num_skipped=len(splits) - len(usable))
    described = describe_features(features_name, features, usable)
    said = {
        **dict(assessment),
        "head": name,
        "task": task.task,
        "corpora": sorted(task.corpora),
        "features": features_name,
        "seeds": sorted(int(seed) for seed in runs.runs["seed"].unique()),
        "data": data,
        "training": _describe_training(runs, described, features, usable, fingerprints, settings),
        "source": None,
        "cautions": [
            *feature_cautions(features, described.share_cut),
            *task_cautions(data, usable),
            *training_cautions(runs),
            *interval_cautions(assessment),
        ],
    }
    first = runs.run(fold=0, seed=runs.first_seed)
    known = usable.set_index("id").loc[first["id"]]
    first = first.assign(corpus=known["corpus"].to_numpy())
    if runs.targets:
        details, predictions = RegressionDetails(**said), ratings_table(test, usable, runs.targets)
        first = first.assign(label=known["emotion"].to_numpy())
    else:
        details = Details(**said, robustness=assess_copies(runs.copies, test, runs.classes, settings))
        predictions = predictions_table(test, usable, runs.classes)
    embeddings = runs.embeddings(fold=0, seed=runs.first_seed)
    return Evaluation(
        details,
        predictions,
        learning_curve(runs.histories),
        two_dimensions(first, embeddings, settings.seed),
        runs.test_attention(),
    )


def _describe_training(
    runs: HeadRuns,
    described: FeatureData,
    features: FeatureSet,
    usable: pd.DataFrame,
    fingerprints: Fingerprints,
    settings: EvaluateSettings,
) -> Training:
    return Training(
        features=described,
        settings=runs.config["settings"],
        parameters=runs.config["training"],
        num_parameters=runs.config["num_parameters"],
        layers=np.atleast_1d(runs.config["layers"]).tolist(),
        layer_weights=layer_weights(runs),
        epochs=chosen_epochs(runs),
        l2=chosen_strengths(runs),
        leakage=probe_runs(runs, features, usable, settings.seed),
        fingerprints=fingerprints,
    )
