"""Within-corpus beside cross-corpus: UA of each tested corpus by the corpora that were trained on."""

import pandas as pd

from data.metrics import unweighted_accuracy
from data.roles import fold_columns
from evaluation.results import CorpusScores, Interval
from evaluation.settings import EvaluateSettings
from evaluation.statistics import speaker_bootstrap
from evaluation.units import confusions_by_speaker, num_known_speakers


def assess_across_corpora(
    test: pd.DataFrame, splits: pd.DataFrame, classes: list[str], settings: EvaluateSettings
) -> list[CorpusScores]:
    """Score each tested corpus apart, and apart for every set of corpora that folds trained on.

    Args:
        test: test predictions with ``id, corpus, speaker, fold, seed, label, predicted``.
        splits: the roles, with ``corpus``.
        classes: all class names.
        settings: of the bootstrap.

    Returns:
        A row per tested corpus and set of training corpora, sorted; a task of one corpus has one row.
    """
    roles = {
        role: {
            int(column.removeprefix("fold_")): tuple(sorted(splits["corpus"][splits[column] == role].unique()))
            for column in fold_columns(splits)
        }
        for role in ("train", "validation")
    }
    rows = test.assign(trained_on=test["fold"].map(roles["train"]), validated_on=test["fold"].map(roles["validation"]))
    return [
        _score(own, tested, list(corpora), classes, settings)
        for (tested, corpora), own in rows.groupby(["corpus", "trained_on"])
    ]


def _score(
    test: pd.DataFrame, tested: str, trained_on: list[str], classes: list[str], settings: EvaluateSettings
) -> CorpusScores:
    confusions = confusions_by_speaker(test, classes)
    low, high = speaker_bootstrap(confusions, unweighted_accuracy, settings.bootstrap, settings.seed)
    return CorpusScores(
        tested=tested,
        trained_on=trained_on,
        validated_on=sorted({corpus for corpora in test["validated_on"].unique() for corpus in corpora}),
        folds=test["fold"].nunique(),
        utterances=test["id"].nunique(),
        speakers=num_known_speakers(test),
        classes=sorted(test["label"].unique()),
        ua=Interval(value=float(unweighted_accuracy(confusions.sum(axis=0)).mean()), low=low, high=high),
    )
