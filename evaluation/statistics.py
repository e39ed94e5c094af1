"""Intervals and tests over speakers: utterances of one speaker are not independent."""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

FEW_SPEAKERS = 20  # below, bootstrap intervals are too narrow
FEWEST_TO_TEST = 8  # below, no test of a difference says anything
MOST_EXACT = 40  # speakers whose sign flips are counted rather than sampled
_MOST_SUMS = 2 ** (MOST_EXACT // 2)  # of half of the units
_DRAWN_SUMS = 200_000
_MOST_ARRANGEMENTS = 20_000  # of one fold's models

Metric = Callable[[np.ndarray], np.ndarray]  # counts [..., C, C] -> [...]


def speaker_bootstrap(
    confusions: np.ndarray, metric: Metric, resamples: int, seed: int, level: float = 0.95
) -> tuple[float, float]:
    """A percentile interval of a metric, pooled over speakers and averaged over seeds.

    Args:
        confusions: counts [speakers, seeds, C, C]; other units than speakers will do as well.
        metric: what to compute of the pooled counts.
        resamples: how many times as many speakers are drawn with replacement.
        seed: of the drawing; the same for all heads, so that they meet the same resamples.
        level: of the interval.

    Returns:
        Lower and upper end.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", cluster version: speakers are drawn whole.
    """
    return _interval(_resampled(confusions, metric, resamples, seed), level)


def difference_bootstrap(
    one: np.ndarray, other: np.ndarray, metric: Metric, resamples: int, seed: int, level: float = 0.95
) -> tuple[float, float]:
    """The interval of a metric's difference, one minus other, both on the same resampled speakers.

    Arguments as for `speaker_bootstrap`; the two heads' counts are of the same speakers and seeds.
    """
    values = [_resampled(confusions, metric, resamples, seed) for confusions in (one, other)]
    return _interval(values[0] - values[1], level)


def sign_flip_test(differences: np.ndarray) -> float:
    """The two-sided paired sign-flip (permutation) test of a sum of differences being zero.

    Exact for up to 40 speakers; above, 200,000 sign patterns are drawn.

    Args:
        differences: one per speaker [n], n > 0.

    Returns:
        The share of sign patterns whose sum is at least as far from zero as the observed one.

    Source: Fisher 1935, "The Design of Experiments", section 21.
    """
    return _share_as_far(differences.sum(), [np.array([value, -value]) for value in differences])


def exchange_test(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> float:
    """The two-sided permutation test of two recipes being the same, given the models that each trained in every fold.

    If they are, a fold's models could as well have been trained by either. So in every fold for itself, models are
    dealt anew to the recipes, as many to each as before, and the mean difference is summed over folds. Exact where
    the arrangements can be counted; else 200,000 are drawn.

    Args:
        one: per fold, what each model of one recipe adds to the pooled score [models].
        other: the same for the other recipe, in the same folds.

    Returns:
        The share of arrangements whose sum is at least as far from zero as the observed one.

    Source: Good 2005, "Permutation, Parametric and Bootstrap Tests of Hypotheses", on blocked designs.
    """
    observed = sum(ours.mean() - theirs.mean() for ours, theirs in zip(one, other, strict=True))
    choices = [_dealt_anew(ours, theirs) for ours, theirs in zip(one, other, strict=True)]
    return _share_as_far(observed, choices)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number, in the same order.

    Source: Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted.tolist()


def _dealt_anew(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The difference of means in every arrangement of all values into two groups of these sizes, the observed first.

    Where there are too many arrangements, in that many random ones.
    """
    values = np.concatenate([one, other])
    if math.comb(len(values), len(one)) <= _MOST_ARRANGEMENTS:
        first = np.array([sum(chosen) for chosen in itertools.combinations(values, len(one))])
    else:
        dealt = np.random.default_rng(0).permuted(np.tile(values, (_MOST_ARRANGEMENTS, 1)), axis=1)
        first = np.concatenate([[one.sum()], dealt[:, : len(one)].sum(axis=1)])
    return first / len(one) - (values.sum() - first) / len(other)


def _share_as_far(observed: float, choices: Sequence[np.ndarray]) -> float:
    """The share of all sums of one value from each array that are at least as far from zero as the observed sum.

    Sums are counted as those of two halves; where a half has too many, 200,000 sums are drawn instead.
    """
    least = abs(observed) - 1e-12 * sum(np.abs(values).max() for values in choices)  # sums may differ by rounding
    if least <= 0:
        return 1.0
    halves = [np.zeros(1), np.zeros(1)]
    for values in sorted(choices, key=len, reverse=True):
        smaller = int(len(halves[1]) < len(halves[0]))
        if len(halves[smaller]) * len(values) > _MOST_SUMS:
            return _drawn_share_as_far(least, choices)
        halves[smaller] = np.add.outer(halves[smaller], values).ravel()
    first, second = halves[0], np.sort(halves[1])
    above = len(second) - np.searchsorted(second, least - first, side="left")
    below = np.searchsorted(second, -least - first, side="right")
    return float((above + below).sum() / (len(first) * len(second)))


def _drawn_share_as_far(least: float, choices: Sequence[np.ndarray]) -> float:
    random, sums = np.random.default_rng(0), np.zeros(_DRAWN_SUMS)
    for values in choices:
        sums += values[random.integers(len(values), size=_DRAWN_SUMS)]
    return float(((np.abs(sums) >= least).sum() + 1) / (_DRAWN_SUMS + 1))


def _resampled(confusions: np.ndarray, metric: Metric, resamples: int, seed: int) -> np.ndarray:
    count = len(confusions)
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    pooled = np.tensordot(draws, confusions, axes=1)  # [resamples, seeds, C, C]
    return metric(pooled).mean(axis=1)


def _interval(values: np.ndarray, level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
