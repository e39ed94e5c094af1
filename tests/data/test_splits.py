"""Roles: above all, no test speaker is in training."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.cautions import Caution, Kind, Severity
from data.errors import UserError
from data.roles import fold_columns, shared_speakers
from data.split_cautions import split_cautions
from data.split_settings import SplitSettings
from data.splits import make_splits

NO_VALIDATION = {"scheme": "session", "validation": "none"}


def utterances(sessions: int, per_speaker: int = 3, speakers_per_session: int = 2) -> pd.DataFrame:
    rows = [
        {
            "corpus": "corpus",
            "id": f"s{session}{letter}{number}",
            "speaker": f"s{session}{letter}",
            "session": f"session{session}",
            "dialog": f"s{session}d{number}",
            "label": "ab"[number % 2],
            "text": "Yeah.",
        }
        for session in range(sessions)
        for letter in "FMX"[:speakers_per_session]
        for number in range(per_speaker)
    ]
    return pd.DataFrame(rows)


def cautions(labelled: pd.DataFrame, splits: pd.DataFrame) -> list[Caution]:
    return split_cautions(labelled.join(splits[fold_columns(splits)]), "ab")


def kinds(labelled: pd.DataFrame, splits: pd.DataFrame) -> list[Kind]:
    return [caution.kind for caution in cautions(labelled, splits)]


@given(
    sessions=st.integers(3, 7),
    per_speaker=st.integers(2, 5),
    scheme=st.sampled_from(["session", "speaker"]),
    validation=st.sampled_from(["group", "speaker", "none"]),
    folds=st.one_of(st.none(), st.integers(3, 6)),
    seed=st.integers(0, 99),
)
def test_no_speaker_plays_two_roles(sessions, per_speaker, scheme, validation, folds, seed):
    labelled = utterances(sessions, per_speaker)
    groups = sessions if scheme == "session" else 2 * sessions
    folds = None if folds is None else min(folds, groups)
    splits = make_splits(labelled, SplitSettings(scheme=scheme, validation=validation, folds=folds, seed=seed))
    assert list(splits["id"]) == list(labelled["id"])
    tested = pd.Series(0, index=splits.index)
    for column in fold_columns(splits):
        assert shared_speakers(labelled["speaker"], splits[column]) == []
        assert (splits[column] == "train").any()
        assert (splits[column] == "validation").any() == (validation != "none")
        tested += splits[column] == "test"
    assert (tested == 1).all()


def test_validation_speakers_dialogue_partner_leaves_training():
    labelled = utterances(4)
    splits = make_splits(labelled, SplitSettings(scheme="session", validation="speaker"))
    for column in fold_columns(splits):
        (chosen,) = set(labelled["speaker"][splits[column] == "validation"])
        partner = chosen[:-1] + ("M" if chosen[-1] == "F" else "F")
        assert set(splits[column][labelled["speaker"] == partner]) == {""}
    (caution,) = cautions(labelled, splits)
    assert caution.kind == Kind.SPEAKERS_LEFT_OUT
    assert caution.text.startswith("Left out: in 4 of 4 folds 1 of 8 speakers play no role (the validation speaker's")
    assert caution.text.endswith("and 4 are trained on.")


def test_fewer_folds_take_consecutive_groups_and_the_next_validates():
    splits = make_splits(utterances(6), SplitSettings(scheme="session", folds=3))
    first = splits["fold_0"].groupby(splits["id"].str[:2]).first()
    assert dict(first) == {
        "s0": "test",
        "s1": "test",
        "s2": "validation",
        "s3": "validation",
        "s4": "train",
        "s5": "train",
    }


def test_random_validation_is_a_share_of_each_folds_training_utterances():
    labelled = utterances(5, per_speaker=10)
    settings = SplitSettings(scheme="session", validation="random", validation_share=0.25)
    splits, unvalidated = make_splits(labelled, settings), make_splits(labelled, SplitSettings(**NO_VALIDATION))
    drawn = set()
    for column in fold_columns(splits):
        assert splits[column].value_counts().to_dict() == {"train": 60, "validation": 20, "test": 20}
        assert splits[column].replace("validation", "train").equals(unvalidated[column])
        heard = splits[column][splits[column] != "test"].reset_index(drop=True)
        drawn.add(tuple(heard.index[heard == "validation"]))
    assert len(drawn) == 5  # drawn again in each fold
    shuffled = labelled.sample(frac=1, random_state=1)
    assert make_splits(shuffled, settings).sort_index().equals(splits)
    assert not make_splits(labelled, settings.model_copy(update={"seed": 2})).equals(splits)
    (caution,) = cautions(labelled, splits)
    assert caution.kind == Kind.KNOWN_VALIDATION_SPEAKERS
    assert caution.text.startswith("Validation on training speakers: in 5 of 5 folds")


def test_random_splits_are_warned_of():
    labelled = utterances(5, per_speaker=6)
    splits = make_splits(labelled, SplitSettings(scheme="random"))
    assert len(fold_columns(splits)) == 5
    assert Kind.SPEAKER_LEAKAGE in kinds(labelled, splits)
    assert cautions(labelled, make_splits(labelled, SplitSettings(scheme="session"))) == []


def test_shared_sentences_are_warned_of_but_greetings_are_not():
    labelled = utterances(4).assign(text="Well, that is what she said.")
    splits = make_splits(labelled, SplitSettings(scheme="session"))
    (caution,) = cautions(labelled, splits)
    assert caution.kind == Kind.SHARED_SENTENCES
    assert "100%" in caution.text
    assert cautions(labelled.assign(text="Yeah."), splits) == []
    assert cautions(labelled.assign(text="a07"), splits)  # the code of a fixed sentence


def test_dialogue_partners_in_other_roles_are_warned_of():
    labelled = utterances(4)
    by_speaker = make_splits(labelled, SplitSettings(scheme="speaker"))
    (caution,) = cautions(labelled, by_speaker)
    assert caution.text.startswith("Shared dialogues: in 8 of 8")
    assert kinds(labelled.assign(text=""), by_speaker) == [Kind.SHARED_DIALOGUES, Kind.NO_TRANSCRIPTS]


def test_absent_classes_are_warned_of():
    labelled = utterances(4).assign(label="a")
    splits = make_splits(labelled, SplitSettings(scheme="session"))
    assert Caution(kind=Kind.ABSENT_CLASS, text="fold_0: no b in test.") in cautions(labelled, splits)


def test_classes_that_only_some_training_corpora_have_are_warned_of():
    """Microphone and room tell such classes apart, whatever the voice does."""
    labelled = utterances(4)
    labelled["corpus"] = labelled["session"].map(
        {f"session{number}": "one" if number < 2 else "two" for number in range(4)}
    )
    splits = make_splits(labelled, SplitSettings(scheme="speaker", folds=3))
    assert Kind.CLASSES_DIFFER_BETWEEN_CORPORA not in kinds(labelled, splits)
    labelled = labelled[(labelled["corpus"] == "one") | (labelled["label"] == "a")].reset_index(drop=True)
    splits = make_splits(labelled, SplitSettings(scheme="speaker", folds=3))
    found = [caution for caution in cautions(labelled, splits) if caution.kind == Kind.CLASSES_DIFFER_BETWEEN_CORPORA]
    assert [caution.text.split(",")[0] for caution in found] == [
        "Classes differ between the training corpora (two has no b)"
    ]
    apart = make_splits(labelled.assign(dialog=""), SplitSettings(scheme="corpus", validation="speaker"))
    assert Kind.CLASSES_DIFFER_BETWEEN_CORPORA not in kinds(labelled, apart)  # no fold trains on both


@pytest.fixture
def official_file(tmp_path, monkeypatch) -> str:
    """A folder for official folds, in a project of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/folds").mkdir(parents=True)
    return "data/folds/official.csv"


