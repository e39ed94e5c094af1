"""The leaderboard: what is a grid, who is best within a corpus, and what ranks over corpora say."""

import dataclasses
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from data.metrics import confusions_by, unweighted_accuracy
from evaluation.evaluation import Evaluation
from evaluation.results import Details, FeatureData, MetricSummary, Training
from report.leaderboard import leaderboard_rows, make_leaderboard
from tests.evaluation.test_analysis import CLASSES, predictions
from tests.report.test_page import STATISTICS, changed, chromium, evaluation, in_a_browser, write

SETS, MODELS = ["whisper", "mfcc"], ["linear", "gru"]


def head(corpus: str, of: str, model: str, skill: float, speakers: int = 10, task: str | None = None) -> Evaluation:
    """As much of a cell's head as the leaderboard needs, from made-up predictions."""
    test = predictions(lambda s: skill + 0.01 * (s % 5), speakers=speakers, seed=len(of) * len(model))
    confusions = confusions_by(test, ["speaker", "seed"], CLASSES)
    ua = float(unweighted_accuracy(confusions.sum(axis=0)).mean())
    summary = MetricSummary(mean=ua, low=ua - 0.1, high=ua + 0.1, sd_seeds=0.0, mean_folds=ua, sd_folds=0.0)
    features = FeatureData.model_construct(name=f"{of}/{corpus}")
    details = Details.model_construct(
        head=f"{corpus}_{of}_{model}",
        task=task or corpus,
        corpora=[corpus],
        classes=CLASSES,
        num_present=3,
        chance_ua=1 / 3,
        num_speakers=speakers,
        metrics={"ua": summary},
        training=Training.model_construct(features=features, settings={"model": model}),
    )
    return Evaluation(details, test)


def renamed(one: Evaluation, **names: str) -> Evaluation:
    return dataclasses.replace(one, details=one.details.model_copy(update=names))


def some_skill(of: str, model: str) -> float:
    return 0.3 + 0.2 * SETS[::-1].index(of) + 0.1 * MODELS.index(model)


def grid(corpora: Sequence[str], skill: Callable[[str, str], float] = some_skill, **how) -> list[Evaluation]:
    return [
        head(corpus, of, model, skill(of, model) + 0.01 * number, **how)
        for number, corpus in enumerate(corpora)
        for of in SETS
        for model in MODELS
    ]


def complete(corpus: str, speakers: int = 10) -> list[Evaluation]:
    """Two heads, as the page needs them."""
    return [
        changed(
            evaluation(f"{corpus}_{of}_{model}", some_skill(of, model), speakers=speakers, seed=len(of) * len(model)),
            training={"settings": {"model": model, "layers": None}},
            features={"name": f"{of}/{corpus}"},
            corpora=[corpus],
            task=corpus,
        )
        for of, model in (("mfcc", "linear"), ("whisper", "gru"))
    ]


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Path:
    """Two corpora; the second has too few speakers to test."""
    folder = tmp_path_factory.mktemp("report")
    write(folder, [*complete("emodb"), *complete("turevdb", speakers=6)])
    return folder


@pytest.fixture(scope="module")
def six() -> list[Evaluation]:
    return grid(["casia", "cremad", "emodb", "ravdess", "savee", "turevdb"])


def section_of(page: str) -> str:
    return page[page.index('<section class="board"') :].split("</section>")[0]


def test_every_cell_links_to_its_section_with_ua_and_interval(two):
    page = (two / "index.html").read_text()
    board = section_of(page)
    linked = re.findall(r'<a href="#([^"]*)"', board)
    assert len(linked) == len(set(linked)) == 4
    assert all(f'<section class="head" id="{name}"' in page for name in linked)
    assert page.index('id="leaderboard"') < page.index('<section class="task"')
    table = pd.read_csv(two / "leaderboard.csv").set_index("head")
    row = table.loc["emodb_mfcc_linear"]
    assert f"{100 * row['value']:.1f}</a>" in board
    assert f"[{100 * row['low']:.1f}, {100 * row['high']:.1f}]" in board
    assert board.count("chance 33.3") == 2


def test_the_best_is_bold_and_others_are_worse_only_where_it_is_significant(two):
    board = section_of((two / "index.html").read_text())
    assert re.findall(r'<a href="#(\w+)" class="significant"', board) == ["emodb_whisper_gru"]
    table = pd.read_csv(two / "leaderboard.csv").set_index("head")
    worse = set(table.index[table["significantly_worse"]])
    assert worse
    assert worse == set(re.findall(r'<a href="#(\w+)"[^>]*>[^<]*</a><sup>†', board))
    assert (table.loc[sorted(worse), "p_holm"] < 0.05).all()
    assert (table.loc[sorted(worse), "corpus"] == "emodb").all()
    assert "turevdb: gru on whisper has the highest UA; with 6 speakers, too few to test" in board


def test_equal_heads_are_neither_bold_nor_worse():
    made = make_leaderboard(grid(["emodb", "turevdb"], skill=lambda *_: 0.6), STATISTICS)
    assert [board.worse for board in made.boards] == [set(), set()]
    assert not any(board.is_bold(one) for board in made.boards for one in board.heads)
    assert "not significantly higher than any of the 3 other heads" in made.boards[0].verdict


