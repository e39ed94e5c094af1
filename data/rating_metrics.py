"""CCC, Pearson's correlation and MAE from sums over utterances, in the field's words: the one place that computes them.

All functions take sums [..., 7] and keep leading dimensions, so that thousands of bootstrap resamples are one call. The
sums of several groups add up to those of all their utterances.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

_NO_VARIANCE = 1e-12  # of a mean square: below it is rounding


def rating_sums(ratings: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """What the metrics need of some utterances.

    Args:
        ratings: [N, T], as annotated.
        predicted: [N, T].

    Returns:
        [T, 7]: the number of utterances; the sums of ratings, predictions, their squares and their products; and the
        sum of the absolute errors.
    """
    return _terms(ratings, predicted).sum(axis=0)


def rating_sums_by(predictions: pd.DataFrame, keys: Sequence[str], targets: Sequence[str]) -> np.ndarray:
    """`rating_sums` [groups of the first key, ..., T, 7] of a table of predictions, each key's groups in sorted order.

    Args:
        predictions: ``<target>`` and ``predicted_<target>`` for each target, and the keys.
        keys: columns to group by; every combination of their values occurs.
        targets: in the order of the sums.
    """
    flat, sizes = np.zeros(len(predictions), int), []
    for key in keys:
        codes, present = np.unique(predictions[key].to_numpy(), return_inverse=True)[::-1]
        flat = flat * len(present) + codes
        sizes.append(len(present))
    ratings, predicted = predictions[list(targets)], predictions[predicted_columns(targets)]
    sums = np.zeros((int(np.prod(sizes)), len(targets), 7))
    np.add.at(sums, flat, _terms(ratings, predicted))
    assert (sums[..., 0] > 0).all(), f"some {keys} have no predictions"
    return sums.reshape(*sizes, len(targets), 7)


def predicted_columns(targets: Sequence[str]) -> list[str]:
    """The columns of a table of predictions that hold the predicted ratings."""
    return [f"predicted_{name}" for name in targets]


def ccc(sums: np.ndarray) -> np.ndarray:
    """The concordance correlation coefficient: 1 for exact agreement, 0 for a constant prediction.

    Twice the covariance, by the sum of both variances and the squared difference of the means, all of the population.

    Source: Lin 1989, "A Concordance Correlation Coefficient to Evaluate Reproducibility".
    """
    rating, predicted, squares, predicted_squares, products = _means(sums)
    return _ratio(2 * (products - rating * predicted), squares + predicted_squares - 2 * rating * predicted)


def pearson(sums: np.ndarray) -> np.ndarray:
    """Pearson's correlation; 0 where ratings or predictions are constant."""
    rating, predicted, squares, predicted_squares, products = _means(sums)
    variances = np.maximum(squares - rating**2, 0) * np.maximum(predicted_squares - predicted**2, 0)
    return _ratio(products - rating * predicted, np.sqrt(variances))


def mean_absolute_error(sums: np.ndarray) -> np.ndarray:
    """MAE, in the ratings' own unit."""
    return sums[..., 6] / sums[..., 0]


def bias(sums: np.ndarray) -> np.ndarray:
    """The mean of prediction minus rating, in the ratings' own unit."""
    return (sums[..., 2] - sums[..., 1]) / sums[..., 0]


RATING_METRICS = {"ccc": ccc, "pearson": pearson, "mae": mean_absolute_error}


def _terms(ratings: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """What each utterance adds to the sums: [N, T, 7]."""
    ratings, predicted = np.asarray(ratings, np.float64), np.asarray(predicted, np.float64)
    squares, products = (ratings**2, predicted**2), ratings * predicted
    return np.stack([np.ones_like(ratings), ratings, predicted, *squares, products, abs(predicted - ratings)], axis=-1)


def _means(sums: np.ndarray) -> np.ndarray:
    """Means of ratings, predictions, their squares and their products: [5, ...]."""
    return np.moveaxis(sums[..., 1:6] / sums[..., :1], -1, 0)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    known = np.asarray(denominator) > _NO_VARIANCE
    return np.divide(numerator, denominator, out=np.zeros(np.shape(numerator)), where=known)
