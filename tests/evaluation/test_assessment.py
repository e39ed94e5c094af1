"""All that is said of one head, whatever order its classes have."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from evaluation.assessment import assess, headline, learning_curve, restart_warning, strength_warning
from evaluation.runs import HeadRuns
from evaluation.settings import EvaluateSettings
from tests.builders import trained_run
from tests.evaluation.test_analysis import CLASSES, predictions, with_people
from training.settings import TrainingSettings

SETTINGS = EvaluateSettings(bootstrap=100)


def made_up_runs(classes: list[str]) -> HeadRuns:
    """Two seeds of one fold, as a head with its classes in this order would have left them."""
    test = predictions(lambda s: 0.5 + 0.02 * s)
    shares = np.random.default_rng(0).uniform(0.2, 0.4, len(test))
    for name in classes:
        test[f"p_{name}"] = np.where(test["predicted"] == name, 1 - shares, shares / 2)
    test["role"] = "test"
    table = pd.DataFrame([trained_run(seed=seed) for seed in (1, 2)])
    config = {"classes": classes, "training": TrainingSettings(epochs=5, adversarial_weight=0.0).model_dump()}
    return HeadRuns(Path(), config, table, test, pd.DataFrame(), [])


def test_the_order_of_the_classes_changes_no_assessment():
    people = with_people(predictions(lambda _: 1.0))[["id", "gender", "session", "style", "dialog"]].drop_duplicates()
    one, other = (assess(made_up_runs(classes), people, SETTINGS) for classes in (CLASSES, CLASSES[::-1]))
    assert one == other
    assert one["classes"] == [row["class"] for row in one["per_class"]] == sorted(CLASSES)
    assert headline(one) == headline(other)


def test_a_learning_curve_has_what_training_wrote_and_no_series_without_values():
    history = pd.DataFrame({"epoch": [1, 2], "fold": 0, "seed": 1, "train_loss": [2.0, 1.0], "train_ua": [0.5, 0.6]})
    history = history.assign(gradient_norm=[3.0, 1.5], validation_ua=np.nan)
    curve = learning_curve(history)
    shown = curve[["panel", "series"]].drop_duplicates().itertuples(index=False, name=None)
    assert list(shown) == [("loss", "training"), ("scores", "training UA"), ("gradient norm", "gradient norm")]
    assert curve[curve["series"] == "training UA"]["value"].tolist() == [0.5, 0.6]


def test_a_head_that_a_solver_fitted_has_strengths_instead_of_epochs():
    runs = made_up_runs(CLASSES)
    table = pd.DataFrame([trained_run(seed=seed, num_epochs=1, learning_rate=None, l2=10.0 * seed) for seed in (1, 2)])
    config = {**runs.config, "settings": {"l2": [10.0, 20.0, 30.0]}}
    runs = dataclasses.replace(runs, runs=table, config=config)
    people = with_people(predictions(lambda _: 1.0))[["id", "gender", "session", "style", "dialog"]].drop_duplicates()
    assessed = assess(runs, people, SETTINGS)
    assert assessed["epochs"] is None
    assert assessed["l2"] == [{"strength": 10, "runs": 1}, {"strength": 20, "runs": 1}]
    (warning,) = strength_warning(runs)
    assert "1 of 2 runs the weakest L2 penalty (10) was chosen" in warning
    assert learning_curve(pd.DataFrame({"epoch": [1], "l2": [10], "fold": [0], "seed": [1]})).empty


def test_last_weights_after_a_warm_restart_are_warned_of():
    runs = made_up_runs(CLASSES)
    table = pd.DataFrame([trained_run(seed=seed, validated=False, learning_rate=4.75e-4) for seed in (1, 2)])
    (warning,) = restart_warning(dataclasses.replace(runs, runs=table))
    assert "ends at 95% of the highest learning rate" in warning
    assert not restart_warning(runs)  # validation chose the epoch
