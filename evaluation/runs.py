"""Everything the train stage wrote for one head."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from data.clip_keys import CLEAN
from data.errors import UserError
from evaluation.attention import read_attention

_TEXT = {"id": str, "speaker": str, "label": str, "predicted": str}


@dataclass(frozen=True)
class HeadRuns:
    """Everything the train stage wrote for one head.

    Attributes:
        folder: ``artifacts/heads/<head>``.
        config: of the first run; what all runs share.
        runs: per fold and seed: best epoch, epochs run and at most possible, the learning rate and alpha (0 without
            adversary) of the best epoch, whether validation chose it, and the L2 strength, where a solver found the
            weights.
        predictions: all predictions.csv, with columns ``fold`` and ``seed``.
        histories: all history.csv, with columns ``fold`` and ``seed``.
        layer_weights: per run, layer -> weight; empty for heads of one layer.
        copies: of feature sets with ``clips.disturb``, the test predictions of the disturbed copies, with a further
            column ``copy``; those in ``predictions`` are of the clean ones. None of other sets.
    """

    folder: Path
    config: dict
    runs: pd.DataFrame
    predictions: pd.DataFrame
    histories: pd.DataFrame
    layer_weights: list[dict[str, float]]
    copies: pd.DataFrame | None = None

    @property
    def classes(self) -> list[str]:
        """Sorted: neither their order in params.yaml nor that of the logits changes any result."""
        return sorted(self.config["classes"])

    @property
    def targets(self) -> list[str]:
        """The ratings that are predicted; none where classes are."""
        return self.config.get("targets", [])

    @property
    def solved(self) -> bool:
        """Whether a solver found the weights, without epochs."""
        return bool(self.runs["l2"].notna().all())

    @property
    def first_seed(self) -> int:
        """The seed of which single runs are shown."""
        return int(self.runs["seed"].min())

    @property
    def test(self) -> pd.DataFrame:
        """The test predictions of all runs."""
        return self.predictions[self.predictions["role"] == "test"]

    def run(self, fold: int, seed: int) -> pd.DataFrame:
        """One run's predictions, validation then test, in the order of its embeddings."""
        rows = self.predictions
        return rows[(rows["fold"] == fold) & (rows["seed"] == seed)].reset_index(drop=True)

    def embeddings(self, fold: int, seed: int) -> np.ndarray:
        """One run's embeddings [N, E], in the order of its predictions."""
        return load_file(self._run_folder(fold, seed) / "embeddings.safetensors")["embedding"]

    def attention(self, fold: int, seed: int) -> list[np.ndarray] | None:
        """How much each frame is attended to [T], in the order of the run's predictions; None without attention."""
        path = self._run_folder(fold, seed) / "attention.safetensors"
        return read_attention(path) if path.exists() else None

    def test_attention(self) -> list[np.ndarray]:
        """The same of the first seed's test predictions, in their order; empty without attention."""
        rows = self.predictions[self.predictions["seed"] == self.first_seed]
        attention = [self.attention(fold, self.first_seed) for fold in rows["fold"].unique()]
        if any(of_fold is None for of_fold in attention):
            return []
        per_row = [weights for of_fold in attention for weights in of_fold]
        return [weights for weights, role in zip(per_row, rows["role"], strict=True) if role == "test"]

    def _run_folder(self, fold: int, seed: int) -> Path:
        return self.folder / f"fold-{fold}" / f"seed-{seed}"


def read_runs(folder: Path) -> HeadRuns:
    """Read ``artifacts/heads/<head>``.

    Raises:
        UserError: there are no runs.
    """
    configs, runs, predictions, histories = [], [], [], []
    for path in sorted(folder.glob("fold-*/seed-*/config.json")):
        config = json.loads(path.read_text())
        run = {"fold": config["fold"], "seed": config["seed"]}
        history = pd.read_csv(path.with_name("history.csv"))
        best = history.set_index("epoch").loc[config["best_epoch"]]
        configs.append(config)
        runs.append(
            run
            | {key: config[key] for key in ("best_epoch", "epochs_run", "num_epochs")}
            | {"learning_rate": best.get("learning_rate"), "alpha": best.get("alpha", 0.0), "l2": config.get("l2")}
            | {"validated": config["utterances"]["validation"] > 0 and config["training"]["select"] != "last"}
        )
        predictions.append(
            pd.read_csv(path.with_name("predictions.csv"), dtype=_TEXT, keep_default_na=False).assign(**run)
        )
        histories.append(history.assign(**run))
    if not configs:
        raise UserError(f"{folder}: no trained heads here. Run `dvc repro`, or `dvc pull train`.")
    table = pd.concat(predictions, ignore_index=True)
    clean, copies = table, None
    if "copy" in table:
        is_clean = table["copy"] == CLEAN
        clean = table[is_clean].drop(columns="copy").reset_index(drop=True)
        copies = table[~is_clean].reset_index(drop=True)
    return HeadRuns(
        folder,
        configs[0],
        pd.DataFrame(runs).sort_values(["fold", "seed"], ignore_index=True),
        clean,
        pd.concat(histories, ignore_index=True),
        [config["layer_weights"] for config in configs if "layer_weights" in config],
        copies,
    )
