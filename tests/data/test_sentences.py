"""How well the sentence alone predicts the class."""

import numpy as np
import pandas as pd
import pytest

from data.cautions import Kind
from data.sentences import score_sentences
from data.split_cautions import split_cautions


def score(texts, labels, speakers):
    return score_sentences(*(pd.Series(list(values), dtype=object) for values in (texts, labels, speakers)))


def spoken(speakers: int, sentences: int, classes: int, own: bool) -> pd.DataFrame:
    """Every speaker says all sentences in every emotion or, where emotions have their own, in one."""
    rows = [
        {"speaker": f"s{speaker}", "text": f"a{sentence:02d}", "label": f"c{label}"}
        for speaker in range(speakers)
        for sentence in range(sentences)
        for label in range(classes)
        if not own or sentence % classes == label
    ]
    return pd.DataFrame(rows)


def scored(table: pd.DataFrame):
    return score_sentences(table["text"], table["label"], table["speaker"])


def test_emotions_with_sentences_of_their_own_are_predicted_and_shared_sentences_are_at_chance():
    own, shared = (scored(spoken(4, 12, 3, own)) for own in (True, False))
    assert (own.ua, own.chance, own.predicts) == (1.0, pytest.approx(1 / 3), True)
    assert (shared.ua, shared.predicts) == (pytest.approx(1 / 3), False)


def test_nobody_is_predicted_by_their_own_utterances():
    assert score(["one", "one", "two", "two"], "aabb", "xxyy") is None
    told = score(["One!", "one", "two", "Two."], "abab", "xyxy")
    assert told.ua == 0.0
    assert (told.num_utterances, told.share) == (4, 1.0)


def test_unknown_speakers_are_different_ones_and_utterances_without_text_do_not_count():
    told = score(["one", "one", "two", "two", "", ""], "aabbab", [""] * 6)
    assert (told.ua, told.num_utterances, told.share) == (1.0, 4, pytest.approx(2 / 3))


def test_it_agrees_with_a_count_by_hand():
    random = np.random.default_rng(3)
    table = pd.DataFrame({name: random.choice(list(values), 300) for name, values in
                          {"text": "uvwxyz", "label": "abc", "speaker": "1234"}.items()})  # fmt: skip
    correct = []
    for row in table.itertuples():
        others = table[(table["text"] == row.text) & (table["speaker"] != row.speaker)]["label"].value_counts()
        winners = others.index[others == others.max()]
        correct.append((row.label in winners) / len(winners))
    expected = pd.Series(correct).groupby(table["label"]).mean().mean()
    assert scored(table).ua == pytest.approx(expected)


@pytest.mark.parametrize("own", [True, False])
def test_a_split_warns_where_the_sentence_gives_the_class_away(own):
    table = spoken(4, 12, 3, own).assign(corpus="ours", dialog="")
    splits = table.assign(fold_0=table["speaker"].map({"s0": "test", "s1": "validation"}).fillna("train"))
    texts = {caution.kind: caution.text for caution in split_cautions(splits, ["c0", "c1", "c2"])}
    assert (Kind.SENTENCES_PREDICT_CLASS in texts) == own
    if own:
        assert "gives 100% UA, where chance is 33%" in texts[Kind.SENTENCES_PREDICT_CLASS]


def test_a_split_says_that_speakers_are_unknown():
    table = spoken(4, 12, 3, False).assign(corpus="ours", dialog="", speaker="")
    splits = table.assign(fold_0=["test", "train"] * (len(table) // 2))
    kinds = [caution.kind for caution in split_cautions(splits, ["c0", "c1", "c2"])]
    assert Kind.UNKNOWN_SPEAKERS in kinds
    assert Kind.SPEAKER_LEAKAGE not in kinds
    in_no_fold = split_cautions(splits.assign(speaker=["s0", ""] * 72, fold_0=["test", ""] * 72), ["c0", "c1", "c2"])
    assert Kind.UNKNOWN_SPEAKERS not in [caution.kind for caution in in_no_fold]
