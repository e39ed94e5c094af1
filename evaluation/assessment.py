"""Everything that can be said of test predictions: pooled over folds, mean over seeds, intervals over speakers."""

import numpy as np
import pandas as pd

from data.metrics import METRICS, confusions_by, f1, precision, recall
from evaluation.calibration import reliability
from evaluation.corpora import assess_across_corpora
from evaluation.groups import assess_groups, spread_over_speakers
from evaluation.results import Assessment, ClassScores, Ensemble, FoldScores
from evaluation.settings import EvaluateSettings
from evaluation.statistics import speaker_bootstrap
from evaluation.summary import summarise
from evaluation.units import confusions_by_speaker, num_known_speakers

_KNOWN = ["id", "corpus", "gender", "session", "style", "dialog", "duration"]  # of a test utterance


def assess_predictions(
    predictions: pd.DataFrame, splits: pd.DataFrame, classes: list[str], settings: EvaluateSettings
) -> Assessment:
    """Compute everything that can be said of test predictions, whoever made them.

    Args:
        predictions: ``id, speaker, fold, seed, label, predicted``, and ``p_<class>`` for each class or for none: then
            there is neither an ensemble of seeds nor a calibration.
        splits: the task's utterances with their roles, corpus, gender, session, style and dialogue, and their duration
            (`evaluation.durations`) where it is known.
        classes: sorted.
        settings: of the bootstrap.
    """
    has_probabilities = f"p_{classes[0]}" in predictions
    known = [column for column in _KNOWN if column in splits]
    test = predictions.merge(splits[known], on="id")
    groups = assess_groups(test, classes, settings)
    by_seed = confusions_by(test, ["seed"], classes)
    by_fold_and_seed = confusions_by(test, ["fold", "seed"], classes)
    by_speaker_and_seed = confusions_by_speaker(test, classes)
    pooled = by_seed.sum(axis=0)
    num_present = int((pooled.sum(axis=1) > 0).sum())
    return Assessment(
        classes=classes,
        num_present=num_present,
        chance_ua=1 / num_present,
        majority_wa=float(pooled.sum(axis=1).max() / pooled.sum()),
        num_folds=len(by_fold_and_seed),
        num_seeds=len(by_seed),
        num_speakers=num_known_speakers(test),
        num_utterances=int(by_seed[0].sum()),
        metrics={
            name: summarise(metric, by_fold_and_seed, by_speaker_and_seed, settings) for name, metric in METRICS.items()
        },
        ensemble=_ensemble(test, classes, settings) if has_probabilities and len(by_seed) > 1 else None,
        confusion=(pooled / len(by_seed)).tolist(),
        per_class=_per_class(by_seed, classes),
        per_fold=[
            FoldScores(
                fold=fold,
                **{name: float(metric(confusions).mean()) for name, metric in METRICS.items()},
                confusion=confusions.mean(axis=0).tolist(),
            )
            for fold, confusions in enumerate(by_fold_and_seed)
        ],
        groups=groups,
        across_corpora=assess_across_corpora(test, splits, classes, settings),
        spread=spread_over_speakers(groups),
        calibration=reliability(test, classes) if has_probabilities else None,
    )


def _per_class(by_seed: np.ndarray, classes: list[str]) -> list[ClassScores]:
    recalls, precisions, f1s = (metric(by_seed).mean(axis=0).tolist() for metric in (recall, precision, f1))
    support = by_seed.sum(axis=-1).mean(axis=0).tolist()
    return [
        ClassScores(name=name, recall=recalls[k], precision=precisions[k], f1=f1s[k], support=support[k])
        for k, name in enumerate(classes)
    ]


def _ensemble(test: pd.DataFrame, classes: list[str], settings: EvaluateSettings) -> Ensemble:
    """The seeds' mean probability, as one prediction."""
    columns = [f"p_{name}" for name in classes]
    mean = test.groupby(["fold", "id", "speaker", "label"], sort=True)[columns].mean().reset_index()
    mean["predicted"] = np.array(classes)[mean[columns].to_numpy().argmax(axis=1)]
    mean["seed"] = 0
    confusion = confusions_by(mean, ["seed"], classes)[0]
    by_speaker = confusions_by_speaker(mean, classes)
    low, high = speaker_bootstrap(by_speaker, METRICS["ua"], settings.bootstrap, settings.seed)
    scores = {name: float(metric(confusion)) for name, metric in METRICS.items()}
    return Ensemble(**scores, ua_low=low, ua_high=high)
