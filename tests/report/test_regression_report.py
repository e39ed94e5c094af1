"""The report of a task whose targets are ratings, alone and beside a task of classes."""

import pandas as pd
import pytest

from data.task_description import TaskDescription
from evaluation.description import describe_task
from evaluation.evaluation import Evaluation, ratings_table
from evaluation.regression import assess_ratings
from evaluation.results import PredictionsFile, RegressionDetails
from evaluation.settings import EvaluateSettings
from report.page import write_report
from report.settings import ReportSettings
from tests.builders import task_description


def details_of(
    head: str, table: pd.DataFrame, splits: pd.DataFrame, targets: list[str], settings: EvaluateSettings
) -> RegressionDetails:
    """Details of predictions made elsewhere, in the task ``dimensions``."""
    task: TaskDescription = task_description(task="dimensions", classes={}, targets=targets)
    folds = splits.assign(**{f"fold_{fold}": "train" for fold in range(3)})
    for fold in range(3):
        folds.loc[folds["fold"] == fold, f"fold_{fold}"] = "test"
    return RegressionDetails(
        **dict(assess_ratings(table, splits, targets, settings)),
        head=head,
        task=task.task,
        corpora=["emodb"],
        features=None,
        seeds=[1, 2],
        data=describe_task(task, folds.drop(columns="fold")),
        training=None,
        source=PredictionsFile(file=f"{head}.csv", sha256="0" * 64),
        cautions=[],
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    from tests.evaluation.test_regression import TARGETS, predictions, splits_of

    settings, splits = EvaluateSettings(bootstrap=100), splits_of()
    evaluations = []
    for head, noise in {"ridge": 0.8, "gru": 0.5}.items():
        table = predictions(splits, noise, draw=len(head))
        details = details_of(head, table, splits, TARGETS, settings)
        evaluations.append(Evaluation(details, ratings_table(table, splits, TARGETS)))
    folder = tmp_path_factory.mktemp("report")
    write_report(
        evaluations,
        examples={},
        settings=ReportSettings(reference="ridge"),
        statistics=settings,
        measured=folder / "measured",
        folder=folder,
    )
    return folder


def test_the_page_has_what_ratings_have_and_no_panel_of_classes(page):
    text = (page / "index.html").read_text()
    assert "<h1>emodb: valence and activation, predictions made elsewhere</h1>" in text
    for shown in (
        "CCC of<br>valence",
        "Pearson",
        "MAE",
        "Predicted against true ratings",
        "bias",
        "Compared with ridge",
    ):
        assert shown in text
    for absent in ("Confusion matrix", ">UA<", "UA by", "Calibration", "macro F1", "Classes"):
        assert absent not in text


def test_all_tables_that_dvc_draws_are_there_and_the_scatter_plot_has_every_utterance(page):
    declared = [
        "results",
        "differences",
        "per_class",
        "per_fold",
        "across_corpora",
        "groups",
        "leakage",
        "layer_weights",
    ]
    declared += ["reliability", "learning_curves", "attention", "embedding", "ratings"]
    for name in declared:
        assert len(pd.read_csv(page / f"{name}.csv")) > 0 or (page / f"{name}.csv").read_text().count("\n") == 2
    points = pd.read_csv(page / "ratings.csv")
    assert points.groupby("panel").size().to_dict() == dict.fromkeys(points["panel"].unique(), 120)
    assert sorted(points["panel"].unique()) == [
        *("gru: activation", "gru: valence", "ridge: activation", "ridge: valence")
    ]
    differences = pd.read_csv(page / "differences.csv")
    assert set(differences["panel"]) == {"CCC", "Pearson", "MAE", "CCC of valence", "CCC of activation"}
