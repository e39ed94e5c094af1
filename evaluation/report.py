"""The heads side by side, as one self-contained HTML page and as tables for `dvc plots`."""

import json
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from data.errors import UserError
from evaluation.figures import colour, intervals, learning_curves


def read_evaluations(folder: Path, heads: list[str]) -> list[dict]:
    """Read the details and the learning curve of exactly these heads.

    Raises:
        UserError: one of them has not been evaluated here.
    """
    missing = [head for head in heads if not (folder / head / "details.json").is_file()]
    if missing:
        raise UserError(
            f"{folder}: no evaluation of {', '.join(missing)}, which params.yaml names. "
            "Get a colleague's with `dvc pull evaluate`, or make them with `dvc repro`."
        )
    evaluations = []
    for head in heads:
        details = json.loads((folder / head / "details.json").read_text())
        details["curve"] = pd.read_csv(folder / head / "learning_curve.csv")
        evaluations.append(details)
    return evaluations


def write_report(evaluations: list[dict], folder: Path) -> Path:
    """Write index.html, results.csv, per_class.csv and per_fold.csv.

    Returns:
        The page's path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results_table(evaluations).to_csv(folder / "results.csv", index=False, float_format="%.5f", lineterminator="\n")
    for name in ("per_class", "per_fold"):
        rows = [{"head": each["head"], **row} for each in evaluations for row in each[name]]
        pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False, float_format="%.5f", lineterminator="\n")
    page = folder / "index.html"
    page.write_text(render_report(evaluations), encoding="utf-8")
    return page


def results_table(evaluations: list[dict]) -> pd.DataFrame:
    """Long form: ``head, metric, value, low, high, sd_folds, sd_seeds``."""
    rows = [
        {
            "head": each["head"],
            "metric": name,
            "value": summary["mean"],
            **{key: summary[key] for key in ("low", "high", "sd_folds", "sd_seeds")},
        }
        for each in evaluations
        for name, summary in each["metrics"].items()
    ]
    return pd.DataFrame(rows)


def render_report(evaluations: list[dict]) -> str:
    """The page's HTML; it loads nothing from anywhere."""
    environment = Environment(
        loader=PackageLoader("evaluation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda value: "-" if value is None else f"{100 * value:.1f}"
    heads = [each["head"] for each in evaluations]
    chance = min(each["chance_ua"] for each in evaluations)
    warnings = _shared_warnings(evaluations)
    return environment.get_template("report.html.j2").render(
        evaluations=evaluations,
        run=evaluations[0]["run"],
        warnings=warnings,
        leaking=any(map(_is_grave, warnings)),
        encoders=_by_feature_set(evaluations),
        chance=chance,
        intervals=intervals(heads, [each["metrics"]["ua"] for each in evaluations], chance),
        curves={
            each["head"]: learning_curves(each["head"], each["curve"], place) for place, each in enumerate(evaluations)
        },
        colours={head: colour(place) for place, head in enumerate(heads)},
        grave=_is_grave,
    )


def _shared_warnings(evaluations: list[dict]) -> list[str]:
    """Every warning once; those that not all heads have name their heads."""
    everywhere = [each["warnings"] for each in evaluations]
    lines = []
    for warning in dict.fromkeys(warning for warnings in everywhere for warning in warnings):
        having = [each["head"] for each in evaluations if warning in each["warnings"]]
        lines.append(warning if len(having) == len(evaluations) else f"{', '.join(having)}: {warning}")
    return sorted(lines, key=_is_grave, reverse=True)


def _is_grave(warning: str) -> bool:
    return "Speaker leakage" in warning


def _by_feature_set(evaluations: list[dict]) -> dict[str, dict]:
    return {each["run"]["features"]["set"]: each["run"] for each in evaluations}
