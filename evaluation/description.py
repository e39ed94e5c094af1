"""What was run on what, with which encoder, and what a reader of the result has to be warned of."""

import json

import pandas as pd

from data.labels import TaskSettings, label_utterances
from data.manifest import CorpusSettings
from data.roles import ROLES, fold_columns
from data.split_cautions import split_cautions
from data.splits import SplitSettings
from features.store import FeatureSet

_MUCH_IS_CUT = 0.1  # warn above this share of seconds


def describe_run(
    corpus: CorpusSettings,
    task: TaskSettings,
    split: SplitSettings,
    manifest: pd.DataFrame,
    usable: pd.DataFrame,
    features: FeatureSet,
    config: dict,
) -> dict:
    """Describe one head's runs for details.json and the report.

    Args:
        corpus, task, split: the parameters.
        manifest: all utterances.
        usable: the splits, of the utterances that have features.
        features: the feature set.
        config: config.json of one of the runs.

    Returns:
        Texts and numbers only, in an order that is not that of params.yaml; ``warnings`` is a list of sentences.
    """
    described = describe_task(corpus, task, split, manifest, usable)
    seconds = pd.Series(features.seconds)[sorted(usable["id"])]
    longest = features.recipe["clips"]["seconds"] or float("inf")
    run = {
        **described,
        "clips": len(features.places),
        "seconds": float(seconds.sum()),
        "share_cut": float((seconds - longest).clip(lower=0).sum() / seconds.sum()),
        "frame_rate": features.frame_rate,
        "features": {"set": config["features"]["set"], **features.recipe},
        **_origins(features),
        **{key: config[key] for key in ("settings", "training", "num_parameters", "layers")},
    }
    warnings = [*features.cautions.values(), *_encoder_warnings(run), *filter(None, [features.mixed_types()])]
    return {**run, "warnings": [*warnings, *described["warnings"]]}


def describe_task(
    corpus: CorpusSettings, task: TaskSettings, split: SplitSettings, manifest: pd.DataFrame, usable: pd.DataFrame
) -> dict:
    """Describe what is told apart on which utterances, whoever does it; arguments and result as for `describe_run`."""
    every = label_utterances(manifest, task)
    labelled = every[every["id"].isin(usable["id"])]
    columns = fold_columns(usable)
    splits = usable.set_index("id", drop=False).loc[labelled["id"]].set_index(labelled.index)
    return {
        "corpus": {
            "name": corpus.name,
            "root": corpus.root,
            "utterances": len(manifest),
            "speakers": int(manifest["speaker"].nunique()),
            "labelled": len(labelled),
            "where": dict(sorted(task.where.items())),
        },
        "codes": dict(sorted(task.classes.items())),
        "counts": labelled["label"].value_counts().sort_index().to_dict(),
        "split": {**split.model_dump(), "folds": len(fold_columns(splits))},
        "fold_sizes": [
            {role: int((splits[column] == role).sum()) for role in ROLES} for column in fold_columns(splits)
        ],
        "skipped": len(every) - len(labelled),
        "warnings": [str(caution) for caution in split_cautions(labelled.join(splits[columns]), sorted(task.classes))],
    }


def _origins(features: FeatureSet) -> dict[str, list[dict]]:
    """The checkpoints that the shards were made with, and the ways in which they were computed, each of them once."""
    encoders, ways = [], []
    for provenance in features.provenance.values():
        encoder = {key: provenance[key] for key in ("checkpoint", "revision")}
        way = {key: value for key, value in provenance.items() if key not in encoder}
        encoders += [encoder] if encoder not in encoders else []
        ways += [way] if way not in ways else []
    return {"encoders": encoders, "provenance": ways}


def _encoder_warnings(run: dict) -> list[str]:
    """What the corpus, its clips and the machines give reason to say."""
    longest = run["features"]["clips"]["seconds"]
    reasons = {
        "The corpus is synthetic: its emotions are rules of this program. Nothing here holds for people.": (
            run["corpus"]["name"] == "demo"
        ),
        f"{run['share_cut']:.0%} of the seconds of speech were cut away (clips of {longest:g} s).": (
            run["share_cut"] > _MUCH_IS_CUT
        ),
        f"{run['skipped']} utterances were skipped, because their audio cannot be used (see skipped.csv).": (
            run["skipped"] > 0
        ),
        "The features were computed in several ways (see below): device or versions differ.": (
            len({json.dumps({**way, "compute_dtype": None}, sort_keys=True) for way in run["provenance"]}) > 1
        ),
    }
    return [warning for warning, holds in reasons.items() if holds]
