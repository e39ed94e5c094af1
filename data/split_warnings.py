"""What a reader of any result has to know of its folds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from data.roles import ROLES, fold_columns
from data.splits import speakers_also_in

_SHARED_SENTENCES = 0.05  # warn above this share of test utterances whose sentence stands in training


def split_warnings(labelled: pd.DataFrame, splits: pd.DataFrame, classes: Sequence[str]) -> list[str]:
    """What a reader of any result made with this split has to know.

    Args:
        labelled: the split's utterances with ``speaker`` and ``text``, in the order of ``splits``.
        splits: the roles.
        classes: all class names.
    """
    warnings = []
    columns = fold_columns(splits)
    speakers = labelled["speaker"]
    leaking = [
        column for column in columns if speakers_also_in(speakers, splits[column], "test", ("train", "validation"))
    ]
    if leaking:
        warnings.append(
            f"Speaker leakage: in {len(leaking)} of {len(columns)} folds test speakers are also in training or "
            "validation. These figures say nothing about unseen speakers."
        )
    known = [column for column in columns if speakers_also_in(speakers, splits[column], "validation", ("train",))]
    if known and not leaking:
        warnings.append(
            f"Validation on training speakers: in {len(known)} of {len(columns)} folds the validation speakers are "
            "also in training, so the epoch is chosen for known voices. The test speakers are unseen."
        )
    warnings += _omissions(labelled, splits)
    partners = [column for column in columns if _shares_dialogs(labelled["dialog"], splits[column])]
    if partners and not leaking:
        warnings.append(
            f"Shared dialogues: in {len(partners)} of {len(columns)} folds a test speaker's dialogue partner is in "
            "training or validation: same room, topic and microphones. scheme: session keeps dialogues whole."
        )
    if (labelled["text"] == "").mean() > 0.5:
        warnings.append("Most utterances have no text: sentences shared by training and test cannot be counted.")
    shares = [_shared_sentences(labelled["text"], splits[column]) for column in columns]
    if max(shares) >= _SHARED_SENTENCES:
        warnings.append(
            f"Shared sentences: {np.mean(shares):.0%} of the test utterances speak a sentence that is also in "
            "training, so a model may know the words beforehand."
        )
    for column in columns:
        for role in ROLES:
            present = set(splits["label"][splits[column] == role])
            absent = [name for name in classes if name not in present]
            if present and absent:
                warnings.append(f"{column}: no {', '.join(absent)} in {role}.")
    return warnings


def _omissions(labelled: pd.DataFrame, splits: pd.DataFrame) -> list[str]:
    """What to say of utterances in no fold, and of whole speakers that a fold leaves out."""
    warnings = []
    columns = fold_columns(splits)
    nowhere = int((splits[columns] == "").all(axis="columns").sum())
    if nowhere:
        warnings.append(
            f"{nowhere:,} of {len(splits):,} labelled utterances are in no fold: neither trained on nor tested."
        )
    speakers, dialogs = labelled["speaker"], labelled["dialog"]
    left_out, training, reason = [], [], ""
    for column in columns:
        absent = ~speakers.isin(speakers[splits[column] != ""])
        if absent.any():
            left_out.append(speakers[absent].nunique())
            training.append(speakers[splits[column] == "train"].nunique())
            if set(dialogs[absent]) & set(dialogs[splits[column] == "validation"]) - {""}:
                reason = " (the validation speaker's dialogue partner leaves training)"
    if left_out:
        warnings.append(
            f"Left out: in {len(left_out)} of {len(columns)} folds {_range(left_out)} of {speakers.nunique()} speakers "
            f"play no role{reason}, and {_range(training)} train."
        )
    return warnings


def _range(counts: list[int]) -> str:
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def _shares_dialogs(dialogs: pd.Series, roles: pd.Series) -> bool:
    tested = set(dialogs[roles == "test"]) - {""}
    return bool(dialogs[roles.isin(["train", "validation"])].isin(tested).any())


def _shared_sentences(texts: pd.Series, roles: pd.Series) -> float:
    """The share of test utterances whose sentence stands in training; greetings and the like do not count."""
    sentences = texts.str.lower().str.replace(r"[^\w\s]", "", regex=True).str.strip()
    fixed = sentences.str.fullmatch(r"[a-z]\d+") | (sentences.str.count(r"\s+") >= 3)
    training = set(sentences[fixed & (roles == "train")])
    test = sentences[roles == "test"]
    return float((fixed[roles == "test"] & test.isin(training)).mean())
