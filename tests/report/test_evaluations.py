"""Evaluations are written and read as they are, and shown in the order of params.yaml, whatever they were made in."""

import numpy as np
import pytest

from data.errors import UserError
from evaluation.evaluation import read_evaluation
from evaluation.results import ClassScores, Details, FoldScores
from report.evaluations import in_display_order, read_evaluations
from tests.report.test_page import evaluation


def small_details() -> Details:
    confusion = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    scores = {"recall": 0.0, "precision": 0.0, "f1": 0.0, "support": 0.0}
    fold = dict.fromkeys(("ua", "wa", "macro_f1", "weighted_f1"), 0.5)
    return Details.model_construct(
        classes=["angry", "calm", "sad"],
        confusion=confusion,
        per_class=[ClassScores(name=name, **scores) for name in ("angry", "calm", "sad")],
        per_fold=[FoldScores(fold=0, confusion=confusion, **fold)],
    )


def test_all_rows_and_columns_per_class_follow_the_order():
    shown = in_display_order(small_details(), ["sad", "angry", "calm"])
    assert shown.classes == [row.name for row in shown.per_class] == ["sad", "angry", "calm"]
    assert shown.confusion == shown.per_fold[0].confusion == [[9, 7, 8], [3, 1, 2], [6, 4, 5]]
    assert shown.per_fold[0].fold == 0


def test_classes_that_params_yaml_no_longer_names_come_last():
    assert in_display_order(small_details(), ["sad", "happy"]).classes == ["sad", "angry", "calm"]


def test_an_evaluation_is_read_as_it_was_written(tmp_path):
    written = evaluation("gru", 0.5, speakers=8)
    written.write(tmp_path / "gru")
    read = read_evaluation(tmp_path / "gru")
    assert read.details == written.details
    assert read.predictions[["id", "corpus", "predicted"]].equals(written.predictions[["id", "corpus", "predicted"]])
    assert np.allclose(read.learning_curve["value"], written.learning_curve["value"])


def test_a_head_that_was_not_evaluated_here_is_named(tmp_path):
    evaluation("gru", 0.5, speakers=8).write(tmp_path / "gru")
    with pytest.raises(UserError, match=r"no evaluation of linear, which .* `dvc pull evaluate`"):
        read_evaluations(tmp_path, ["gru", "linear"], {})
    (shown,) = read_evaluations(tmp_path, ["gru"], {"emotions": ["sad", "angry", "calm"]})
    assert shown.details.classes == ["sad", "angry", "calm"]
