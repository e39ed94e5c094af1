"""What the readers make of each corpus, and of folders that are not it."""

from collections import Counter
from pathlib import Path

import pytest

from data.corpora import CORPORA, emodb, iemocap, ravdess, turevdb
from data.corpus_settings import CorpusSettings
from data.errors import UserError
from data.manifest import build_manifest, check_corpus_folders, read_manifest, write_manifest
from data.synthesis import write_demo_corpus
from tests.builders import REPOSITORY, write_emodb, write_ravdess, write_turevdb, write_wav

REAL_TUREVDB = REPOSITORY.parent / "shared/corpora/turevdb"

ANNOTATION = "[6.2901 - 8.2357]\t{id}\t{code}\t[2.5000, 2.5000, 2.5000]\nC-E2:\tNeutral;\t()\n\n"


def write_iemocap(root, dialogs: dict[str, list[tuple[str, str]]], transcripts: bytes = b""):
    """A miniature: dialog -> (id, code)."""
    for dialog, utterances in dialogs.items():
        session = root / f"Session{int(dialog[3:5])}"
        folder = session / "dialog/EmoEvaluation"
        folder.mkdir(parents=True, exist_ok=True)
        lines = "".join(ANNOTATION.format(id=identifier, code=code) for identifier, code in utterances)
        (folder / f"{dialog}.txt").write_text("% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n" + lines)
        (session / "dialog/transcriptions").mkdir(exist_ok=True)
        (session / f"dialog/transcriptions/{dialog}.txt").write_bytes(transcripts)
        for identifier, _ in utterances:
            write_wav(session / "sentences/wav" / dialog / f"{identifier}.wav", 0.1)
    return root


def test_iemocap_speaker_is_the_letter_of_the_last_part(tmp_path):
    root = write_iemocap(tmp_path, {"Ses01F_impro01": [("Ses01F_impro01_F000", "neu"), ("Ses01F_impro01_M003", "ang")]})
    speakers = {utterance.id: (utterance.speaker, utterance.gender) for utterance in iemocap.read_utterances(root)}
    assert speakers == {
        "Ses01F_impro01_F000": ("Ses01F", "female"),
        "Ses01F_impro01_M003": ("Ses01M", "male"),
    }


def test_iemocap_fields(tmp_path):
    root = write_iemocap(
        tmp_path,
        {"Ses02M_script01_1b": [("Ses02M_script01_1b_F007", "exc")]},
        transcripts="Ses02M_script01_1b_F007 [006.2901-008.2357]: Caf\xe9, excuse me.\nM: [LAUGHTER]\n".encode(
            "latin-1"
        ),
    )
    (utterance,) = iemocap.read_utterances(root)
    assert (utterance.style, utterance.dialog, utterance.session, utterance.shard) == (
        "scripted",
        "Ses02M_script01_1b",
        "Session2",
        "Session2",
    )
    assert utterance.path == "Session2/sentences/wav/Ses02M_script01_1b/Ses02M_script01_1b_F007.wav"
    assert (utterance.emotion, utterance.start, utterance.end, utterance.valence) == ("exc", None, None, 2.5)
    assert utterance.text == "Café, excuse me."


def test_iemocap_ignores_what_macos_leaves_behind(tmp_path):
    root = write_iemocap(tmp_path, {"Ses01F_impro01": [("Ses01F_impro01_F000", "neu")]})
    (root / "Session1/dialog/EmoEvaluation/._Ses01F_impro01.txt").write_bytes(b"\x00\x05\x16\x07\xff[")
    assert len(iemocap.read_utterances(root)) == 1


@pytest.mark.parametrize("kept", [8, 25, 45, 60])
def test_iemocap_annotation_cut_short_names_file_and_line(tmp_path, kept):
    root = write_iemocap(tmp_path, {"Ses01F_impro01": [("Ses01F_impro01_F000", "neu"), ("Ses01F_impro01_F001", "sad")]})
    path = root / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    text = path.read_text()
    path.write_text(text[: text.rindex("[6.2901") + kept])
    with pytest.raises(UserError, match=r"EmoEvaluation/Ses01F_impro01\.txt:6: cannot read"):
        iemocap.read_utterances(root)


