"""artifacts/heads/<head>, its features, manifest and splits -> artifacts/evaluation/<head>/."""

import json
import sys
from pathlib import Path

import pandas as pd

from data.errors import UserError
from data.manifest import read_manifest
from evaluation.assessment import (
    adversary_warning,
    assess,
    confusion_table,
    epoch_warning,
    headline,
    interval_warning,
    learning_curve,
    predictions_table,
    restart_warning,
    strength_warning,
)
from evaluation.attention import write_attention
from evaluation.description import describe_run
from evaluation.embedding import two_dimensions
from evaluation.leakage import probe_runs
from evaluation.runs import read_runs
from features.current import check_checkpoint
from features.store import FeatureSet
from stages.inputs import read_usable_splits
from stages.running import ARTIFACTS, run_stage
from stages.schema import read_params


def main(name: str) -> None:
    params = read_params()
    runs = read_runs(ARTIFACTS / "heads" / name)
    manifest = read_manifest(ARTIFACTS / "manifest.csv")
    features = FeatureSet(ARTIFACTS / "features" / runs.config["features"]["set"], verify=False)
    check_checkpoint(params.features[features.folder.name], features, ARTIFACTS / ".encoders")
    if runs.config["features"]["digest"] != features.digest:
        raise UserError(f"{runs.folder}: trained on other features than {features.folder}. Run dvc repro train@{name}")
    assessment = assess(runs, manifest, params.evaluate)
    usable = read_usable_splits(ARTIFACTS, features)
    leakage = probe_runs(runs, features, manifest, usable, params.evaluate.seed)

    first = runs.run(fold=0, seed=runs.first_seed)
    embedding = two_dimensions(first, runs.embeddings(*first.loc[0, ["fold", "seed"]]), params.evaluate.seed)

    run = describe_run(params.corpus, params.task, params.split, manifest, usable, features, runs.config)
    run["seeds"] = sorted(int(seed) for seed in runs.runs["seed"].unique())
    warnings = [
        *run.pop("warnings"),
        *epoch_warning(runs),
        *strength_warning(runs),
        *restart_warning(runs),
        *adversary_warning(runs),
        *interval_warning(assessment),
    ]
    details = {
        "head": name,
        "run": run,
        **assessment,
        "leakage": leakage,
        "fingerprints": {"features": _fingerprints(features.folder), "head": _fingerprints(runs.folder)},
        "warnings": warnings,
    }
    folder = ARTIFACTS / "evaluation" / name
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(headline(assessment), folder / "metrics.json")
    _write_json(details, folder / "details.json")
    _write_table(predictions_table(runs.test, runs.classes), folder / "predictions.csv")
    _write_table(confusion_table(runs.test), folder / "confusion.csv")
    _write_table(learning_curve(runs.histories), folder / "learning_curve.csv")
    _write_table(embedding, folder / "embedding.csv")
    write_attention(runs.test_attention(), folder / "attention.safetensors")
    if mixture := features.mixed_types():
        print(f"warning: {mixture}")
    ua = assessment["metrics"]["ua"]
    print(
        f"evaluate {name}: UA {ua['mean']:.1%} [{ua['low']:.1%}, {ua['high']:.1%}], chance {details['chance_ua']:.1%}"
    )


def _fingerprints(folder: Path) -> list[str]:
    """Of the pieces that an output was made of: they name the measurements that belong to it."""
    listing = folder / "pieces.json"
    return list(json.loads(listing.read_text())) if listing.exists() else []


def _write_json(content: dict, path: Path) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")


def _write_table(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, float_format="%.5g", lineterminator="\n")


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
