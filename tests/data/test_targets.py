"""Tasks whose targets are ratings, and roles that only some utterances may play."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from data.cautions import Kind
from data.errors import UserError
from data.label_cautions import label_cautions
from data.labels import TaskSettings, candidates, label_utterances
from data.roles import fold_columns, read_splits, write_splits
from data.split_settings import SplitSettings
from data.splits import make_splits
from data.task_description import TaskDescription

TARGETS = ["valence", "activation"]


def task(scheme="speaker", targets=TARGETS, where=None, **split) -> TaskSettings:
    return TaskSettings(corpus="c", targets=targets, where=where or {}, split=SplitSettings(scheme=scheme, **split))


def manifest(number: int = 24) -> pd.DataFrame:
    """Six speakers in three sessions; every second utterance is improvised; no rating of the first."""
    count = np.arange(number)
    return pd.DataFrame(
        {
            "corpus": "c",
            "id": [f"u{k:02d}" for k in count],
            "speaker": [f"s{k % 6}" for k in count],
            "session": [f"{k % 6 // 2}" for k in count],
            "dialog": [f"d{k % 6 // 2}" for k in count],
            "style": np.where(count % 12 < 6, "improvised", "scripted"),
            "emotion": "xxx",
            "valence": np.where(count == 0, np.nan, 1 + count % 5),
            "activation": 1.0 + count % 4,
            "text": "",
        }
    )


def described(settings: TaskSettings, table: pd.DataFrame, number: int = 0) -> TaskDescription:
    return TaskDescription(task="t", corpora={}, num_unlabelled=number, **settings.model_dump())


@pytest.mark.parametrize("scheme", ["session", "speaker", "random"])
def test_every_rated_utterance_takes_part_whatever_its_emotion(tmp_path, scheme):
    table, settings = manifest(), task(scheme)
    rated = label_utterances(table, settings, "t")
    assert list(rated["id"]) == list(table["id"][1:])
    assert len(candidates(table, settings, "t")) - len(rated) == 1
    splits = make_splits(rated, settings.split, table)
    assert list(splits)[:2] == ["corpus", "id"]
    assert "label" not in splits
    write_splits(splits, tmp_path / "t.csv")
    pd.testing.assert_frame_equal(read_splits(tmp_path / "t.csv")[TARGETS], rated[TARGETS])
    caution, *_ = label_cautions(described(settings, table, 1), splits)
    assert str(caution) == "1 of 24 utterances have no rating of valence or activation and are left out."


def test_classes_or_targets_but_not_both_and_only_ratings():
    split = SplitSettings(scheme="speaker")
    for wrong in ({}, {"classes": {"a": ["x"], "b": ["y"]}, "targets": TARGETS}):
        with pytest.raises(ValidationError, match="give either classes"):
            TaskSettings(corpus="c", split=split, **wrong)
    with pytest.raises(ValidationError, match="speaker is no rating"):
        task(targets=["speaker"])
    with pytest.raises(ValidationError, match="goes with classes"):
        TaskSettings(corpus="c", split=split, targets=TARGETS, labels="votes")
    with pytest.raises(UserError, match=r"no column 'arousal'.*valence, activation"):
        label_utterances(manifest(), task(targets=["arousal"]), "t")
    with pytest.raises(UserError, match="no utterance has a rating of valence"):
        label_utterances(manifest().assign(valence=np.nan), task(), "t")


def test_corpora_with_other_scales_are_named():
    one = manifest()
    both = pd.concat([one, one.assign(corpus="d", valence=one["valence"] * 1.5)], ignore_index=True)
    (caution,) = label_cautions(described(task(), both), both)
    assert caution.kind == Kind.RATINGS_DIFFER_BETWEEN_CORPORA
    assert "valence have different ranges (c 1 to 5, d 1.5 to 7.5)" in str(caution)


def test_an_utterance_that_a_role_does_not_take_plays_no_role_there():
    where = {"train": {"style": ["improvised"]}, "test": {"style": ["scripted"]}}
    rated = label_utterances(manifest(), task("session"), "t")
    plain = make_splits(rated, SplitSettings(scheme="session"))
    chosen = task("session").model_copy(update={"split": SplitSettings(scheme="session", where=where)})
    filtered = make_splits(rated, chosen.split)
    styles = rated["style"]
    for column in fold_columns(plain):
        expected = plain[column].mask((plain[column] == "train") & (styles != "improvised"), "")
        expected = expected.mask((expected == "test") & (styles != "scripted"), "")
        assert list(filtered[column]) == list(expected)
        assert set(filtered[column]) == {"train", "validation", "test", ""}
    texts = [str(caution) for caution in label_cautions(described(chosen, rated), filtered)]
    assert texts == [
        "Only utterances with style improvised play the role train: 12 of 23 never do.",
        "Only utterances with style scripted play the role test: 11 of 23 never do.",
    ]
    with pytest.raises(UserError, match="no 'sung' in this corpus"):
        make_splits(rated, SplitSettings(scheme="session", where={"train": {"style": ["sung"]}}))
    nobody = {"session": ["0"], "speaker": ["s5"]}
    for role in ("train", "validation"):  # without validation utterances the last epoch would be taken, in silence
        with pytest.raises(UserError, match=f"nothing is left for {role} in fold_"):
            make_splits(rated, SplitSettings(scheme="session", where={role: nobody}))
