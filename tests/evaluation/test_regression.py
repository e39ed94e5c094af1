"""Predicted ratings: metrics, intervals, groups, comparisons, and what is written of them."""

import json

import numpy as np
import pandas as pd
import pytest

from data.rating_metrics import ccc, rating_sums, rating_sums_by
from evaluation.evaluation import Evaluation, binned, confusion_table, ratings_table, read_evaluation
from evaluation.regression import assess_ratings
from evaluation.regression_comparison import compare_regressions, exchange_models, exchange_speakers
from evaluation.results import RegressionDetails
from evaluation.settings import EvaluateSettings
from tests.report.test_regression_report import details_of

TARGETS = ["valence", "activation"]
SETTINGS = EvaluateSettings(bootstrap=200)
PREDICTED = [f"predicted_{name}" for name in TARGETS]


def splits_of(speakers: int = 10, per_speaker: int = 12) -> pd.DataFrame:
    count = np.arange(speakers * per_speaker)
    speaker = count // per_speaker
    return pd.DataFrame(
        {
            "corpus": "emodb",
            "id": [f"u{k:03d}" for k in count],
            "speaker": [f"s{k:02d}" for k in speaker],
            "gender": np.where(speaker % 2, "male", "female"),
            "session": "",
            "style": "",
            "dialog": "",
            "emotion": "W",
            "fold": speaker % 3,
        }
    )


def predictions(splits: pd.DataFrame, noise: float, seeds=(1, 2), bias: float = 0.0, draw: int = 0) -> pd.DataFrame:
    """Ratings from 1 to 5, predicted with an error; those of men are predicted too high."""
    known = np.random.default_rng(3).uniform(1, 5, (len(splits), 2))
    tables = []
    for seed in seeds:
        errors = np.random.default_rng([draw, seed]).normal(bias, noise, known.shape)
        errors += (splits["gender"] == "male").to_numpy()[:, None] * 0.5
        values = dict(zip([*TARGETS, *PREDICTED], np.hstack([known, known + errors]).T, strict=True))
        tables.append(splits[["id", "speaker", "fold"]].assign(seed=seed, **values))
    return pd.concat(tables, ignore_index=True)


def test_the_headline_is_pooled_over_folds_and_the_mean_over_folds_has_its_own_name():
    splits = splits_of()
    table = predictions(splits, 0.8)
    table.loc[table["fold"] == 1, PREDICTED] += 1.5  # each fold is as good by itself, but one is off
    assessed = assess_ratings(table, splits, TARGETS, SETTINGS)
    by_seed = [ccc(rating_sums(own[TARGETS], own[PREDICTED])) for _, own in table.groupby("seed")]
    assert assessed.metrics["ccc"].mean == pytest.approx(np.mean(by_seed))
    assert assessed.per_target[1].metrics["ccc"].mean == pytest.approx(np.mean(by_seed, axis=0)[1])
    folds = [ccc(rating_sums(own[TARGETS], own[PREDICTED])).mean() for _, own in table.groupby(["fold", "seed"])]
    assert assessed.metrics["ccc"].mean_folds == pytest.approx(np.mean(folds))
    assert assessed.metrics["ccc"].mean_folds != pytest.approx(assessed.metrics["ccc"].mean, abs=1e-3)
    low, high = assessed.metrics["ccc"].low, assessed.metrics["ccc"].high
    assert low < assessed.metrics["ccc"].mean < high
    scalars = assessed.headline()
    assert list(scalars) == [
        *("ccc", "ccc_low", "ccc_high", "ccc_folds", "ccc_valence", "ccc_activation", "mae", "pearson")
    ]
    errors = table[PREDICTED].to_numpy() - table[TARGETS].to_numpy()
    assert scalars["mae"] == pytest.approx(abs(errors).mean(), abs=1e-4)


def test_the_ensemble_is_the_mean_prediction_and_groups_have_their_own_bias():
    splits = splits_of()
    table = predictions(splits, 1.0)
    assessed = assess_ratings(table, splits, TARGETS, SETTINGS)
    mean = table.groupby("id")[[*TARGETS, *PREDICTED]].mean()
    assert assessed.ensemble["ccc"].value == pytest.approx(ccc(rating_sums(mean[TARGETS], mean[PREDICTED])).mean())
    assert assessed.ensemble["ccc"].value > assessed.metrics["ccc"].mean
    groups = {(row.grouping, row.group): row for row in assessed.groups}
    assert {grouping for grouping, _ in groups} == {"speaker", "gender"}
    for name in TARGETS:
        biases = {group: groups["gender", group].bias[name].value for group in ("male", "female")}
        assert biases["male"] - biases["female"] == pytest.approx(0.5, abs=0.3)
    assert assess_ratings(predictions(splits, 1.0, seeds=(1,)), splits, TARGETS, SETTINGS).ensemble is None


