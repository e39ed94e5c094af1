"""Everything that can be said of predicted ratings: pooled over folds, mean over seeds, intervals over speakers."""

import numpy as np
import pandas as pd

from data.rating_metrics import RATING_METRICS, bias, ccc, predicted_columns, rating_sums_by
from evaluation.groups import groups_in, resampling_units
from evaluation.results import (
    Interval,
    RegressionAssessment,
    RegressionFold,
    RegressionGroup,
    TargetScores,
)
from evaluation.settings import EvaluateSettings
from evaluation.statistics import Metric, speaker_bootstrap
from evaluation.summary import summarise
from evaluation.units import num_known_speakers, rating_sums_by_speaker


def assess_ratings(
    predictions: pd.DataFrame, splits: pd.DataFrame, targets: list[str], settings: EvaluateSettings
) -> RegressionAssessment:
    """Compute everything that can be said of predicted ratings.

    Args:
        predictions: ``id, speaker, fold, seed``, and for each target ``<target>`` and ``predicted_<target>``.
        splits: the task's utterances with their corpus, gender, session, style and dialogue, and their duration where
            that is known.
        targets: names.
        settings: of the bootstrap.
    """
    known = [name for name in ("corpus", "gender", "session", "style", "dialog", "duration") if name in splits]
    test = predictions.merge(splits[["id", *known]], on="id")
    by_fold = rating_sums_by(test, ["fold", "seed"], targets)
    by_speaker = rating_sums_by_speaker(test, targets)
    return RegressionAssessment(
        targets=targets,
        num_folds=len(by_fold),
        num_seeds=by_fold.shape[1],
        num_speakers=num_known_speakers(test),
        num_utterances=int(by_speaker.sum(axis=0)[0, 0, 0]),
        metrics={
            name: summarise(mean_over_targets(metric), by_fold, by_speaker, settings)
            for name, metric in RATING_METRICS.items()
        },
        per_target=[
            _target(test, name, by_fold[:, :, [position]], by_speaker[:, :, [position]], settings)
            for position, name in enumerate(targets)
        ],
        per_fold=[
            RegressionFold(
                fold=fold,
                metrics={name: float(metric(sums).mean()) for name, metric in RATING_METRICS.items()},
                ccc=dict(zip(targets, ccc(sums).mean(axis=0).tolist(), strict=True)),
            )
            for fold, sums in enumerate(by_fold)
        ],
        groups=[_group(rows, grouping, group, targets, settings) for grouping, group, rows in groups_in(test)],
        ensemble=_ensemble(test, targets, settings) if by_fold.shape[1] > 1 else None,
    )


def mean_over_targets(metric: Metric) -> Metric:
    """A metric of sums [..., T, 7] as the mean over targets [...]."""
    return lambda sums: metric(sums).mean(axis=-1)


def _target(
    test: pd.DataFrame, name: str, by_fold: np.ndarray, by_speaker: np.ndarray, settings: EvaluateSettings
) -> TargetScores:
    ratings, predicted = test[name], test[f"predicted_{name}"]
    return TargetScores(
        name=name,
        least=float(ratings.min()),
        most=float(ratings.max()),
        mean=float(ratings.mean()),
        deviation=float(ratings.std(ddof=0)),
        predicted_mean=float(predicted.mean()),
        predicted_deviation=float(predicted.groupby(test["seed"]).std(ddof=0).mean()),
        metrics={
            key: summarise(mean_over_targets(metric), by_fold, by_speaker, settings)
            for key, metric in RATING_METRICS.items()
        },
    )


def _group(
    rows: pd.DataFrame, grouping: str, group: str, targets: list[str], settings: EvaluateSettings
) -> RegressionGroup:
    unit, column = resampling_units(rows, grouping)
    by_speaker = column == "speaker"
    sums = rating_sums_by_speaker(rows, targets) if by_speaker else rating_sums_by(rows, [column, "seed"], targets)

    def interval(metric: Metric) -> Interval:
        low, high = speaker_bootstrap(sums, metric, settings.bootstrap, settings.seed)
        return Interval(value=float(metric(sums.sum(axis=0)).mean()), low=low, high=high)

    return RegressionGroup(
        grouping=grouping,
        group=group,
        utterances=rows["id"].nunique(),
        speakers=num_known_speakers(rows),
        resampled=unit,
        metrics={name: interval(mean_over_targets(metric)) for name, metric in RATING_METRICS.items()},
        ccc=dict(zip(targets, ccc(sums.sum(axis=0)).mean(axis=0).tolist(), strict=True)),
        bias={
            name: interval(lambda sums, at=position: bias(sums[..., at, :])) for position, name in enumerate(targets)
        },
    )


def _ensemble(test: pd.DataFrame, targets: list[str], settings: EvaluateSettings) -> dict[str, Interval]:
    """The metrics of the seeds' mean prediction."""
    columns = [*targets, *predicted_columns(targets)]
    mean = test.groupby(["fold", "id", "speaker"], sort=True)[columns].mean().reset_index().assign(seed=0)
    sums = rating_sums_by_speaker(mean, targets)
    found = {}
    for name, metric in RATING_METRICS.items():
        over_targets = mean_over_targets(metric)
        low, high = speaker_bootstrap(sums, over_targets, settings.bootstrap, settings.seed)
        found[name] = Interval(value=float(over_targets(sums.sum(axis=0))[0]), low=low, high=high)
    return found
