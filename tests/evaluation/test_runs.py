"""What training wrote is read as one head."""

import json

import numpy as np
import pandas as pd

from evaluation.attention import write_attention
from evaluation.evaluation import predictions_table
from evaluation.runs import read_runs

FOLDS, SEEDS = (0, 1, 10), (2, 10)


def write_runs(folder, attends: bool = True) -> None:
    """Three folds of two seeds; each utterance is as long as its number and attends to its last frame."""
    for fold in FOLDS:
        for seed in SEEDS:
            run = folder / f"fold-{fold}" / f"seed-{seed}"
            run.mkdir(parents=True)
            config = {"fold": fold, "seed": seed, "classes": ["sad", "angry"], "training": {"select": "ua"}}
            config |= {"best_epoch": 1, "epochs_run": 1, "num_epochs": 1, "utterances": {"validation": 1}}
            (run / "config.json").write_text(json.dumps(config))
            pd.DataFrame({"epoch": [1], "learning_rate": [0.1]}).to_csv(run / "history.csv", index=False)
            numbers = [fold + 3, fold + 1, fold + 2]  # the first one is for validation
            table = pd.DataFrame({"id": [f"u{number}" for number in numbers], "role": ["validation", "test", "test"]})
            table = table.assign(speaker="s", label="sad", predicted="sad", p_sad=0.7, p_angry=0.3)
            table.to_csv(run / "predictions.csv", index=False)
            if attends:
                write_attention([np.eye(number)[-1] for number in numbers], run / "attention.safetensors")


def test_the_attention_kept_is_of_the_first_seeds_test_predictions_in_their_order(tmp_path):
    write_runs(tmp_path)
    runs = read_runs(tmp_path)
    splits = pd.DataFrame({"id": runs.test["id"].unique(), "corpus": "emodb"})
    predictions = predictions_table(runs.test, splits, runs.classes)
    first = predictions[predictions["seed"] == runs.first_seed]
    assert runs.first_seed == 2
    assert len(first) == len(FOLDS) * 2
    assert [f"u{len(row)}" for row in runs.test_attention()] == list(first["id"])
    assert (first["confidence"] == 0.7).all()
    assert (first["corpus"] == "emodb").all()


def test_a_head_that_does_not_attend_keeps_none(tmp_path):
    write_runs(tmp_path, attends=False)
    assert read_runs(tmp_path).test_attention() == []
