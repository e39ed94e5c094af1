"""All that is said of one head: pooled over folds, averaged over seeds, with intervals over speakers."""

import numpy as np
import pandas as pd

from data.metrics import METRICS, confusions_by, f1, precision, recall, unweighted_accuracy
from evaluation.calibration import reliability
from evaluation.groups import assess_groups, spread_over_speakers
from evaluation.runs import HeadRuns
from evaluation.settings import EvaluateSettings
from evaluation.statistics import FEW_SPEAKERS, speaker_bootstrap

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
    "gradient_norm": ("gradient norm", "gradient norm"),
    "learning_rate": ("learning rate", "learning rate"),
    "alpha": ("alpha", "alpha"),
}


def assess(runs: HeadRuns, manifest: pd.DataFrame, settings: EvaluateSettings) -> dict:
    """Compute everything that metrics.json, details.json and the report say of a head's predictions and training.

    Args:
        runs: what was trained.
        manifest: all utterances: their gender, session, style and dialogue.
        settings: of the bootstrap.
    """
    return {
        **assess_predictions(runs.test, runs.classes, manifest, settings),
        "layer_weights": _layer_weights(runs.layer_weights),
        "epochs": None if runs.solved else _epochs(runs),
        "l2": _strengths(runs) if runs.solved else None,
    }


def assess_predictions(
    test: pd.DataFrame, classes: list[str], manifest: pd.DataFrame, settings: EvaluateSettings
) -> dict:
    """Compute everything that can be said of test predictions, whoever made them.

    Args:
        test: ``id, speaker, fold, seed, label, predicted``, and ``p_<class>`` for each class or for none: then there is
            neither an ensemble of seeds nor a calibration.
        classes: sorted.
        manifest: all utterances: their gender, session, style and dialogue.
        settings: of the bootstrap.
    """
    probable = f"p_{classes[0]}" in test
    test = test.merge(manifest[["id", "gender", "session", "style", "dialog"]], on="id")
    groups = assess_groups(test, classes, settings)
    by_seed = confusions_by(test, ["seed"], classes)
    by_fold_and_seed = confusions_by(test, ["fold", "seed"], classes)
    by_speaker_and_seed = confusions_by(test, ["speaker", "seed"], classes)
    pooled = by_seed.sum(axis=0)

    return {
        "classes": classes,
        "present": int((pooled.sum(axis=1) > 0).sum()),
        "chance_ua": 1 / int((pooled.sum(axis=1) > 0).sum()),
        "majority_wa": float(pooled.sum(axis=1).max() / pooled.sum()),
        "num_folds": len(by_fold_and_seed),
        "num_seeds": len(by_seed),
        "num_speakers": len(by_speaker_and_seed),
        "num_utterances": int(by_seed[0].sum()),
        "metrics": {
            name: _summary(metric, by_seed, by_fold_and_seed, by_speaker_and_seed, settings)
            for name, metric in METRICS.items()
        },
        "ensemble": _ensemble(test, classes, settings) if probable and len(by_seed) > 1 else None,
        "confusion": (pooled / len(by_seed)).tolist(),
        "per_class": [
            {"class": name, "recall": r, "precision": p, "f1": f, "support": float(support)}
            for name, r, p, f, support in zip(
                classes,
                *(_over_seeds(metric, by_seed) for metric in (recall, precision, f1)),
                pooled.sum(axis=1) / len(by_seed),
                strict=True,
            )
        ],
        "per_fold": [
            {
                "fold": fold,
                **{name: float(metric(confusions).mean()) for name, metric in METRICS.items()},
                "confusion": confusions.mean(axis=0).tolist(),
            }
            for fold, confusions in enumerate(by_fold_and_seed)
        ],
        "groups": groups,
        "spread": spread_over_speakers(groups),
        "calibration": reliability(test, classes) if probable else None,
    }


