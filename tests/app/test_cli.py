"""The `ser` command line as a whole: its version, help, completion, JSON, and where it runs."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from app.cli import app
from tests.builders import REPOSITORY, link_presets, preset_text, write_features, write_wav

GROUPS = typer.main.get_command(app).commands
COMMANDS = [
    path
    for name, command in sorted(GROUPS.items())
    for path in ([[name, inner] for inner in sorted(command.commands)] if hasattr(command, "commands") else [[name]])
]


def ser(*arguments: str, **environment: str):
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "80", "TERM": "dumb", **environment})


def program(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run `ser` as a program, in a folder."""
    code = "import sys; from app.cli import main; sys.argv[0] = 'ser'; main()"
    known = {**os.environ, "PYTHONPATH": str(REPOSITORY), **environment}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, env=known, capture_output=True, text=True
    )


def test_the_version_is_one_line_that_names_what_changes_numbers():
    (line,) = ser("--version").stdout.splitlines()
    for package in ("torch", "transformers"):
        assert f"{package} {version(package)}" in line


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_examples_that_it_understands(path):
    command = GROUPS[path[0]] if len(path) == 1 else GROUPS[path[0]].commands[path[1]]
    shown = ser(*path, "--help").stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert command.epilog.startswith("Examples:\n")
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for line in command.epilog.splitlines()[1:]:
        if line.strip().startswith("ser "):
            assert line.split()[1 : 1 + len(path)] == path
            assert set(re.findall(r"(?<=\s)--[a-z][a-z0-9-]*", line)) <= options


def test_outside_of_a_project_only_what_needs_one_asks_for_it(tmp_path):
    asked = program(tmp_path, "check")
    assert asked.returncode == 1
    assert asked.stderr == "error: ser check works on a project; run it in its folder, the one that contains dvc.yaml\n"
    assert program(tmp_path, "check", "--help").returncode == 0
    assert program(tmp_path, "--version").returncode == 0
    recording = write_wav(tmp_path / "speech.wav")
    assert "Name a packed model, such as --head packs/gru" in program(tmp_path, "predict", str(recording)).stderr


def test_a_shell_is_told_how_to_complete(tmp_path):
    completed = program(tmp_path, _SER_COMPLETE="complete_bash", COMP_WORDS="ser pr", COMP_CWORD="1", SHELL="/bin/bash")
    assert completed.stdout.split() == ["preset", "predict"]


def test_listings_are_printed_as_json(tmp_path, monkeypatch):
    monkeypatch.chdir(link_presets(tmp_path))
    presets = json.loads(ser("preset", "--json").stdout)
    assert {"name", "description"} == set(presets[0])
    assert "demo" in [preset["name"] for preset in presets]
    write_features(Path("artifacts/features/hubert/emodb"), speakers=2)
    (listed,) = json.loads(ser("store", "ls", "--json").stdout)
    assert (listed["set"], listed["corpus"], listed["utterances"], listed["num_shards"]) == ("hubert", "emodb", 20, 2)
    one = json.loads(ser("store", "ls", "hubert/emodb", "--json").stdout)
    assert [shard["utterances"] for shard in one["shards"]] == [10, 10]
    assert one["recipe"]["layers"] == [12]
    Path("params.yaml").write_text(preset_text("demo"))
    checked = json.loads(ser("check", "--json").stdout)
    assert checked["corpora"] == ["demo"]
    assert checked["missing_corpora"] == ["demo"]


def test_a_corpus_is_described_as_json(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for speaker in ("ann", "bob"):
        for emotion in ("happy", "sad"):
            write_wav(tmp_path / f"corpora/ours/{speaker}_{emotion}.wav", 0.2)
    pattern = "(?P<speaker>[a-z]+)_(?P<emotion>[a-z]+)"
    described = json.loads(ser("corpus", "check", "ours", "--pattern", pattern, "--json").stdout)
    assert described["emotions"]["happy"] == {"utterances": 2, "speakers": 2}
    assert described["usable"]
    assert described["seconds"]["sum"] == pytest.approx(0.8)
