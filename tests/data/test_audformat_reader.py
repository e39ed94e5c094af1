"""A real audformat database becomes a manifest; the package is an extra."""

import builtins

import pandas as pd
import pytest

from data.corpora.audformat import Parameters
from data.errors import UserError
from data.manifest import build_manifest
from tests.builders import write_wav

FILES = {"train": ["wav/a.wav", "wav/b.wav"], "dev": ["wav/c.wav"], "test": ["wav/d.wav"]}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Where the database goes, with its audio."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(name for files in FILES.values() for name in files):
        write_wav(tmp_path / "corpora/ours" / name, 2.0, frequency=200 + 50 * number)
    return tmp_path / "corpora/ours"


def write_database(root, segmented: bool = False, emotion: str = "emotion"):
    """Emotions and ratings by split, speakers in a table of their own with their genders."""
    import audformat

    database = audformat.Database("mini", languages=["eng"])
    database["speaker"] = audformat.MiscTable(pd.Index(["s1", "s2"], name="speaker", dtype="string"))
    database["speaker"]["gender"] = audformat.Column()
    database["speaker"]["gender"].set(["female", "male"])
    database.schemes["speaker"] = audformat.Scheme("str", labels="speaker")
    database.schemes[emotion] = audformat.Scheme(labels=["anger", "neutral"])
    database.schemes["arousal"] = audformat.Scheme("float")
    for split, files in FILES.items():
        database.splits[split] = audformat.Split(split)
        index = audformat.filewise_index(files)
        if segmented:
            halves = [0] * len(files) + [1] * len(files), [1] * len(files) + [pd.NaT] * len(files)
            index = audformat.segmented_index(files * 2, *halves)
        table = database[f"labels.{split}"] = audformat.Table(index, split_id=split)
        table[emotion] = audformat.Column(scheme_id=emotion)
        table[emotion].set([("anger", "neutral")[number % 2] for number in range(len(index))])
        table["arousal"] = audformat.Column(scheme_id="arousal")
        table["arousal"].set([0.25] * len(index))
    files = audformat.filewise_index([name for of_split in FILES.values() for name in of_split])
    database["files"] = audformat.Table(files)
    database["files"]["speaker"] = audformat.Column(scheme_id="speaker")
    database["files"]["speaker"].set(["s1", "s2", "s1", "s2"])
    database.save(str(root))


def build(**settings):
    return build_manifest("ours", Parameters(reader="audformat", **settings))


@pytest.mark.extras
def test_files_have_their_labels_speakers_and_splits(root):
    write_database(root)
    rows, folds = build()[:2]
    assert rows["id"].tolist() == ["wav/a", "wav/b", "wav/c", "wav/d"]
    assert rows["emotion"].tolist() == ["anger", "neutral", "anger", "anger"]
    assert rows["speaker"].tolist() == ["s1", "s2", "s1", "s2"]
    assert rows["gender"].tolist() == ["female", "male", "female", "male"]
    assert rows["activation"].tolist() == [0.25] * 4
    assert folds["fold_0"].tolist() == ["train", "train", "validation", "test"]
    assert rows["start"].isna().all()


@pytest.mark.extras
def test_segments_are_parts_of_their_files(root):
    write_database(root, segmented=True)
    rows = build().rows
    assert len(rows) == 8
    assert rows["path"].tolist() == sorted(2 * ["wav/a.wav", "wav/b.wav", "wav/c.wav", "wav/d.wav"])
    assert rows["start"].tolist() == [0, 1] * 4
    assert rows["end"].fillna(-1).tolist() == [1, -1] * 4
    assert rows["speaker"].tolist() == ["s1", "s1", "s2", "s2"] * 2


@pytest.mark.extras
def test_schemes_of_other_names_and_tables_can_be_chosen(root):
    write_database(root, emotion="feeling")
    assert set(build(columns={"emotion": "feeling"}).rows["emotion"]) == {"anger", "neutral"}
    with pytest.raises(UserError, match=r"columns\.emotion: .* no labels 'feelin'; did you mean 'feeling'"):
        build(columns={"emotion": "feelin"})
    chosen = build(columns={"emotion": "feeling"}, tables=["labels.dev", "labels.test"])
    assert chosen.rows["id"].tolist() == ["wav/c", "wav/d"]
    with pytest.raises(UserError, match=r"tables: no table 'labels\.deev'; did you mean 'labels\.dev'"):
        build(tables=["labels.deev"])


@pytest.mark.extras
def test_a_folder_without_a_database_is_refused(root):
    with pytest.raises(UserError, match=r"no db\.yaml in it"):
        build()
    (root / "db.yaml").write_text("nothing: [\n")
    with pytest.raises(UserError, match="cannot be read as an audformat database"):
        build()


def test_without_the_package_it_says_what_to_install(root, monkeypatch):
    imported = builtins.__import__

    def without(name, *arguments, **more):
        if name == "audformat":
            raise ImportError(name)
        return imported(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match="pip install audformat"):
        build()
