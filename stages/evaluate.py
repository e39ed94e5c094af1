"""artifacts/heads/<head>, its features, manifest and splits -> artifacts/evaluation/<head>/."""

import json
import sys
from collections import Counter

import pandas as pd

from data.labels import label_utterances
from data.manifest import read_manifest
from data.splits import ROLES, fold_columns, split_warnings
from evaluation.assessment import (
    assess,
    confusion_table,
    epoch_warning,
    headline,
    interval_warning,
    learning_curve,
    read_runs,
)
from features.settings import is_untrained
from features.store import FeatureSet
from stages.inputs import read_usable_splits
from stages.running import ARTIFACTS, run_stage
from stages.schema import Params, read_params


def main(name: str) -> None:
    params = read_params()
    runs = read_runs(ARTIFACTS / "heads" / name)
    seeds = sorted(int(seed) for seed in runs.runs["seed"].unique())
    assessment = assess(runs, params.evaluate)
    details = {
        "head": name,
        "run": {**describe(params, runs.config), "seeds": seeds},
        **assessment,
    }
    details["warnings"] = [*details["run"].pop("warnings"), *epoch_warning(runs), *interval_warning(assessment)]
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


def describe(params: Params, config: dict) -> dict:
    """What was run on what, with which encoder, and what a reader has to be warned of."""
    manifest = read_manifest(ARTIFACTS / "manifest.csv")
    features = FeatureSet(ARTIFACTS / "features" / config["features"]["set"], verify=False)
    splits = read_usable_splits(features)
    every = label_utterances(manifest, params.task)
    labelled = every[every["id"].isin(splits["id"])]
    splits = splits.set_index("id").loc[labelled["id"]].set_index(labelled.index).assign(id=labelled["id"])
    provenance = Counter(shard.attributes["provenance"] for shard in features.shards)
    durations = pd.Series(features.seconds)[splits["id"]]
    longest = features.recipe["clips"]["seconds"] or float("inf")
    share_cut = float((durations - longest).clip(lower=0).sum() / durations.sum())
    skipped = len(every) - len(labelled)
    folds = fold_columns(splits)

    warnings = []
    if is_untrained(features.recipe["checkpoint"]):
        warnings.append(
            "The encoder is untrained: HuBERT's architecture with seeded random weights. These figures show that the "
            "pipeline runs, not what HuBERT can do."
        )
    if params.corpus.name == "demo":
        warnings.append(
            "The corpus is synthetic: its emotions are rules of this program. Nothing here holds for people."
        )
    warnings += split_warnings(labelled, splits, list(params.task.classes))
    if share_cut > 0.1:
        warnings.append(f"{share_cut:.0%} of the seconds of speech were cut away (clips of {longest:g} s).")
    if skipped:
        warnings.append(f"{skipped} utterances were skipped, because their audio cannot be used (see skipped.csv).")
    if features.recipe["pad"] == "before":
        warnings.append(
            "Zeros were padded before the encoder: they change the frames of the speech and reveal its length."
        )
    if len(provenance) > 1:
        warnings.append(
            "The features were computed in several ways (see below): compute type, device or versions differ."
        )
    return {
        "corpus": {
            "name": params.corpus.name,
            "root": params.corpus.root,
            "utterances": len(manifest),
            "speakers": int(manifest["speaker"].nunique()),
            "labelled": len(labelled),
            "where": params.task.where,
        },
        "codes": params.task.classes,
        "counts": labelled["label"].value_counts().to_dict(),
        "split": {**params.split.model_dump(), "folds": len(folds)},
        "fold_sizes": [{role: int((splits[column] == role).sum()) for role in ROLES} for column in folds],
        "seconds": float(durations.sum()),
        "share_cut": share_cut,
        "skipped": skipped,
        "features": {"set": config["features"]["set"], **features.recipe},
        "provenance": [json.loads(each) for each in provenance],
        "settings": config["settings"],
        "training": config["training"],
        "num_parameters": config["num_parameters"],
        "layer": config["layer"],
        "warnings": warnings,
    }


def _write_json(content: dict, path) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
