"""Corpora that are read by name, from their file names and tables, on miniatures of their layout; and EmoBox's."""

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from data.corpora import CORPORA, AnyCorpusSettings
from data.errors import UserError
from data.manifest import Manifest, build_manifest
from stages.params import parse
from tests.builders import (
    REPOSITORY,
    write_casia,
    write_cremad,
    write_emobox,
    write_emodb,
    write_modma,
    write_msp_podcast,
    write_savee,
    write_tess,
    write_wav,
)

REAL = REPOSITORY.parent / "shared/corpora"
WRITERS = {
    "casia": (write_casia, 4, {"surprise": 8}),
    "cremad": (write_cremad, 6, {"ANG": 12}),
    "modma": (write_modma, 8, {"MDD": 12, "HC": 12}),
    "msp_podcast": (write_msp_podcast, 9, {"A": 10, "C": 10, "U": 10}),
    "savee": (write_savee, 4, {"sa": 8, "a": 8}),
    "tess": (write_tess, 2, {"ps": 6, "fear": 6}),
}


@pytest.fixture
def read(tmp_path, monkeypatch):
    """A corpus in its place: reader and its parameters -> manifest."""
    monkeypatch.chdir(tmp_path)

    def build(reader: str, **settings) -> Manifest:
        return build_manifest("ours", parse(AnyCorpusSettings, {"reader": reader, **settings}, "corpora.ours"))

    return build


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "corpora/ours"


def one(manifest: Manifest, name: str) -> pd.Series:
    return manifest.rows.set_index("id").loc[name]


@pytest.mark.parametrize("reader", WRITERS)
def test_every_utterance_has_a_code_of_the_corpus_and_a_speaker(read, root, reader):
    write, speakers, counts = WRITERS[reader]
    write(root)
    rows = read(reader).rows
    assert rows["speaker"][rows["speaker"] != ""].nunique() == speakers
    found = Counter(rows["emotion"])
    assert {code: found[code] for code in counts} == counts
    assert set(found) <= set(CORPORA[reader].EMOTIONS)
    assert rows["shard"].nunique() == rows["speaker"].nunique()


@pytest.mark.parametrize("reader", [name for name in WRITERS if name != "msp_podcast"])
def test_a_folder_that_is_another_corpus_is_refused_and_a_file_of_another_named(read, root, reader):
    write_wav(root / "holiday.wav")
    with pytest.raises(UserError, match="does not look like"):
        read(reader)
    WRITERS[reader][0](root)
    with pytest.raises(UserError, match=r"1 audio files are not named like [\s\S]*\n  holiday\.wav"):
        read(reader)


def test_cremad_fields(read, root):
    found = one(read("cremad") if write_cremad(root) else None, "1001_DFA_ANG_XX")
    assert (found.speaker, found.gender, found.emotion, found.style) == ("1001", "male", "ANG", "")
    assert found.text == "Don't forget a jacket."
    (root / "VideoDemographics.csv").unlink()
    without = read("cremad")
    assert set(without.rows["gender"]) == {""}
    assert "so no genders" in without.notes[0]


def test_tess_counts_nested_copies_once_and_knows_the_speaker_of_a_misnamed_file(read, root):
    write_tess(root)
    write_tess(root / "TESS Toronto emotional speech set data")
    (root / "OAF_neutral/OAF_back_neutral.wav").rename(root / "OAF_neutral/OA_bite_neutral.wav")
    found = read("tess")
    assert len(found.rows) == 2 * 7 * 3 + 1  # the nested copy of the file that was renamed is another one
    assert one(found, "OAF_bite_neutral").speaker == "OAF"
    assert one(found, "YAF_back_ps").path == "YAF_Pleasant_surprised/YAF_back_ps.wav"


def test_savee_is_read_with_and_without_folders_of_speakers(read, root):
    write_savee(root)
    nested = read("savee").rows
    for path in sorted(root.glob("AudioData/*/*.wav")):
        path.rename(root / f"{path.parent.name}_{path.name}")
    flat = read("savee").rows
    assert flat.drop(columns="path").equals(nested.drop(columns="path"))
    assert (flat["text"][0], flat["emotion"][0]) == ("a01", "a")


