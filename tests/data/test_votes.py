"""Annotators' votes, and the shares of classes that they make."""

import numpy as np
import pandas as pd
import pytest

from data.corpora import iemocap
from data.errors import UserError
from data.joined import join_manifests
from data.labels import TaskSettings, candidates, label_utterances
from data.split_settings import SplitSettings
from data.votes import format_votes, parse_votes, vote_shares

CLASSES = {"neutral": ["neu"], "happy": ["hap", "exc"], "sad": ["sad"]}


def task(**changes) -> TaskSettings:
    return TaskSettings(corpus="c", **{"classes": CLASSES, "split": SplitSettings(scheme="speaker"), **changes})


def manifest(**columns) -> pd.DataFrame:
    number = len(next(iter(columns.values())))
    return pd.DataFrame({"id": [f"u{k}" for k in range(number)], "emotion": "neu", "votes": "", **columns})


def test_votes_are_text_and_back():
    assert format_votes(["hap", "neu", "neu"]) == "neu:2 hap:1"
    assert parse_votes("neu:2 hap:1") == {"neu": 2, "hap": 1}
    assert parse_votes("emodb:W:2") == {"emodb:W": 2}
    assert parse_votes("") == {}
    for wrong in ("neu", "neu:two", ":2", "neu:-1", "neu:nan"):
        with pytest.raises(UserError, match="cannot read"):
            parse_votes(wrong)


def test_shares_add_up_to_one_without_the_votes_for_other_codes():
    votes = pd.Series(["hap:1 exc:1 neu:1 fru:3", "sad:2", "fru:2 ang:1", ""])
    shares = vote_shares(votes, CLASSES).to_numpy()
    np.testing.assert_allclose(shares[:2], [[1 / 3, 2 / 3, 0], [0, 0, 1]])
    assert np.isnan(shares[2:]).all()


def test_a_task_with_votes_keeps_the_majority_label_and_leaves_out_utterances_without_a_vote():
    emotions = ["neu", "hap", "sad", "sad"]
    table = manifest(emotion=emotions, votes=["neu:2 sad:1", "hap:1 exc:2", "sad:3", "fru:3"])
    labelled = label_utterances(table, task(labels="votes"), "t")
    assert list(labelled["label"]) == ["neutral", "happy", "sad"]
    assert list(labelled["share_neutral"]) == [pytest.approx(2 / 3), 0, 0]
    assert len(candidates(table, task(labels="votes"), "t")) == 4
    assert "share_neutral" not in label_utterances(table, task(), "t")
    with pytest.raises(UserError, match="the corpus has none"):
        label_utterances(manifest(emotion=emotions), task(labels="votes"), "t")


def test_iemocaps_annotators_vote_and_what_speakers_say_of_themselves_does_not(tmp_path):
    folder = tmp_path / "Session1/dialog/EmoEvaluation"
    folder.mkdir(parents=True)
    lines = [
        "[1.0 - 2.0]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]",
        *("C-E2:\tNeutral;\t()", "C-E3:\tNeutral;\t()", "C-E4:\tFrustration; Anger;\t(bored; Sadness;)"),
        *("C-F1:\tSadness;\t()", "C-M1:\tFear;\t()", "A-E3:\tval 3; act 2; dom  2;\t()", ""),
        "[3.0 - 4.0]\tSes01F_impro01_M000\txxx\t[2.5000, 2.5000, 2.5000]",
        "C-E2:\tExcited;\t()",
    ]
    (folder / "Ses01F_impro01.txt").write_text("\n".join(lines))
    read = iemocap.read_utterances(tmp_path)
    assert [utterance.votes for utterance in read] == ["neu:2 ang:1 fru:1", "exc:1"]


def test_joined_votes_name_their_corpus():
    columns = {name: [""] for name in ("speaker", "session", "dialog")}
    joined = join_manifests({name: manifest(votes=["neu:2 sad:1"], **columns) for name in ("one", "two")})
    assert list(joined["votes"]) == ["one:neu:2 one:sad:1", "two:neu:2 two:sad:1"]
    assert parse_votes(joined["votes"][0]) == {"one:neu": 2, "one:sad": 1}
