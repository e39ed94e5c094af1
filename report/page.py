"""The heads side by side, task by task, as one self-contained HTML page and as tables for `dvc plots`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from evaluation.evaluation import Evaluation
from evaluation.results import RegressionDetails
from evaluation.settings import EvaluateSettings
from evaluation.statistics import FEWEST_TO_TEST, MOST_EXACT
from report import plot_data
from report.across_corpora import AcrossTable, across_rows, across_tables
from report.examples import Examples
from report.leaderboard import Leaderboard, leaderboard_rows, make_leaderboard
from report.regression import regression_sections
from report.section import TaskSection, task_sections
from report.settings import ReportSettings, choose_references
from report.templating import page_templates


def write_report(
    evaluations: Sequence[Evaluation],
    *,
    examples: Mapping[str, Examples],
    settings: ReportSettings,
    statistics: EvaluateSettings,
    measured: Path,
    folder: Path,
) -> Path:
    """Write index.html and the tables of its figures.

    Args:
        evaluations: from `read_evaluations`. Those of `ser score` lack what only training leaves.
        examples: head -> what is drawn of it.
        settings: the references.
        statistics: of the bootstrap of differences.
        measured: ``artifacts/measured``.
        folder: ``artifacts/report``.

    Returns:
        The page's path.

    Raises:
        UserError: a reference is not among the heads, or two are of one task.
    """
    folder.mkdir(parents=True, exist_ok=True)
    of_classes, of_ratings = _by_kind(evaluations)
    sections = _sections(of_classes, of_ratings, examples, settings.references, statistics, measured)
    across = across_tables(of_classes)
    leaderboard = make_leaderboard(of_classes, statistics)
    tables = _tables(sections) | {"across_corpora": across_rows(across), "leaderboard": leaderboard_rows(leaderboard)}
    for name, table in tables.items():
        if table.empty:  # a row without values: `dvc plots` cannot read a table without rows
            table = pd.DataFrame([dict.fromkeys(table.columns if len(table.columns) else plot_data.COLUMNS, "")])
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.5g", lineterminator="\n")
    page = folder / "index.html"
    page.write_text(render_report(sections, across, leaderboard), encoding="utf-8")
    return page


def render_report(
    sections: Sequence[TaskSection], across: Sequence[AcrossTable], leaderboard: Leaderboard | None
) -> str:
    """The page's HTML; it loads nothing from anywhere."""
    template = page_templates().get_template("report.html.j2")
    return template.render(
        sections=sections,
        across=across,
        leaderboard=leaderboard,
        most_exact=MOST_EXACT,
        fewest=FEWEST_TO_TEST,
    )


def _by_kind(evaluations: Sequence[Evaluation]) -> tuple[list[Evaluation], list[Evaluation]]:
    """The heads that predict classes, and those that predict ratings."""
    rated = [isinstance(evaluation.details, RegressionDetails) for evaluation in evaluations]
    return tuple(
        [evaluation for evaluation, is_rated in zip(evaluations, rated, strict=True) if is_rated == wanted]
        for wanted in (False, True)
    )


def _sections(
    of_classes: Sequence[Evaluation],
    of_ratings: Sequence[Evaluation],
    examples: Mapping[str, Examples],
    references: Sequence[str],
    statistics: EvaluateSettings,
    measured: Path,
) -> list[TaskSection]:
    """A section per task; those of classes come first."""
    choose_references(
        {evaluation.details.head: evaluation.details.task for evaluation in [*of_classes, *of_ratings]}, references
    )
    heads = {evaluation.details.head for evaluation in of_ratings}
    own, rated = ([name for name in references if (name in heads) == wanted] for wanted in (False, True))
    return [
        *task_sections(of_classes, examples, own, statistics, measured),
        *regression_sections(of_ratings, rated, statistics, measured, examples),
    ]


def _tables(sections: Sequence[TaskSection]) -> dict[str, pd.DataFrame]:
    """Name -> table of every figure, over all tasks; with several, panels name theirs."""
    tables: dict[str, list[pd.DataFrame]] = {}
    for section in sections:
        for name, table in section.tables().items():
            if len(sections) > 1 and len(table):
                table["panel"] = f"{section.task}: " + table["panel"].astype(str)
            tables.setdefault(name, []).append(table)
    joined = {name: pd.concat([table for table in parts if len(table)] or parts[:1]) for name, parts in tables.items()}
    return {name: pd.DataFrame(columns=columns) for name, columns in plot_data.DECLARED.items()} | joined