def test_with_one_seed_nothing_is_tested():
    heads = [
        dataclasses.replace(one, predictions=one.predictions[one.predictions["seed"] == 1]) for one in grid(["emodb"])
    ]
    (board,) = make_leaderboard(heads, STATISTICS).boards
    assert board.worse == set()
    assert "no difference can be tested" in board.verdict


def test_of_heads_that_a_solver_fits_the_models_are_tested():
    """All seeds give the same predictions, so training again says nothing."""
    heads = [
        dataclasses.replace(
            one, predictions=pd.concat([first.assign(seed=seed) for seed in (1, 2, 3)], ignore_index=True)
        )
        for one in grid(["emodb"])
        for first in [one.predictions[one.predictions["seed"] == 1]]
    ]
    (board,) = make_leaderboard(heads, STATISTICS).boards
    assert "emodb_mfcc_linear" in board.worse


def test_two_corpora_are_ranked_but_not_tested(two):
    assert "Ranks over corpora are not tested: 2 methods" in section_of((two / "index.html").read_text())
    table = pd.read_csv(two / "leaderboard.csv").set_index("head")
    ranks = table.groupby("corpus")["value"].rank(ascending=False)
    assert table["rank"].tolist() == ranks.tolist()
    methods = table.groupby(["features", "model"])
    assert (methods["mean_rank"].first() == methods["rank"].mean()).all()


def test_six_corpora_are_enough_for_a_diagram(six):
    made = make_leaderboard(six, STATISTICS)
    assert made.ranking.significant
    assert "on 6 corpora: chi-squared" in made.verdict
    assert made.figure.count("<text") >= len(SETS) * len(MODELS)
    assert "gru on whisper 1.00" in made.figure
    equal = dataclasses.replace(made, ranking=dataclasses.replace(made.ranking, p=0.2))
    assert equal.figure is None
    assert "Ranks do not differ significantly, so no pairs are tested" in equal.verdict


def test_a_method_that_a_corpus_lacks_or_has_twice_has_no_rank(six):
    missing = [one for one in six if one.details.head != "emodb_mfcc_gru"]
    again = renamed(six[0], head="casia_again")
    made = make_leaderboard([*missing, again], STATISTICS)
    assert len(made.ranks) == 2
    unranked = made.methods[-2:]
    assert {str(method) for method in unranked} == {"linear on whisper", "gru on mfcc"}
    assert [made.mean_rank(method) for method in unranked] == [None, None]
    rows = leaderboard_rows(made)
    assert len(rows) == len(missing) + 1
    assert rows[rows["rank"].isna()]["item"].nunique() == 2


def test_two_tasks_of_a_corpus_are_named_apart_and_count_once(six):
    other = [renamed(one, task="four", head=f"four_{one.details.head}") for one in grid(["emodb"])]
    made = make_leaderboard([*six, *other], STATISTICS)
    assert [made.name(board) for board in made.boards][2::4] == ["emodb: emodb", "emodb: four"]
    assert made.ranking is None


@pytest.mark.parametrize(
    ("cells", "shown"),
    [
        ([("emodb", "hubert", "linear"), ("emodb", "mfcc", "linear"), ("emodb", "hubert", "gru")], False),  # the demo
        ([("emodb", "hubert", "linear"), ("emodb", "hubert", "gru"), ("emodb", "hubert", "ecapa")], False),
        ([("emodb", "hubert", "linear"), ("turevdb", "hubert", "linear")], False),
        ([("emodb", of, model) for of in ("hubert", "mfcc") for model in ("linear", "gru")], True),
        ([(corpus, "hubert", model) for corpus in ("emodb", "turevdb") for model in ("linear", "gru")], True),
    ],
)
def test_only_a_grid_has_a_leaderboard(cells, shown):
    made = make_leaderboard([head(*cell, 0.5, speakers=8) for cell in cells], STATISTICS)
    assert (made is not None) == shown
    assert len(leaderboard_rows(made)) == (len(cells) if shown else 0)


SORT = """
<script>addEventListener("load", () => {
  const heading = number => document.querySelectorAll(".sortable thead th")[number];
  const shown = () => [...document.querySelectorAll(".sortable tbody tr")].map(
    row => `${row.cells[0].textContent} ${row.cells[1].textContent}`);
  const clicked = number => {
    heading(number).querySelector("button").click();
    return [heading(number).ariaSort, ...shown()]; };
  const before = shown();
  document.title = JSON.stringify({before, ua: clicked(3), again: clicked(3), features: clicked(0),
    reachable: [...document.querySelectorAll(".sortable thead button")].every(button => button.tabIndex === 0)});
});</script>
"""


@in_a_browser
def test_it_sorts_by_any_column(two, tmp_path):
    page = tmp_path / "index.html"
    page.write_text((two / "index.html").read_text().replace("</body>", f"{SORT}</body>"))
    shown = json.loads(re.search(r"<title>(\{.*?\})</title>", chromium(page, "--dump-dom"))[1])
    table = pd.read_csv(two / "leaderboard.csv")
    expected = table[table["corpus"] == "emodb"].sort_values("value", ascending=False)
    names = (expected["features"] + " " + expected["model"]).tolist()
    assert shown["ua"] == ["descending", *names]
    assert shown["again"] == ["ascending", *names[::-1]]
    assert shown["features"] == ["ascending", "mfcc linear", "whisper gru"]
    assert shown["reachable"]
    assert shown["before"][0] == "whisper gru"
