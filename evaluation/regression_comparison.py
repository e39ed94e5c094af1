"""Every head that predicts ratings against one reference head, on the same speakers and seeds.

CCC is no sum over speakers, so that no sign can be flipped. What is additive are the sums that it is computed of: a
test deals them anew to the two heads, and computes the CCC of each arrangement.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from data.rating_metrics import RATING_METRICS, rating_sums_by
from evaluation.comparison import Incomparable
from evaluation.regression import mean_over_targets
from evaluation.results import Interval, Result
from evaluation.settings import EvaluateSettings
from evaluation.statistics import FEWEST_TO_TEST, difference_bootstrap
from evaluation.units import num_known_speakers, rating_sums_by_speaker

_MOST_EXACT = 12  # speakers whose exchanges are counted rather than drawn
_DRAWN = 10_000


class RegressionComparison(Result):
    """One head and the reference, on the same test utterances, folds and seeds.

    Attributes:
        head: its name.
        seeds: those that both have.
        num_speakers: that were tested.
        metrics: ``ccc, pearson, mae``, as means over targets, and ``ccc_<target>``: head minus reference.
        p_models: whether these models differ on new speakers; None below 8 known speakers.
        p_retraining: whether the heads differ on these speakers when trained again; None where neither head has two
            different models in any fold, as with one seed or a solver.
    """

    head: str
    seeds: list[int]
    num_speakers: int
    metrics: dict[str, Interval]
    p_models: float | None
    p_retraining: float | None


def compare_regressions(
    predictions: dict[str, pd.DataFrame], targets: list[str], reference: str, settings: EvaluateSettings
) -> list[RegressionComparison | Incomparable]:
    """Compare all heads with the reference: differences with joint bootstrap intervals, and two permutation tests.

    - Do these models differ on new speakers? If not, the two heads could as well be exchanged in any speaker's
      predictions (``p_models``).
    - Do the heads differ on these speakers when trained again? If not, each of a fold's models could as well be the
      other head's (``p_retraining``). A head whose seeds all give the same predictions in a fold counts as one model
      there.

    Both compare the pooled CCC, mean over targets and seeds.

    Args:
        predictions: head -> test predictions of all seeds.
        targets: names.
        reference: one of the heads.
        settings: of the bootstrap.

    Returns:
        A row per other head.

    Source: Good 2005, "Permutation, Parametric and Bootstrap Tests of Hypotheses".
    """
    return [
        _compare(head, own, predictions[reference], targets, settings)
        for head, own in predictions.items()
        if head != reference
    ]


def _compare(
    head: str, own: pd.DataFrame, other: pd.DataFrame, targets: list[str], settings: EvaluateSettings
) -> RegressionComparison | Incomparable:
    if reason := _not_comparable(own, other):
        return Incomparable(head=head, reason=reason)
    seeds = sorted(set(own["seed"]) & set(other["seed"]))
    tables = [table[table["seed"].isin(seeds)] for table in (own, other)]
    one, two = (rating_sums_by_speaker(table, targets) for table in tables)
    metrics = {name: mean_over_targets(metric) for name, metric in RATING_METRICS.items()}
    ccc = RATING_METRICS["ccc"]
    if len(targets) > 1:
        metrics |= {f"ccc_{name}": lambda sums, at=at: ccc(sums)[..., at] for at, name in enumerate(targets)}
    differences = {}
    for name, metric in metrics.items():
        low, high = difference_bootstrap(one, two, metric, settings.bootstrap, settings.seed)
        value = metric(one.sum(axis=0)).mean() - metric(two.sum(axis=0)).mean()
        differences[name] = Interval(value=float(value), low=low, high=high)
    models = [_models_by_fold(rating_sums_by(table, ["fold", "seed"], targets)) for table in tables]
    retrained = any(len(of_fold) > 1 for of_head in models for of_fold in of_head)
    num_speakers = num_known_speakers(own)
    return RegressionComparison(
        head=head,
        seeds=[int(seed) for seed in seeds],
        num_speakers=num_speakers,
        metrics=differences,
        p_models=exchange_speakers(one, two, settings.seed) if num_speakers >= FEWEST_TO_TEST else None,
        p_retraining=exchange_models(*models, settings.seed) if retrained else None,
    )


def exchange_speakers(one: np.ndarray, two: np.ndarray, seed: int) -> float:
    """The two-sided permutation test that exchanges two heads in some of the speakers.

    Args:
        one, two: sums [speakers, seeds, T, 7] of the heads.
        seed: of the drawing, where there are more than 12 speakers.

    Returns:
        The share of exchanges whose difference is at least as large as the observed one, itself among them.
    """
    count = len(one)
    if count <= _MOST_EXACT:
        exchanged = np.array(list(itertools.product([0.0, 1.0], repeat=count)))
    else:
        drawn = np.random.default_rng(seed).integers(0, 2, (_DRAWN, count)).astype(float)
        exchanged = np.concatenate([np.zeros((1, count)), drawn])
    moved = np.tensordot(exchanged, two - one, axes=1)  # [exchanges, seeds, T, 7]
    ccc = mean_over_targets(RATING_METRICS["ccc"])
    differences = ccc(one.sum(axis=0) + moved) - ccc(two.sum(axis=0) - moved)
    return _share_as_far(differences.mean(axis=1))


def exchange_models(one: Sequence[np.ndarray], two: Sequence[np.ndarray], seed: int) -> float:
    """The two-sided permutation test that deals the models of each fold anew to two heads, as many to each as before.

    Args:
        one, two: per fold, the sums [models, T, 7] of a head's models: as many in all folds, or a single one, which
            stands for all of the head's seeds there.
        seed: of the drawing.

    Returns:
        The share of arrangements whose difference is at least as large as the observed one, itself among them.
    """
    seeds = max(len(of_fold) for of_fold in (*one, *two))
    random, ccc = np.random.default_rng(seed), mean_over_targets(RATING_METRICS["ccc"])
    sums = [0.0, 0.0]  # of each head [arrangements, seeds, T, 7]
    for own, other in zip(one, two, strict=True):
        models = np.concatenate([own, other])
        orders = np.argsort(random.random((_DRAWN, len(models))), axis=-1)
        orders[0] = np.arange(len(models))
        for head, dealt in enumerate(np.split(orders, [len(own)], axis=1)):
            sums[head] = sums[head] + models[np.broadcast_to(dealt, (_DRAWN, seeds))]
    scores = [ccc(of_head).mean(axis=1) for of_head in sums]
    return _share_as_far(scores[0] - scores[1])


def _models_by_fold(sums: np.ndarray) -> list[np.ndarray]:
    """The sums [folds, seeds, T, 7] of each fold's models; one where all seeds give the same predictions."""
    return [of_fold[:1] if np.allclose(of_fold, of_fold[:1], rtol=1e-12, atol=0) else of_fold for of_fold in sums]


def _share_as_far(differences: np.ndarray) -> float:
    """The share of differences that are at least as far from zero as the first; sums may differ by rounding."""
    return float((abs(differences) >= abs(differences[0]) - 1e-9).mean())


def _not_comparable(own: pd.DataFrame, other: pd.DataFrame) -> str | None:
    if set(own["id"]) != set(other["id"]):
        return "other test utterances"
    tested = [set(table[["fold", "id"]].itertuples(index=False, name=None)) for table in (own, other)]
    if tested[0] != tested[1]:
        return "other folds"
    if not set(own["seed"]) & set(other["seed"]):
        return "no seed in common"
    return None
