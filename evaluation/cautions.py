"""What a reader has to know of a task, of a head's features and training, and of the intervals of its result."""

import json

import pandas as pd

from data.cautions import Caution, Kind
from data.label_cautions import label_cautions
from data.split_cautions import split_cautions
from evaluation.results import Assessment, RegressionAssessment, TaskData
from evaluation.runs import HeadRuns
from evaluation.statistics import FEW_SPEAKERS
from features.store import FeatureSet

_MUCH_IS_CUT = 0.1  # a caution above this share of seconds


def interval_cautions(assessment: Assessment | RegressionAssessment) -> list[Caution]:
    """Of intervals over few speakers: all that are tested, or those of one corpus."""
    if not assessment.num_speakers:
        return []  # the split has a caution of its own
    if isinstance(assessment, Assessment):
        by_corpus = {row.tested: row.speakers for row in assessment.across_corpora}
    else:
        by_corpus = {row.group: row.speakers for row in assessment.groups if row.grouping == "corpus"}
    few = {corpus: speakers for corpus, speakers in by_corpus.items() if speakers < FEW_SPEAKERS}
    if assessment.num_speakers < FEW_SPEAKERS:
        text = f"Intervals are bootstrapped over only {assessment.num_speakers} speakers, and"
    elif few:
        named = ", ".join(f"{corpus} {count}" for corpus, count in sorted(few.items()))
        text = f"Intervals of single corpora are bootstrapped over few speakers ({named}), and"
    else:
        return []
    text += f" too narrow below {FEW_SPEAKERS}."
    return [Caution(kind=Kind.FEW_SPEAKERS, text=text)]


def training_cautions(runs: HeadRuns) -> list[Caution]:
    """Of how the runs of a head ended."""
    return [
        *_unfinished(runs),
        *_penalty_at_limit(runs),
        *_unused_penalty(runs),
        *_high_learning_rate(runs),
        *_weak_adversary(runs),
    ]


def _unfinished(runs: HeadRuns) -> list[Caution]:
    """Runs that were still improving when they ended."""
    last = runs.runs["best_epoch"] == runs.runs["num_epochs"]
    unfinished = int((last & runs.runs["validated"]).sum())
    if not unfinished or runs.solved:
        return []
    text = f"In {unfinished} of {len(runs.runs)} runs the last epoch was the best: more epochs may help."
    return [Caution(kind=Kind.UNFINISHED_TRAINING, text=text)]


def _penalty_at_limit(runs: HeadRuns) -> list[Caution]:
    """L2 strengths at the end of their list."""
    if not runs.solved or len(candidates := sorted(runs.config["settings"]["l2"])) == 1:
        return []
    found = []
    for name, strength in {"weakest": candidates[0], "strongest": candidates[-1]}.items():
        if count := int((runs.runs["l2"] == strength).sum()):
            text = (
                f"In {count} of {len(runs.runs)} runs the {name} L2 penalty ({strength:g}) was chosen: "
                f"add a {name.replace('est', 'er')} one to the list."
            )
            found.append(Caution(kind=Kind.PENALTY_AT_LIMIT, text=text))
    return found


def _unused_penalty(runs: HeadRuns) -> list[Caution]:
    """An L2 penalty that a head names and its training does not have."""
    if runs.solved or not runs.config["settings"].get("l2"):
        return []
    text = (
        "l2 has no effect here: with an adversary, augmentation, label smoothing, balanced sampling or the loss ccc or "
        "ccc_mse no solver is used, and the head was trained by gradient descent."
    )
    return [Caution(kind=Kind.UNUSED_PENALTY, text=text)]


def _high_learning_rate(runs: HeadRuns) -> list[Caution]:
    """Last weights that were kept while the learning rate was high."""
    if runs.config["training"]["schedule"] != "cosine_restarts" or runs.solved or runs.runs["validated"].any():
        return []
    share = runs.runs["learning_rate"].median() / runs.config["training"]["learning_rate"]
    text = (
        f"The last weights were kept, and schedule: cosine_restarts ends at {share:.0%} of the highest learning rate; "
        "schedule: cosine ends low."
    )
    return [Caution(kind=Kind.HIGH_LEARNING_RATE, text=text)]


def _weak_adversary(runs: HeadRuns) -> list[Caution]:
    """Runs whose epoch was chosen before the adversary had its full strength."""
    training = runs.config["training"]
    weak = int((runs.runs["alpha"] < training["max_alpha"]).sum())
    if not training["adversarial_weight"] or not weak:
        return []
    text = (
        f"In {weak} of {len(runs.runs)} runs the best epoch came before the adversary reached full strength (alpha "
        f"{training['max_alpha']:g}), so they show little of its effect."
    )
    return [Caution(kind=Kind.WEAK_ADVERSARY, text=text)]


def feature_cautions(features: FeatureSet, share_cut: float) -> list[Caution]:
    """Of the encoder, the clips, and how the features were computed.

    Args:
        features: the feature set.
        share_cut: the share of the seconds of speech that clips leave out.
    """
    longest = features.recipe["clips"]["seconds"]
    ways = {
        json.dumps({**way, **dict.fromkeys(("checkpoint", "revision", "compute_dtype"))}, sort_keys=True)
        for way in features.provenance.values()
    }
    found = {
        Kind.TRUNCATED_SPEECH: share_cut > _MUCH_IS_CUT
        and f"{share_cut:.0%} of the speech, in seconds, was cut off (clips of at most {longest:g} s).",
        Kind.MIXED_PROVENANCE: len(ways) > 1
        and "The features were not all computed in the same way (see below): device or library versions differ.",
        Kind.MIXED_COMPUTE_TYPES: features.mixed_types(),
    }
    own = [Caution(kind=_kind(code), text=text) for code, text in features.cautions.items()]
    return [*own, *(Caution(kind=kind, text=text) for kind, text in found.items() if text)]


def _kind(code: str) -> Kind:
    """What a caution is about that features bring themselves, by their own code."""
    return Kind(code) if code in set(Kind) else Kind.FEATURES


def task_cautions(data: TaskData, usable: pd.DataFrame) -> list[Caution]:
    """Of a task's corpora and folds.

    Args:
        data: the task's utterances.
        usable: its splits, of the utterances that have features.
    """
    readers = [corpus.reader for corpus in data.description.corpora.values()]
    found = {
        Kind.SYNTHETIC_CORPUS: "demo" in readers
        and "The demo corpus is synthetic: its emotions are rules of this program. Nothing here applies to people.",
        Kind.SKIPPED_UTTERANCES: data.skipped
        and f"{data.skipped} utterances were skipped because their audio cannot be used (see skipped.csv).",
    }
    cautions = [Caution(kind=kind, text=text) for kind, text in found.items() if text]
    description = data.description
    return [*cautions, *label_cautions(description, usable), *split_cautions(usable, sorted(description.classes))]
