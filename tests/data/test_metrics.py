"""The field's metrics, from one implementation."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from data.metrics import (
    confusion_matrix,
    macro_f1,
    precision,
    recall,
    unweighted_accuracy,
    unweighted_accuracy_parts,
    weighted_accuracy,
    weighted_f1,
)
from training.scores import scores


def test_metrics_equal_scikit_learns():
    random = np.random.default_rng(0)
    labels, predicted = random.integers(0, 4, 200), random.integers(0, 4, 200)
    confusion = confusion_matrix(labels, predicted, 4)
    assert weighted_accuracy(confusion) == pytest.approx(accuracy_score(labels, predicted))
    assert unweighted_accuracy(confusion) == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert macro_f1(confusion) == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert weighted_f1(confusion) == pytest.approx(f1_score(labels, predicted, average="weighted"))


def test_an_absent_class_does_not_count():
    confusion = confusion_matrix(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2]), 3)
    assert unweighted_accuracy(confusion) == 0.75
    assert recall(confusion).tolist() == [1, 0.5, 0]
    assert precision(confusion).tolist() == [1, 1, 0]


def test_rows_are_the_truth():
    assert confusion_matrix(np.array([0]), np.array([2]), 3).tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_what_each_speaker_adds_sums_to_the_ua_of_all():
    """Speakers of different sizes, some without a class; of several seeds at once; and a class that nobody has."""
    counts = np.random.default_rng(0).integers(0, 5, (6, 2, 4, 4))
    counts[:, :, 3] = 0
    counts[:3, :, 1] = 0
    assert unweighted_accuracy_parts(counts).sum(axis=0) == pytest.approx(unweighted_accuracy(counts.sum(axis=0)))


def test_scores_in_training_are_those_of_the_evaluation():
    labels, predicted = np.array([0, 0, 1, 1, 1]), np.array([0, 2, 1, 1, 0])  # class 2 does not occur
    assert scores("validation", labels, predicted) == {
        "validation_ua": pytest.approx((1 / 2 + 2 / 3) / 2),
        "validation_wa": pytest.approx(3 / 5),
        "validation_macro_f1": pytest.approx((1 / 2 + 4 / 5) / 2),
    }