def test_an_incomplete_iemocap_is_not_taken_for_a_smaller_one(tmp_path):
    dialogs = {
        "Ses01F_impro01": [("Ses01F_impro01_F000", "neu"), ("Ses01F_impro01_M000", "sad")],
        "Ses02F_impro01": [("Ses02F_impro01_F000", "neu")],
    }
    root = write_iemocap(tmp_path, dialogs)
    path = root / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    text = path.read_text()
    path.write_text(text.replace("[6.2901 - 8.2357]\tSes01F_impro01_M", " - 8.2357]\tSes01F_impro01_M"))
    with pytest.raises(UserError, match=r"Ses01F_impro01\.txt:6: cannot read"):
        iemocap.read_utterances(root)
    path.write_bytes(bytes(len(text)))
    with pytest.raises(UserError, match=r"Ses01F_impro01\.txt: no annotation in it"):
        iemocap.read_utterances(root)
    path.unlink()
    with pytest.raises(UserError, match="Session1: no annotations"):
        iemocap.read_utterances(root)


def test_emodb_fields(tmp_path):
    utterances = {utterance.id: utterance for utterance in emodb.read_utterances(write_emodb(tmp_path))}
    assert len(utterances) == 5 * 2 * 7
    one = utterances["08b02Ta"]
    assert (one.speaker, one.text, one.emotion, one.gender, one.path) == ("08", "b02", "T", "female", "wav/08b02Ta.wav")


def test_ravdess_counts_nested_copies_once_and_leaves_song_out(tmp_path):
    root = write_ravdess(tmp_path, actors=2)
    write_ravdess(root / "audio_speech_actors_01-24", actors=2)
    write_wav(root / "Actor_01/03-02-01-01-01-01-01.wav")
    utterances = ravdess.read_utterances(root)
    assert len(utterances) == 2 * 8
    assert {(utterance.speaker, utterance.gender) for utterance in utterances} == {("01", "male"), ("02", "female")}
    assert all(utterance.path.startswith("Actor_") for utterance in utterances)


@pytest.mark.parametrize("within", ["", "Sound Source"])
def test_turevdb_fields(tmp_path, within):
    write_turevdb(tmp_path)
    root = tmp_path / within
    utterances = {utterance.id: utterance for utterance in CORPORA["turevdb"].read_utterances(root)}
    assert len(utterances) == 4 * 2 * 4
    one = utterances["1234_mt_cay"]
    assert (one.speaker, one.emotion, one.text, one.style, one.shard) == (
        *("1234", "mt", "cay"),
        *("scripted", "speaker-1234"),
    )
    assert one.gender == ""
    assert one.path == ("" if within else "Sound Source/") + "Happy/1234_mt_cay.wav"
    assert all((root / utterance.path).is_file() for utterance in utterances.values())


def test_turevdb_take_is_not_part_of_the_word(tmp_path):
    write_turevdb(tmp_path, words=("ogul",))
    folder = tmp_path / "Sound Source/Sad"
    (folder / "1234_hl_ogul.wav").rename(folder / "1234_hl_ogul1.wav")
    (folder / "._1157_hl_ogul.wav").write_bytes(b"left behind")
    texts = {utterance.id: utterance.text for utterance in turevdb.read_utterances(tmp_path)}
    assert texts["1234_hl_ogul1"] == texts["1157_hl_ogul"] == "ogul"


def test_a_turevdb_file_in_another_emotions_folder_is_refused(tmp_path):
    folder = write_turevdb(tmp_path) / "Sound Source"
    (folder / "Calm/1234_sk_cay.wav").rename(folder / "Angry/1234_sk_cay.wav")
    with pytest.raises(UserError, match=r"1 file names .*\n  Angry/1234_sk_cay\.wav: sk is calm$"):
        turevdb.read_utterances(tmp_path)
    (folder / "Angry/1234_sk_cay.wav").rename(folder / "Calm/1234-calm.wav")
    with pytest.raises(UserError, match=r"1 file names are not TurEV-DB's[\s\S]*\n  Calm/1234-calm\.wav$"):
        turevdb.read_utterances(tmp_path)


def link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source)


