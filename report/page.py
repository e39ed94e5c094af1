"""The heads side by side, as one self-contained HTML page and as tables for `dvc plots`."""

from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from data.errors import UserError
from data.manifest import nearest
from evaluation.comparison import compare_heads
from evaluation.groups import GROUPINGS
from evaluation.settings import EvaluateSettings
from evaluation.statistics import FEWEST_TO_TEST, MOST_EXACT
from report import figures, plot_data
from report.settings import ReportSettings


def choose_reference(evaluations: list[dict], settings: ReportSettings) -> str:
    """The head that others are compared with.

    Raises:
        UserError: it is not among them.
    """
    heads = [each["head"] for each in evaluations]
    if settings.reference is not None and settings.reference not in heads:
        raise UserError(
            f"params.yaml: report.reference: there is no head {settings.reference!r}"
            f"{nearest(settings.reference, heads)} (there are {', '.join(heads)})"
        )
    return settings.reference or heads[0]


def write_report(
    evaluations: list[dict],
    costs: dict[str, list[dict]],
    settings: ReportSettings,
    statistics: EvaluateSettings,
    folder: Path,
) -> Path:
    """Write index.html and the tables of its figures.

    Args:
        evaluations: from `read_evaluations`, each with its examples' ``attention`` and ``waveforms``. Those of `ser
            score` lack what only training leaves.
        costs: from `report.cost`.
        settings: the reference.
        statistics: of the bootstrap of differences.
        folder: ``artifacts/report``.

    Returns:
        The page's path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reference = choose_reference(evaluations, settings)
    comparisons = compare_heads(
        {each["head"]: each["predictions"] for each in evaluations},
        {each["head"]: each["classes"] for each in evaluations},
        reference,
        statistics,
    )
    tables = {name: table(evaluations) for name, table in plot_data.TABLES.items()}
    for name, table in {**tables, "differences": plot_data.differences(comparisons)}.items():
        if table.empty:  # a row without values: `dvc plots` cannot read a table without rows
            table = pd.DataFrame([dict.fromkeys(table.columns if len(table.columns) else plot_data.COLUMNS, "")])
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.5g", lineterminator="\n")
    page = folder / "index.html"
    page.write_text(render_report(evaluations, comparisons, reference, costs), encoding="utf-8")
    return page


def render_report(
    evaluations: list[dict], comparisons: list[dict], reference: str, costs: dict[str, list[dict]]
) -> str:
    """The page's HTML; it loads nothing from anywhere."""
    environment = Environment(
        loader=PackageLoader("report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda value: "-" if value is None else f"{100 * value:.1f}"
    environment.filters["points"] = lambda value: f"{100 * value:+.1f}"
    environment.filters["duration"] = _duration
    environment.filters["three_digits"] = lambda value: f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    environment.filters["p"] = lambda value: "< 0.001" if value < 0.001 else f"{value:.3f}"
    heads = [each["head"] for each in evaluations]
    place = {head: number for number, head in enumerate(heads)}
    chance = min(each["chance_ua"] for each in evaluations)
    warnings = _shared_warnings(evaluations)
    compared = [row for row in comparisons if "why" not in row]
    probed = [each for each in evaluations if each["leakage"]]
    calibrated = [each for each in evaluations if each["calibration"]]
    return environment.get_template("report.html.j2").render(
        evaluations=evaluations,
        run=evaluations[0]["run"],
        warnings=warnings,
        leaking=any("Speaker leakage" in warning for warning in warnings),
        encoders=_by_feature_set(evaluations),
        trained=[each for each in evaluations if "features" in each["run"]],
        checkpoints=list(
            dict.fromkeys(each["checkpoint"] for row in evaluations for each in row["run"].get("encoders", ()))
        ),
        chance=chance,
        costs=costs,
        reference=reference,
        comparisons=comparisons,
        too_few=any(row["p_models"] is None for row in compared),
        one_seed=any(len(row["seeds"]) == 1 for row in compared),
        copies=[row["head"] for row in compared if row["p_retraining"] is None and len(row["seeds"]) > 1],
        tested=[row for row in compared if row["p_recipes"] is not None],
        most_exact=MOST_EXACT,
        fewest=FEWEST_TO_TEST,
        side_by_side=_side_by_side(evaluations),
        probed=probed,
        within=all(each["leakage"]["within"] for each in probed),
        calibrated=calibrated,
        licensed=any(each["waveforms"] for each in evaluations),
        colours={head: figures.colour(number) for head, number in place.items()},
        grave=_is_grave,
        figures={
            "intervals": figures.intervals(heads, [each["metrics"]["ua"] for each in evaluations], chance),
            "differences": compared
            and figures.differences(compared, [place[row["head"]] for row in compared], reference),
            "leakage": probed and figures.leakage(probed, [place[each["head"]] for each in probed]),
            "reliability": calibrated and figures.reliability(calibrated, [place[each["head"]] for each in calibrated]),
        },
        pictures={each["head"]: _pictures(each, place[each["head"]]) for each in evaluations},
    )


def _pictures(each: dict, place: int) -> dict[str, str | None]:
    """One head's own figures; None for what it does not have."""
    head = each["head"]
    points, table, weights = each["embedding"], each["attention"], each["layer_weights"]
    return {
        "curves": figures.learning_curves(head, each["learning_curve"], place) if len(each["learning_curve"]) else None,
        "embedding": figures.embedding(head, points, each["classes"]) if len(points) else None,
        "attention": figures.attention(head, table, each["waveforms"], place) if len(table) else None,
        "layer_weights": figures.layer_weights(head, weights, place) if weights else None,
    }


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _side_by_side(evaluations: list[dict]) -> dict[str, list[dict]]:
    """Per grouping that any head has: a row per group, with every head's UA of it."""
    tables = {}
    for grouping in GROUPINGS:
        by_group: dict[str, dict] = {}
        for each in evaluations:
            for row in each["groups"]:
                if row["grouping"] == grouping:
                    known = by_group.setdefault(row["group"], {**row, "heads": {}})
                    known["heads"][each["head"]] = row
        if by_group:
            tables[grouping] = [by_group[group] for group in sorted(by_group)]
    return tables


def _shared_warnings(evaluations: list[dict]) -> list[str]:
    """Every warning once; those that not all heads have name their heads."""
    everywhere = [each["warnings"] for each in evaluations]
    lines = []
    for warning in dict.fromkeys(warning for warnings in everywhere for warning in warnings):
        having = [each["head"] for each in evaluations if warning in each["warnings"]]
        lines.append(warning if len(having) == len(evaluations) else f"{', '.join(having)}: {warning}")
    if any(each["waveforms"] for each in evaluations):
        lines.append(
            "Licensed material: this page holds waveforms of the corpus (report.waveforms: true). Pass it on only to "
            "people who have the corpus's licence."
        )
    return sorted(lines, key=_is_grave, reverse=True)


def _is_grave(warning: str) -> bool:
    return "Speaker leakage" in warning or warning.startswith("Licensed material")


def _by_feature_set(evaluations: list[dict]) -> dict[str, dict]:
    return {each["run"]["features"]["set"]: each["run"] for each in evaluations if "features" in each["run"]}
