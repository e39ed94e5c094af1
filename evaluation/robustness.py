"""How well a head does on disturbed copies of its test utterances, and how much worse than on the clean ones."""

import pandas as pd

from data.metrics import METRICS
from evaluation.results import CopyScores, Interval
from evaluation.settings import EvaluateSettings
from evaluation.statistics import difference_bootstrap, speaker_bootstrap
from evaluation.units import confusions_by_speaker

_METRICS = ("ua", "wa", "macro_f1")


def assess_copies(
    copies: pd.DataFrame | None, clean: pd.DataFrame, classes: list[str], settings: EvaluateSettings
) -> list[CopyScores]:
    """A row per copy, in the order in which they come.

    Differences to the clean utterances are of the same utterances, folds and seeds; their intervals are over the same
    resampled speakers.

    Args:
        copies: test predictions of disturbed copies: ``copy, speaker, fold, seed, label, predicted``; None where there
            are no copies.
        clean: those of the clean utterances.
        classes: sorted.
        settings: of the bootstrap.
    """
    if copies is None:
        return []
    reference = confusions_by_speaker(clean, classes)
    scores = []
    for name, rows in copies.groupby("copy", sort=False):
        confusions = confusions_by_speaker(rows, classes)
        metrics, differences = {}, {}
        for key in _METRICS:
            metric, drawn = METRICS[key], (settings.bootstrap, settings.seed)
            value, of_clean = (float(metric(counts.sum(axis=0)).mean()) for counts in (confusions, reference))
            low, high = speaker_bootstrap(confusions, metric, *drawn)
            metrics[key] = Interval(value=value, low=low, high=high)
            low, high = difference_bootstrap(confusions, reference, metric, *drawn)
            differences[key] = Interval(value=value - of_clean, low=low, high=high)
        scores.append(CopyScores(name=name, metrics=metrics, differences=differences))
    return scores
