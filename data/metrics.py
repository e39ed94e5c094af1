"""WA, UA and F1 from confusion matrices, in the field's words: the one place that computes them.

All functions take counts [..., C, C], rows the references, columns the predictions, and keep leading dimensions, so
that thousands of bootstrap resamples are one call. Classes that do not occur in the references do not count.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts [C, C] of class indices [N]; rows are the references."""
    pairs = np.asarray(labels) * num_classes + np.asarray(predicted)
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def confusions_by(predictions: pd.DataFrame, keys: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Counts [groups of the first key, ..., C, C] of a table of predictions, each key's groups in sorted order.

    Args:
        predictions: ``label``, ``predicted`` (class names) and the keys.
        keys: columns to group by; every combination of their values occurs.
        classes: in the order of the counts.
    """
    index = {name: position for position, name in enumerate(classes)}
    flat, sizes = np.zeros(len(predictions), int), []
    for key in keys:
        codes, present = np.unique(predictions[key].to_numpy(), return_inverse=True)[::-1]
        flat = flat * len(present) + codes
        sizes.append(len(present))
    for column in ("label", "predicted"):
        flat = flat * len(classes) + predictions[column].map(index).to_numpy()
    shape = (*sizes, len(classes), len(classes))
    counts = np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)
    assert (counts.sum(axis=(-2, -1)) > 0).all(), f"some {keys} have no predictions"
    return counts


def weighted_accuracy(confusion: np.ndarray) -> np.ndarray:
    """WA: the share of correct predictions (accuracy)."""
    return _ratio(np.trace(confusion, axis1=-2, axis2=-1), confusion.sum(axis=(-2, -1)))


def unweighted_accuracy(confusion: np.ndarray) -> np.ndarray:
    """UA: the mean recall over the classes that occur."""
    return _mean_over_present(recall(confusion), confusion)


def unweighted_accuracy_parts(confusions: np.ndarray) -> np.ndarray:
    """What each of several units adds to the UA of all of them.

    Args:
        confusions: counts [units, ..., C, C].

    Returns:
        [units, ...]; summed over units, the `unweighted_accuracy` of the summed counts.
    """
    support = confusions.sum(axis=(0, -1))  # [..., C]
    correct = np.diagonal(confusions, axis1=-2, axis2=-1)  # [units, ..., C]
    return _mean_over_present(_ratio(correct, np.broadcast_to(support, correct.shape)), confusions.sum(axis=0))


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """The mean F1 over the classes that occur."""
    return _mean_over_present(f1(confusion), confusion)


def weighted_f1(confusion: np.ndarray) -> np.ndarray:
    """The mean F1, weighted by how often each class occurs."""
    support = confusion.sum(axis=-1)
    return _ratio((f1(confusion) * support).sum(axis=-1), support.sum(axis=-1))


def recall(confusion: np.ndarray) -> np.ndarray:
    """Per class [..., C]; 0 for a class that does not occur."""
    return _ratio(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(axis=-1))


def precision(confusion: np.ndarray) -> np.ndarray:
    """Per class [..., C]; 0 for a class that is never predicted."""
    return _ratio(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(axis=-2))


def f1(confusion: np.ndarray) -> np.ndarray:
    """Per class [..., C]."""
    correct = np.diagonal(confusion, axis1=-2, axis2=-1)
    return _ratio(2 * correct, confusion.sum(axis=-1) + confusion.sum(axis=-2))


METRICS = {"ua": unweighted_accuracy, "wa": weighted_accuracy, "macro_f1": macro_f1, "weighted_f1": weighted_f1}


def _mean_over_present(per_class: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    present = confusion.sum(axis=-1) > 0
    sums = (per_class * present).sum(axis=-1)
    return _ratio(sums, np.broadcast_to(present.sum(axis=-1), sums.shape))


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.zeros(np.shape(numerator)), where=np.asarray(denominator) > 0)
