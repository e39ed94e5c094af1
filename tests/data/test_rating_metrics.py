"""CCC, Pearson's correlation and MAE."""

import numpy as np
import pandas as pd
import pytest

from data.rating_metrics import bias, ccc, mean_absolute_error, pearson, rating_sums, rating_sums_by

RATINGS = np.array([[1.0], [2.0], [3.0], [4.0], [5.0]])


def test_ccc_by_hand():
    """Ratings 1 2 3, predictions 1 3 3: covariance 2/3, variances 2/3 and 8/9, difference of the means 1/3."""
    sums = rating_sums(np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [3.0], [3.0]]))
    assert ccc(sums) == pytest.approx(2 * (2 / 3) / (2 / 3 + 8 / 9 + 1 / 9))
    assert mean_absolute_error(sums) == pytest.approx(1 / 3)
    assert bias(sums) == pytest.approx(1 / 3)


def test_ccc_is_one_for_agreement_alone_and_pearson_for_any_line():
    assert ccc(rating_sums(RATINGS, RATINGS)) == pytest.approx(1)
    for other in (RATINGS + 1, 0.5 * RATINGS, -RATINGS + 6):
        assert abs(pearson(rating_sums(RATINGS, other))) == pytest.approx(1)
        assert ccc(rating_sums(RATINGS, other)) < 0.9
    assert ccc(rating_sums(RATINGS, 6 - RATINGS)) == pytest.approx(-1)
    assert ccc(rating_sums(RATINGS, RATINGS + 1)) == pytest.approx(4 / 5)  # 2 x 2 / (2 + 2 + 1)


def test_a_constant_prediction_has_neither_correlation_nor_concordance():
    sums = rating_sums(RATINGS, np.full((5, 1), 3.1))
    assert ccc(sums) == pytest.approx(0, abs=1e-12)
    assert pearson(sums) == 0
    assert ccc(rating_sums(np.full((5, 1), 2.0), np.full((5, 1), 2.0))) == 0


def test_sums_of_groups_add_up_to_those_of_all():
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(3, 1, (60, 4)), columns=["a", "b", "predicted_a", "predicted_b"])
    table = table.assign(speaker=np.repeat(list("zyx"), 20), seed=[1, 2] * 30)
    sums = rating_sums_by(table, ["speaker", "seed"], ["a", "b"])
    assert sums.shape == (3, 2, 2, 7)
    own = table[(table["speaker"] == "x") & (table["seed"] == 2)]
    np.testing.assert_allclose(sums[0, 1], rating_sums(own[["a", "b"]], own[["predicted_a", "predicted_b"]]))
    whole = ccc(sums.sum(axis=(0, 1)))
    for number, name in enumerate("ab"):
        y, p = table[name].to_numpy(), table[f"predicted_{name}"].to_numpy()
        covariance = np.cov(y, p, bias=True)
        expected = 2 * covariance[0, 1] / (covariance.trace() + (y.mean() - p.mean()) ** 2)
        assert whole[number] == pytest.approx(expected)
