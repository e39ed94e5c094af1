"""Do methods rank differently over several corpora? Friedman's test, and Nemenyi's critical difference after it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import friedmanchisquare, rankdata, studentized_range

FEWEST_CORPORA = 5  # below, ranks say next to nothing
FEWEST_METHODS = 3  # Friedman's test is for more than two
MANY_CORPORA, MANY_METHODS = 10, 5  # above both, the chi-squared distribution holds well (Demšar 2006)

_LEVEL = 0.05


@dataclass(frozen=True)
class Ranking:
    """How methods rank over corpora, each corpus counting the same.

    Attributes:
        mean_ranks: by method; 1 is the best, ties share the mean of their ranks.
        statistic, p: Friedman's chi-squared, corrected for ties, and its p-value.
        critical_difference: two mean ranks that are at least this far apart differ at 0.05 (Nemenyi).
    """

    mean_ranks: list[float]
    statistic: float
    p: float
    critical_difference: float

    @property
    def significant(self) -> bool:
        """Whether any two methods may be said to differ."""
        return self.p < _LEVEL

    @property
    def groups(self) -> list[tuple[float, float]]:
        """The first and last rank of every largest group of methods that do not differ."""
        ranks = sorted(self.mean_ranks)
        groups: list[tuple[float, float]] = []
        for first in ranks:
            last = max(rank for rank in ranks if rank - first < self.critical_difference)
            if last > first and (not groups or last > groups[-1][1]):
                groups.append((first, last))
        return groups


def ranks_within(scores: Sequence[float]) -> list[float]:
    """Ranks of the methods on one corpus, 1 for the highest score; ties share the mean of their ranks."""
    return rankdata(-np.asarray(scores)).tolist()


def rank_methods(scores: np.ndarray) -> Ranking:
    """Rank methods over corpora.

    Args:
        scores: [corpora, methods], higher is better; at least `FEWEST_CORPORA` and `FEWEST_METHODS`.

    Source: Demšar 2006, "Statistical Comparisons of Classifiers over Multiple Data Sets", section 3.2.2.
    """
    num_corpora, num_methods = scores.shape
    ranks = rankdata(-scores, axis=1)
    if (ranks == ranks[:, :1]).all():  # every corpus ties all methods
        statistic, p = 0.0, 1.0
    else:
        statistic, p = (float(value) for value in friedmanchisquare(*ranks.T))
    return Ranking(ranks.mean(axis=0).tolist(), statistic, p, critical_difference(num_methods, num_corpora))


def critical_difference(num_methods: int, num_corpora: int) -> float:
    """How far apart mean ranks have to be to differ at 0.05, allowing for all pairs of methods (Nemenyi)."""
    quantile = studentized_range.ppf(1 - _LEVEL, num_methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(num_methods * (num_methods + 1) / (6 * num_corpora)))
