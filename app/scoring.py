"""`ser score`: anyone's predictions under the same metrics, intervals, tests and report as the heads trained here."""

import re
from pathlib import Path

from data.errors import UserError, nearest
from data.labels import TaskSettings
from data.roles import read_splits
from data.task_description import read_task_description
from evaluation.comparison import Comparison, Incomparable, compare_heads
from evaluation.evaluation import Evaluation
from evaluation.results import Details, read_details
from evaluation.scoring import evaluate_predictions
from evaluation.settings import EvaluateSettings
from report.evaluations import read_evaluations
from report.page import write_report
from report.settings import ReportSettings
from stages.layout import ARTIFACTS, evaluation_folder, splits_file, task_file
from stages.params import read_section, read_yaml

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_METRICS = {"ua": "UA", "wa": "WA", "macro_f1": "macro F1", "weighted_f1": "weighted F1"}


def score(path: Path, name: str | None = None, task: str | None = None) -> Path:
    """Assess predictions, print the result, and write the report to ``artifacts/scored/<name>``.

    Args:
        path: the CSV.
        name: what to call them; the file's name, if it is not given.
        task: whose test utterances they are of; may be left out where params.yaml has a single task.

    Returns:
        The report's page.

    Raises:
        UserError: no such task, its splits are not here, a name that is taken, or predictions that do not fit the task.
    """
    name = path.stem if name is None else name
    params = read_yaml()
    if not _NAME.fullmatch(name) or name in params.get("heads", {}):
        problem = "is a head of params.yaml" if _NAME.fullmatch(name) else "is no name (letters, digits, _ and -)"
        raise UserError(f"{name!r} {problem}; choose another one with --name")
    task = _choose_task(task, list(params.get("tasks", {})))
    heads = [head for head, entry in params.get("heads", {}).items() if entry.get("task") == task]
    folder = ARTIFACTS / "scored" / name
    _evaluate(path, name, task, heads).write(folder)

    statistics = read_section("evaluate", EvaluateSettings)
    classes = {task: list(read_section(f"tasks.{task}", TaskSettings).classes)}
    evaluated = _evaluated(heads)
    (own,) = read_evaluations(folder.parent, [name], classes)
    evaluations = [*read_evaluations(ARTIFACTS / "evaluation", evaluated, classes), own]
    comparisons = compare_heads(
        {evaluation.details.head: evaluation.predictions for evaluation in evaluations},
        {evaluation.details.head: evaluation.details.classes for evaluation in evaluations},
        name,
        statistics,
    )
    print(summary(own.details, comparisons))
    if left_out := [head for head in heads if head not in evaluated]:
        print(f"not evaluated here, so not compared: {', '.join(left_out)}")
    return write_report(
        evaluations,
        examples={},  # attention and waveforms are in the heads' own report
        settings=ReportSettings(reference=name),
        statistics=statistics,
        measured=ARTIFACTS / "measured",
        folder=folder / "report",
    )


def summary(details: Details, comparisons: list[Comparison | Incomparable]) -> str:
    """What `ser score` prints: metrics, speakers, calibration, and the heads trained here minus these predictions."""
    seeds = f"{len(details.seeds)} seed{'s' if len(details.seeds) > 1 else ''}"
    lines = [
        f"{details.head}, task {details.task}: {details.num_utterances:,} test utterances of "
        f"{details.num_speakers} speakers, {details.num_folds} folds, {seeds}; chance UA {details.chance_ua:.1%}",
        f"{'':<14}{'pooled':>8}  {'95 % over speakers':<20}mean over folds",
    ]
    for key, shown in _METRICS.items():
        metric = details.metrics[key]
        interval = f"[{metric.low:.1%}, {metric.high:.1%}]"
        deviation = "" if metric.sd_folds is None else f" ± {metric.sd_folds:.1%}"
        lines.append(f"{shown:<14}{metric.mean:>8.1%}  {interval:<20}{metric.mean_folds:.1%}{deviation}")
    speakers = [row for row in details.groups if row.grouping == "speaker"]
    if speakers:
        shown = ", ".join(f"{row.group} {row.metrics['ua'].value:.1%}" for row in speakers)
        lines.append(f"UA by speaker: {shown}")
    if calibration := details.calibration:
        lines.append(f"calibration error {calibration.ece:.1%}, mean confidence {calibration.mean_confidence:.1%}")
    lines += [_compared(row, details.head) for row in comparisons]
    return "\n".join([*lines, *(f"warning: {caution}" for caution in details.cautions)])


def _choose_task(name: str | None, tasks: list[str]) -> str:
    """The task that is named, or the only one there is."""
    if name is None and len(tasks) == 1:
        return tasks[0]
    if name is None:
        raise UserError(f"params.yaml has several tasks; choose one with --task: {', '.join(tasks)}")
    if name not in tasks:
        raise UserError(f"no task {name!r}{nearest(name, tasks)} (there are {', '.join(tasks)})")
    return name


def _evaluate(path: Path, name: str, task: str, heads: list[str]) -> Evaluation:
    for needed in (splits_file(task), task_file(task)):
        if not needed.is_file():
            raise UserError(f"there is no {needed}. Run `dvc repro split@{task}`, or `dvc pull split@{task}`.")
    description = read_task_description(task_file(task))
    if description.targets:
        raise UserError(f"the task {task} has ratings as targets; ser score takes predictions of classes only.")
    if set(description.classes) != set(read_section(f"tasks.{task}", TaskSettings).classes):
        raise UserError(f"{splits_file(task)} has other classes than params.yaml. Run `dvc repro split@{task}`.")
    return evaluate_predictions(
        path,
        name,
        task=description,
        splits=read_splits(splits_file(task)),
        seed=_usual_seed(heads),
        settings=read_section("evaluate", EvaluateSettings),
    )


def _evaluated(heads: list[str]) -> list[str]:
    return [head for head in heads if (evaluation_folder(head) / "details.json").is_file()]


def _usual_seed(heads: list[str]) -> int:
    """The first seed that all heads evaluated here have, so that predictions without one can be compared with them."""
    seeds = [set(read_details(evaluation_folder(head) / "details.json").seeds) for head in _evaluated(heads)]
    return min(set.intersection(*seeds), default=1) if seeds else 1


def _compared(row: Comparison | Incomparable, name: str) -> str:
    if isinstance(row, Incomparable):
        return f"{row.head}: not comparable, {row.reason}"
    tests = {"models": row.p_models, "retraining": row.p_retraining, "recipes": row.p_recipes, "holm": row.p_holm}
    shown = ", ".join(f"p {key} {'-' if p is None else format(p, '.3f')}" for key, p in tests.items())
    verdict = "; significant" if row.significant else ""
    ua = row.metrics["ua"]
    return f"{row.head} - {name}: UA {ua.value:+.1%} [{ua.low:+.1%}, {ua.high:+.1%}], {shown}{verdict}"
