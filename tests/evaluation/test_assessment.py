"""All that is said of one head, whatever order its classes have."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from data.cautions import Kind
from evaluation.assessment import assess_predictions
from evaluation.cautions import interval_cautions, training_cautions
from evaluation.progress import chosen_epochs, chosen_strengths, learning_curve
from evaluation.results import Assessment
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
    training = TrainingSettings(epochs=5, adversarial_weight=0.0).model_dump()
    config = {"classes": classes, "settings": {}, "training": training}
    return HeadRuns(Path(), config, table, test, pd.DataFrame(), [])


def splits_of(test: pd.DataFrame, corpus: str | pd.Series = "emodb") -> pd.DataFrame:
    """The splits that test predictions come from: whoever is not tested in a fold is trained on."""
    splits = with_people(test).drop_duplicates("id").assign(corpus=corpus).reset_index(drop=True)
    for fold in sorted(splits["fold"].unique()):
        splits[f"fold_{fold}"] = np.where(splits["fold"] == fold, "test", "train")
    return splits.drop(columns=["fold", "seed", "predicted"])


def assess(runs: HeadRuns) -> Assessment:
    return assess_predictions(runs.test, splits_of(runs.test), runs.classes, SETTINGS)


def test_the_order_of_the_classes_changes_no_assessment():
    one, other = (assess(made_up_runs(classes)) for classes in (CLASSES, CLASSES[::-1]))
    assert one == other
    assert one.classes == [row.name for row in one.per_class] == sorted(CLASSES)


def test_what_is_written_of_an_assessment_is_read_as_the_same():
    assessment = assess(made_up_runs(CLASSES))
    assert Assessment.model_validate_json(assessment.model_dump_json()) == assessment


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
    assert chosen_epochs(runs) is None
    assert [(row.strength, row.runs) for row in chosen_strengths(runs)] == [(10, 1), (20, 1)]
    (caution,) = training_cautions(runs)
    assert caution.kind == Kind.PENALTY_AT_LIMIT
    assert "1 of 2 runs the weakest L2 penalty (10) was chosen: add a weaker one" in caution.text
    assert learning_curve(pd.DataFrame({"epoch": [1], "l2": [10], "fold": [0], "seed": [1]})).empty


def test_last_weights_after_a_warm_restart_are_warned_of():
    runs = made_up_runs(CLASSES)
    table = pd.DataFrame([trained_run(seed=seed, validated=False, learning_rate=4.75e-4) for seed in (1, 2)])
    restarts = {**runs.config, "training": {**runs.config["training"], "schedule": "cosine_restarts"}}
    runs = dataclasses.replace(runs, config=restarts)
    (caution,) = training_cautions(dataclasses.replace(runs, runs=table))
    assert caution.kind == Kind.HIGH_LEARNING_RATE
    assert "ends at 95% of the highest learning rate" in caution.text
    assert not training_cautions(runs)  # validation chose the epoch


def test_intervals_over_few_speakers_are_warned_of():
    def found(speakers: int, corpora: int = 1) -> list[str]:
        test = predictions(lambda _: 0.5, speakers=speakers, folds=2).sort_values(["seed", "id"], ignore_index=True)
        splits = in_two_corpora(test) if corpora > 1 else splits_of(test)
        cautions = interval_cautions(assess_predictions(test, splits, CLASSES, SETTINGS))
        assert {caution.kind for caution in cautions} <= {Kind.FEW_SPEAKERS}
        return [caution.text for caution in cautions]

    assert found(19) == ["Intervals are bootstrapped over only 19 speakers, and too narrow below 20."]
    assert found(20) == []
    (text,) = found(24, corpora=2)  # enough in all, but each corpus has an interval of its own
    assert text.startswith("Intervals of single corpora are bootstrapped over few speakers (emodb 12, turevdb 12), and")


def in_two_corpora(test: pd.DataFrame) -> pd.DataFrame:
    """The splits of twelve speakers of whom the even ones are of one corpus; each corpus is tested in its own fold."""
    number = test["speaker"].str[1:].astype(int)
    test["fold"] = number % 2
    return splits_of(test, corpus=(number % 2).map({0: "emodb", 1: "turevdb"}).to_numpy()[: test["id"].nunique()])


def one_id_of(splits: pd.DataFrame, corpus: str) -> str:
    return splits["id"][splits["corpus"] == corpus].iloc[0]


def test_each_corpus_is_scored_apart_by_what_its_folds_trained_on():
    """One corpus is recognised perfectly, the other never, each after training on the other."""
    test = predictions(lambda s: float(s % 2 == 0), speakers=12, folds=2).sort_values(["seed", "id"], ignore_index=True)
    splits = in_two_corpora(test)
    one, other = assess_predictions(test, splits, CLASSES, SETTINGS).across_corpora
    assert (one.tested, one.trained_on, one.ua.value) == ("emodb", ["turevdb"], 1)
    assert (other.tested, other.trained_on, other.ua.value) == ("turevdb", ["emodb"], 0)
    assert (one.folds, one.speakers, one.utterances, one.classes) == (1, 6, 120, sorted(CLASSES))
    assert one.validated_on == other.validated_on == []
    chosen_there = splits.assign(
        fold_0=splits["fold_0"].where(splits["id"] != one_id_of(splits, "emodb"), "validation")
    )
    (one, _) = assess_predictions(test, chosen_there, CLASSES, SETTINGS).across_corpora
    assert (one.trained_on, one.validated_on) == (["turevdb"], ["emodb"])
    joint = splits.assign(fold_0=np.where(splits.index % 3, "train", "test"))
    trained = {
        (row.tested, *row.trained_on) for row in assess_predictions(test, joint, CLASSES, SETTINGS).across_corpora
    }
    assert trained == {("emodb", "emodb", "turevdb"), ("turevdb", "emodb")}


def test_groups_name_the_corpus_where_a_task_has_several():
    test = predictions(lambda _: 0.5, speakers=12, folds=2).sort_values(["seed", "id"], ignore_index=True)
    splits = in_two_corpora(test)
    several = assess_predictions(test, splits, CLASSES, SETTINGS).groups
    assert {row.group for row in several if row.grouping == "corpus"} == {"emodb", "turevdb"}
    single = assess_predictions(test, splits.assign(corpus="emodb"), CLASSES, SETTINGS).groups
    assert not [row for row in single if row.grouping == "corpus"]


def test_a_corpus_has_one_ua_and_one_interval_however_few_speakers_it_has():
    test = predictions(lambda s: 0.5 + 0.04 * s, speakers=10, folds=2)
    splits = in_two_corpora(test)
    assessment = assess_predictions(test, splits, CLASSES, SETTINGS)
    groups = {row.group: row for row in assessment.groups if row.grouping == "corpus"}
    assert groups["emodb"].speakers < 8
    assert {row.tested: row.ua for row in assessment.across_corpora} == {
        name: row.metrics["ua"] for name, row in groups.items()
    }
