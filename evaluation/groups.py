"""WA, UA, macro and weighted F1 by corpus, speaker, gender, session, style and duration of the test utterances."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from data.metrics import METRICS, confusions_by
from evaluation.durations import DURATIONS
from evaluation.results import GroupScores, Interval, Spread
from evaluation.settings import EvaluateSettings
from evaluation.statistics import FEWEST_TO_TEST, speaker_bootstrap
from evaluation.units import confusions_by_speaker, num_known_speakers

GROUPINGS = ("corpus", "speaker", "gender", "session", "style", "duration")


def assess_groups(test: pd.DataFrame, classes: list[str], settings: EvaluateSettings) -> list[GroupScores]:
    """A row per group of `groups_in`.

    Args:
        test: test predictions with ``id, speaker, dialog``, the groupings, ``seed, label, predicted``.
        classes: in the order of the counts.
        settings: of the bootstrap.
    """
    return [_assess_group(rows, grouping, group, classes, settings) for grouping, group, rows in groups_in(test)]


def groups_in(test: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Grouping, group and rows, of those groupings that have at least two groups."""
    for grouping in GROUPINGS:
        if grouping in test and test[grouping].replace("", pd.NA).nunique() > 1:
            groups = test[test[grouping] != ""].groupby(grouping)
            for group, rows in sorted(groups, key=lambda item: group_order(item[0])):
                yield grouping, group, rows


def group_order(group: str) -> tuple[int, str]:
    """By which groups of a grouping are sorted: durations ascend, all others follow the alphabet."""
    return (DURATIONS.index(group) if group in DURATIONS else 0, group)


def spread_over_speakers(groups: list[GroupScores]) -> Spread | None:
    """How much speakers' own UA differ, and who has the lowest and the highest; None of a single speaker."""
    ua = {row.group: row.metrics["ua"].value for row in groups if row.grouping == "speaker"}
    if len(ua) < 2:
        return None
    worst, best = min(ua, key=ua.get), max(ua, key=ua.get)
    return Spread(
        sd=float(np.std(list(ua.values()), ddof=1)),
        range=ua[best] - ua[worst],
        worst=worst,
        worst_ua=ua[worst],
        best=best,
        best_ua=ua[best],
    )


def _assess_group(
    rows: pd.DataFrame, grouping: str, group: str, classes: list[str], settings: EvaluateSettings
) -> GroupScores:
    unit, column = resampling_units(rows, grouping)
    by_speaker = column == "speaker"
    confusions = confusions_by_speaker(rows, classes) if by_speaker else confusions_by(rows, [column, "seed"], classes)
    pooled = confusions.sum(axis=0)
    metrics = {}
    for name, metric in METRICS.items():
        low, high = speaker_bootstrap(confusions, metric, settings.bootstrap, settings.seed)
        metrics[name] = Interval(value=float(metric(pooled).mean()), low=low, high=high)
    return GroupScores(
        grouping=grouping,
        group=group,
        utterances=rows["id"].nunique(),
        speakers=num_known_speakers(rows),
        num_classes=int((pooled[0].sum(axis=1) > 0).sum()),
        resampled=unit,
        metrics=metrics,
    )


def resampling_units(rows: pd.DataFrame, grouping: str) -> tuple[str, str]:
    """What intervals are drawn over, and its column: speakers if there are enough, else dialogues, else utterances.

    A corpus is always drawn by speakers, like the headline: it has one UA, and so one interval.
    """
    if grouping == "corpus":
        return "speakers", "speaker"
    for column, name in (("speaker", "speakers"), ("dialog", "dialogues")):
        if column in rows and (rows[column] != "").all() and rows[column].nunique() >= FEWEST_TO_TEST:
            return name, column
    return "utterances", "id"
