"""All that is said of one head: pooled over folds, averaged over seeds, with intervals over speakers."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import UserError
from evaluation.metrics import METRICS, confusion_matrix, f1, precision, recall, unweighted_accuracy
from evaluation.settings import EvaluateSettings
from evaluation.statistics import FEW_SPEAKERS, speaker_bootstrap


@dataclass(frozen=True)
class HeadRuns:
    """Everything the train stage wrote for one head.

    Attributes:
        config: of the first run; what all runs share.
        runs: per fold and seed: best epoch, epochs run.
        predictions: all predictions.csv, with columns ``fold`` and ``seed``.
        histories: all history.csv, with columns ``fold`` and ``seed``.
    """

    config: dict
    runs: pd.DataFrame
    predictions: pd.DataFrame
    histories: pd.DataFrame


def read_runs(folder: Path) -> HeadRuns:
    """Read ``artifacts/heads/<head>``.

    Raises:
        UserError: there are no runs.
    """
    configs, predictions, histories = [], [], []
    for path in sorted(folder.glob("fold-*/seed-*/config.json")):
        config = json.loads(path.read_text())
        place = {"fold": config["fold"], "seed": config["seed"]}
        text = {"id": str, "speaker": str, "label": str, "predicted": str}
        configs.append(config)
        table = pd.read_csv(path.with_name("predictions.csv"), dtype=text, keep_default_na=False)
        predictions.append(table.assign(**place))
        histories.append(pd.read_csv(path.with_name("history.csv")).assign(**place))
    if not configs:
        raise UserError(f"{folder}: no trained heads here. Run `dvc repro`, or `dvc pull train`.")
    runs = pd.DataFrame(configs)[["fold", "seed", "best_epoch", "epochs_run"]]
    return HeadRuns(configs[0], runs.sort_values(["fold", "seed"]), pd.concat(predictions), pd.concat(histories))


def assess(runs: HeadRuns, settings: EvaluateSettings) -> dict:
    """Compute everything that metrics.json, details.json and the report say of a head's test predictions."""
    classes = runs.config["classes"]
    test = runs.predictions[runs.predictions["role"] == "test"]
    by_seed = _confusions(test, ["seed"], classes)
    by_fold_and_seed = _confusions(test, ["fold", "seed"], classes)
    by_speaker_and_seed = _confusions(test, ["speaker", "seed"], classes)
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
        "ensemble": _ensemble(test, classes, settings) if len(by_seed) > 1 else None,
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
            {"fold": fold, **{name: float(metric(confusions).mean()) for name, metric in METRICS.items()}}
            for fold, confusions in enumerate(by_fold_and_seed)
        ],
        "per_speaker": [
            {
                "speaker": speaker,
                "utterances": int(confusions[0].sum()),
                "ua": float(unweighted_accuracy(confusions).mean()),
                "classes": int((confusions[0].sum(axis=1) > 0).sum()),
            }
            for speaker, confusions in zip(sorted(test["speaker"].unique()), by_speaker_and_seed, strict=True)
        ],
        "epochs": {"best": _spread(runs.runs["best_epoch"]), "run": _spread(runs.runs["epochs_run"])},
    }


def headline(assessment: dict) -> dict[str, float]:
    """metrics.json: at most eight scalars, which become columns of `dvc exp show`."""
    metrics = assessment["metrics"]
    scalars = {
        "ua": metrics["ua"]["mean"],
        "ua_low": metrics["ua"]["low"],
        "ua_high": metrics["ua"]["high"],
        "ua_sd_folds": metrics["ua"]["sd_folds"],
        "ua_sd_seeds": metrics["ua"]["sd_seeds"],
        "wa": metrics["wa"]["mean"],
        "macro_f1": metrics["macro_f1"]["mean"],
        "weighted_f1": metrics["weighted_f1"]["mean"],
    }
    return {name: round(value, 4) for name, value in scalars.items() if value is not None}


def epoch_warning(runs: HeadRuns) -> list[str]:
    """What to say of runs that were still improving when they ended."""
    if not runs.config["utterances"]["validation"]:
        return []
    unfinished = int((runs.runs["best_epoch"] == runs.config["training"]["epochs"]).sum())
    if not unfinished:
        return []
    return [f"In {unfinished} of {len(runs.runs)} runs the last epoch was the best: more epochs may help."]


def interval_warning(assessment: dict) -> list[str]:
    """What to say of intervals over few speakers."""
    count = assessment["num_speakers"]
    if count >= FEW_SPEAKERS:
        return []
    return [f"Intervals are bootstrapped over {count} speakers only, and too narrow below {FEW_SPEAKERS}."]


def learning_curve(histories: pd.DataFrame) -> pd.DataFrame:
    """The mean over folds and seeds, per epoch; ``runs`` says how many were still training."""
    grouped = histories.drop(columns=["fold", "seed"]).groupby("epoch")
    curve = grouped.mean().assign(runs=grouped.size()).reset_index()
    return curve if "validation_ua" in curve else curve.assign(validation_ua=float("nan"))


def confusion_table(assessment: dict) -> pd.DataFrame:
    """Long form for `dvc plots`: ``actual, predicted``, one row per utterance (on average over seeds)."""
    classes, counts = assessment["classes"], np.array(assessment["confusion"])
    rows = [
        (actual, predicted)
        for actual, line in zip(classes, counts, strict=True)
        for predicted, count in zip(classes, line, strict=True)
        for _ in range(round(count))
    ]
    return pd.DataFrame(rows, columns=["actual", "predicted"])


def _confusions(predictions: pd.DataFrame, keys: list[str], classes: list[str]) -> np.ndarray:
    """Counts [groups of the first key, ..., C, C], each key's groups in sorted order."""
    index = {name: place for place, name in enumerate(classes)}
    sizes = [predictions[key].nunique() for key in keys]
    groups = predictions.groupby(keys).ngroups
    assert groups == np.prod(sizes), f"some {keys} have no predictions"
    counts = [
        confusion_matrix(rows["label"].map(index), rows["predicted"].map(index), len(classes))
        for _, rows in predictions.groupby(keys)
    ]
    return np.array(counts).reshape(*sizes, len(classes), len(classes))


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
    by_seed = _confusions(mean, ["seed"], classes)
    by_speaker = _confusions(mean, ["speaker", "seed"], classes)
    low, high = speaker_bootstrap(by_speaker, unweighted_accuracy, settings.bootstrap, settings.seed)
    return {**{name: float(metric(by_seed[0])) for name, metric in METRICS.items()}, "ua_low": low, "ua_high": high}


def _over_seeds(metric, by_seed: np.ndarray) -> list[float]:
    return metric(by_seed).mean(axis=0).tolist()


def _spread(values: pd.Series) -> dict[str, float]:
    return {"median": float(values.median()), "least": int(values.min()), "most": int(values.max())}
