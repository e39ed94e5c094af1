"""Ranks over corpora are those of Demšar's worked example (2006, Table 6), ties and all."""

import numpy as np
import pytest

from evaluation.ranking import Ranking, critical_difference, rank_methods, ranks_within

DEMSAR = np.array(  # ranks of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets
    [
        *([4, 3, 2, 1], [1, 2, 3, 4], [4, 1, 2, 3], [4, 1, 3, 2], [4, 2, 3, 1], [1, 2.5, 4, 2.5], [3, 2, 4, 1]),
        *([2.5, 2.5, 4, 1], [4, 3, 2, 1], [2.5, 2.5, 2.5, 2.5], [4, 2.5, 1, 2.5], [3, 2, 4, 1], [4, 1, 2, 3]),
        [3, 1, 4, 2],
    ]
)


def test_ranks_and_critical_difference_are_the_published_ones():
    ranking = rank_methods(-DEMSAR)
    assert ranking.mean_ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert ranking.critical_difference == pytest.approx(1.25, abs=5e-3)
    counts = [np.unique(row, return_counts=True)[1] for row in DEMSAR]
    ties = 1 - sum((count**3 - count).sum() for count in counts) / (14 * 4 * (4**2 - 1))
    assert ranking.statistic * ties == pytest.approx(9.28, abs=5e-3)  # he does not correct for ties
    assert ranking.significant


@pytest.mark.parametrize(
    ("methods", "quantile"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (10, 3.164)]
)
def test_the_quantiles_are_the_published_ones(methods, quantile):
    assert critical_difference(methods, 1) / np.sqrt(methods * (methods + 1) / 6) == pytest.approx(quantile, abs=1e-3)


def test_ties_share_the_mean_of_their_ranks():
    assert ranks_within([0.9, 0.5, 0.7, 0.7]) == [1, 4, 2.5, 2.5]


def test_methods_that_do_not_differ_are_grouped():
    """Demšar's Figure 1 (a): the largest groups only, and none of a method by itself."""
    assert Ranking([1.0, 1.8, 2.5, 4.0], 0, 0, 1.25).groups == [(1.0, 1.8), (1.8, 2.5)]
    assert Ranking([1.0, 1.5, 2.0], 0, 0, 1.25).groups == [(1.0, 2.0)]


def test_methods_that_tie_everywhere_do_not_differ():
    ranking = rank_methods(np.full((5, 3), 0.5))
    assert (ranking.mean_ranks, ranking.p, ranking.significant) == ([2, 2, 2], 1, False)
