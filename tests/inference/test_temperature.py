"""Temperatures are fitted on validation utterances, and kept where they help on speakers they were not fitted on."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from evaluation.calibration import reliability
from evaluation.settings import EvaluateSettings
from inference.temperature import fit_temperature, scale_temperatures

CLASSES = ["a", "b", "c"]
SETTINGS = EvaluateSettings(bootstrap=200)


def answers(factors: dict[str, float], role: str, seed: int = 1, per_speaker: int = 400) -> pd.DataFrame:
    """Predictions whose logits are a factor too large, another one for every speaker."""
    random = np.random.default_rng([seed, len(role)])
    tables = []
    for speaker, factor in factors.items():
        logits = random.normal(0, 1.5, (per_speaker, 3))
        labels = [random.choice(3, p=row) for row in softmax(logits, axis=1)]
        table = pd.DataFrame(softmax(factor * logits, axis=1), columns=[f"p_{name}" for name in CLASSES]).round(6)
        known = {"fold": 0, "seed": seed, "role": role, "speaker": speaker}
        table = table.assign(**known, label=np.array(CLASSES)[labels])
        table["id"] = [f"{role} {speaker} {number:03d}" for number in range(per_speaker)]
        table["predicted"] = np.array(CLASSES)[logits.argmax(axis=1)]
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def run(validation: dict[str, float], test: dict[str, float], seed: int = 1) -> pd.DataFrame:
    return pd.concat([answers(validation, "validation", seed), answers(test, "test", seed)], ignore_index=True)


def test_the_factor_by_which_logits_are_too_large_is_found():
    logits = np.random.default_rng(1).normal(0, 1.5, (5000, 3))
    labels = np.array([np.random.default_rng(i).choice(3, p=row) for i, row in enumerate(softmax(logits, axis=1))])
    for factor in (0.5, 1.0, 2.5):
        assert fit_temperature(factor * logits, labels) == pytest.approx(factor, rel=0.06)
        rounded = softmax(factor * logits, axis=1).round(6)
        assert fit_temperature(np.log(np.maximum(rounded, 5e-7)), labels) == pytest.approx(factor, rel=0.06)


def test_where_nothing_is_missed_nothing_can_be_fitted():
    assert fit_temperature(np.log([[0.6, 0.4], [0.3, 0.7]]), np.array([0, 1])) == 1.0


def test_confidence_fits_better_afterwards_also_on_test_speakers():
    table = run({"v1": 2.5, "v2": 2.5}, {"t1": 2.5, "t2": 2.5})
    scaling = scale_temperatures({"fold-0/seed-1": table}, CLASSES, SETTINGS)
    assert scaling.used
    assert scaling.by_speaker
    assert scaling.fitted["fold-0/seed-1"] == pytest.approx(2.5, rel=0.15)
    test = scaling.of("test")
    assert test.before.ece.value > 0.1 > 0.05 > test.after.ece.value
    assert test.after.nll.value < test.before.nll.value
    assert test.ece_difference.high < 0
    assert test.before.accuracy == test.after.accuracy
    assert scaling.of("test_mean") is None


def test_a_temperature_that_helps_only_the_speakers_it_was_fitted_on_is_not_used():
    table = run({"v1": 3.0, "v2": 1.0}, {"t1": 1.0})
    scaling = scale_temperatures({"fold-0/seed-1": table}, CLASSES, SETTINGS)
    assert not scaling.used
    assert scaling.of("validation").ece_difference.value > 0.05
    known = {"fold": 0, "seed": 1, "role": "test", "speaker": table["speaker"], "id": table["id"]}
    fitted_on = table[table["role"] == "validation"].assign(**known)
    of_both = pd.concat([table[table["role"] == "validation"], fitted_on], ignore_index=True)
    itself = scale_temperatures({"fold-0/seed-1": of_both}, CLASSES, SETTINGS)
    assert itself.of("test").ece_difference.value < -0.02  # judged where it was fitted, it looks good


def test_test_utterances_decide_nothing():
    table = run({"v1": 2.0, "v2": 2.0}, {"t1": 2.0, "t2": 2.0})
    wrong = table.assign(label=table["label"].where(table["role"] != "test", "a"))
    one, other = (scale_temperatures({"run": some}, CLASSES, SETTINGS) for some in (table, wrong))
    assert one.fitted == other.fitted
    assert one.used == other.used
    assert one.of("validation") == other.of("validation")
    assert one.of("test") != other.of("test")


def test_the_mean_of_the_runs_of_a_fold_decides():
    """Two runs that are too sure, and seldom of the same, are not sure enough together."""
    table = run({"v1": 1.0, "v2": 1.0}, {"t1": 1.0, "t2": 1.0})
    columns = [f"p_{name}" for name in CLASSES]
    logits = np.log(table[columns].to_numpy().clip(5e-7))
    runs = {}
    for seed in (1, 2):
        own = softmax(logits + (-1) ** seed * np.random.default_rng(5).normal(0, 3, logits.shape), axis=1)
        runs[f"fold-0/seed-{seed}"] = table.assign(seed=seed, **dict(zip(columns, own.T, strict=True)))
    for name, single in runs.items():
        scaling = scale_temperatures({name: single}, CLASSES, SETTINGS)
        assert scaling.fitted[name] > 1.5
        assert scaling.used
    together = scale_temperatures(runs, CLASSES, SETTINGS)
    assert not together.used
    mean = together.of("test_mean")
    assert mean.before.confidence < mean.before.accuracy


def test_the_error_is_the_one_that_the_report_shows():
    runs = {f"fold-0/seed-{seed}": run({"v": 1.0, "w": 1.0}, {"t": 2.0, "u": 2.0}, seed) for seed in (1, 2)}
    test = pd.concat([table[table["role"] == "test"] for table in runs.values()])
    shown = reliability(test, CLASSES)
    before = scale_temperatures(runs, CLASSES, SETTINGS).of("test").before
    assert before.ece.value == pytest.approx(shown.ece)
    assert before.confidence == pytest.approx(shown.mean_confidence)


def test_without_validation_there_is_no_temperature_and_one_speaker_is_said():
    table = run({"v": 2.0}, {"t": 2.0})
    assert not scale_temperatures({"run": table}, CLASSES, SETTINGS).by_speaker
    assert scale_temperatures({"run": table[table["role"] == "test"]}, CLASSES, SETTINGS) is None
