"""`ser check` says of params.yaml what DVC itself rejects, before DVC does in its own words."""

import copy
import shutil

import pytest
from dvc.exceptions import DvcException
from dvc.repo import Repo
from ruamel.yaml import YAML
from typer.testing import CliRunner

from app.cli import app
from app.structure import check_structure
from data.errors import UserError
from tests.builders import PRESETS, REPOSITORY, read_preset

REMOVED = object()
UNPARSED = [
    ("corpora", REMOVED, r"corpora: this section is missing; dvc\.yaml needs it"),
    ("joined", REMOVED, r"joined: this section is missing; dvc\.yaml needs it, at least as joined: \{\}"),
    ("tasks", REMOVED, r"tasks: this section is missing"),
    ("features", REMOVED, r"features: this section is missing"),
    ("heads", REMOVED, r"heads: this section is missing"),
    ("joined", None, r"joined: expected names, each with its parameters, not nothing"),
    ("heads", ["gru"], r"heads: expected names, each with its parameters, not a list"),
    ("heads.gru", None, r"heads\.gru: expected parameters \(model, task, features, start, \.\.\.\), not nothing"),
    ("heads.gru.model", REMOVED, r"heads\.gru\.model: is missing; such as model: gru"),
    ("heads.gru.task", REMOVED, r"heads\.gru\.task: is missing; one of emotions"),
    ("heads.gru.features", REMOVED, r"heads\.gru\.features: is missing; .*such as hubert/demo"),
    ("heads.gru.start", REMOVED, r"heads\.gru\.start: is missing; write start: scratch"),
    ("tasks.emotions", None, r"tasks\.emotions: expected parameters"),
    ("tasks.emotions.corpus", REMOVED, r"tasks\.emotions\.corpus: is missing; one of demo"),
    (
        "tasks.emotions.corpus",
        ["demo"],
        r"tasks\.emotions\.corpus: expected one name, not a list",
    ),
]
UNRUN = [
    ("training", REMOVED, r"training: this section is missing; dvc\.yaml needs it, at least as training: \{\}"),
    ("evaluate", REMOVED, r"evaluate: this section is missing"),
    ("report", REMOVED, r"report: this section is missing"),
    ("corpora.demo.features", REMOVED, r"corpora\.demo\.features: is missing; write features: all"),
    ("features.hubert.clips", REMOVED, r"features\.hubert\.clips: is missing; write clips:"),
    (
        "corpora.demo-2",
        {"reader": "demo", "features": "all"},
        r"corpora\.demo-2: use letters, digits and underscores only",
    ),
    ("features.hubert-2", {"clips": {}}, r"features\.hubert-2: .* joined by hyphens"),
]


def changed(key: str, value) -> dict:
    params = copy.deepcopy(read_preset("demo"))
    *steps, last = key.split(".")
    target = params
    for step in steps:
        target = target.setdefault(step, {})
    if value is REMOVED:
        del target[last]
    else:
        target[last] = value
    return params


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A DVC project with this repository's pipeline."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(REPOSITORY / "dvc.yaml", folder)
    Repo.init(str(folder), no_scm=True)
    return folder


def stages(folder, params: dict) -> list[str]:
    with (folder / "params.yaml").open("w") as file:
        YAML().dump(params, file)
    with Repo(str(folder)) as repo:
        return [stage.name for stage in repo.index.stages]


def test_dvc_makes_its_stages_of_every_preset(project):
    for name in PRESETS:
        params = read_preset(name)
        check_structure(params)
        names = stages(project, params)
        assert {f"train@{head}" for head in params["heads"]} <= set(names)
        assert {f"join_manifests@{joined}" for joined in params["joined"]} <= set(names)


@pytest.mark.parametrize(("key", "value", "message"), UNPARSED)
def test_what_dvc_cannot_parse_is_named(key, value, message, project):
    params = changed(key, value)
    with pytest.raises(DvcException):
        stages(project, params)
    with pytest.raises(UserError, match=rf"^params\.yaml: {message}"):
        check_structure(params)


@pytest.mark.parametrize(("key", "value", "message"), UNRUN)
def test_so_is_what_a_stage_would_miss(key, value, message):
    with pytest.raises(UserError, match=rf"^params\.yaml: {message}"):
        check_structure(changed(key, value))


def test_everything_is_named_at_once_with_what_may_be_misspelt():
    params = changed("heads.gru.task", REMOVED)
    params["heads"]["gru"]["taks"] = "emotions"
    params["reports"] = params.pop("report")
    with pytest.raises(UserError) as error:
        check_structure(params)
    assert str(error.value).splitlines() == [
        "params.yaml: heads.gru.task: is missing (there is 'taks'); one of emotions",
        "params.yaml: report: this section is missing (there is 'reports'); dvc.yaml needs it, at least as report: {}",
    ]


def test_ser_check_reads_the_file_before_dvc_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text, message in (
        ("", "expected sections such as corpora"),
        ("heads: [", "not valid YAML"),
        (None, "there is no"),
    ):
        (tmp_path / "params.yaml").unlink(missing_ok=True)
        if text is not None:
            (tmp_path / "params.yaml").write_text(text)
        assert message in str(CliRunner().invoke(app, ["check"]).exception)
    with (tmp_path / "params.yaml").open("w") as file:
        YAML().dump(changed("heads.gru.task", REMOVED), file)
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == 1
    assert "heads.gru.task: is missing" in str(result.exception)
