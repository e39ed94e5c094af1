"""The field's metrics, and intervals over speakers."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.metrics import weighted_accuracy
from evaluation.assessment import assess_predictions
from evaluation.evaluation import confusion_table
from evaluation.results import Assessment
from evaluation.runs import HeadRuns
from evaluation.settings import EvaluateSettings
from evaluation.statistics import speaker_bootstrap
from tests.builders import trained_run
from training.settings import TrainingSettings

CLASSES = ["neutral", "happy", "angry"]


def runs(correct, seeds=(1, 2), folds=2, per_fold=12) -> HeadRuns:
    """Predictions of two speakers per fold; ``correct(fold, seed, number)`` says whether one is right."""
    rows = []
    for fold in range(folds):
        for seed in seeds:
            for number in range(per_fold):
                label = number % 3
                predicted = label if correct(fold, seed, number) else (label + 1) % 3
                probabilities = {f"p_{name}": float(index == predicted) for index, name in enumerate(CLASSES)}
                rows.append(
                    {
                        "id": f"{fold}-{number}",
                        "role": "test",
                        "speaker": f"f{fold}{number % 2}",
                        "label": CLASSES[label],
                        "predicted": CLASSES[predicted],
                        **probabilities,
                        "fold": fold,
                        "seed": seed,
                    }
                )
    config = {"classes": CLASSES, "training": TrainingSettings(epochs=5).model_dump()}
    return HeadRuns(Path(), config, pd.DataFrame([trained_run()]), pd.DataFrame(rows), pd.DataFrame(), [])


def assess(of: HeadRuns) -> Assessment:
    """Two speakers of each gender; neither sessions nor dialogues."""
    splits = of.predictions[["id", "speaker", "fold"]].drop_duplicates("id").reset_index(drop=True)
    splits = splits.assign(corpus="emodb", gender=splits["speaker"].str[-1], session="", style="", dialog="")
    for fold in splits["fold"].unique():
        splits[f"fold_{fold}"] = np.where(splits["fold"] == fold, "test", "train")
    return assess_predictions(of.test, splits, of.classes, EvaluateSettings(bootstrap=200))


def test_perfect_predictions_are_one_hundred_percent():
    result = assess(runs(lambda *_: True))
    assert all(metric.mean == metric.low == metric.high == 1 for metric in result.metrics.values())
    assert result.num_speakers == 4
    assert result.chance_ua == pytest.approx(1 / 3)


def test_a_label_map_off_by_one_is_zero_percent():
    assert assess(runs(lambda *_: False)).metrics["ua"].mean == 0


def test_pooled_over_folds_mean_over_seeds_and_their_deviations():
    """Fold 0 is right in both seeds; fold 1 only in seed 1."""
    result = assess(runs(lambda fold, seed, _: fold == 0 or seed == 1))
    wa = result.metrics["wa"]
    assert wa.mean == pytest.approx((1 + 0.5) / 2)
    assert wa.sd_seeds == pytest.approx(np.std([1, 0.5], ddof=1))
    assert wa.mean_folds == pytest.approx(0.75)
    assert wa.sd_folds == pytest.approx(np.std([1, 0.5], ddof=1))
    assert [row.wa for row in result.per_fold] == [1, 0.5]
    assert np.sum(result.confusion) == 24


def test_validation_predictions_are_left_out():
    both = runs(lambda *_: True)
    validation = both.predictions.assign(role="validation", predicted="neutral")
    mixed = dataclasses.replace(both, predictions=pd.concat([both.predictions, validation]))
    assert assess(mixed).metrics["ua"].mean == 1


def test_ensemble_votes_by_mean_probability():
    result = assess(runs(lambda fold, seed, _: seed != 2, seeds=(1, 2, 3)))
    assert result.metrics["wa"].mean == pytest.approx(2 / 3)
    assert result.ensemble.wa == 1


def test_headline_is_eight_scalars_pooled_and_over_folds():
    """Fold 0, four times as large as fold 1, is right in both seeds; fold 1 only in seed 1."""
    both = runs(lambda fold, seed, _: fold == 0 or seed == 1)
    small = both.predictions["id"].isin([f"1-{number}" for number in range(3, 12)])
    scalars = assess(dataclasses.replace(both, predictions=both.predictions[~small])).headline()
    keys = ["ua", "ua_low", "ua_high", "wa", "macro_f1", "ua_folds", "wa_folds", "ua_sd_seeds"]
    assert list(json.loads(json.dumps(scalars))) == keys
    assert scalars["wa"] == pytest.approx((1 + 12 / 15) / 2)
    assert scalars["wa_folds"] == scalars["ua_folds"] == pytest.approx((1 + 0.5) / 2)
    assert scalars["ua_sd_seeds"] == pytest.approx(np.std([1, 12 / 15], ddof=1), abs=1e-4)
    assert list(assess(runs(lambda fold, *_: fold == 0, seeds=(1,))).headline()) == keys[:-1]


def test_confusion_table_has_a_row_per_utterance_and_seed():
    table = confusion_table(runs(lambda fold, *_: fold == 0).test.assign(corpus="emodb"))
    assert len(table) == 48
    assert (table["actual"] == table["predicted"]).sum() == 24


def test_the_bootstrap_draws_speakers_not_utterances():
    """Two speakers, one always right and one always wrong: between them anything from 0 to 1 may be drawn."""
    right, wrong = np.diag([50, 50]), np.fliplr(np.diag([50, 50]))
    confusions = np.stack([right, wrong])[:, None]
    assert speaker_bootstrap(confusions, weighted_accuracy, 1000, seed=1) == (0, 1)
    same = np.stack([right] * 5)[:, None]
    assert speaker_bootstrap(same, weighted_accuracy, 1000, seed=1) == (1, 1)


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(0)
    hits = 0
    for trial in range(60):
        skill = random.normal(0.6, 0.1, 30).clip(0, 1)  # 30 speakers of 40 utterances
        right = random.binomial(40, skill)
        confusions = np.array([[[[hit, 40 - hit], [0, 0]]] for hit in right])
        low, high = speaker_bootstrap(confusions, weighted_accuracy, 400, seed=trial)
        hits += low <= 0.6 <= high
    assert hits >= 51
