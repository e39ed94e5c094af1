"""All that is said of one head, whatever order its classes have."""

from pathlib import Path

import numpy as np
import pandas as pd

from evaluation.assessment import assess, headline, learning_curve
from evaluation.runs import HeadRuns
from evaluation.settings import EvaluateSettings
from tests.evaluation.test_analysis import CLASSES, predictions, with_people

SETTINGS = EvaluateSettings(bootstrap=100)


def made_up_runs(classes: list[str]) -> HeadRuns:
    """Two seeds of one fold, as a head with its classes in this order would have left them."""
    test = predictions(lambda s: 0.5 + 0.02 * s)
    shares = np.random.default_rng(0).uniform(0.2, 0.4, len(test))
    for name in classes:
        test[f"p_{name}"] = np.where(test["predicted"] == name, 1 - shares, shares / 2)
    test["role"] = "test"
    run = {"best_epoch": 2, "epochs_run": 5, "learning_rate": 5e-4, "alpha": 0.0, "validated": True}
    table = pd.DataFrame([{"fold": 0, "seed": seed, **run} for seed in (1, 2)])
    config = {"classes": classes, "training": {"epochs": 5, "adversarial_weight": 0.0, "max_alpha": 1.0}}
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
