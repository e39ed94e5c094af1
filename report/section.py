"""What the page shows of one task: its heads side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from data.cautions import Caution, Kind, Severity
from evaluation.comparison import Comparison, Incomparable, compare_heads
from evaluation.evaluation import Evaluation
from evaluation.groups import GROUPINGS, group_order
from evaluation.results import Details, FeatureData, GroupScores
from evaluation.settings import EvaluateSettings
from report import figures, plot_data, wording
from report.cost import costs
from report.examples import Examples
from report.robustness import Robustness, robustness
from report.settings import choose_references

_LICENSED = Caution(
    kind=Kind.LICENSED_MATERIAL,
    text="Licensed material: this page contains waveforms of the corpus (report.waveforms: true). Share it only with "
    "people who hold the corpus's licence.",
)


@dataclass(frozen=True)
class ShownCaution:
    """A caution with the heads that it concerns, where these are not all."""

    text: str
    is_grave: bool


@dataclass(frozen=True)
class GroupRow:
    """A group of test utterances, with what each head reaches on it."""

    any_head: GroupScores
    by_head: dict[str, GroupScores]


@dataclass(frozen=True)
class TaskSection:
    """A task's heads, compared with one of them.

    Attributes:
        template: what shows it.
        task: its name.
        evaluations: of its heads, in the order in which they are shown.
        examples: head -> what is drawn of it.
        reference: the head that the others are compared with.
        comparisons: with it.
        costs: from `report.cost`.
    """

    template = "task.html.j2"

    task: str
    evaluations: list[Evaluation]
    examples: Mapping[str, Examples]
    reference: str
    comparisons: list[Comparison | Incomparable]
    costs: dict[str, list[dict]]

    @cached_property
    def heads(self) -> list[Details]:
        return [evaluation.details for evaluation in self.evaluations]

    @cached_property
    def trained(self) -> list[Details]:
        """Those that were trained here."""
        return [head for head in self.heads if head.training]

    @cached_property
    def scored(self) -> list[Details]:
        """Those whose predictions were made elsewhere."""
        return [head for head in self.heads if head.source]

    @cached_property
    def probed(self) -> list[Details]:
        return [head for head in self.trained if head.training.leakage]

    @cached_property
    def calibrated(self) -> list[Details]:
        return [head for head in self.heads if head.calibration]

    @cached_property
    def compared(self) -> list[Comparison]:
        return [row for row in self.comparisons if isinstance(row, Comparison)]

    @cached_property
    def tested(self) -> list[Comparison]:
        """The comparisons that say anything of recipes."""
        return [row for row in self.compared if row.p_recipes is not None]

    @cached_property
    def copies(self) -> list[str]:
        """The heads whose seeds, like the reference's, all give the same predictions."""
        return [row.head for row in self.compared if row.p_retraining is None and len(row.seeds) > 1]

    @property
    def chance(self) -> float:
        return min(head.chance_ua for head in self.heads)

    @property
    def title(self) -> str:
        return wording.title(self.heads)

    @property
    def lead(self) -> str:
        folds = wording.folds_sentence(self.heads[0].data)
        return f"{folds}; {wording.validation_sentence(self.heads[0].data, self.trained)}" if self.trained else folds

    @property
    def within(self) -> bool:
        """Whether the probe told speakers apart within their session and gender, for all heads."""
        return all(head.training.leakage.within for head in self.probed)

    @property
    def speakers_leak(self) -> bool:
        return any(caution.kind == Kind.SPEAKER_LEAKAGE for head in self.heads for caution in head.cautions)

    @cached_property
    def checkpoints(self) -> list[str]:
        """What made the features, by name."""
        names = []
        for head in self.trained:
            features = head.training.features
            untrained = any(caution.kind == Kind.UNTRAINED_ENCODER for caution in head.cautions)
            names += ["HuBERT with random weights"] if untrained else _names_of(features)
        return list(dict.fromkeys(names))

    @cached_property
    def features(self) -> dict[str, FeatureData]:
        """What the heads were trained on, by name."""
        return {head.features: head.training.features for head in self.trained}

    @cached_property
    def colours(self) -> dict[str, str]:
        """Head -> colour."""
        return {head.head: figures.colour(position) for position, head in enumerate(self.heads)}

    @cached_property
    def cautions(self) -> list[ShownCaution]:
        """Every caution once, grave ones first; those that do not concern all heads name theirs."""
        concerned: dict[Caution, list[str]] = {}
        for head in self.heads:
            for caution in head.cautions:
                concerned.setdefault(caution, []).append(head.head)
        if any(examples.waveforms for examples in self.examples.values()):
            concerned[_LICENSED] = [head.head for head in self.heads]
        shown = [
            ShownCaution(
                caution.text if len(heads) == len(self.heads) else f"{', '.join(heads)}: {caution.text}",
                caution.severity == Severity.GRAVE,
            )
            for caution, heads in concerned.items()
        ]
        return sorted(shown, key=lambda caution: not caution.is_grave)

    @cached_property
    def side_by_side(self) -> dict[str, list[GroupRow]]:
        """Per grouping that any head has: a row per group."""
        tables = {}
        for grouping in GROUPINGS:
            groups: dict[str, dict[str, GroupScores]] = {}
            for head in self.heads:
                for row in head.groups:
                    if row.grouping == grouping:
                        groups.setdefault(row.group, {})[head.head] = row
            if groups:
                tables[grouping] = [
                    GroupRow(next(iter(groups[group].values())), groups[group])
                    for group in sorted(groups, key=group_order)
                ]
        return tables

    @cached_property
    def robustness(self) -> Robustness | None:
        """The heads on disturbed copies; None where there are no copies."""
        return robustness(self.heads)

    @cached_property
    def figures(self) -> dict[str, str]:
        """The figures of all heads; none where there is nothing to draw."""
        drawn = {"intervals": figures.intervals(self.heads, self.colours, self.chance)}
        if self.compared:
            drawn["differences"] = figures.differences(self.compared, self.colours, self.reference)
        if self.probed:
            drawn["leakage"] = figures.leakage(self.probed, self.colours)
        if self.calibrated:
            drawn["reliability"] = figures.reliability(self.calibrated, self.colours)
        if self.robustness:
            drawn["robustness"] = self.robustness.figure(self.colours)
        return drawn

    @cached_property
    def pictures(self) -> dict[str, dict[str, str]]:
        """Head -> its own figures."""
        return {evaluation.details.head: self._pictures(evaluation) for evaluation in self.evaluations}

    def tables(self) -> dict[str, pd.DataFrame]:
        """Name -> table of every figure, for `dvc plots`."""
        drawn = {name: table(self.evaluations) for name, table in plot_data.TABLES.items()}
        shown = {head.head: self.examples[head.head] for head in self.heads if head.head in self.examples}
        differences = plot_data.differences(self.comparisons)
        return drawn | {"differences": differences, "attention": plot_data.attention(shown)}

    def _pictures(self, evaluation: Evaluation) -> dict[str, str]:
        details, drawn = evaluation.details, {}
        head, shade = details.head, self.colours[details.head]
        examples = self.examples.get(head, Examples())
        if len(evaluation.learning_curve):
            drawn["curves"] = figures.learning_curves(head, evaluation.learning_curve, shade)
        if len(evaluation.embedding):
            drawn["embedding"] = figures.embedding(head, evaluation.embedding, details.classes)
        if len(examples.attention):
            drawn["attention"] = figures.attention(head, examples.attention, examples.waveforms, shade)
        if details.training and details.training.layer_weights:
            drawn["layer_weights"] = figures.layer_weights(head, details.training.layer_weights, shade)
        return drawn


