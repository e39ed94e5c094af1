"""`ser score`: anyone's predictions are judged as the heads trained here are."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app.scoring import score
from data.errors import UserError
from data.manifest import COLUMNS
from data.roles import fold_columns, write_splits
from data.split_settings import SplitSettings
from data.splits import make_splits
from data.task_description import CorpusDescription, TaskDescription
from evaluation.scoring import evaluate_predictions, read_predictions
from evaluation.settings import EvaluateSettings
from stages.layout import evaluation_folder, splits_file, task_file
from stages.params import PARAMS_FILE
from tests.builders import Project, tiny_params

CLASSES = ["angry", "happy", "neutral", "sad"]
CODES = {"angry": "ang", "happy": "hap", "neutral": "neu", "sad": "sad"}
SPLIT = SplitSettings(scheme="session")
TASK = TaskDescription(
    task="emotions",
    corpus="demo",
    corpora={"demo": CorpusDescription(reader="demo", utterances=96, speakers=8)},
    classes={name: [code] for name, code in CODES.items()},
    split=SPLIT,
)


def make_task() -> pd.DataFrame:
    """The splits of eight speakers in four sessions."""
    manifest = pd.DataFrame(
        [
            {"id": f"{speaker}-{number}", "speaker": f"s{speaker}", "session": f"Ses{speaker // 2}", "label": label}
            for speaker in range(8)
            for number, label in enumerate(np.resize(CLASSES, 12))
        ]
    ).reindex(columns=["corpus", *COLUMNS, "label"], fill_value="")
    manifest["corpus"] = "demo"
    manifest["emotion"] = manifest["label"].map(CODES)
    manifest["dialog"] = manifest["session"] + "d" + manifest["id"].str[-1]
    return make_splits(manifest, SPLIT)


def predictions(splits: pd.DataFrame, skill: float, seeds: tuple[int, ...] = (1, 2)) -> pd.DataFrame:
    """What a head of some skill would have said of every utterance: ``id, seed, predicted`` and probabilities."""
    random = np.random.default_rng(round(100 * skill))
    rows = pd.concat([splits[["id", "label"]].assign(seed=seed) for seed in seeds], ignore_index=True)
    probabilities = random.dirichlet(np.ones(len(CLASSES)), len(rows))
    for row, label in zip(probabilities, rows["label"], strict=True):
        if random.random() < skill:
            best, right = row.argmax(), CLASSES.index(label)
            row[[best, right]] = row[[right, best]]
    rows["predicted"] = np.array(CLASSES)[probabilities.argmax(axis=1)]
    return rows.drop(columns="label").assign(**{f"p_{name}": probabilities[:, k] for k, name in enumerate(CLASSES)})


def write_task(splits: pd.DataFrame, task: TaskDescription) -> None:
    splits_file(task.task).parent.mkdir(parents=True, exist_ok=True)
    write_splits(splits, splits_file(task.task))
    task.write(task_file(task.task))


@pytest.fixture
def project(tmp_path, monkeypatch) -> pd.DataFrame:
    """A project after `dvc repro split`, and its splits."""
    monkeypatch.chdir(tmp_path)
    splits = make_task()
    write_task(splits, TASK)
    Project(tmp_path).write_params(tiny_params())
    return splits


def evaluate_as_head(head: str, own: Path) -> dict:
    """Write what the evaluate stage would have of a head with these predictions, as far as anyone's can tell."""
    settings = EvaluateSettings(bootstrap=100)
    evaluation = evaluate_predictions(own, head, task=TASK, splits=make_task(), seed=1, settings=settings)
    evaluation.write(evaluation_folder(head))
    return json.loads((evaluation_folder(head) / "details.json").read_text())


def test_a_heads_own_predictions_score_as_the_head_itself(project, capsys):
    own = predictions(project, 0.6)
    own.to_csv("gru.csv", index=False)
    own.drop(columns="predicted").iloc[::-1, ::-1].to_csv("theirs.csv", index=False)  # probabilities say it as well
    predictions(project, 0.3).to_csv("linear.csv", index=False)
    gru = evaluate_as_head("gru", Path("gru.csv"))
    evaluate_as_head("linear", Path("linear.csv"))
    page = score(Path("theirs.csv"), "mine")
    printed = capsys.readouterr().out

    scored = json.loads(Path("artifacts/scored/mine/details.json").read_text())
    for part in ("metrics", "ensemble", "confusion", "per_class", "per_fold", "groups", "calibration"):
        assert scored[part] == gru[part]
    assert "calibration error" in printed
    assert "gru - mine: UA +0.0% [+0.0%, +0.0%]" in printed
    assert re.search(r"linear - mine: UA -\d", printed)
    assert "not evaluated here, so not compared: mfcc_linear, enhanced_gru" in printed
    assert page == Path("artifacts/scored/mine/report/index.html")
    html = page.read_text()
    assert "Compared with mine" in html
    assert (
        "mine: predictions from <code>theirs.csv</code>, made elsewhere; how they were trained is not known here."
        in html
    )
    assert not re.search(r"\bnan\b|None", re.sub("<svg.*?</svg>", "", html, flags=re.S))


