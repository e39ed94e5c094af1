"""Several corpora as one: names that stay apart, splits over all of them, codes of each."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from data.corpus_settings import CorpusSettings
from data.errors import UserError
from data.joined import join_manifests
from data.labels import TaskSettings, check_codes, label_utterances
from data.manifest import build_manifest
from data.manifest_folder import join_manifest_folders, read_manifest_folder, write_manifest_folder
from data.roles import fold_columns, read_splits, shared_speakers, write_splits
from data.split_settings import SplitSettings
from data.splits import make_splits
from data.task_description import CorpusDescription
from data.utterance import NUMBERS
from tests.builders import write_emobox, write_emodb, write_turevdb

CLASSES = {
    "angry": ["emodb:W", "turevdb:kz"],
    "happy": ["emodb:F", "turevdb:mt"],
    "neutral": ["emodb:N", "turevdb:sk"],
    "sad": ["emodb:T", "turevdb:hl"],
}
READERS = {"emodb": "emodb", "turevdb": "turevdb"}


@pytest.fixture(scope="module")
def manifests(tmp_path_factory) -> dict[str, pd.DataFrame]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("joined"))
        write_emodb(Path("corpora/emodb"))
        write_turevdb(Path("corpora/turevdb"))
        return {name: build_manifest(name, CorpusSettings(reader=name)).rows for name in READERS}


@pytest.fixture(scope="module")
def joined(manifests) -> pd.DataFrame:
    return join_manifests(manifests)


def task(**split) -> TaskSettings:
    return TaskSettings(corpus="both", classes=CLASSES, split=SplitSettings(**split))


def split(joined: pd.DataFrame, **settings) -> pd.DataFrame:
    wanted = task(**settings)
    return make_splits(label_utterances(joined, wanted, "four"), wanted.split, joined)


def test_corpora_with_the_same_names_inside_stay_apart(manifests):
    """The same ids and speakers, twice: nobody is taken for somebody else."""
    manifest = manifests["emodb"]
    joined = join_manifests({"b": manifest, "a": manifest})
    assert joined["id"].is_unique
    assert joined["speaker"].nunique() == 2 * manifest["speaker"].nunique()
    assert list(joined["id"][:1]) == ["a:" + manifest["id"][0]]
    assert set(joined["dialog"]) == {""}  # what is unknown stays unknown
    assert joined.equals(join_manifests({"a": manifest, "b": manifest}))


def test_each_corpus_is_tested_by_a_model_that_never_heard_it(joined):
    splits = split(joined, scheme="corpus", validation="speaker")
    assert fold_columns(splits) == ["fold_0", "fold_1"]
    for column, tested, other in (("fold_0", "emodb", "turevdb"), ("fold_1", "turevdb", "emodb")):
        roles = splits.groupby(column)["corpus"].unique().map(set).to_dict()
        assert roles == {"test": {tested}, "train": {other}, "validation": {other}}
        assert shared_speakers(splits["speaker"], splits[column]) == []
        assert splits["speaker"][splits[column] == "validation"].nunique() == 1


def test_lists_name_the_corpora_of_each_role(manifests):
    joined = join_manifests({"a": manifests["emodb"], "b": manifests["emodb"], "c": manifests["emodb"]})
    classes = {"angry": ["a:W", "b:W", "c:W"], "sad": ["a:T", "b:T", "c:T"]}
    labelled = label_utterances(
        joined, TaskSettings(corpus="x", classes=classes, split=SplitSettings(scheme="corpus")), "t"
    )

    def roles(**lists) -> dict[str, str]:
        splits = make_splits(labelled, SplitSettings(scheme="corpus", **lists))
        return {corpus: "/".join(sorted(set(own))) for corpus, own in splits.groupby("corpus")["fold_0"]}

    assert roles(train=["c"], validation=["b"], test=["a"]) == {"a": "test", "b": "validation", "c": "train"}
    assert roles(validation="none", test=["a"]) == {"a": "test", "b": "train", "c": "train"}
    assert roles(train=["b"], validation="none", test=["a"]) == {"a": "test", "b": "train", "c": ""}
    # as after a where that none of b passes; without validation, select would silently keep the last weights
    labelled = labelled[labelled["corpus"] != "b"].reset_index(drop=True)
    with pytest.raises(UserError, match="no utterance of b belongs to a class and passes the task's where"):
        roles(train=["c"], validation=["b"], test=["a"])
    for lists, message in (
        ({"train": ["a"], "test": ["a"]}, "more than one role"),
        ({"train": ["a"]}, r"split\.test must name some"),
    ):
        with pytest.raises(ValidationError, match=message):
            SplitSettings(scheme="corpus", **lists)
    with pytest.raises(ValidationError, match="go with scheme: corpus"):
        SplitSettings(scheme="speaker", test=["a"])


def test_fewer_folds_test_speakers_of_every_corpus(joined):
    splits = split(joined, scheme="speaker", folds=4)
    for column in fold_columns(splits):
        for role in ("train", "validation", "test"):
            assert set(splits["corpus"][splits[column] == role]) == {"emodb", "turevdb"}
        assert shared_speakers(splits["speaker"], splits[column]) == []


def test_validation_speakers_come_from_every_training_corpus(joined):
    splits = split(joined, scheme="speaker", folds=4, validation="speaker")
    for column in fold_columns(splits):
        held_out = splits[splits[column] == "validation"]
        assert held_out.groupby("corpus")["speaker"].nunique().to_dict() == {"emodb": 1, "turevdb": 1}


def test_validation_takes_no_corpus_out_of_training(joined):
    """While one of two speakers is tested, the other one trains: a model that never heard the corpus is another one."""
    speakers = sorted(joined["speaker"][joined["corpus"] == "turevdb"].unique())[:2]
    few = joined[(joined["corpus"] == "emodb") | joined["speaker"].isin(speakers)]
    splits = split(few, scheme="speaker", validation="speaker")
    for column in fold_columns(splits):
        assert set(splits["corpus"][splits[column] == "train"]) == {"emodb", "turevdb"}
        assert "emodb" in set(splits["corpus"][splits[column] == "validation"])
    alone = joined[joined["speaker"].isin([speakers[0], *joined["speaker"][joined["corpus"] == "emodb"].unique()[:1]])]
    labelled = alone.assign(label=alone["emotion"].isin(["emodb:W", "turevdb:kz"]).map({True: "a", False: "b"}))
    third = labelled.assign(corpus="third", speaker="third:1", id="third:" + labelled["id"])
    three = pd.concat([labelled, third], ignore_index=True)
    with pytest.raises(UserError, match="needs a corpus that still trains"):
        make_splits(three, SplitSettings(scheme="corpus", validation="speaker"))


def test_published_folds_of_several_corpora(joined, manifests, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, manifest in manifests.items():
        write_emobox(Path(f"data/folds/emobox/{name}"), manifest)
    emobox = {"scheme": "emobox", "validation": "none", "file": "data/folds/emobox"}
    splits = split(joined, **emobox)
    assert fold_columns(splits) == ["fold_0", "fold_1"]
    assert set(splits["corpus"][splits["fold_0"] == "test"]) == {"emodb", "turevdb"}
    shutil.rmtree("data/folds/emobox/emodb/fold_2")
    with pytest.raises(UserError, match="different numbers of folds for these corpora: emodb 1, turevdb 2"):
        split(joined, **emobox)


def test_two_corpora_cannot_validate_each_other_while_one_is_tested(joined):
    with pytest.raises(UserError, match="needs at least 3 test groups, and there are 2"):
        split(joined, scheme="corpus")


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"angry": ["W"], "sad": ["emodb:T"]}, "joins several corpora, so write emodb:W instead of 'W'"),
        ({"angry": ["emodb:W"], "sad": ["emodb:T"]}, "no code of turevdb, which both joins"),
        ({"angry": ["emodb:kz"], "sad": ["turevdb:hl"]}, "no code 'emodb:kz'"),
        ({"angry": ["ravdess:05"], "sad": ["turevdb:hl"]}, "no code 'ravdess:05'"),
    ],
)
def test_codes_are_those_of_the_corpora_and_each_has_some(classes, message):
    settings = TaskSettings(corpus="both", classes=classes, split=SplitSettings(scheme="corpus"))
    with pytest.raises(UserError, match=message):
        check_codes("four", settings, READERS)
    check_codes("four", task(scheme="corpus"), READERS)


def test_a_corpus_that_the_task_leaves_without_utterances_is_named(joined):
    settings = task(scheme="speaker").model_copy(update={"where": {"style": ["scripted"]}})
    with pytest.raises(UserError, match=r"tasks\.four: no utterance of turevdb is left; change where"):
        label_utterances(joined.assign(style=joined["corpus"].map({"emodb": "scripted"}).fillna("")), settings, "four")


def test_splits_carry_the_manifest_and_survive_the_file(joined, tmp_path):
    splits = split(joined, scheme="speaker")
    write_splits(splits, tmp_path / "four.csv")
    assert list(splits)[:3] == ["corpus", "id", "label"]
    assert set(joined) <= set(splits)
    again = read_splits(tmp_path / "four.csv")
    assert again.drop(columns=NUMBERS).equals(splits.drop(columns=NUMBERS))
    assert (again[NUMBERS].isna() == splits[NUMBERS].isna()).all(axis=None)


def test_a_joined_manifest_is_that_of_its_index_or_none(manifests, tmp_path):
    parts = {}
    for name, manifest in manifests.items():
        parts[name] = tmp_path / name, tmp_path / f"index/{name}.json"
        described = CorpusDescription(reader=name, utterances=len(manifest), speakers=4)
        write_manifest_folder(parts[name][0], manifest, {name: described}, index=parts[name][1])
    join_manifest_folders(tmp_path / "both", parts)
    manifest, corpora = read_manifest_folder(tmp_path / "both")
    assert set(corpora) == set(manifest["corpus"]) == {"emodb", "turevdb"}
    assert list(read_manifest_folder(tmp_path / "emodb")[0]["corpus"].unique()) == ["emodb"]

    index = tmp_path / "index/emodb.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "manifest.csv": "0" * 64}))
    with pytest.raises(UserError, match=r"is not the manifest that .*emodb\.json names"):
        join_manifest_folders(tmp_path / "both", parts)
    shutil.rmtree(tmp_path / "turevdb")
    with pytest.raises(UserError, match="dvc pull manifest@turevdb"):
        join_manifest_folders(tmp_path / "both", {"turevdb": parts["turevdb"]})
