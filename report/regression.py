"""What the page shows of a task whose targets are ratings, and its figures as tables for `dvc plots`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from evaluation.evaluation import Evaluation
from evaluation.regression_comparison import RegressionComparison, compare_regressions
from evaluation.results import Interval, RegressionDetails
from evaluation.settings import EvaluateSettings
from report import figures, plot_data, wording
from report.cost import costs
from report.examples import Examples
from report.section import TaskSection
from report.settings import choose_references

_SHOWN = {"ccc": "CCC", "pearson": "Pearson", "mae": "MAE"}


@dataclass(frozen=True)
class RegressionSection(TaskSection):
    """A task's heads, which predict ratings, compared with one of them."""

    template = "regression.html.j2"

    @property
    def targets(self) -> list[str]:
        return self.heads[0].targets

    @cached_property
    def calibrated(self) -> list:
        return []

    @cached_property
    def compared(self) -> list[RegressionComparison]:
        return [row for row in self.comparisons if isinstance(row, RegressionComparison)]

    @property
    def title(self) -> str:
        *others, last = self.targets
        return wording.title(self.heads, f"{', '.join(others)} and {last}" if others else last)

    @cached_property
    def robustness(self) -> None:
        return None

    @cached_property
    def figures(self) -> dict[str, str]:
        """The figures of all heads; none where there is nothing to draw."""
        first = {evaluation.details.head: _first_seed(evaluation) for evaluation in self.evaluations}
        drawn = {
            "intervals": figures.concordances(self.heads, self.colours),
            "scatter": figures.ratings(self.heads, first, self.colours),
        }
        if self.compared:
            drawn["differences"] = figures.concordance_differences(self.compared, self.colours, self.reference)
        if self.probed:
            drawn["leakage"] = figures.leakage(self.probed, self.colours)
        return drawn

    def _pictures(self, evaluation: Evaluation) -> dict[str, str]:
        details, drawn = evaluation.details, {}
        head, shade = details.head, self.colours[details.head]
        if len(evaluation.learning_curve):
            drawn["curves"] = figures.learning_curves(head, evaluation.learning_curve, shade)
        if len(evaluation.embedding):
            codes = sorted(evaluation.embedding["emotion"].unique())
            drawn["embedding"] = figures.embedding(head, evaluation.embedding, codes)
        if details.training and details.training.layer_weights:
            drawn["layer_weights"] = figures.layer_weights(head, details.training.layer_weights, shade)
        return drawn

    def tables(self) -> dict[str, pd.DataFrame]:
        drawn = {name: table(self.evaluations) for name, table in _TABLES.items()}
        return drawn | {"differences": differences(self.comparisons)}


def regression_sections(
    evaluations: Sequence[Evaluation],
    references: Sequence[str],
    statistics: EvaluateSettings,
    measured: Path,
    examples: Mapping[str, Examples],
) -> list[RegressionSection]:
    """A section per task, in the order of their first heads; arguments as for `report.section.task_sections`."""
    sections = []
    tasks = {evaluation.details.head: evaluation.details.task for evaluation in evaluations}
    for task, reference in choose_references(tasks, references).items():
        own = [evaluation for evaluation in evaluations if evaluation.details.task == task]
        comparisons = compare_regressions(
            {evaluation.details.head: evaluation.predictions for evaluation in own},
            own[0].details.targets,
            reference,
            statistics,
        )
        cost = costs([evaluation.details for evaluation in own], measured)
        sections.append(RegressionSection(task, own, examples, reference, comparisons, cost))
    return sections


def results(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    """Every metric of every head, as the mean over targets and of each target."""
    rows = []
    for head in _details(evaluations):
        scores = {"mean over targets": head.metrics, **{target.name: target.metrics for target in head.per_target}}
        for of, metrics in scores.items():
            for name, summary in metrics.items():
                row = plot_data.interval_row(
                    f"{_SHOWN[name]}, {of}", head.head, head.head, *_ends(summary.mean, summary)
                )
                rows.append(row | {key: getattr(summary, key) for key in ("mean_folds", "sd_folds", "sd_seeds")})
    return pd.DataFrame(rows)


def per_fold(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    """CCC, Pearson's correlation and MAE of every fold, as means over targets."""
    return pd.DataFrame(
        plot_data.interval_row(_SHOWN[name], fold.fold, head.head, *3 * [value])
        for head in _details(evaluations)
        for fold in head.per_fold
        for name, value in fold.metrics.items()
    )


def groups(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    """CCC, Pearson's correlation, MAE and the bias of each target, of every group."""
    rows = []
    for head in _details(evaluations):
        for group in head.groups:
            scores = {_SHOWN[name]: value for name, value in group.metrics.items()}
            scores |= {f"{name}: predicted minus true": value for name, value in group.bias.items()}
            for shown, value in scores.items():
                row = plot_data.interval_row(
                    f"{shown} by {group.grouping}", group.group, head.head, *_ends(value.value, value)
                )
                rows.append(row | {"resampled": group.resampled})
    return pd.DataFrame(rows)


def scatter(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    """Predicted against true ratings of the first seed's test utterances."""
    tables = [
        pd.DataFrame(
            {
                "panel": f"{evaluation.details.head}: {target}",
                "series": rows["corpus"],
                "head": evaluation.details.head,
                "rating": rows[target],
                "predicted": rows[f"predicted_{target}"],
            }
        )
        for evaluation in evaluations
        for rows in [_first_seed(evaluation)]
        for target in evaluation.details.targets
    ]
    return pd.concat(tables, ignore_index=True)


def differences(comparisons: Sequence) -> pd.DataFrame:
    """Every head minus the reference."""
    return pd.DataFrame(
        plot_data.interval_row(
            _SHOWN.get(name, name.replace("ccc_", "CCC of ")), row.head, row.head, *_ends(value.value, value)
        )
        | {"p_models": row.p_models, "p_retraining": row.p_retraining}
        for row in comparisons
        if isinstance(row, RegressionComparison)
        for name, value in row.metrics.items()
    )


def _details(evaluations: Sequence[Evaluation]) -> list[RegressionDetails]:
    return [evaluation.details for evaluation in evaluations]


def _first_seed(evaluation: Evaluation) -> pd.DataFrame:
    """The test predictions of the first seed."""
    predictions = evaluation.predictions
    return predictions[predictions["seed"] == predictions["seed"].min()]


def _ends(value: float, interval: Interval) -> tuple[float, float, float]:
    return value, interval.low, interval.high


_TABLES: dict[str, Callable[[Sequence[Evaluation]], pd.DataFrame]] = {
    "results": results,
    "per_fold": per_fold,
    "groups": groups,
    "ratings": scatter,
    "leakage": plot_data.leakage,
    "layer_weights": plot_data.layer_weights,
    "learning_curves": plot_data.learning_curves,
    "embedding": plot_data.embedding,
}