def test_classes_alone_are_scored_where_no_head_is(project, capsys):
    one = predictions(project, 0.7, seeds=(1,))[["id", "predicted"]]
    one.sample(frac=1, random_state=1).to_csv("theirs.csv", index=False)
    html = score(Path("theirs.csv")).read_text()
    printed = capsys.readouterr().out
    expected = (one["predicted"] == project["label"]).mean()
    assert f"{'WA':<14}{expected:>8.1%}" in printed
    assert "calibration error" not in printed
    assert "UA by speaker: s0 " in printed
    for section in ("cost", "comparison", "leakage", "calibration"):
        assert f'id="{section}"' not in html
        assert f'href="#{section}"' not in html
    for claim in ("Learning curves", "not seen in training", "the epoch was chosen", "on frames of"):
        assert claim not in html


MISTAKES = {
    r"4 of 96 test utterances have no prediction of seed 2[\s\S]*\n  0-1\n  0-10": lambda table: table[
        ~((table["seed"] == 2) & table["id"].isin(["0-1", "0-10", "3-1", "7-7"]))
    ],
    r"1 ids are not test utterances of this task; did you mean '0-1": lambda table: table.replace(
        {"id": {"0-1": "0-1x"}}
    ),
    r"predicted has 'sadness', which is no class; did you mean 'sad'": lambda table: table.replace("sad", "sadness"),
    r"96 duplicate predictions of the same utterance, fold and seed; several": lambda table: table.drop(columns="seed"),
    r"expected p_angry, p_happy, p_neutral, p_sad; found p_angry": lambda table: table.drop(columns="p_sad"),
    r"2 rows have probabilities that are not": lambda table: table.assign(
        p_sad=table["p_sad"].where(table["id"] != "0-1", 2)
    ),
    r"rows predicted is not the most probable class": lambda table: table.assign(predicted="sad"),
    r"24 utterances are not tested in the fold that [a-z ]+:\n  2-0 in fold 0": lambda table: table.assign(
        fold=table["id"].str[0].astype(int) // 2
    ).replace({"fold": {1: 0}})[lambda rows: rows["seed"] == 1],
    r"a seed is a whole number; found 'first'": lambda table: table.assign(seed="first"),
    r"expected columns id and predicted, or id and p_<class>": lambda table: table[["id", "seed"]],
}


@pytest.mark.parametrize("message", MISTAKES)
def test_predictions_that_do_not_fit_say_why(tmp_path, message):
    splits = make_task()
    path = tmp_path / "theirs.csv"
    MISTAKES[message](predictions(splits, 0.5)).to_csv(path, index=False)
    with pytest.raises(UserError, match=message):
        read_predictions(path, splits, CLASSES, seed=1)


def test_an_utterance_that_is_tested_twice_needs_its_fold(tmp_path):
    splits = make_task()
    splits = splits.assign(fold_4=splits["fold_0"])
    path, table = tmp_path / "theirs.csv", predictions(splits, 0.5, seeds=(1,))
    table.to_csv(path, index=False)
    with pytest.raises(UserError, match=r"24 utterances are tested in several folds; add a column fold:\n  0-0"):
        read_predictions(path, splits, CLASSES, seed=1)
    tested = [table.assign(fold=k)[splits[name] == "test"] for k, name in enumerate(fold_columns(splits))]
    pd.concat(tested).to_csv(path, index=False)
    read = read_predictions(path, splits, CLASSES, seed=3)
    assert read.groupby("fold").size().tolist() == [24] * 5
    assert set(read["seed"]) == {1}


def test_a_name_that_is_taken_is_refused(project):
    with pytest.raises(UserError, match=r"'gru' is a head of params\.yaml; choose another one with --name"):
        score(Path("gru.csv"))
    PARAMS_FILE.write_text(PARAMS_FILE.read_text().replace("neutral:", "calm:"))
    with pytest.raises(UserError, match=r"other classes than params\.yaml\. Run `dvc repro split@emotions`"):
        score(Path("theirs.csv"))


def test_predictions_are_of_one_task_and_compared_with_its_heads_only(project, capsys):
    params = tiny_params()
    params["tasks"]["valence"] = {**params["tasks"]["emotions"], "classes": {"low": ["ang", "sad"], "high": ["hap"]}}
    params["heads"]["other"] = {**params["heads"]["linear"], "task": "valence"}
    Project(Path()).write_params(params)
    predictions(project, 0.6).to_csv("theirs.csv", index=False)
    with pytest.raises(UserError, match="several tasks; choose one with --task: emotions, valence"):
        score(Path("theirs.csv"))
    with pytest.raises(UserError, match="no task 'emotion'; did you mean 'emotions'"):
        score(Path("theirs.csv"), task="emotion")
    with pytest.raises(UserError, match=r"splits/valence\.csv\. Run `dvc repro split@valence`"):
        score(Path("theirs.csv"), task="valence")
    score(Path("theirs.csv"), task="emotions")
    not_compared = re.search(r"not compared: (.*)", capsys.readouterr().out)[1].split(", ")
    assert "linear" in not_compared
    assert "other" not in not_compared
