"""What a reader of any result has to know of a task's labels, and of what its ``where`` leaves out."""

import pandas as pd

from data.cautions import Caution, Kind
from data.task_description import TaskDescription

_SIMILAR_RANGE = 0.2  # of the widest; ratings of corpora that differ by more are on different scales


def label_cautions(task: TaskDescription, splits: pd.DataFrame) -> list[Caution]:
    """Utterances without ratings or votes, roles that some utterances may not play, ratings on different scales.

    Args:
        task: the task.
        splits: its utterances, with the manifest's columns.
    """
    return [*_unlabelled(task, splits), *_filtered(task, splits), *_scales(task, splits)]


def _unlabelled(task: TaskDescription, splits: pd.DataFrame) -> list[Caution]:
    if not task.num_unlabelled:
        return []
    lack = f"no rating of {' or '.join(task.targets)}" if task.targets else "no vote for any class"
    total = task.num_unlabelled + len(splits)
    text = f"{task.num_unlabelled:,} of {total:,} utterances have {lack} and are left out."
    return [Caution(kind=Kind.UNLABELLED_UTTERANCES, text=text)]


def _filtered(task: TaskDescription, splits: pd.DataFrame) -> list[Caution]:
    found = []
    for role, where in task.split.where.items():
        passing = pd.Series(True, index=splits.index)
        for column, values in where.items():
            passing &= splits[column].astype(str).isin(values)
        wanted = "; ".join(f"{column} {' or '.join(values)}" for column, values in where.items())
        text = f"Only utterances with {wanted} play the role {role}: {(~passing).sum():,} of {len(splits):,} never do."
        found.append(Caution(kind=Kind.FILTERED_ROLES, text=text))
    return found


def _scales(task: TaskDescription, splits: pd.DataFrame) -> list[Caution]:
    """Ratings that were made on different scales."""
    found = []
    for name in task.targets:
        by_corpus = splits.groupby("corpus")[name].agg(["min", "max"])
        widths = by_corpus["max"] - by_corpus["min"]
        widest = max(widths.max(), 1e-9)
        spread = max(by_corpus["min"].max() - by_corpus["min"].min(), by_corpus["max"].max() - by_corpus["max"].min())
        if spread > _SIMILAR_RANGE * widest:
            named = ", ".join(f"{row.Index} {row.min:g} to {row.max:g}" for row in by_corpus.itertuples())
            text = f"The corpora's ratings of {name} have different ranges ({named}), and are not brought to one scale."
            found.append(Caution(kind=Kind.RATINGS_DIFFER_BETWEEN_CORPORA, text=text))
    return found
