"""Every figure of the report as a table in long form, which `dvc plots` draws too (templates in .dvc/plots).

Tables of values with intervals have ``panel, item, head, value, low, high``; of curves ``panel, series, head`` and two
axes.
"""

from collections.abc import Callable

import pandas as pd

COLUMNS = ["panel", "item", "head", "value", "low", "high"]
_SHOWN = {"ua": "UA", "wa": "WA", "macro_f1": "macro F1"}


def results(evaluations: list[dict]) -> pd.DataFrame:
    """Every metric of every head, with its deviations over folds and seeds."""
    rows = [
        {"panel": name, "item": each["head"], "head": each["head"], "value": summary["mean"]}
        | {key: summary[key] for key in ("low", "high", "sd_folds", "sd_seeds")}
        for each in evaluations
        for name, summary in each["metrics"].items()
    ]
    return pd.DataFrame(rows)


def per_class(evaluations: list[dict]) -> pd.DataFrame:
    """Recall, precision and F1 of every class."""
    rows = [
        {
            "panel": name,
            "item": row["class"],
            "head": each["head"],
            "value": row[name],
            "low": row[name],
            "high": row[name],
        }
        for each in evaluations
        for row in each["per_class"]
        for name in ("recall", "precision", "f1")
    ]
    return pd.DataFrame(rows)


def per_fold(evaluations: list[dict]) -> pd.DataFrame:
    """UA, WA and F1 of every fold."""
    rows = [
        {"panel": _SHOWN[name], "item": row["fold"], "head": each["head"], "value": row[name]}
        | {"low": row[name], "high": row[name]}
        for each in evaluations
        for row in each["per_fold"]
        for name in _SHOWN
    ]
    return pd.DataFrame(rows)


def groups(evaluations: list[dict]) -> pd.DataFrame:
    """UA, WA and F1 of every speaker, gender, session and style."""
    rows = [
        {
            "panel": f"{_SHOWN[name]} by {row['grouping']}",
            "item": row["group"],
            "head": each["head"],
            "value": row[name],
        }
        | {"low": row[f"{name}_low"], "high": row[f"{name}_high"], "resampled": row["resampled"]}
        for each in evaluations
        for row in each["groups"]
        for name in _SHOWN
    ]
    return pd.DataFrame(rows)


def differences(comparisons: list[dict]) -> pd.DataFrame:
    """Every head minus the reference."""
    rows = [
        {"panel": _SHOWN[name], "item": row["head"], "head": row["head"], "value": row[name]}
        | {"low": row[f"{name}_low"], "high": row[f"{name}_high"], "p": row["p"], "p_holm": row["p_holm"]}
        for row in comparisons
        if "why" not in row
        for name in _SHOWN
    ]
    return pd.DataFrame(rows)


def leakage(evaluations: list[dict]) -> pd.DataFrame:
    """The probe's balanced accuracy, its range over folds as interval."""
    rows = []
    for each in evaluations:
        for name in ("embedding", "raw", "gender", "chance"):
            if each["leakage"] is None or each["leakage"]["mean"][name] is None:
                continue
            values = [row[name] for row in each["leakage"]["per_fold"]]
            rows.append(
                {"panel": "balanced accuracy over speakers", "item": name, "head": each["head"]}
                | {"value": each["leakage"]["mean"][name], "low": min(values), "high": max(values)}
            )
    return pd.DataFrame(rows)


def layer_weights(evaluations: list[dict]) -> pd.DataFrame:
    """Weight of each layer with its range over folds and seeds, of heads that mix layers."""
    rows = [
        {"panel": "weight of each layer", "item": row["layer"], "head": each["head"], "value": row["weight"]}
        | {"low": row["least"], "high": row["most"]}
        for each in evaluations
        for row in each["layer_weights"] or ()
    ]
    return pd.DataFrame(rows)


def reliability(evaluations: list[dict]) -> pd.DataFrame:
    """Accuracy by confidence."""
    rows = [
        {"panel": "reliability", "series": "bins", "head": each["head"], **bin}
        for each in evaluations
        for bin in each["calibration"]["bins"]
    ]
    return pd.DataFrame(rows)


def learning_curves(evaluations: list[dict]) -> pd.DataFrame:
    """Losses, validation scores, learning rate and alpha by epoch."""
    return pd.concat([each["learning_curve"].assign(head=each["head"]) for each in evaluations])


def embedding(evaluations: list[dict]) -> pd.DataFrame:
    """t-SNE of each head's first run, once by emotion and once by speaker."""
    return pd.concat(
        each["embedding"][["x", "y", "role"]].assign(
            panel=f"{each['head']} by {by}", series=each["embedding"][by], head=each["head"]
        )
        for each in evaluations
        for by in ("emotion", "speaker")
    )


def attention(evaluations: list[dict]) -> pd.DataFrame:
    """Attention over time in each head's examples."""
    return pd.concat(
        each["attention"][["second", "attention"]].assign(
            panel=each["attention"]["id"],
            series=each["attention"]["label"] + " heard as " + each["attention"]["predicted"],
            head=each["head"],
        )
        for each in evaluations
    )


TABLES: dict[str, Callable[[list[dict]], pd.DataFrame]] = {
    "results": results,
    "per_class": per_class,
    "per_fold": per_fold,
    "groups": groups,
    "leakage": leakage,
    "layer_weights": layer_weights,
    "reliability": reliability,
    "learning_curves": learning_curves,
    "embedding": embedding,
    "attention": attention,
}