def task_sections(
    evaluations: Sequence[Evaluation],
    examples: Mapping[str, Examples],
    references: Sequence[str],
    statistics: EvaluateSettings,
    measured: Path,
) -> list[TaskSection]:
    """A section per task, in the order of their first heads.

    Args:
        evaluations: of all heads.
        examples: head -> what is drawn of it.
        references: the heads that others are compared with, at most one per task.
        statistics: of the bootstrap of differences.
        measured: ``artifacts/measured``.

    Raises:
        UserError: a reference is not among the heads, or two are of one task.
    """
    tasks = {evaluation.details.head: evaluation.details.task for evaluation in evaluations}
    chosen = choose_references(tasks, references)
    sections = []
    for task, reference in chosen.items():
        own = [evaluation for evaluation in evaluations if evaluation.details.task == task]
        comparisons = compare_heads(
            {evaluation.details.head: evaluation.predictions for evaluation in own},
            {evaluation.details.head: evaluation.details.classes for evaluation in own},
            reference,
            statistics,
        )
        cost = costs([evaluation.details for evaluation in own], measured)
        sections.append(TaskSection(task, own, examples, reference, comparisons, cost))
    return sections


def _names_of(features: FeatureData) -> list[str]:
    """The checkpoints, or the feature set where there are no weights."""
    return [encoder["checkpoint"] for encoder in features.encoders] if "weights" in features.recipe else [features.set]