@pytest.mark.skipif(not REAL_TUREVDB.is_dir(), reason="needs TurEV-DB itself")
@pytest.mark.parametrize("within", ["", "Sound Source"])
def test_all_of_turevdb_is_read(within, tmp_path, monkeypatch):
    link(REAL_TUREVDB / within, tmp_path / "corpora/turkish")
    monkeypatch.chdir(tmp_path)
    manifest = build_manifest("turkish", CorpusSettings(reader="turevdb")).rows
    assert len(manifest) == 1735
    assert Counter(manifest["emotion"]) == {"kz": 487, "sk": 408, "mt": 357, "hl": 483}
    assert sorted(manifest["speaker"].unique()) == ["1157", "1234", "1358", "1984", "6783", "7895"]
    assert manifest["text"].nunique() == 82


@pytest.mark.parametrize("reader", [iemocap, emodb, ravdess, turevdb])
def test_a_folder_that_is_not_the_corpus_is_refused(tmp_path, reader):
    write_wav(tmp_path / "wav" / "holiday.wav")
    with pytest.raises(UserError, match="does not look like"):
        reader.read_utterances(tmp_path)


def test_demo_corpus_same_seed_same_bytes(tmp_path):
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        write_demo_corpus(tmp_path / name, utterances=40, seed=seed)
    content = {
        name: {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("one", "two", "three")
    }
    assert content["one"] == content["two"]
    assert content["one"] != content["three"]


@pytest.fixture
def demo(demo_corpus, tmp_path, monkeypatch):
    """The demo corpus in its place: exclude -> manifest."""
    link(demo_corpus, tmp_path / "corpora/demo")
    monkeypatch.chdir(tmp_path)
    return lambda **exclude: build_manifest("demo", CorpusSettings(reader="demo", exclude=exclude)).rows


def test_manifest_survives_the_disk(demo, tmp_path):
    manifest = demo(emotion=["xxx"])
    write_manifest(manifest, tmp_path / "manifest.csv")
    again = read_manifest(tmp_path / "manifest.csv")
    assert again.equals(manifest)
    assert list(manifest["id"]) == sorted(manifest["id"])
    assert manifest["speaker"].nunique() == 10
    assert "xxx" not in set(manifest["emotion"])


def test_an_excluded_value_that_is_not_there_is_named(demo):
    with pytest.raises(UserError, match=r"corpora\.demo\.exclude\.emotion: no 'xx' in this corpus; did you mean 'xxx'"):
        demo(emotion=["xx"])
    with pytest.raises(UserError, match=r"corpora\.demo\.exclude\.speaker: no 'Ses09F'"):
        demo(speaker=["Ses09F"])
    rating = str(demo()["valence"].iloc[0])
    assert rating not in set(demo(valence=[rating])["valence"].astype(str))


def test_manifest_names_missing_folder_and_missing_audio(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UserError, match=r"no corpus folder corpora/iemocap\. Put .* ln -s /where/it/is corpora/iemocap"
    ):
        build_manifest("iemocap", CorpusSettings(reader="iemocap"))
    root = write_iemocap(Path("corpora/iemocap"), {"Ses01F_impro01": [("Ses01F_impro01_F000", "neu")]})
    (root / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav").unlink()
    with pytest.raises(UserError, match=r"1 annotated utterances have no audio file[\s\S]*F000\.wav"):
        build_manifest("iemocap", CorpusSettings(reader="iemocap"))


def test_a_corpus_folder_is_a_folder_and_that_of_one_corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("elsewhere").mkdir()
    Path("corpora").mkdir()
    for name in ("one", "two"):
        link(Path("../elsewhere"), Path("corpora") / name)
    assert check_corpus_folders(["one", "missing"]) == ["missing"]
    with pytest.raises(UserError, match="corpora/one and corpora/two are the same folder"):
        check_corpus_folders(["one", "two"])
    Path("corpora/three").write_text("an archive")
    for check in (
        lambda: check_corpus_folders(["three"]),
        lambda: build_manifest("three", CorpusSettings(reader="demo")),
    ):
        with pytest.raises(UserError, match=r"corpora/three is a file\. Unpack the corpus"):
            check()