def headline(assessment: dict) -> dict[str, float]:
    """metrics.json: at most eight scalars, which become columns of `dvc exp show`.

    Returns:
        ``ua, wa, macro_f1`` pooled over folds, with ``ua_low`` and ``ua_high``; ``ua_folds, wa_folds``, means over
        folds; all of them means over seeds; ``ua_sd_seeds``, unless there is one seed only.
    """
    metrics = assessment["metrics"]
    scalars = {
        "ua": metrics["ua"]["mean"],
        "ua_low": metrics["ua"]["low"],
        "ua_high": metrics["ua"]["high"],
        "wa": metrics["wa"]["mean"],
        "macro_f1": metrics["macro_f1"]["mean"],
        "ua_folds": metrics["ua"]["mean_folds"],
        "wa_folds": metrics["wa"]["mean_folds"],
        "ua_sd_seeds": metrics["ua"]["sd_seeds"],
    }
    return {name: round(value, 4) for name, value in scalars.items() if value is not None}


def epoch_warning(runs: HeadRuns) -> list[str]:
    """What to say of runs that were still improving when they ended."""
    last = runs.runs["best_epoch"] == runs.runs["num_epochs"]
    unfinished = int((last & runs.runs["validated"]).sum())
    if not unfinished or runs.solved:
        return []
    return [f"In {unfinished} of {len(runs.runs)} runs the last epoch was the best: more epochs may help."]


def strength_warning(runs: HeadRuns) -> list[str]:
    """What to say of L2 strengths at the end of their list."""
    if not runs.solved or len(candidates := sorted(runs.config["settings"]["l2"])) == 1:
        return []
    ends = {"weakest": candidates[0], "strongest": candidates[-1]}
    counts = {name: int((runs.runs["l2"] == strength).sum()) for name, strength in ends.items()}
    return [
        f"In {count} of {len(runs.runs)} runs the {name} L2 penalty ({ends[name]:g}) was chosen: add one beyond it."
        for name, count in counts.items()
        if count
    ]


def penalty_warning(runs: HeadRuns) -> list[str]:
    """What to say of an L2 penalty that a head names and its training does not have."""
    if runs.solved or not runs.config["settings"].get("l2"):
        return []
    return [
        "l2 has no effect here: with an adversary, augmentation, label smoothing or balanced sampling no solver is "
        "used, and the head was trained by gradient steps."
    ]


def restart_warning(runs: HeadRuns) -> list[str]:
    """What to say of last weights that were kept while the learning rate was high."""
    if runs.config["training"]["schedule"] != "cosine_restarts" or runs.solved or runs.runs["validated"].any():
        return []
    share = runs.runs["learning_rate"].median() / runs.config["training"]["learning_rate"]
    return [
        f"The last weights were kept, and schedule: cosine_restarts ends at {share:.0%} of the highest learning rate; "
        "schedule: cosine ends low."
    ]


def interval_warning(assessment: dict) -> list[str]:
    """What to say of intervals over few speakers."""
    count = assessment["num_speakers"]
    if count >= FEW_SPEAKERS:
        return []
    return [f"Intervals are bootstrapped over {count} speakers only, and too narrow below {FEW_SPEAKERS}."]


def adversary_warning(runs: HeadRuns) -> list[str]:
    """What to say of runs whose epoch was chosen before the adversary had its full strength."""
    training = runs.config["training"]
    weak = int((runs.runs["alpha"] < training["max_alpha"]).sum())
    if not training["adversarial_weight"] or not weak:
        return []
    return [
        f"In {weak} of {len(runs.runs)} runs the best epoch came before the adversary was at full strength (alpha "
        f"{training['max_alpha']:g}): they show little of what it does."
    ]


