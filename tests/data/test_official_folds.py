"""EmoBox's metadata gives the folds of any corpus whose files it names."""

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from data.errors import UserError
from data.official_folds import read_emobox
from data.split_cautions import split_cautions
from data.split_settings import SplitSettings
from data.splits import make_splits

EMOTIONS = {"W": "anger", "F": "happy", "N": "neutral"}
PATHS = {  # layout of a corpus -> speaker, number and emotion of a file -> its path
    "flat": "wav/{speaker}{number}{emotion}.wav",
    "folders": "{speaker}/{emotion}/{number}.wav",
}


def corpus(layout: str = "flat", speakers: int = 3, per_speaker: int = 4) -> pd.DataFrame:
    rows = [
        {"speaker": f"0{speaker}", "number": number, "emotion": emotion}
        for speaker in range(speakers)
        for number in range(per_speaker)
        for emotion in EMOTIONS
    ]
    paths = [PATHS[layout].format(**row) for row in rows]
    ids = ["-".join(path.split(".")[0].split("/")) for path in paths]
    return pd.DataFrame(rows).assign(
        id=ids, path=paths, label=[row["emotion"] for row in rows], text="", dialog="", corpus="mini"
    )


def write_lists(folder: Path, lists: dict[tuple[int, str], pd.DataFrame], spelling: str = "_", above: str = "") -> None:
    """EmoBox's metadata: fold and role -> rows of a manifest; its older spelling has other keys, too."""
    keys = ("wav", "emo") if spelling else ("audio", "label")
    for (fold, role), rows in lists.items():
        path = folder / f"fold_{fold}" / f"mini_{role}_fold{spelling}{fold}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            {"key": f"mini-{row.id}", keys[0]: f"downloads/mini/{above}{row.path}", keys[1]: EMOTIONS[row.emotion]}
            for row in rows.itertuples()
        ]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


@settings(max_examples=20)
@given(
    layout=st.sampled_from(sorted(PATHS)),
    above=st.sampled_from(["", "audio/Speech/"]),
    folds=st.lists(st.lists(st.sampled_from(["train", "valid", "test", None]), min_size=36, max_size=36), min_size=1),
)
def test_both_spellings_and_any_folder_above_give_the_folds_that_were_written(tmp_path_factory, layout, above, folds):
    manifest = corpus(layout)
    folders = {spelling: tmp_path_factory.mktemp("emobox") for spelling in ("_", "")}
    for spelling, folder in folders.items():
        lists = {
            (fold, role): manifest[[played == role for played in roles]]
            for fold, roles in enumerate(folds, start=1)
            for role in ("train", "valid", "test")
        }
        lists[1, "train"] = pd.concat(
            [lists[1, "train"], lists[1, "train"][:1]]
        )  # the same line twice says nothing new
        write_lists(folder, lists, spelling, above)
    if not any(role for roles in folds for role in roles):
        return
    one, other = (read_emobox(folder, manifest, manifest) for folder in folders.values())
    assert one.equals(other)
    kept = [roles for roles in folds if any(roles)]
    assert list(one) == [f"fold_{number}" for number in range(len(kept))]
    for column, roles in zip(one, kept, strict=True):
        assert one[column].tolist() == [{"valid": "validation", None: ""}.get(role, role) for role in roles]


@pytest.fixture
def emobox(tmp_path, monkeypatch) -> SplitSettings:
    """A project with the metadata of two folds; both share all speakers, and one utterance is in neither."""
    monkeypatch.chdir(tmp_path)
    manifest = corpus()[1:]
    tested = {fold: manifest["number"] == fold for fold in (1, 2)}
    lists = {(fold, "test"): manifest[rows] for fold, rows in tested.items()}
    lists |= {(fold, "train"): manifest[~rows] for fold, rows in tested.items()}
    settings = SplitSettings(scheme="emobox", file="data/folds/emobox/mini", validation="random")
    write_lists(Path(settings.file), lists)
    write_lists(Path(settings.file), {(1, "test"): manifest[:1]}, spelling="")  # not read: there is the other spelling
    return settings


def test_emobox_folds_are_validated_at_random_and_warned_of(emobox):
    manifest = corpus()
    splits = make_splits(manifest, emobox)
    assert splits["fold_0"].value_counts().to_dict() == {"train": 21, "test": 9, "validation": 5, "": 1}
    assert (splits["fold_1"] == "test").equals(manifest["number"] == 2)
    leakage, unused, *_ = split_cautions(manifest.join(splits[["fold_0", "fold_1"]]), "FNW")
    assert leakage.text.startswith("Speaker leakage: in 2 of 2 folds")
    assert unused.text == "1 of 36 labelled utterances are in no fold: neither trained on nor tested."

    fewer = manifest[manifest["emotion"] != "N"].reset_index(drop=True)
    unvalidated = make_splits(fewer, emobox.model_copy(update={"validation": "none"}), manifest)
    assert list(unvalidated["id"]) == list(fewer["id"])
    assert set(unvalidated["fold_0"]) == {"train", "test", ""}


def test_metadata_that_does_not_fit_the_corpus_says_where(emobox):
    manifest = corpus()
    with pytest.raises(UserError, match=r"2 of 35 files are not in the corpus[\s\S]*corpus\.exclude:\n  wav/022F"):
        make_splits(manifest, emobox, manifest[~manifest["id"].isin(["wav-022F", "wav-023W"])])
    mistaken = manifest["emotion"].where(manifest["id"] != "wav-013F", "N")
    with pytest.raises(UserError, match=r"not agree one to one [\s\S]*\n  happy: F\n  happy: N\n  neutral: N$"):
        make_splits(manifest, emobox, manifest.assign(emotion=mistaken))
    broken = Path(emobox.file) / "fold_2/mini_test_fold_2.jsonl"
    written = broken.read_text()
    broken.write_text(written + (Path(emobox.file) / "fold_2/mini_train_fold_2.jsonl").read_text().splitlines()[0])
    with pytest.raises(UserError, match=r"1 utterances are in two lists of a fold:\n  fold 2: wav-000F"):
        make_splits(manifest, emobox)
    broken.write_text(written + '{"wav": 3}\n')
    with pytest.raises(UserError, match=r"mini_test_fold_2\.jsonl, line 10: expected a JSON object"):
        make_splits(manifest, emobox)
    with pytest.raises(UserError, match=r"no fold_<k>/<corpus>_train_fold_<k>\.jsonl in data/folds/emobox"):
        make_splits(manifest, emobox.model_copy(update={"file": "data/folds/emobox"}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"validation": "group"}, "group does not go with scheme: emobox; choose random"),
        (
            {"validation": "official", "scheme": "speaker", "file": None},
            "official goes with scheme: official, file or",
        ),
        ({"folds": 5}, "has as many folds as data/folds/emobox/mini names; set split.folds to null"),
        ({"file": "elsewhere/mini"}, "must be in data/folds/"),
        ({"file": None}, "file goes with scheme: file or emobox"),
        ({"scheme": "speaker"}, "file goes with scheme: file or emobox"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        SplitSettings(**{"scheme": "emobox", "file": "data/folds/emobox/mini", "validation": "random", **change})