def test_modma_groups_come_from_the_table_of_subjects(read, root, tmp_path):
    write_modma(root)
    found = one(read("modma"), "02010002-03")
    assert (found.speaker, found.emotion, found.gender, found.text) == ("02010002", "HC", "male", "t03")
    table = root / "subjects_information_audio_lanzhou_2015.xlsx"
    pd.read_excel(table)[1:].to_excel(table, index=False)
    with pytest.raises(UserError, match=r"1 subjects are not in the table:\n  02010001"):
        read("modma")
    (tmp_path / "data/tables/ours").mkdir(parents=True)
    table.rename(tmp_path / "data/tables/ours" / table.name)
    with pytest.raises(UserError, match="1 subjects are not in the table"):
        read("modma")
    (tmp_path / "data/tables/ours" / table.name).unlink()
    with pytest.raises(
        UserError, match=r"there is no subjects_information_audio\*\.xlsx in corpora/ours or data/tables"
    ):
        read("modma")


def test_msp_podcast_has_official_folds_and_ratings_and_no_speaker_called_unknown(read, root):
    write_msp_podcast(root)
    found = read("msp_podcast")
    first = one(found, "MSP-PODCAST_0001_0002")
    assert (first.speaker, first.gender, first["style"], first.valence) == ("1", "male", "Development", 3)
    roles = found.folds.merge(found.rows, on="id").groupby("style")["fold_0"].unique().map(list)
    assert roles.to_dict() == {"Train": ["train"], "Development": ["validation"], "Test1": ["test"], "Test2": [""]}
    other = read("msp_podcast", test="Test2")
    assert set(other.folds["fold_0"][other.rows["style"] == "Test2"]) == {"test"}
    assert set(found.rows["speaker"][found.rows["style"] == "Test2"]) == {""}


def test_emobox_metadata_says_all_but_the_speakers(read, root, tmp_path):
    write_emodb(root)
    corpus = build_manifest("ours", parse(AnyCorpusSettings, {"reader": "emodb"}, ""))
    write_emobox(tmp_path / "data/tables/ours/emodb", corpus.rows)
    found = read("emobox", pattern=r"(?P<speaker>\d\d)(?P<text>[ab]\d\d)[A-Z]")
    known = ["id", "path", "speaker", "text", "shard"]
    assert found.rows[known].equals(corpus.rows[known])
    assert (found.rows["emotion"] == "emotion " + corpus.rows["emotion"]).all()
    assert found.folds["fold_0"].tolist() == ["test", "train"] * 35
    assert "nothing says who is speaking" in read("emobox").notes[0]
    (root / "wav/03a01Fa.wav").unlink()
    with pytest.raises(
        UserError, match=r"1 of 70 files are not in corpora/ours; complete your copy:\n  wav/03a01Fa\.wav"
    ):
        read("emobox")


def test_emobox_metadata_that_is_not_there_says_where_it_goes(read, root):
    write_emodb(root)
    with pytest.raises(
        UserError, match=r"in data/tables/ours or corpora/ours\. Copy EmoBox's data/<corpus> to data/tabl"
    ):
        read("emobox")


@pytest.mark.skipif(not REAL.is_dir(), reason="needs EmoDB and TurEV-DB themselves")
@pytest.mark.parametrize(("corpus", "utterances", "folds"), [("emodb", 535, 5), ("turevdb", 1735, 1)])
def test_the_real_metadata_finds_all_files_of_the_real_corpora(read, root, tmp_path, corpus, utterances, folds):
    for place, target in ((root, REAL / corpus), (tmp_path / "data/tables/ours", REAL / "emobox" / corpus)):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)
    found = read("emobox", pattern=r"/(?P<speaker>\d+)[_a]?")
    assert (len(found.rows), found.folds.shape[1] - 1) == (utterances, folds)
    assert (found.folds.iloc[:, 1:] == "test").any(axis=1).sum() == (utterances if folds == 5 else 432)
