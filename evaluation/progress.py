"""How the runs of a head were trained, as far as they left it."""

import pandas as pd

from evaluation.results import Distribution, Epochs, LayerWeight, Strength
from evaluation.runs import HeadRuns

_CURVES = {  # column of history.csv -> panel and series
    "train_loss": ("loss", "training"),
    "validation_loss": ("loss", "validation"),
    "speaker_loss": ("loss", "speakers"),
    "validation_ua": ("scores", "validation UA"),
    "validation_wa": ("scores", "validation WA"),
    "validation_macro_f1": ("scores", "validation F1"),
    "train_ua": ("scores", "training UA"),
    "train_wa": ("scores", "training WA"),
    "train_macro_f1": ("scores", "training F1"),
    "validation_ccc": ("CCC", "validation CCC"),
    "train_ccc": ("CCC", "training CCC"),
    "gradient_norm": ("gradient norm", "gradient norm"),
    "learning_rate": ("learning rate", "learning rate"),
    "alpha": ("alpha", "alpha"),
}


def chosen_epochs(runs: HeadRuns) -> Epochs | None:
    """Which epoch was chosen, of how many, and the learning rate and alpha it had; None where a solver was used."""
    if runs.solved:
        return None
    training = runs.config["training"]
    return Epochs(
        best=_distribution(runs.runs["best_epoch"]),
        run=_distribution(runs.runs["epochs_run"]),
        budget=f"{training['steps']:,} steps" if training["steps"] else f"{training['epochs']} epochs",
        unit=f"{training['validate_every']:,} steps" if training["validate_every"] else "epoch",
        learning_rate=_distribution(runs.runs["learning_rate"]),
        alpha=_distribution(runs.runs["alpha"]),
    )


def chosen_strengths(runs: HeadRuns) -> list[Strength] | None:
    """How many runs chose each L2 strength, the weakest first; None without a solver."""
    if not runs.solved:
        return None
    counts = runs.runs["l2"].value_counts().sort_index()
    return [Strength(strength=float(strength), runs=int(count)) for strength, count in counts.items()]


def layer_weights(runs: HeadRuns) -> list[LayerWeight] | None:
    """Per layer the weight's mean over folds and seeds, least and most; None of a head that does not mix layers."""
    if not runs.layer_weights:
        return None
    table = pd.DataFrame(runs.layer_weights)
    return [
        LayerWeight(
            layer=int(layer),
            weight=float(table[layer].mean()),
            least=float(table[layer].min()),
            most=float(table[layer].max()),
        )
        for layer in table
    ]


def learning_curve(histories: pd.DataFrame) -> pd.DataFrame:
    """The mean over folds and seeds, per epoch, as long as half of the runs were still training; long form.

    Returns:
        ``epoch, panel, series, value, runs``; panels are ``loss``, ``scores`` (UA, WA, F1 of validation and training)
        or ``CCC``, ``gradient norm``, ``learning rate`` and ``alpha``, as far as there are values. No rows for a head
        that a solver has fitted.
    """
    if "l2" in histories:
        return pd.DataFrame(columns=["epoch", "panel", "series", "value", "runs"])
    grouped = histories.drop(columns=["fold", "seed"]).groupby("epoch")
    runs = grouped.size()
    curve = grouped.mean()[runs >= runs.max() / 2].assign(runs=runs)
    tables = [
        curve[["runs"]].assign(panel=panel, series=series, value=curve[column])
        for column, (panel, series) in _CURVES.items()
        if column in curve
    ]
    return pd.concat(tables).dropna(subset="value").reset_index()[["epoch", "panel", "series", "value", "runs"]]


def _distribution(values: pd.Series) -> Distribution:
    return Distribution(median=float(values.median()), least=float(values.min()), most=float(values.max()))