def test_official_folds_from_a_file(official_file):
    labelled = utterances(4)
    settings = SplitSettings(scheme="file", file=official_file)
    official = pd.DataFrame({"id": labelled["id"], "fold": labelled["session"]})
    official.sample(frac=1, random_state=1).to_csv(official_file, index=False)
    expected = make_splits(labelled, SplitSettings(scheme="session"))
    assert make_splits(labelled, settings).equals(expected)

    expected.drop(columns="label").to_csv(official_file, index=False)
    assert make_splits(labelled, settings.model_copy(update={"validation": "official"})).equals(expected)
    with pytest.raises(UserError, match=r"names validation utterances of its own; use split\.validation: official"):
        make_splits(labelled, settings)
    official.iloc[1:].to_csv(official_file, index=False)
    with pytest.raises(UserError, match="1 labelled utterances are not in it"):
        make_splits(labelled, settings)


def test_official_folds_that_share_speakers_are_warned_of_in_red(official_file):
    labelled = utterances(4)
    by_number = pd.DataFrame({"id": labelled["id"], "fold": [row % 3 for row in labelled.index]})
    by_number.to_csv(official_file, index=False)
    splits = make_splits(labelled, SplitSettings(scheme="file", file=official_file))
    leakage = cautions(labelled, splits)[0]
    assert leakage.severity == Severity.GRAVE
    assert leakage.text.startswith("Speaker leakage: in 3 of 3 folds test speakers are also in training or validation.")


