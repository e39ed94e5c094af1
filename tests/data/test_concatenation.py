"""Long utterances: exactly their recordings, one after another, and never parted."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from data.audio import Excerpt, Joined, UnusableAudioError, read_audio
from data.concatenation import ConcatSettings, concatenate, concatenate_folds
from data.corpus_settings import CorpusSettings
from data.errors import UserError
from data.manifest import build_manifest
from data.manifest_folder import join_manifest_folders, read_manifest_folder, read_recordings, write_manifest_folder
from data.task_description import CorpusDescription
from stages import preprocess
from stages.schema import check_params
from tests.builders import tone, write_emodb


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """An EmoDB of two speakers, two sentences and seven emotions at corpora/emodb, in the current folder."""
    monkeypatch.chdir(tmp_path)
    return write_emodb(tmp_path / "corpora/emodb", ("03", "08"))


def built(**settings):
    return build_manifest("emodb", CorpusSettings(reader="emodb", **settings))


def test_a_speakers_utterances_of_one_code_become_one_after_some_are_left_out(corpus):
    manifest = built(concat=ConcatSettings(), exclude={"text": ["b02"]})
    assert list(manifest.rows["id"]) == sorted(f"{speaker}-{code}" for speaker in ("03", "08") for code in "WLEAFTN")
    assert set(manifest.parts["part"].str[2:5]) == {"a01"}
    both = built(concat=ConcatSettings())
    row = both.rows.set_index("id").loc["03-W"]
    assert (row["speaker"], row["emotion"], row["gender"], row["shard"]) == ("03", "W", "male", "speaker-03")
    assert row["text"] == ""  # two sentences
    assert list(both.parts["part"][both.parts["id"] == "03-W"]) == ["03a01Wa", "03b02Wa"]
    assert "28 recordings are joined to 14 utterances" in both.notes
    by_text = built(concat=ConcatSettings(by=["emotion", "text"]))
    assert len(by_text.rows) == 28
    assert set(by_text.rows["text"]) == {"a01", "b02"}


def test_the_samples_are_those_of_the_recordings_one_after_another(corpus, tmp_path):
    manifest = built(concat=ConcatSettings())
    described = CorpusDescription(reader="emodb", concat=["emotion"], utterances=14, speakers=2)
    write_manifest_folder(tmp_path / "manifest", manifest.rows, {"emodb": described}, parts=manifest.parts)
    rows, corpora = read_manifest_folder(tmp_path / "manifest")
    assert corpora["emodb"].concat == ["emotion"]
    recorded = read_recordings(tmp_path / "manifest", rows)
    audio = preprocess._audio(corpus, recorded)["08-F"]
    by_hand = [soundfile.read(corpus / f"wav/08{text}Fa.wav", dtype="float32")[0] for text in ("a01", "b02")]
    np.testing.assert_array_equal(read_audio(audio, 16000), np.concatenate(by_hand))


def test_excerpts_and_other_rates_are_joined_as_they_are_read_alone(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(2.0, 44100), 44100)
    soundfile.write(tmp_path / "b.wav", tone(1.0), 16000)
    parts = Excerpt(tmp_path / "a.wav", 0.5, 1.5), Excerpt(tmp_path / "b.wav")
    whole = read_audio(Joined(parts), 16000)
    np.testing.assert_array_equal(whole, np.concatenate([read_audio(part, 16000) for part in parts]))
    soundfile.write(tmp_path / "b.wav", np.zeros(16000), 16000)
    with pytest.raises(UnusableAudioError, match=r"b\.wav, one of its 2 parts: silent"):
        read_audio(Joined(parts), 16000)


def test_one_changed_recording_changes_the_fingerprint_of_its_shard_alone(corpus, tmp_path):
    manifest = built(concat=ConcatSettings())
    write_manifest_folder(tmp_path / "manifest", manifest.rows, {}, parts=manifest.parts)
    recorded = read_recordings(tmp_path / "manifest", manifest.rows)
    recipe = preprocess.ClipsSettings(seconds=0.2, crop="segments")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/VERSION").write_text("2\n")

    def fingerprints():
        digests = {path: preprocess.file_digest(corpus / path, "blake2b") for path in recorded["path"]}
        return {
            shard: preprocess._piece(shard, rows, digests, recipe, ()).fingerprint
            for shard, rows in recorded.groupby("shard")
        }

    before = fingerprints()
    soundfile.write(corpus / "wav/03b02Wa.wav", tone(0.5), 16000)  # the second part of a long utterance
    after = fingerprints()
    assert before["speaker-08"] == after["speaker-08"]
    assert before["speaker-03"] != after["speaker-03"]


def recordings(**columns) -> pd.DataFrame:
    rows = pd.DataFrame({"path": "x", "start": np.nan, "end": np.nan, "shard": "s", **columns})
    return rows.assign(id=[f"r{number}" for number in range(len(rows))])


def test_folds_that_a_corpus_brings_are_kept_unless_they_part_a_speaker():
    rows, parts = concatenate(recordings(speaker=list("aaab"), emotion=list("WWNW")), ConcatSettings())

    def joined(*folds):
        return concatenate_folds(pd.DataFrame({"id": ["r0", "r1", "r2", "r3"], "fold": folds}), rows, parts)

    assert joined("0", "0", "0", "1").to_dict("list") == {"id": ["a-N", "a-W", "b-W"], "fold": ["0", "0", "1"]}
    assert joined("0", "0", "", "1") is not None
    assert joined("0", "1", "1", "1") is None  # an utterance
    assert joined("0", "0", "1", "1") is None  # two of one speaker


def test_nobodys_recordings_and_different_ones_of_one_name_are_not_joined():
    with pytest.raises(UserError, match="2 recordings have no speaker"):
        concatenate(recordings(speaker=["", "a", ""], emotion="W"), ConcatSettings())
    with pytest.raises(UserError, match="one id, because of their hyphens:\n  a-b-c"):
        concatenate(recordings(speaker=["a-b", "a"], emotion=["c", "b-c"]), ConcatSettings())


def test_joined_corpora_may_have_long_utterances(corpus, tmp_path):
    manifest = built(concat=ConcatSettings())
    described = CorpusDescription(reader="emodb", concat=["emotion"], utterances=14, speakers=2)
    places = tmp_path / "one", tmp_path / "one.json"
    write_manifest_folder(places[0], manifest.rows, {"emodb": described}, index=places[1], parts=manifest.parts)
    joined = join_manifest_folders(tmp_path / "both", {"emodb": places})
    assert joined["id"].iloc[0] == "emodb:03-A"


PARAMS = {
    "corpora": {"emodb": {"reader": "emodb", "concat": {"by": ["emotion"]}}},
    "tasks": {
        "emotions": {"corpus": "emodb", "classes": {"angry": ["W"], "happy": ["F"]}, "split": {"scheme": "speaker"}}
    },
    "features": {"mfcc": {"kind": "mfcc", "clips": {"seconds": 1.0, "crop": "segments"}}},
    "heads": {"linear": {"model": "linear", "task": "emotions", "features": "mfcc/emodb", "start": "scratch"}},
}


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"scheme": "random"}, "scheme: random divides each speaker's utterances"),
        ({"scheme": "emobox", "file": "data/folds/x", "validation": "none"}, "scheme: emobox names single recordings"),
        ({"scheme": "speaker", "validation": "random"}, "validation: random divides each speaker's utterances"),
    ],
)
def test_splits_that_part_a_speaker_are_refused(split, message):
    check_params(PARAMS)
    task = {**PARAMS["tasks"]["emotions"], "split": split}
    with pytest.raises(UserError, match=f"corpora.emodb.concat joins all that a speaker says.*{message}"):
        check_params({**PARAMS, "tasks": {"emotions": task}})


def test_what_to_join_by_must_be_columns_and_the_emotion():
    with pytest.raises(UserError, match="it must have emotion"):
        check_params({**PARAMS, "corpora": {"emodb": {"reader": "emodb", "concat": {"by": ["session"]}}}})
    with pytest.raises(UserError, match="no manifest column 'sesion' to join by; did you mean 'session'"):
        check_params({**PARAMS, "corpora": {"emodb": {"reader": "emodb", "concat": {"by": ["emotion", "sesion"]}}}})
