"""What a reader of any result has to know of its folds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from data.cautions import Caution, Kind
from data.roles import ROLES, fold_columns, speakers_also_in
from data.sentences import normalise, score_sentences

_SHARED_SENTENCES = 0.05  # warn above this share of test utterances whose sentence is also in training


def split_cautions(splits: pd.DataFrame, classes: Sequence[str]) -> list[Caution]:
    """What a reader of any result made with this split has to know.

    Args:
        splits: a row per utterance with ``corpus, speaker, dialog, text, label`` and the roles.
        classes: all class names; none where the targets are ratings.
    """
    columns = fold_columns(splits)
    leaking = _folds_with(splits, "test", shared_with=("train", "validation"))
    known = _folds_with(splits, "validation", shared_with=("train",))
    found = []
    if leaking:
        text = (
            f"Speaker leakage: in {leaking} of {len(columns)} folds test speakers are also in training or validation. "
            "These figures say nothing about unseen speakers."
        )
        found.append(Caution(kind=Kind.SPEAKER_LEAKAGE, text=text))
    if known and not leaking:
        text = (
            f"Validation on training speakers: in {known} of {len(columns)} folds the validation speakers are also in "
            "training, so the epoch is chosen for known voices. The test speakers are unseen."
        )
        found.append(Caution(kind=Kind.KNOWN_VALIDATION_SPEAKERS, text=text))
    found += _omissions(splits)
    partners = sum(_shares_dialogs(splits["dialog"], splits[column]) for column in columns)
    if partners and not leaking:
        text = (
            f"Shared dialogues: in {partners} of {len(columns)} folds a test speaker's dialogue partner is in training "
            "or validation: same room, topic and microphones. scheme: session keeps dialogues whole."
        )
        found.append(Caution(kind=Kind.SHARED_DIALOGUES, text=text))
    return [
        *found,
        *_unknown_speakers(splits),
        *_sentences(splits),
        *(_of_classes(splits, classes) if classes else []),
    ]


def _folds_with(splits: pd.DataFrame, role: str, shared_with: Sequence[str]) -> int:
    """In how many folds speakers of a role also play one of some others."""
    shared = [speakers_also_in(splits["speaker"], splits[column], role, shared_with) for column in fold_columns(splits)]
    return sum(bool(speakers) for speakers in shared)


def _omissions(splits: pd.DataFrame) -> list[Caution]:
    """Utterances in no fold, and whole speakers that a fold leaves out."""
    found = []
    columns = fold_columns(splits)
    nowhere = int((splits[columns] == "").all(axis="columns").sum())
    if nowhere:
        text = f"{nowhere:,} of {len(splits):,} labelled utterances are in no fold: neither trained on nor tested."
        found.append(Caution(kind=Kind.UNUSED_UTTERANCES, text=text))
    speakers, dialogs = splits["speaker"], splits["dialog"]
    left_out, training, reason = [], [], ""
    for column in columns:
        absent = ~speakers.isin(speakers[splits[column] != ""].unique())
        if absent.any():
            left_out.append(speakers[absent].nunique())
            training.append(speakers[splits[column] == "train"].nunique())
            if set(dialogs[absent].unique()) & set(dialogs[splits[column] == "validation"].unique()) - {""}:
                reason = " (the validation speaker's dialogue partner leaves training)"
    if left_out:
        text = (
            f"Left out: in {len(left_out)} of {len(columns)} folds {_range(left_out)} of {speakers.nunique()} speakers "
            f"play no role{reason}, and {_range(training)} are trained on."
        )
        found.append(Caution(kind=Kind.SPEAKERS_LEFT_OUT, text=text))
    return found


def _sentences(splits: pd.DataFrame) -> list[Caution]:
    """Sentences that training and test share, as far as the texts are known."""
    found = []
    if (splits["text"] == "").mean() > 0.5:
        text = "Most utterances have no transcript, so sentences shared by training and test cannot be counted."
        found.append(Caution(kind=Kind.NO_TRANSCRIPTS, text=text))
    sentences = normalise(splits["text"])
    shares = [_shared_sentences(sentences, splits[column]) for column in fold_columns(splits)]
    if max(shares) >= _SHARED_SENTENCES:
        text = (
            f"Shared sentences: {np.mean(shares):.0%} of the test utterances are of a sentence that is also in "
            "training, so a model may have learnt the words."
        )
        found.append(Caution(kind=Kind.SHARED_SENTENCES, text=text))
    return found


def _unknown_speakers(splits: pd.DataFrame) -> list[Caution]:
    """Utterances of which nobody knows who is speaking."""
    unknown = (splits["speaker"] == "") & (splits[fold_columns(splits)] != "").any(axis="columns")
    if not unknown.any():
        return []
    text = (
        f"Unknown speakers: of {unknown.sum():,} of {len(splits):,} labelled utterances nothing says who is speaking, "
        "so test speakers may be in training. These figures say nothing about unseen speakers, and their intervals, "
        "which take these utterances as independent, are too narrow."
    )
    return [Caution(kind=Kind.UNKNOWN_SPEAKERS, text=text)]


def _of_classes(splits: pd.DataFrame, classes: Sequence[str]) -> list[Caution]:
    return [
        *_telling_sentences(splits),
        *_absent_classes(splits, classes),
        *_classes_of_corpora(splits, classes),
    ]


def _telling_sentences(splits: pd.DataFrame) -> list[Caution]:
    """Sentences that by themselves give the class away, as far as the texts are known."""
    if "label" not in splits:
        return []
    texts = (splits["corpus"] + " " + splits["text"]).where(splits["text"] != "", "")
    score = score_sentences(texts, splits["label"], splits["speaker"])
    if score is None or not score.predicts:
        return []
    text = (
        f"Sentences predict the class: what other speakers say with the same sentence gives {score.ua:.0%} UA, where "
        f"chance is {score.chance:.0%} ({score.share:.0%} of the utterances are of such a sentence). A model may read "
        "the words instead of hearing the emotion."
    )
    return [Caution(kind=Kind.SENTENCES_PREDICT_CLASS, text=text)]


def _absent_classes(splits: pd.DataFrame, classes: Sequence[str]) -> list[Caution]:
    """Classes without an utterance in some role of some fold."""
    found = []
    for column in fold_columns(splits):
        for role in ROLES:
            present = set(splits["label"][splits[column] == role].unique())
            absent = [name for name in classes if name not in present]
            if present and absent:
                found.append(Caution(kind=Kind.ABSENT_CLASS, text=f"{column}: no {', '.join(absent)} in {role}."))
    return found


def _classes_of_corpora(splits: pd.DataFrame, classes: Sequence[str]) -> list[Caution]:
    """Classes that only some of the corpora have on which a fold trains: there the recording gives the emotion away."""
    trained_on = [set(splits["corpus"][splits[column] == "train"].unique()) for column in fold_columns(splits)]
    together = set().union(*(corpora for corpora in trained_on if len(corpora) > 1))
    present = splits[splits["corpus"].isin(together)].groupby("corpus")["label"].unique().map(set)
    without = {corpus: [name for name in classes if name not in own] for corpus, own in present.items()}
    if not any(without.values()):
        return []
    named = "; ".join(f"{corpus} has no {', '.join(absent)}" for corpus, absent in sorted(without.items()) if absent)
    text = (
        f"Classes differ between the training corpora ({named}), so a model may tell them by the recordings instead of "
        "the voices. Read the UA of each corpus by itself."
    )
    return [Caution(kind=Kind.CLASSES_DIFFER_BETWEEN_CORPORA, text=text)]


def _range(counts: list[int]) -> str:
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def _shares_dialogs(dialogs: pd.Series, roles: pd.Series) -> bool:
    tested = set(dialogs[roles == "test"].unique()) - {""}
    return bool(dialogs[roles.isin(["train", "validation"])].isin(tested).any())


def _shared_sentences(sentences: pd.Series, roles: pd.Series) -> float:
    """The share of test utterances whose sentence is also in training; greetings and the like do not count."""
    different = pd.Series(sentences.unique())
    fixed = different[different.str.fullmatch(r"[a-z]\d+") | (different.str.count(r"\s+") >= 3)]
    training = sentences[roles == "train"].unique()
    return float(sentences[roles == "test"].isin(fixed[fixed.isin(training)]).mean())
