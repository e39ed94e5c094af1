"""A metric of test predictions as reports state it."""

import numpy as np

from evaluation.results import MetricSummary
from evaluation.settings import EvaluateSettings
from evaluation.statistics import Metric, speaker_bootstrap


def summarise(metric: Metric, by_fold: np.ndarray, by_speaker: np.ndarray, settings: EvaluateSettings) -> MetricSummary:
    """A metric pooled over folds: mean over seeds, interval over speakers, deviations over folds and seeds apart.

    Args:
        metric: of counts or sums.
        by_fold: the counts or sums of each fold [folds, seeds, ...].
        by_speaker: of each speaker [speakers, seeds, ...].
        settings: of the bootstrap.
    """
    values, per_fold = metric(by_fold.sum(axis=0)), metric(by_fold).mean(axis=1)
    low, high = speaker_bootstrap(by_speaker, metric, settings.bootstrap, settings.seed)
    return MetricSummary(
        mean=float(values.mean()),
        low=low,
        high=high,
        sd_seeds=float(values.std(ddof=1)) if len(values) > 1 else None,
        mean_folds=float(per_fold.mean()),
        sd_folds=float(per_fold.std(ddof=1)) if len(per_fold) > 1 else None,
    )