def test_a_better_head_is_told_from_its_reference_and_equal_heads_are_not():
    splits = splits_of()
    noises = {"good": 0.4, "poor": 1.2, "like": 1.2}
    heads = {
        name: predictions(splits, noise, seeds=(1, 2, 3), draw=draw)
        for draw, (name, noise) in enumerate(noises.items())
    }
    good, like = compare_regressions(heads, TARGETS, "poor", SETTINGS)
    assert (good.head, like.head) == ("good", "like")
    assert good.metrics["ccc"].low > 0
    assert good.metrics["mae"].high < 0
    assert good.p_models < 0.05
    assert good.p_retraining <= 0.05
    assert like.metrics["ccc"].low < 0 < like.metrics["ccc"].high
    assert min(like.p_models, like.p_retraining) > 0.05
    (same,) = compare_regressions({"one": heads["poor"], "two": heads["poor"]}, TARGETS, "one", SETTINGS)
    assert (same.p_models, same.metrics["ccc"].value) == (1, 0)
    fewer = heads["good"][heads["good"]["speaker"] > "s02"]
    (other,) = compare_regressions({"one": fewer, "two": heads["poor"]}, TARGETS, "two", SETTINGS)
    assert other.reason == "other test utterances"


def test_seeds_that_train_the_same_model_are_no_evidence_about_training():
    splits = splits_of()
    alike = [
        pd.concat([predictions(splits, noise, seeds=(1,), draw=draw).assign(seed=seed) for seed in (1, 2, 3, 4, 5)])
        for draw, noise in enumerate((1.0, 1.1))
    ]
    (row,) = compare_regressions({"one": alike[0], "other": alike[1]}, TARGETS, "one", SETTINGS)
    assert row.p_retraining is None
    several = predictions(splits, 1.1, seeds=(1, 2, 3, 4, 5), draw=2)
    (row,) = compare_regressions({"one": alike[0], "several": several}, TARGETS, "one", SETTINGS)
    assert row.p_retraining > 1 / 6**3  # one of six models in each fold


def test_without_known_speakers_nothing_is_said_of_new_ones():
    table = predictions(splits_of(), 1.0)
    heads = {"one": table, "other": predictions(splits_of(), 0.4, draw=1)}
    (row,) = compare_regressions(
        {name: own.assign(speaker="") for name, own in heads.items()}, TARGETS, "one", SETTINGS
    )
    assert (row.num_speakers, row.p_models) == (0, None)


def test_permutation_tests_hold_their_level():
    """Two heads of one quality: p below 0.2 in about a fifth of the draws."""
    splits, found = splits_of(speakers=8, per_speaker=6), []
    for draw in range(20):
        tables = [predictions(splits, 1.0, draw=10 + 2 * draw + head) for head in (0, 1)]
        sums = [rating_sums_by(table, ["speaker", "seed"], TARGETS) for table in tables]
        folds = [rating_sums_by(table, ["fold", "seed"], TARGETS) for table in tables]
        found.append((exchange_speakers(*sums, seed=1), exchange_models(*folds, seed=1)))
    shares = (np.array(found) < 0.2).mean(axis=0)
    assert (shares < 0.45).all()
    assert (np.array(found) > 0.5).mean() > 0.3


def test_what_is_written_is_read_again_and_dvc_gets_a_matrix_of_binned_ratings(tmp_path):
    splits = splits_of()
    table = predictions(splits, 0.8)
    details = details_of("gru", table, splits, TARGETS, SETTINGS)
    Evaluation(details, ratings_table(table, splits, TARGETS)).write(tmp_path)
    again = read_evaluation(tmp_path)
    assert isinstance(again.details, RegressionDetails)
    assert again.details == details
    assert len(json.loads((tmp_path / "metrics.json").read_text())) == 8
    matrix = pd.read_csv(tmp_path / "confusion.csv")
    assert len(matrix) == 2 * len(table)
    assert matrix["actual"].nunique() == matrix["predicted"].nunique() == 10
    assert (matrix["actual"].str.split().str[0] == matrix["predicted"].str.split().str[0]).all()
    target = details.per_target[0]
    ends = binned(pd.Series([target.least, target.most, -9.0, 99.0]), target)
    assert (ends[0], ends[1]) == (ends[2], ends[3])
    assert list(confusion_table(again.predictions, details.per_target)) == [
        "actual",
        "predicted",
        "corpus",
        "fold",
        "seed",
    ]
