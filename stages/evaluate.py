"""artifacts/heads/<head>, its features, manifest and splits -> artifacts/evaluation/<head>/."""

import json
import sys
from pathlib import Path

from data.manifest import read_manifest
from evaluation.assessment import (
    assess,
    confusion_table,
    epoch_warning,
    headline,
    interval_warning,
    learning_curve,
    read_runs,
)
from evaluation.description import describe_run
from features.store import FeatureSet
from stages.inputs import read_usable_splits
from stages.running import ARTIFACTS, run_stage
from stages.schema import read_params


def main(name: str) -> None:
    params = read_params()
    runs = read_runs(ARTIFACTS / "heads" / name)
    seeds = sorted(int(seed) for seed in runs.runs["seed"].unique())
    assessment = assess(runs, params.evaluate)
    features = FeatureSet(ARTIFACTS / "features" / runs.config["features"]["set"], verify=False)
    run = describe_run(
        params.corpus,
        params.task,
        params.split,
        read_manifest(ARTIFACTS / "manifest.csv"),
        read_usable_splits(features),
        features,
        runs.config,
    )
    warnings = [*run.pop("warnings"), *epoch_warning(runs), *interval_warning(assessment)]
    details = {"head": name, "run": {**run, "seeds": seeds}, **assessment, "warnings": warnings}
    folder = ARTIFACTS / "evaluation" / name
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(headline(assessment), folder / "metrics.json")
    _write_json(details, folder / "details.json")
    confusion_table(assessment).to_csv(folder / "confusion.csv", index=False, lineterminator="\n")
    curve = learning_curve(runs.histories)
    curve.to_csv(folder / "learning_curve.csv", index=False, float_format="%.5g", lineterminator="\n")
    ua = assessment["metrics"]["ua"]
    print(
        f"evaluate {name}: UA {ua['mean']:.1%} [{ua['low']:.1%}, {ua['high']:.1%}], chance {details['chance_ua']:.1%}"
    )


def _write_json(content: dict, path: Path) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