def test_official_roles_without_validation_leave_it_to_the_parameters(official_file):
    labelled = utterances(4, per_speaker=10)
    make_splits(labelled, SplitSettings(**NO_VALIDATION)).drop(columns="label").to_csv(official_file, index=False)
    for validation in ("random", "none"):
        expected = make_splits(labelled, SplitSettings(scheme="session", validation=validation))
        settings = SplitSettings(scheme="file", file=official_file, validation=validation)
        assert make_splits(labelled, settings).equals(expected)
    for validation in ("group", "speaker", "official"):
        with pytest.raises(UserError, match=f"no validation utterances, so split.validation: {validation} does not"):
            make_splits(labelled, SplitSettings(scheme="file", file=official_file, validation=validation))


def test_folds_behind_a_link_are_refused_because_dvc_does_not_follow_it(official_file, tmp_path):
    (tmp_path / "elsewhere.csv").write_text("id,fold\n")
    (tmp_path / official_file).symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(UserError, match="leads out of data/folds, where DVC sees no change; copy it there"):
        make_splits(utterances(4), SplitSettings(scheme="file", file=official_file))


@pytest.mark.parametrize(
    ("validation", "columns"), [("group", ["fold"]), ("official", [f"fold_{k}" for k in range(4)])]
)
def test_a_fold_file_that_contradicts_itself_is_refused(official_file, validation, columns):
    """Which of two folds an utterance belongs to is not ours to guess; the same row twice says nothing new."""
    labelled = utterances(4)
    settings = SplitSettings(scheme="file", validation=validation, file=official_file)
    expected = make_splits(labelled, SplitSettings(scheme="session"))
    official = expected.assign(fold=labelled["session"])[["id", *columns]]
    pd.concat([official, official[:5]]).to_csv(settings.file, index=False)
    assert make_splits(labelled, settings).equals(expected)

    contradiction = official[:2].assign(**{columns[0]: official[columns[0]].iloc[-1]})
    pd.concat([official, contradiction]).to_csv(settings.file, index=False)
    with pytest.raises(UserError, match=r"official\.csv: 2 utterance ids have more than one row[\s\S]*s0F0\n  s0F1$"):
        make_splits(labelled, settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scheme": "session", "folds": 9}, "only 4 sessions"),
        ({"scheme": "session", "folds": 2}, "needs at least 3 test groups"),
    ],
)
def test_impossible_splits_say_why(settings, message):
    with pytest.raises(UserError, match=message):
        make_splits(utterances(4), SplitSettings(**settings))


def test_one_speaker_alone_cannot_be_split_by_speaker():
    labelled = utterances(4)
    alone = labelled[labelled["speaker"] == labelled["speaker"].iloc[0]]
    with pytest.raises(UserError, match="needs at least 3 test groups, and there are 1"):
        make_splits(alone, SplitSettings(scheme="speaker"))


def test_a_corpus_without_sessions_says_what_to_use():
    with pytest.raises(UserError, match="names no sessions; use scheme: speaker"):
        make_splits(utterances(4).assign(session=""), SplitSettings(scheme="session"))
