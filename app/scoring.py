"""`ser score`: predictions of anyone under the same metrics, intervals, tests and report as the heads trained here."""

import json
import re
from pathlib import Path

import pandas as pd

from data.digest import file_digest
from data.errors import UserError
from data.labels import TaskSettings
from data.manifest import CorpusSettings, read_manifest
from data.roles import read_splits
from data.splits import SplitSettings
from evaluation.assessment import assess_predictions, interval_warning
from evaluation.comparison import compare_heads
from evaluation.description import describe_task
from evaluation.output import write_evaluation
from evaluation.scoring import read_predictions
from evaluation.settings import EvaluateSettings
from report.cost import costs
from report.evaluations import read_evaluations
from report.examples import COLUMNS
from report.page import write_report
from report.settings import ReportSettings
from stages.params import read_section, read_yaml

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_METRICS = {"ua": "UA", "wa": "WA", "macro_f1": "macro F1", "weighted_f1": "weighted F1"}


def score(path: Path, name: str | None, artifacts: Path) -> Path:
    """Assess predictions, print what comes out, and write the report.

    Args:
        path: the CSV.
        name: how to call them; the file's name, if it is not given.
        artifacts: where splits, manifest and evaluations are; everything is written to ``scored/<name>`` in it.

    Returns:
        The report's page.

    Raises:
        UserError: no split here, a name that is taken, or predictions that do not fit the task.
    """
    name = path.stem if name is None else name
    heads = list(read_yaml().get("heads", {}))
    if not _NAME.fullmatch(name) or name in heads:
        problem = "is a head of params.yaml" if name in heads else "is no name (letters, digits, _ and -)"
        raise UserError(f"{name!r} {problem}; choose another one with --name")
    details, test = _assess(path, name, heads, artifacts)
    folder = artifacts / "scored" / name
    write_evaluation(folder, details, test)

    statistics, task = read_section("evaluate", EvaluateSettings), read_section("task", TaskSettings)
    evaluated = _evaluated(heads, artifacts)
    evaluations = [
        *read_evaluations(artifacts / "evaluation", evaluated, list(task.classes)),
        *read_evaluations(folder.parent, [name], list(task.classes)),
    ]
    for each in evaluations:  # attention and waveforms are in the heads' own report
        each |= {"attention": pd.DataFrame(columns=COLUMNS), "waveforms": None}
    comparisons = compare_heads(
        {each["head"]: each["predictions"] for each in evaluations},
        {each["head"]: each["classes"] for each in evaluations},
        name,
        statistics,
    )
    print(summary(details, comparisons))
    if left_out := [head for head in heads if head not in evaluated]:
        print(f"not evaluated here, so not compared: {', '.join(left_out)}")
    measured = costs(evaluations, artifacts / "measured")
    return write_report(evaluations, measured, ReportSettings(reference=name), statistics, folder / "report")


def summary(details: dict, comparisons: list[dict]) -> str:
    """What `ser score` prints: metrics, speakers, calibration, and the heads trained here minus these predictions."""
    name, seeds = details["head"], len(details["run"]["seeds"])
    lines = [
        f"{name}: {details['num_utterances']:,} test utterances of {details['num_speakers']} speakers, "
        f"{details['num_folds']} folds, {seeds} seed{'s' if seeds > 1 else ''}; chance UA {details['chance_ua']:.1%}",
        f"{'':<14}{'pooled':>8}  {'95 % over speakers':<20}mean over folds",
    ]
    for key, shown in _METRICS.items():
        metric = details["metrics"][key]
        interval = f"[{metric['low']:.1%}, {metric['high']:.1%}]"
        deviation = "" if metric["sd_folds"] is None else f" ± {metric['sd_folds']:.1%}"
        lines.append(f"{shown:<14}{metric['mean']:>8.1%}  {interval:<20}{metric['mean_folds']:.1%}{deviation}")
    speakers = [row for row in details["groups"] if row["grouping"] == "speaker"]
    if speakers:
        lines.append("UA by speaker: " + ", ".join(f"{row['group']} {row['ua']:.1%}" for row in speakers))
    if calibration := details["calibration"]:
        lines.append(
            f"calibration error {calibration['ece']:.1%}, mean confidence {calibration['mean_confidence']:.1%}"
        )
    lines += [_compared(row, name) for row in comparisons]
    return "\n".join([*lines, *(f"warning: {warning}" for warning in details["warnings"])])


def _assess(path: Path, name: str, heads: list[str], artifacts: Path) -> tuple[dict, pd.DataFrame]:
    task, split = read_section("task", TaskSettings), read_section("split", SplitSettings)
    for needed in ("manifest.csv", "splits.csv"):
        if not (artifacts / needed).is_file():
            raise UserError(f"there is no {artifacts / needed}. Run `dvc repro split`, or `dvc pull split manifest`.")
    manifest, splits = read_manifest(artifacts / "manifest.csv"), read_splits(artifacts / "splits.csv")
    classes = sorted(task.classes)
    if set(splits["label"]) != set(classes):
        raise UserError(f"{artifacts / 'splits.csv'} has other classes than params.yaml. Run `dvc repro split`.")
    test = read_predictions(path, splits, manifest, classes, _usual_seed(heads, artifacts))
    run = describe_task(read_section("corpus", CorpusSettings), task, split, manifest, splits)
    warnings = run.pop("warnings")
    assessment = assess_predictions(test, classes, manifest, read_section("evaluate", EvaluateSettings))
    run |= {
        "seeds": sorted(int(seed) for seed in test["seed"].unique()),
        "scored": {"file": path.name, "sha256": file_digest(path, "sha256")},
    }
    details = {
        "head": name,
        "run": run,
        **assessment,
        **dict.fromkeys(("layer_weights", "epochs", "chosen", "leakage")),
        "warnings": [*warnings, *interval_warning(assessment)],
    }
    return details, test


def _evaluated(heads: list[str], artifacts: Path) -> list[str]:
    return [head for head in heads if (artifacts / "evaluation" / head / "details.json").is_file()]


def _usual_seed(heads: list[str], artifacts: Path) -> int:
    """The first seed that all heads evaluated here have, so that predictions without one can be compared with them."""
    seeds = [
        set(json.loads((artifacts / "evaluation" / head / "details.json").read_text())["run"]["seeds"])
        for head in _evaluated(heads, artifacts)
    ]
    return min(set.intersection(*seeds), default=1) if seeds else 1


def _compared(row: dict, name: str) -> str:
    if "why" in row:
        return f"{row['head']}: not comparable, {row['why']}"
    tests = [key for key in row if key == "p" or (key.startswith("p_") and key != "p_mcnemar")]
    shown = ", ".join(
        f"{key.replace('_', ' ')} {'-' if row[key] is None else format(row[key], '.3f')}" for key in tests
    )
    verdict = "; significant" if row["significant"] else ""
    return (
        f"{row['head']} - {name}: UA {row['ua']:+.1%} [{row['ua_low']:+.1%}, {row['ua_high']:+.1%}], {shown}{verdict}"
    )
