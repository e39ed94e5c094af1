"""Every figure of the report as a table in long form, which `dvc plots` draws too (templates in .dvc/plots).

Tables of values with intervals have ``panel, item, head, value, low, high``; of curves ``panel, series, head`` and two
axes.
"""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from evaluation.comparison import Comparison, Incomparable
from evaluation.evaluation import Evaluation
from evaluation.results import Details, GroupScores, Interval
from report.examples import Examples
from report.robustness import trained_on

COLUMNS = ["panel", "item", "head", "value", "low", "high"]
_P_VALUES = ("p_models", "p_retraining", "p_recipes", "p_holm")
_SHOWN = {"ua": "UA", "wa": "WA", "macro_f1": "macro F1"}


def results(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    """Every metric of every head, with its mean over folds and its deviations over folds and seeds."""
    return pd.DataFrame(
        interval_row(name, head.head, head.head, summary.mean, summary.low, summary.high)
        | {key: getattr(summary, key) for key in ("mean_folds", "sd_folds", "sd_seeds")}
        for head in _details(evaluations)
        for name, summary in head.metrics.items()
    )


def per_class(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    """Recall, precision and F1 of every class."""
    return pd.DataFrame(
        interval_row(name, row.name, head.head, *3 * [getattr(row, name)])
        for head in _details(evaluations)
        for row in head.per_class
        for name in ("recall", "precision", "f1")
    )


def per_fold(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    """UA, WA and F1 of every fold."""
    return pd.DataFrame(
        interval_row(shown, row.fold, head.head, *3 * [getattr(row, name)])
        for head in _details(evaluations)
        for row in head.per_fold
        for name, shown in _SHOWN.items()
    )


def groups(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    """UA, WA, macro and weighted F1 of every corpus, speaker, gender, session, style and duration."""
    return pd.DataFrame(
        interval_row(f"{shown} by {row.grouping}", row.group, head.head, *_of_group(row, row.metrics[name]))
        | {"resampled": row.resampled}
        for head in _details(evaluations)
        for row in head.groups
        for name, shown in {**_SHOWN, "weighted_f1": "weighted F1"}.items()
    )


def differences(comparisons: Sequence[Comparison | Incomparable]) -> pd.DataFrame:
    """Every head minus the reference."""
    return pd.DataFrame(
        interval_row(shown, row.head, row.head, *_with_interval(row.metrics[name]))
        | {key: getattr(row, key) for key in _P_VALUES}
        for row in comparisons
        if isinstance(row, Comparison)
        for name, shown in _SHOWN.items()
    )


def leakage(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    """The probe's balanced accuracy, its range over folds as interval."""
    rows = []
    for head in _details(evaluations):
        if head.training and (probe := head.training.leakage):
            for name, mean in probe.mean:
                values = [getattr(fold, name) for fold in probe.per_fold]
                rows.append(
                    interval_row("balanced accuracy over speakers", name, head.head, mean, min(values), max(values))
                )
    return pd.DataFrame(rows)


def layer_weights(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    """Weight of each layer with its range over folds and seeds, of heads that mix layers."""
    return pd.DataFrame(
        interval_row("weight of each layer", row.layer, head.head, row.weight, row.least, row.most)
        for head in _details(evaluations)
        if head.training
        for row in head.training.layer_weights or ()
    )


def reliability(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    """Accuracy by confidence."""
    return pd.DataFrame(
        {"panel": "reliability", "series": "bins", "head": head.head, **dict(bin)}
        for head in _details(evaluations)
        if head.calibration
        for bin in head.calibration.bins
    )


def robustness(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    """UA, WA and macro F1 on every disturbed copy, and the change from the clean utterances."""
    return pd.DataFrame(
        interval_row(shown, copy.name, head.head, *_with_interval(copy.metrics[name]))
        | {"trained_on": trained_on(head)}
        | {f"change_{key}": value for key, value in copy.differences[name]}
        for head in _details(evaluations)
        for copy in head.robustness
        for name, shown in _SHOWN.items()
    )


def learning_curves(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    """What training measured, by epoch."""
    return pd.concat([evaluation.learning_curve.assign(head=evaluation.details.head) for evaluation in evaluations])


def embedding(evaluations: Sequence[Evaluation]) -> pd.DataFrame:
    """t-SNE of each head's first run, once by emotion and once by speaker."""
    return pd.concat(
        evaluation.embedding[["x", "y", "role"]].assign(
            panel=f"{evaluation.details.head} by {by}",
            series=evaluation.embedding[by],
            head=evaluation.details.head,
        )
        for evaluation in evaluations
        for by in ("emotion", "speaker")
    )


def attention(examples: Mapping[str, Examples]) -> pd.DataFrame:
    """Attention over time in each head's examples."""
    return pd.concat(
        [pd.DataFrame(columns=["second", "attention", "panel", "series", "head"])]
        + [
            own.attention[["second", "attention"]].assign(
                panel=own.attention["id"],
                series=own.attention["label"] + " predicted as " + own.attention["predicted"],
                head=head,
            )
            for head, own in examples.items()
            if len(own.attention)
        ]
    )


def _details(evaluations: Sequence[Evaluation]) -> list[Details]:
    return [evaluation.details for evaluation in evaluations]


def interval_row(panel: str, item, head: str, value: float, low: float, high: float) -> dict:
    """A row of a table of values with intervals."""
    return dict(zip(COLUMNS, (panel, item, head, value, low, high), strict=True))


def _of_group(row: GroupScores, interval: Interval) -> tuple[float, float | None, float | None]:
    """A group's value; with its interval where there are enough utterances for one."""
    return _with_interval(interval) if row.has_intervals else (interval.value, None, None)


def _with_interval(interval: Interval) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high


TABLES: dict[str, Callable[[Sequence[Evaluation]], pd.DataFrame]] = {
    "results": results,
    "per_class": per_class,
    "per_fold": per_fold,
    "groups": groups,
    "leakage": leakage,
    "layer_weights": layer_weights,
    "reliability": reliability,
    "learning_curves": learning_curves,
    "embedding": embedding,
    "robustness": robustness,
}

DECLARED = {  # tables that dvc.yaml names and that only some sections have
    **dict.fromkeys(("per_class", "differences"), COLUMNS),
    "reliability": ["panel", "series", "head", "confidence", "accuracy"],
    "attention": ["panel", "series", "head", "second", "attention"],
    "ratings": ["panel", "series", "head", "rating", "predicted"],
}
