"""The sentences at the head of a task's section."""

from collections.abc import Sequence

from data.cautions import Kind
from evaluation.results import HeadDetails, TaskData

_SCHEMES = {
    "session": "of whole sessions",
    "speaker": "of whole speakers",
    "corpus": "of whole corpora",
    "random": "of random utterances",
    "official": "that the corpus brings",
    "file": "from a file",
    "emobox": "published by EmoBox",
}
_VALIDATIONS = {
    "group": "the next fold's test group",
    "speaker": "another speaker",
    "official": "the folds' own validation utterances",
}


def title(heads: Sequence[HeadDetails], what: str | None = None) -> str:
    """What a task is, in a line; ``what`` is predicted, or the classes."""
    first = heads[0]
    if any(caution.kind == Kind.SPEAKER_LEAKAGE for head in heads for caution in head.cautions):
        unseen = "the same speakers in training and test"
    elif any(caution.kind == Kind.UNKNOWN_SPEAKERS for head in heads for caution in head.cautions):
        unseen = "unknown speakers"
    elif not any(head.training for head in heads):
        unseen = "predictions made elsewhere"
    elif first.data.description.split.scheme == "corpus":
        unseen = "test corpora not seen in training"
    else:
        unseen = "test speakers not seen in training"
    return f"{' and '.join(first.corpora)}: {what or f'{len(first.classes)} emotions'}, {unseen}"


def folds_sentence(data: TaskData) -> str:
    """How many utterances in which folds, without a full stop."""
    count = len(data.fold_sizes)
    return (
        f"{data.utterances:,} utterances of {data.speakers} speakers in {count} fold{'s' if count != 1 else ''} "
        f"{_SCHEMES[data.description.split.scheme]}"
    )


def validation_sentence(data: TaskData, trained: Sequence[HeadDetails]) -> str:
    """What chose the epoch, without a full stop."""
    validated = len(data.fold_sizes) - data.unvalidated
    if not validated:
        return "no validation set: the last epoch is used"
    choosing = [head for head in trained if head.training.parameters["select"] != "last"]
    if not choosing:
        return "the last epoch is used"
    strength = " (or the strength of the L2 penalty)" if any(head.training.l2 for head in trained) else ""
    rest = "; in folds without a validation set the last epoch is used" if data.unvalidated else ""
    return f"the epoch{strength} was chosen on {_validation(data)}{rest}"


def _validation(data: TaskData) -> str:
    split = data.description.split
    if split.validation == "random":
        return f"a random {100 * split.validation_share:g} % of the training utterances"
    if isinstance(split.validation, list):
        return " and ".join(split.validation)
    if split.validation == "speaker" and len(data.description.corpora) > 1:
        return "another speaker of each training corpus"
    return _VALIDATIONS[split.validation]