def learning_curve(histories: pd.DataFrame) -> pd.DataFrame:
    """The mean over folds and seeds, per epoch, as long as half of the runs were still training; long form.

    Returns:
        ``epoch, panel, series, value, runs``; panels are ``loss``, ``scores`` (UA, WA, F1 of validation and training),
        ``gradient norm``, ``learning rate`` and ``alpha``, as far as there are values. No rows for a head that a solver
        has fitted.
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


def confusion_table(test: pd.DataFrame) -> pd.DataFrame:
    """For `dvc plots`: ``actual, predicted, fold, seed``, one row per test utterance and seed."""
    return test.rename(columns={"label": "actual"})[["actual", "predicted", "fold", "seed"]]


def predictions_table(test: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """What a comparison with other heads, and a choice of examples, needs of all seeds' test predictions."""
    probabilities = test.reindex(columns=[f"p_{name}" for name in classes])
    columns = ["id", "speaker", "fold", "seed", "label", "predicted"]
    return test[columns].assign(confidence=probabilities.max(axis=1))


def _summary(metric, by_seed, by_fold_and_seed, by_speaker_and_seed, settings: EvaluateSettings) -> dict:
    """A metric pooled over folds: mean over seeds, interval over speakers, deviations over folds and seeds apart."""
    values, per_fold = metric(by_seed), metric(by_fold_and_seed).mean(axis=1)
    low, high = speaker_bootstrap(by_speaker_and_seed, metric, settings.bootstrap, settings.seed)
    return {
        "mean": float(values.mean()),
        "low": low,
        "high": high,
        "sd_seeds": float(values.std(ddof=1)) if len(values) > 1 else None,
        "mean_folds": float(per_fold.mean()),
        "sd_folds": float(per_fold.std(ddof=1)) if len(per_fold) > 1 else None,
    }


def _ensemble(test: pd.DataFrame, classes: list[str], settings: EvaluateSettings) -> dict:
    """The seeds' mean probability, as one prediction."""
    columns = [f"p_{name}" for name in classes]
    mean = test.groupby(["fold", "id", "speaker", "label"], sort=True)[columns].mean().reset_index()
    mean["predicted"] = np.array(classes)[mean[columns].to_numpy().argmax(axis=1)]
    mean["seed"] = 0
    by_seed = confusions_by(mean, ["seed"], classes)
    by_speaker = confusions_by(mean, ["speaker", "seed"], classes)
    low, high = speaker_bootstrap(by_speaker, unweighted_accuracy, settings.bootstrap, settings.seed)
    return {**{name: float(metric(by_seed[0])) for name, metric in METRICS.items()}, "ua_low": low, "ua_high": high}


def _layer_weights(runs: list[dict[str, float]]) -> list[dict] | None:
    """Per layer the weight's mean over folds and seeds, least and most."""
    if not runs:
        return None
    table = pd.DataFrame(runs)
    return [
        {
            "layer": int(layer),
            "weight": float(table[layer].mean()),
            "least": float(table[layer].min()),
            "most": float(table[layer].max()),
        }
        for layer in table
    ]


def _epochs(runs: HeadRuns) -> dict:
    """Which epoch was chosen, of how many, and the learning rate and alpha it had."""
    training = runs.config["training"]
    chosen = {name: _spread(runs.runs[name]) for name in ("learning_rate", "alpha")}
    return {
        "best": _spread(runs.runs["best_epoch"]),
        "run": _spread(runs.runs["epochs_run"]),
        "budget": f"{training['steps']:,} steps" if training["steps"] else f"{training['epochs']} epochs",
        "unit": f"{training['validate_every']:,} steps" if training["validate_every"] else "epoch",
        **chosen,
    }


def _strengths(runs: HeadRuns) -> list[dict]:
    """How many runs chose each L2 strength, the weakest first."""
    counts = runs.runs["l2"].value_counts().sort_index()
    return [{"strength": float(strength), "runs": int(count)} for strength, count in counts.items()]


def _over_seeds(metric, by_seed: np.ndarray) -> list[float]:
    return metric(by_seed).mean(axis=0).tolist()


def _spread(values: pd.Series) -> dict[str, float]:
    return {"median": float(values.median()), "least": float(values.min()), "most": float(values.max())}
