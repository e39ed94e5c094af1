"""WA, UA, macro and weighted F1 by speaker, gender, session and style of the test utterances."""

import numpy as np
import pandas as pd

from data.metrics import METRICS, confusions_by
from evaluation.settings import EvaluateSettings
from evaluation.statistics import FEWEST_TO_TEST, speaker_bootstrap

GROUPINGS = ("speaker", "gender", "session", "style")


def assess_groups(test: pd.DataFrame, classes: list[str], settings: EvaluateSettings) -> list[dict]:
    """A row per group, of those groupings that have at least two groups.

    Args:
        test: test predictions with ``id, speaker, dialog``, the groupings, ``seed, label, predicted``.
        classes: in the order of the counts.
        settings: of the bootstrap.

    Returns:
        ``grouping, group, utterances, speakers, classes`` (how many occur), the metrics (pooled, mean over seeds) with
        ``_low`` and ``_high``, and ``resampled``: what their intervals are drawn over.
    """
    return [
        {"grouping": grouping, "group": group, **_assess_group(rows, classes, settings)}
        for grouping in GROUPINGS
        if grouping in test and test[grouping].replace("", pd.NA).nunique() > 1
        for group, rows in test[test[grouping] != ""].groupby(grouping)
    ]


def spread_over_speakers(groups: list[dict]) -> dict | None:
    """How unequal the speakers' own UA are: deviation, range, and who fares worst; None of a single speaker."""
    speakers = [row for row in groups if row["grouping"] == "speaker"]
    if len(speakers) < 2:
        return None
    values = [row["ua"] for row in speakers]
    worst, best = speakers[int(np.argmin(values))], speakers[int(np.argmax(values))]
    return {
        "sd": float(np.std(values, ddof=1)),
        "range": max(values) - min(values),
        "worst": worst["group"],
        "worst_ua": worst["ua"],
        "best": best["group"],
        "best_ua": best["ua"],
    }


def _assess_group(rows: pd.DataFrame, classes: list[str], settings: EvaluateSettings) -> dict:
    unit, column = _units(rows)
    confusions = confusions_by(rows, [column, "seed"], classes)
    pooled = confusions.sum(axis=0)
    result = {
        "utterances": int(rows["id"].nunique()),
        "speakers": int(rows["speaker"].nunique()),
        "classes": int((pooled[0].sum(axis=1) > 0).sum()),
        "resampled": unit,
    }
    for name, metric in METRICS.items():
        low, high = speaker_bootstrap(confusions, metric, settings.bootstrap, settings.seed)
        result |= {name: float(metric(pooled).mean()), f"{name}_low": low, f"{name}_high": high}
    return result


def _units(rows: pd.DataFrame) -> tuple[str, str]:
    """What intervals are drawn over, and its column: speakers if there are enough, else dialogues, else utterances."""
    for column, name in (("speaker", "speakers"), ("dialog", "dialogues")):
        if column in rows and (rows[column] != "").all() and rows[column].nunique() >= FEWEST_TO_TEST:
            return name, column
    return "utterances", "id"
