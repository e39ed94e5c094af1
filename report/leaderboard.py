"""The heads of a grid as one table: feature sets and models by corpora.

Differences are tested within a corpus, and ranks over corpora. UA itself is never compared between corpora, because
their classes differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from evaluation.comparison import SIGNIFICANT, Comparison, compare_heads
from evaluation.evaluation import Evaluation
from evaluation.ranking import (
    FEWEST_CORPORA,
    FEWEST_METHODS,
    MANY_CORPORA,
    MANY_METHODS,
    Ranking,
    rank_methods,
    ranks_within,
)
from evaluation.results import Details
from evaluation.settings import EvaluateSettings
from evaluation.statistics import FEWEST_TO_TEST, holm
from report import figures

COLUMNS = [
    *("panel", "item", "head", "value", "low", "high", "task", "corpus", "features", "model"),
    *("speakers", "classes", "chance", "rank", "mean_rank", "p_holm", "significantly_worse"),
]


@dataclass(frozen=True)
class Method:
    """What can be compared over corpora: a model on a feature set."""

    feature_set: str
    model: str

    def __str__(self) -> str:
        return f"{self.model} on {self.feature_set}"


@dataclass(frozen=True)
class Board:
    """The heads of one task of one corpus: a column.

    Attributes:
        task: its name.
        heads: in the order of the page.
        best: the head with the highest UA.
        p_values: head -> whether its recipe and the best one differ, Holm-adjusted; of those that can be tested.
    """

    task: str
    heads: list[Details]
    best: Details
    p_values: Mapping[str, float]

    @property
    def corpus(self) -> str:
        return self.heads[0].corpora[0]

    @property
    def chance(self) -> float:
        return self.best.chance_ua

    def cell(self, method: Method) -> list[Details]:
        """The heads of a method: none, one, or several that differ in other parameters."""
        return [head for head in self.heads if _method(head) == method]

    @property
    def worse(self) -> set[str]:
        """The heads that are significantly worse than the best."""
        return {head for head, p in self.p_values.items() if p < SIGNIFICANT}

    def is_bold(self, head: Details) -> bool:
        """Whether this is the best, and not only by chance."""
        return head is self.best and bool(self.worse)

    @property
    def verdict(self) -> str:
        """What the tests within this corpus say, as a sentence."""
        best, tested = f"{_method(self.best)} has the highest UA", len(self.p_values)
        if len(self.heads) == 1:
            return f"only {_method(self.best)}."
        if self.best.num_speakers < FEWEST_TO_TEST:
            return f"{best}; with {self.best.num_speakers} speakers, too few to test ({FEWEST_TO_TEST} are needed)."
        if not tested:
            return f"{best}; no difference can be tested: other heads have one seed, or other test utterances or seeds."
        untested = len(self.heads) - 1 - tested
        rest = f" ({untested} could not be tested)" if untested else ""
        others = f"the {tested} other heads{rest}" if tested > 1 else f"the other head{rest}"
        if not self.worse:
            return f"{best}, but not significantly higher than {'any of ' if tested > 1 else ''}{others}."
        share = "" if len(self.worse) == tested else f"{len(self.worse)} of "
        return f"{best}, significantly higher than {share}{others}."


@dataclass(frozen=True)
class Leaderboard:
    """The table, over all tasks that have one corpus.

    Attributes:
        boards: a column per task.
        methods: a row each, the best mean rank first.
        ranks: method -> its rank in every column, of the methods that all columns have.
        ranking: the test of these ranks; None where there are too few corpora or methods.
    """

    boards: list[Board]
    methods: list[Method]
    ranks: Mapping[Method, list[float]]
    ranking: Ranking | None

    def name(self, board: Board) -> str:
        """The corpus, with the task where this corpus has several."""
        several = sum(other.corpus == board.corpus for other in self.boards) > 1
        return f"{board.corpus}: {board.task}" if several else board.corpus

    def mean_rank(self, method: Method) -> float | None:
        """Over all columns; None of a method that one of them lacks, or where there is one column."""
        return float(np.mean(self.ranks[method])) if method in self.ranks and len(self.boards) > 1 else None

    @property
    def verdict(self) -> str:
        """What the ranks say, in sentences; nothing with one corpus."""
        corpora, methods = len(self.boards), len(self.ranks)
        if corpora < 2:
            return ""
        if self.ranking is None:
            return (
                f"Ranks over corpora are not tested: {methods} methods (a head on a feature set) on {corpora} corpora. "
                f"Friedman's test needs at least {FEWEST_METHODS} methods, and says next to nothing of fewer than "
                f"{FEWEST_CORPORA} different corpora."
            )
        p = "p < 0.001" if self.ranking.p < 0.001 else f"p = {self.ranking.p:.3f}"
        tested = (
            f"Friedman's test of the ranks of {methods} methods (a head on a feature set) on {corpora} corpora: "
            f"chi-squared {self.ranking.statistic:.2f}, {p}"
        )
        if corpora <= MANY_CORPORA or methods <= MANY_METHODS:
            tested += f", approximate up to {MANY_CORPORA} corpora or {MANY_METHODS} methods"
        if not self.ranking.significant:
            return f"{tested}. Ranks do not differ significantly, so no pairs are tested."
        return (
            f"{tested}. Two mean ranks differ significantly if they are at least "
            f"{self.ranking.critical_difference:.2f} apart (Nemenyi)."
        )

    @cached_property
    def figure(self) -> str | None:
        """The critical-difference diagram, where ranks differ at all."""
        if self.ranking is None or not self.ranking.significant:
            return None
        return figures.critical_difference([str(method) for method in self.ranks], self.ranking)


def make_leaderboard(evaluations: Sequence[Evaluation], statistics: EvaluateSettings) -> Leaderboard | None:
    """The leaderboard; None where heads make no grid.

    They do where several tasks have several methods, or where at least two feature sets of one task have at least two
    models each. Predictions made elsewhere, and tasks over several corpora, are left out.

    Args:
        evaluations: of all heads.
        statistics: of the bootstrap of differences.
    """
    shown = [one for one in evaluations if _belongs(one.details)]
    methods = list(dict.fromkeys(_method(one.details) for one in shown))
    tasks = list(dict.fromkeys(one.details.task for one in shown))
    if not _is_grid(tasks, methods):
        return None
    boards = [_board([one for one in shown if one.details.task == task], statistics) for task in tasks]
    common = [method for method in methods if all(len(board.cell(method)) == 1 for board in boards)]
    scores = np.array([[board.cell(method)[0].metrics["ua"].mean for method in common] for board in boards])
    by_corpus = [ranks_within(row) for row in scores]
    ranks = {method: [row[index] for row in by_corpus] for index, method in enumerate(common)}
    corpora = [board.corpus for board in boards]
    different = len(set(corpora)) == len(corpora)  # two tasks of a corpus are no independent evidence
    enough = different and len(corpora) >= FEWEST_CORPORA and len(common) >= FEWEST_METHODS
    ordered = sorted(methods, key=lambda method: np.mean(ranks.get(method, np.inf)))
    return Leaderboard(boards, ordered, ranks, rank_methods(scores) if enough else None)


def leaderboard_rows(leaderboard: Leaderboard | None) -> pd.DataFrame:
    """The table in long form for `dvc plots`: `COLUMNS`, a row per head."""
    rows = [
        {
            "panel": f"UA on {leaderboard.name(board)}, {head.num_present} classes",
            "item": str(method),
            "head": head.head,
            "value": head.metrics["ua"].mean,
            "low": head.metrics["ua"].low,
            "high": head.metrics["ua"].high,
            "task": board.task,
            "corpus": board.corpus,
            "features": method.feature_set,
            "model": method.model,
            "speakers": head.num_speakers,
            "classes": head.num_present,
            "chance": head.chance_ua,
            "rank": leaderboard.ranks[method][index] if method in leaderboard.ranks else None,
            "mean_rank": leaderboard.mean_rank(method),
            "p_holm": board.p_values.get(head.head),
            "significantly_worse": head.head in board.worse,
        }
        for index, board in enumerate(leaderboard.boards if leaderboard else ())
        for method in leaderboard.methods
        for head in board.cell(method)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _belongs(head: Details) -> bool:
    return head.training is not None and len(head.corpora) == 1 and "ua" in head.metrics


def _method(head: Details) -> Method:
    return Method(head.training.features.set, head.training.model)


def _is_grid(tasks: Sequence[str], methods: Sequence[Method]) -> bool:
    models: dict[str, set[str]] = {}
    for method in methods:
        models.setdefault(method.feature_set, set()).add(method.model)
    return (len(tasks) > 1 and len(methods) > 1) or sum(len(of_set) > 1 for of_set in models.values()) > 1


def _board(evaluations: Sequence[Evaluation], statistics: EvaluateSettings) -> Board:
    heads = [one.details for one in evaluations]
    best = max(heads, key=lambda head: head.metrics["ua"].mean)
    comparisons = compare_heads(
        {one.details.head: one.predictions for one in evaluations},
        {head.head: head.classes for head in heads},
        best.head,
        statistics,
    )
    tested = {row.head: p for row in comparisons if isinstance(row, Comparison) and (p := _p_value(row)) is not None}
    adjusted = holm(list(tested.values()))
    return Board(heads[0].task, heads, best, dict(zip(tested, adjusted, strict=True)))


def _p_value(row: Comparison) -> float | None:
    """Whether two recipes differ on new speakers.

    Where all seeds of both give the same predictions, as with a solver, training again changes nothing: then the
    models are all that there is to test.
    """
    same_again = row.p_retraining is None and not row.one_seed
    return row.p_models if same_again else row.p_recipes
