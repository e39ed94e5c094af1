"""Ids, speakers, codes and texts are anything: text they stay, in files, in the report and on the terminal."""

from pathlib import Path

import pandas as pd
import pytest

from data.corpora.rows import file_name
from data.terminal import visible
from tests.builders import Project, tiny_params, write_wav

SPEAKERS = ("<script>alert(1)</script>", "=1+1", "$(touch pwned)", "Zoë \x1b[2J", "Zoe\u0308")
NAMES = (
    "with space",
    "compose\u0301d",
    "composéd",
    "x" * 251,
    "$(touch pwned);`touch pwned`&|'\"*?",
    "=cmd|' ' C calc'!A0",
    "<b>bold",
    "-rf",
    "red\x1b[31m",
    "tab\tand\nline",
)
CODES = ("<i>happy</i>", "=sad()")
QUIET = Path(__file__).parent / "quiet"
TEXT = '<img src=x onerror=alert(1)>, "=HYPERLINK(1)"\x1b[2J'


def write_corpus(root: Path) -> None:
    rows = []
    for number, speaker in enumerate(SPEAKERS):
        for which, name in enumerate(NAMES):
            path = f"s{number}/{name}.wav"
            write_wav(root / path, 0.3, frequency=150 + 100 * (which % 2) + 5 * which)
            rows.append({"file": path, "who": speaker, "label": CODES[which % 2], "said": TEXT})
    pd.DataFrame(rows).to_csv(root / "labels.csv", index=False)


@pytest.mark.slow
def test_any_name_goes_through_the_whole_pipeline_and_nothing_listens_or_asks_others(tmp_path, monkeypatch):
    params = tiny_params("demo")
    columns = {"path": "file", "speaker": "who", "emotion": "label", "text": "said"}
    params["corpora"] = {"ours": {"reader": "table", "features": "all", "table": "labels.csv", "columns": columns}}
    task = params["tasks"]["emotions"]
    task.update(corpus="ours", classes={"<u>up</u>": [CODES[0]], "=down": [CODES[1]]}, where={})
    task["split"].update(scheme="speaker", folds=None)
    params["features"] = {"mfcc": params["features"]["mfcc"]}
    params["heads"] = {"linear": {**params["heads"]["mfcc_linear"], "features": "mfcc/ours"}}
    params["report"]["reference"] = "linear"
    project = Project.create(tmp_path / "a project", params)
    write_corpus(project.folder / "corpora/ours")
    log = tmp_path / "network.log"
    usual, watched = Project.environment.fget, {"PYTHONPATH": str(QUIET), "EMOCACHE_TEST_NETWORK_LOG": str(log)}
    monkeypatch.setattr(Project, "environment", property(lambda self: {**usual(self), **watched}))
    output = project.repro().output

    assert "\x1b[2J" not in output
    assert not list(tmp_path.rglob("pwned"))
    manifest = pd.read_csv(project.folder / "artifacts/manifests/ours/manifest.csv", keep_default_na=False)
    assert len(manifest) == len(SPEAKERS) * len(NAMES)
    assert set(manifest["speaker"]) == set(SPEAKERS)
    assert set(manifest["text"]) == {TEXT}  # data stay what they are, also in CSV
    page = (project.folder / "artifacts/report/index.html").read_text()
    for tag in ("<script>alert", "<img src=x", "<i>happy", "<u>up", "<b>bold"):
        assert tag not in page
    assert "&lt;u&gt;up&lt;/u&gt;" in page

    events = log.read_text().splitlines()
    assert any("stages.train" in line for line in events)
    asked = "socket.bind (('::1', 0),)"  # urllib3 asks whether there is IPv6, and closes the socket
    assert [line for line in events if not line.startswith(("started", asked))] == []


def test_long_and_strange_speakers_name_files_that_can_be_written():
    names = [file_name(speaker) for speaker in (*SPEAKERS, "é" * 300, "é" * 299, "")]
    assert len(set(names)) == len(names)
    assert all(len(name.encode()) < 200 and not set(name) & set("/\\\0$<\x1b") for name in names)


@pytest.mark.parametrize("text", ["\x1b[2J", "\r", "\x00", "\x9b31m", "\u202e", "\x7f"])
def test_control_characters_are_shown(text):
    shown = visible(f"Zoë{text}\n")
    assert shown.isprintable() or shown[:-1].isprintable()
    assert shown.startswith("Zoë\\")
