"""How well the sentence alone predicts the class: where each emotion has its own sentences, a model may read words."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

_FEWEST = 0.05  # share of the utterances whose sentence others say, too, below which nothing is said
_MARGIN = 0.1  # above chance


@dataclass(frozen=True)
class SentenceScore:
    """UA of predicting an utterance's class from what others say with the same sentence.

    Attributes:
        ua: mean recall over the classes.
        chance: of guessing one of these classes.
        num_utterances: whose sentence some other speaker says, too; only they count.
        share: of all utterances.
    """

    ua: float
    chance: float
    num_utterances: int
    share: float

    @property
    def predicts(self) -> bool:
        """Whether the sentence clearly gives the class away: above chance by a tenth, for enough utterances."""
        return self.share >= _FEWEST and self.ua > self.chance + _MARGIN


def score_sentences(texts: pd.Series, labels: pd.Series, speakers: pd.Series) -> SentenceScore | None:
    """Predict every utterance's class by the majority of the other speakers' utterances of the same sentence.

    Among classes that are equally frequent, each counts for its share. Case and punctuation do not count. Where the
    speakers are unknown, all other utterances of the sentence predict.

    Args:
        texts, labels, speakers: of the utterances [N]; empty where unknown.

    Returns:
        The score; None if no sentence is said by two speakers, or only one class is left.
    """
    table = pd.DataFrame({"sentence": normalise(texts), "label": labels, "speaker": speakers}).reset_index(drop=True)
    table["speaker"] = table["speaker"].where(table["speaker"] != "", "utterance " + table.index.astype(str))
    table = table[table["sentence"] != ""]
    if table.empty:
        return None
    sentence, label = (pd.factorize(table[name], sort=True)[0] for name in ("sentence", "label"))
    own = pd.factorize(table["speaker"])[0] + sentence.astype(np.int64) * len(table)  # the speaker's of this sentence
    own = pd.factorize(own)[0]
    num_classes = int(label.max()) + 1
    votes = _counts(sentence, label, num_classes)[sentence] - _counts(own, label, num_classes)[own]  # [N, C]
    told = votes.sum(axis=1) > 0
    classes = np.unique(label[told])
    if len(classes) < 2:
        return None
    winning = votes[told] == votes[told].max(axis=1, keepdims=True)
    correct = winning[np.arange(told.sum()), label[told]] / winning.sum(axis=1)
    recalls = [correct[label[told] == name].mean() for name in classes]
    return SentenceScore(float(np.mean(recalls)), 1 / len(classes), int(told.sum()), float(told.sum() / len(texts)))


def normalise(texts: pd.Series) -> pd.Series:
    """Texts without case and punctuation."""
    return texts.str.lower().str.replace(r"[^\w\s]", "", regex=True).str.strip()


def _counts(groups: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """How often each class is in each group [groups, C]."""
    flat = np.bincount(groups * num_classes + labels, minlength=(int(groups.max()) + 1) * num_classes)
    return flat.reshape(-1, num_classes)
