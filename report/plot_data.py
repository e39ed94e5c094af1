"""Every figure of the report as a table in long form, which `dvc plots` draws too (templates in .dvc/plots).

Tables of values with intervals have ``panel, item, head, value, low, high``; of curves ``panel, series, head`` and two
axes.
"""

from collections.abc import Callable

import pandas as pd

COLUMNS = ["panel", "item", "head", "value", "low", "high"]
_P_VALUES = ("p_models", "p_retraining", "p_recipes", "p_holm")
_SHOWN = {"ua": "UA", "wa": "WA", "macro_f1": "macro F1"}


def results(evaluations: list[dict]) -> pd.DataFrame:
    """Every metric of every head, with its mean over folds and its deviations over folds and seeds."""
    return pd.DataFrame(
        _row(name, each["head"], each["head"], summary["mean"], summary["low"], summary["high"])
        | {key: summary[key] for key in ("mean_folds", "sd_folds", "sd_seeds")}
        for each in evaluations
        for name, summary in each["metrics"].items()
    )


def per_class(evaluations: list[dict]) -> pd.DataFrame:
    """Recall, precision and F1 of every class."""
    return pd.DataFrame(
        _row(name, row["class"], each["head"], row[name], row[name], row[name])
        for each in evaluations
        for row in each["per_class"]
        for name in ("recall", "precision", "f1")
    )


def per_fold(evaluations: list[dict]) -> pd.DataFrame:
    """UA, WA and F1 of every fold."""
    return pd.DataFrame(
        _row(shown, row["fold"], each["head"], row[name], row[name], row[name])
        for each in evaluations
        for row in each["per_fold"]
        for name, shown in _SHOWN.items()
    )


def groups(evaluations: list[dict]) -> pd.DataFrame:
    """UA, WA, macro and weighted F1 of every speaker, gender, session and style."""
    return pd.DataFrame(
        _row(f"{shown} by {row['grouping']}", row["group"], each["head"], *_with_interval(row, name))
        | {"resampled": row["resampled"]}
        for each in evaluations
        for row in each["groups"]
        for name, shown in {**_SHOWN, "weighted_f1": "weighted F1"}.items()
    )


def differences(comparisons: list[dict]) -> pd.DataFrame:
    """Every head minus the reference."""
    return pd.DataFrame(
        _row(shown, row["head"], row["head"], *_with_interval(row, name)) | {key: row[key] for key in _P_VALUES}
        for row in comparisons
        if "why" not in row
        for name, shown in _SHOWN.items()
    )


def leakage(evaluations: list[dict]) -> pd.DataFrame:
    """The probe's balanced accuracy, its range over folds as interval."""
    rows = []
    for each in evaluations:
        for name, mean in (each["leakage"] or {"mean": {}})["mean"].items():
            if mean is not None:
                values = [row[name] for row in each["leakage"]["per_fold"]]
                rows.append(_row("balanced accuracy over speakers", name, each["head"], mean, min(values), max(values)))
    return pd.DataFrame(rows)


def layer_weights(evaluations: list[dict]) -> pd.DataFrame:
    """Weight of each layer with its range over folds and seeds, of heads that mix layers."""
    return pd.DataFrame(
        _row("weight of each layer", row["layer"], each["head"], row["weight"], row["least"], row["most"])
        for each in evaluations
        for row in each["layer_weights"] or ()
    )


def reliability(evaluations: list[dict]) -> pd.DataFrame:
    """Accuracy by confidence."""
    rows = [
        {"panel": "reliability", "series": "bins", "head": each["head"], **bin}
        for each in evaluations
        for bin in (each["calibration"] or {"bins": ()})["bins"]
    ]
    return pd.DataFrame(rows)


def learning_curves(evaluations: list[dict]) -> pd.DataFrame:
    """What training measured, by epoch."""
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


def _row(panel: str, item, head: str, value: float, low: float, high: float) -> dict:
    return dict(zip(COLUMNS, (panel, item, head, value, low, high), strict=True))


def _with_interval(row: dict, name: str) -> tuple[float, float, float]:
    return row[name], row[f"{name}_low"], row[f"{name}_high"]


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
