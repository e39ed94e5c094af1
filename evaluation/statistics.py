"""Intervals and tests over speakers: utterances of one speaker are not independent."""

from collections.abc import Callable, Sequence

import numpy as np

FEW_SPEAKERS = 20  # below, bootstrap intervals are too narrow
FEWEST_TO_TEST = 8  # below, no test of a difference says anything
MOST_EXACT = 40  # speakers whose sign flips are counted rather than sampled
_SAMPLED_FLIPS = 200_000

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

    Exact for up to 40 speakers: all 2^n sign patterns are counted, as sums of two halves; above, 200,000 are drawn.

    Args:
        differences: one per speaker [n], n > 0.

    Returns:
        The share of sign patterns whose sum is at least as far from zero as the observed one.

    Source: Fisher 1935, "The Design of Experiments", section 21.
    """
    observed = abs(differences.sum())
    least = observed - 1e-12 * np.abs(differences).sum()  # equal sums in another order may differ by rounding
    if len(differences) > MOST_EXACT:
        signs = np.random.default_rng(0).choice([-1, 1], (_SAMPLED_FLIPS, len(differences)))
        return float(((np.abs(signs @ differences) >= least).sum() + 1) / (_SAMPLED_FLIPS + 1))
    middle = len(differences) // 2
    first, second = _all_sums(differences[:middle]), np.sort(_all_sums(differences[middle:]))
    above = len(second) - np.searchsorted(second, least - first, side="left")
    below = np.searchsorted(second, -least - first, side="right")
    reached = above + below if least > 0 else np.full(len(first), len(second))
    return float(reached.sum() / (len(first) * len(second)))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number, in the same order.

    Source: Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted.tolist()


def _all_sums(values: np.ndarray) -> np.ndarray:
    """The sums of all sign patterns [2^n]."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _resampled(confusions: np.ndarray, metric: Metric, resamples: int, seed: int) -> np.ndarray:
    count = len(confusions)
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    pooled = np.tensordot(draws, confusions, axes=1)  # [resamples, seeds, C, C]
    return metric(pooled).mean(axis=1)


def _interval(values: np.ndarray, level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
