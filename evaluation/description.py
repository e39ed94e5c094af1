"""What was run on what: the task's utterances, and the features of a head."""

import pandas as pd

from data.roles import ROLES, fold_columns
from data.task_description import TaskDescription
from evaluation.results import FeatureData, RoleSizes, TaskData
from evaluation.units import num_known_speakers
from features.store import FeatureSet


def describe_task(description: TaskDescription, usable: pd.DataFrame, num_skipped: int = 0) -> TaskData:
    """Describe the utterances of a task.

    Args:
        description: the task.
        usable: its splits, of the utterances that have features.
        num_skipped: how many more the splits have.
    """
    counts = usable.groupby(["corpus", "label"] if description.classes else ["corpus"]).size()
    return TaskData(
        description=description,
        utterances=len(usable),
        speakers=num_known_speakers(usable),
        counts={
            corpus: counts[corpus].to_dict() if description.classes else {}
            for corpus in sorted(usable["corpus"].unique())
        },
        fold_sizes=[
            RoleSizes(**{role: int((usable[column] == role).sum()) for role in ROLES})
            for column in fold_columns(usable)
        ],
        skipped=num_skipped,
    )


def describe_features(name: str, features: FeatureSet, usable: pd.DataFrame) -> FeatureData:
    """Describe the features that a head was trained on.

    Args:
        name: ``<set>/<corpus>``.
        features: the features.
        usable: the splits of the utterances that have features.
    """
    seconds = pd.Series(features.seconds)[sorted(usable["id"])]
    clips = features.recipe["clips"]
    longest = float("inf") if clips["crop"] == "segments" else clips["seconds"] or float("inf")
    encoders, ways = [], []
    for provenance in features.provenance.values():
        encoder = {key: provenance[key] for key in ("checkpoint", "revision") if key in provenance}
        way = {key: value for key, value in provenance.items() if key not in encoder}
        encoders += [encoder] if encoder and encoder not in encoders else []
        ways += [way] if way not in ways else []
    return FeatureData(
        name=name,
        clips=len(features.locations),
        seconds=float(seconds.sum()),
        share_cut=float((seconds - longest).clip(lower=0).sum() / seconds.sum()),
        frame_rate=features.frame_rate,
        recipe=features.recipe,
        encoders=encoders,
        provenance=ways,
    )
