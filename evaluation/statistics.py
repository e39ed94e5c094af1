"""Intervals by bootstrap over speakers: utterances of one speaker are not independent."""

from collections.abc import Callable

import numpy as np

FEW_SPEAKERS = 20  # below, bootstrap intervals are too narrow


def speaker_bootstrap(
    confusions: np.ndarray, metric: Callable[[np.ndarray], np.ndarray], resamples: int, seed: int, level: float = 0.95
) -> tuple[float, float]:
    """A percentile interval of a metric, pooled over speakers and averaged over seeds.

    Args:
        confusions: counts [speakers, seeds, C, C].
        metric: counts [..., C, C] -> [...].
        resamples: how many times as many speakers are drawn with replacement.
        seed: of the drawing; the same for all heads, so that they meet the same resamples.
        level: of the interval.

    Returns:
        Lower and upper end.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", cluster version: speakers are drawn whole.
    """
    count = len(confusions)
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    pooled = np.tensordot(draws, confusions, axes=1)  # [resamples, seeds, C, C]
    values = metric(pooled).mean(axis=1)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
