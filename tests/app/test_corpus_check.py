"""`ser corpus check`: what it finds in a corpus, and the lines it drafts."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from ruamel.yaml import YAML
from typer.testing import CliRunner

from app.cli import app
from app.presets import preset_text
from data.corpora.table import Parameters
from data.inspection import find_problems, survey
from data.manifest import build_manifest
from stages.schema import check_params
from tests.builders import REPOSITORY, read_preset, tone, write_emodb, write_savee, write_wav

PATTERN = r"(?P<speaker>[a-z]+)_(?P<emotion>[a-z]+)_(?P<text>[a-z0-9]+)"


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """An empty project, and where its corpus goes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("corpora:\n  savee: {reader: savee, features: all}\n")
    return tmp_path / "corpora/ours"


def write_ours(root: Path, speakers=("ann", "bob", "cid"), per_code: int = 12) -> Path:
    for speaker in speakers:
        for emotion in ("happy", "sad"):
            for number in range(per_code // len(speakers)):
                frequency = 100 + 7 * number + 97 * speakers.index(speaker) + 400 * (emotion == "sad")
                write_wav(root / f"{speaker}_{emotion}_a{number:02d}.wav", 0.1, frequency=frequency)
    return root


def ser(*arguments: str):
    return CliRunner().invoke(app, ["corpus", "check", *arguments])


def suspicions(root: Path) -> str:
    manifest = build_manifest("ours", Parameters(reader="table", pattern=PATTERN))
    recordings = survey(root, manifest.rows, headers_only=False, workers=1, on_file=lambda: None)
    found = find_problems(manifest.rows, recordings)
    return "\n".join(["ERRORS", *found.errors, "SUSPICIONS", *found.suspicions])


def test_a_corpus_without_a_flaw_is_counted_and_drafted(root):
    write_ours(root)
    checked = ser("ours", "--pattern", PATTERN)
    assert checked.exit_code == 0, checked.output
    for text in (
        "24 in 24 files",
        "16,000 Hz",
        "PCM_16",
        "50.0%",
        "ann 8, bob 8, cid 8",
        "sentence alone",
        "Nothing suspicious",
    ):
        assert text in checked.output
    drafted = YAML(typ="safe").load("corpora:" + checked.output.partition("\ncorpora:")[2])
    params = read_preset("demo")
    params["corpora"] |= drafted["corpora"]
    params["tasks"]["ours"] = drafted["tasks"]["emotions"]
    assert check_params(params).tasks["ours"].classes == {"happy": ["happy"], "sad": ["sad"]}
    assert params["corpora"]["ours"] == {"reader": "table", "features": "all", "pattern": PATTERN}


def test_a_drafted_preset_is_complete(root):
    write_ours(root)
    shutil.copytree(REPOSITORY / "presets", "presets")
    files = sorted(path.name for path in root.glob("*.wav"))
    lines = [f"{file},{file.split('_')[1]},{file.split('_')[0]},{3 + i / 10}" for i, file in enumerate(files)]
    (root / "meta.csv").write_text("\n".join(["file,label,speaker,valence", *lines]) + "\n")
    checked = ser("ours", "--table", "meta.csv", "--headers", "--write")
    assert "presets/ours.yaml written" in checked.output, checked.output
    params = check_params(YAML(typ="safe").load(preset_text("ours")))
    assert params.tasks["emotions"].classes == {"happy": ["happy"], "sad": ["sad"]}
    assert params.tasks["ratings"].targets == ["valence"]
    assert list(params.heads) == ["linear", "linear_ratings"]
    assert "presets/ours.yaml exists" in str(ser("ours", "--table", "meta.csv", "--headers", "--write").exception)


def test_columns_with_usual_names_are_recognised_and_others_can_be_named(root):
    write_ours(root)
    lines = [f"{path.name};{path.name.split('_')[1]};{path.name.split('_')[0]}" for path in sorted(root.glob("*.wav"))]
    (root / "meta.csv").write_text("\n".join(["Filename;Stimmung;Actor", *lines]) + "\n")
    checked = ser("ours", "--table", "meta.csv", "--column", "emotion=Stimmung")
    assert checked.exit_code == 0, checked.output
    assert "path: Filename" in checked.output
    assert "speaker: Actor" in checked.output
    (root / "meta.csv").write_text("\n".join(["A;B", *(line.rpartition(";")[0] for line in lines)]) + "\n")
    assert "which column has the audio files? Say --column path=... (A, B)" in str(
        ser("ours", "--table", "meta.csv").exception
    )
    assert "did you mean 'emotion'" in str(ser("ours", "--table", "meta.csv", "--column", "emotoin=B").exception)


def test_audio_that_cannot_be_used_is_an_error_and_all_else_is_suspicious(root):
    write_ours(root)
    assert suspicions(root) == "ERRORS\nSUSPICIONS"
    soundfile.write(root / "ann_happy_a00.wav", np.zeros(1600), 16000)
    assert "1 audio file cannot be used" in suspicions(root)
    assert ser("ours", "--pattern", PATTERN).exit_code == 1
    assert "ann_happy_a00.wav: silent" in ser("ours", "--pattern", PATTERN).output
    soundfile.write(root / "ann_happy_a00.wav", np.clip(20 * tone(0.1), -1, 1), 16000)
    soundfile.write(root / "ann_happy_a01.wav", 0.002 * tone(0.1), 16000)
    soundfile.write(root / "ann_happy_a02.wav", soundfile.read(root / "bob_sad_a02.wav")[0], 16000)
    write_wav(root / "cid_sad_a03.wav", 0.1, sample_rate=8000)
    found = suspicions(root)
    assert found.startswith("ERRORS\nSUSPICIONS\n")
    for text in (
        "1 audio file clipped (samples at full scale):\n  ann_happy_a00",
        "1 audio file nearly silent:\n  ann_happy_a01",
        "Identical audio 1 times, 1 of them with different codes:\n  ann_happy_a02 (happy) = bob_sad_a02 (sad)",
        "Several sample rates (16000 Hz 23, 8000 Hz 1)",
    ):
        assert text in found


def test_what_limits_a_result_is_suspicious(root):
    write_ours(root, speakers=("ann",))
    write_wav(root / "ann_bored_a00.wav", 0.1, frequency=900)
    found = suspicions(root)
    assert "only one speaker (ann)" in found
    assert "Fewer than 10 utterances of some codes: bored 1." in found
    (root / "ann_bored_a00.wav").rename(root / "bob_bored_a00.wav")
    assert "Only one speaker has the codes bored, happy, sad" in suspicions(root)


def test_sentences_that_give_the_code_away_are_told_of(root):
    write_savee(root.parent / "savee")
    checked = ser("savee", "--headers")
    assert checked.exit_code == 0, checked.output
    assert "The sentence alone predicts the code: 100% UA, where chance is 14%" in " ".join(checked.output.split())
    write_emodb(root)
    assert "The sentence alone" not in ser("ours", "--reader", "emodb").output


def test_a_corpus_that_is_neither_in_params_nor_drafted_is_named(root):
    assert "there is no 'savvee'; did you mean 'savee'?" in str(ser("savvee").exception)
