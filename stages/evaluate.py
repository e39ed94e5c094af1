"""artifacts/heads/<head>, its features, manifest and splits -> artifacts/evaluation/<head>/."""

import json
import sys
from pathlib import Path

from data.errors import UserError
from data.manifest import read_manifest
from evaluation.assessment import (
    adversary_warning,
    assess,
    epoch_warning,
    interval_warning,
    learning_curve,
    penalty_warning,
    restart_warning,
    strength_warning,
)
from evaluation.description import describe_run
from evaluation.embedding import two_dimensions
from evaluation.leakage import probe_runs
from evaluation.output import write_evaluation
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
        *penalty_warning(runs),
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
    write_evaluation(
        ARTIFACTS / "evaluation" / name,
        details,
        runs.test,
        curve=learning_curve(runs.histories),
        embedding=embedding,
        attention=runs.test_attention(),
    )
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


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
