"""Presets: what `ser preset` composes of presets/base.yaml and a short file, and what it refuses to overwrite."""

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from app.cli import app
from app.composition import compose
from data.errors import UserError
from tests.builders import PRESETS, REPOSITORY, link_presets, preset_text, read_preset

BASE = """\
# The parameters.

# The rules.

tasks:                            # any number
  emotions:
    corpus: demo                  # where it is
    classes:                      # class -> codes
      neutral: [neu]
      sad: [sad]
    split:
      folds: null                 # null: all of them;
                                  # fewer: blocks

training:                         # of all heads
  learning_rate: 0.0000001

heads:
  linear:                         # solved
    model: linear
    features: hubert/demo         # a set
    layers: null
  gru:
    model: gru
    features: hubert/demo         # a set
    hidden_size: 64               # per direction
    learning_rate: 0.002
"""


def composed(preset: str, **others: str) -> str:
    texts = {"base": BASE, "it": preset, **others}
    return compose("it", texts.__getitem__)


def values(preset: str, **others: str) -> dict:
    return YAML(typ="safe").load(composed(preset, **others))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_only_what_is_different(name):
    lines = (REPOSITORY / "presets" / f"{name}.yaml").read_text().splitlines()
    assert lines[0].startswith("# ")
    assert sum(bool(line) and not line.startswith("#") for line in lines) <= 45  # most are below 25


@pytest.mark.parametrize("name", PRESETS)
def test_a_composed_preset_is_as_complete_and_commented_as_the_base(name):
    base, complete = read_base(), read_preset(name)
    assert list(complete) == list(base)
    assert all(
        set(complete[section]) == set(base[section]) for section in ("training", "evaluate", "report", "runtime")
    )
    for head in complete["heads"].values():
        assert set(head) >= {"model", "task", "features", "start", "layers"}
        assert not {"like", "defaults"} & set(head)
    text = preset_text(name)
    assert text.count("#") > 60
    assert text.startswith("# The parameters of the pipeline.")
    assert "\n# This preset: " in text
    assert "extends" not in text


@pytest.mark.parametrize("name", PRESETS)
def test_a_composed_preset_reads_as_written_by_hand(name):
    text = preset_text(name)
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 121
    assert "\n\n\n" not in text
    assert text.endswith("processes of extract and train\n")
    for line in text.splitlines():
        assert line == line.rstrip()
        beside = line.find(" # ")
        assert beside in (-1, 33) or len(line[:beside].rstrip()) >= 33, line


def read_base() -> dict:
    return YAML(typ="safe").load(REPOSITORY / "presets/base.yaml")


def test_the_base_as_a_preset_is_the_base():
    text = preset_text("all", "# Everything.\nextends: base\n")
    assert YAML(typ="safe").load(text) == read_base()
    written = (REPOSITORY / "presets/base.yaml").read_text()
    comments = {line.split(" # ")[1] for line in written.splitlines() if " # " in line}
    assert {line.split(" # ")[1] for line in text.splitlines() if " # " in line} == comments


def test_the_committed_parameters_are_the_demo_preset():
    assert (REPOSITORY / "params.yaml").read_text() == preset_text("demo")


def test_a_preset_composes_to_exactly_this():
    assert (
        composed(
            "# Ours.\n# More of it.\n\nextends: base\n\n"
            "tasks:\n  emotions: {classes: {sad: ['03']}, split: {folds: 5}}\n"
            "heads:\n  defaults: {features: hubert/ours}\n  gru: {hidden_size: 32}\n  linear:\n"
            "  wide: {like: gru, hidden_size: 128, learning_rate: omit}   # twice as wide\n"
        )
        == """\
# The parameters.
# This preset: Ours.
# More of it.

tasks:                            # any number
  emotions:
    corpus: demo                  # where it is
    classes:                      # class -> codes
      sad: ['03']
    split:
      folds: 5                    # null: all of them;
                                  # fewer: blocks

training:                         # of all heads
  learning_rate: 0.0000001

heads:
  gru:
    model: gru
    features: hubert/ours         # a set
    hidden_size: 32               # per direction
    learning_rate: 0.002
  linear:                         # solved
    model: linear
    features: hubert/ours
    layers: null
  wide:                           # twice as wide
    model: gru
    features: hubert/ours
    hidden_size: 128
"""
    )


def test_a_preset_that_extends_another_starts_from_its_values():
    parent = "# Parent.\nextends: base\ntraining: {learning_rate: 1}\nheads:\n  gru: {hidden_size: 8}\n"
    child = "# Child.\nextends: parent\nheads:\n  defaults: {features: hubert/other}\n"
    complete = values(child, parent=parent)
    assert complete["training"] == {"learning_rate": 1}
    assert list(complete["heads"]) == ["gru"]
    assert (complete["heads"]["gru"]["hidden_size"], complete["heads"]["gru"]["features"]) == (8, "hubert/other")
    entry_of_the_base = values("# Child.\nextends: parent\nheads:\n  linear:\n", parent=parent)["heads"]
    assert list(entry_of_the_base) == ["linear"]
    assert entry_of_the_base["linear"]["features"] == "hubert/demo"


def test_an_entry_takes_over_what_its_model_has_and_then_its_own_values():
    heads = values(
        "# It.\nextends: base\nheads:\n  defaults: {layers: [2]}\n  linear: {layers: [3]}\n"
        "  same: {like: linear}\n  other: {like: same, layers: all}\n  from_base: {like: gru}\n"
    )["heads"]
    assert [head["layers"] for head in heads.values()] == [[3], [3], "all", [2]]


def test_a_file_that_extends_nothing_is_taken_as_it_is():
    mine = "# Mine.\nheads:\n  gru: {model: gru}   # no learning rate of its own\n"
    assert composed(mine) == mine


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        (
            "extends: base\nheads:\n  a: {like: lineer}\n",
            r"it\.yaml: heads\.a: like: .*did you mean 'linear'",
        ),
        ("extends: base\nheads:\n  a: {like: b}\n  b: {like: a}\n", r"like each other in a circle: a -> b -> a"),
        ("extends: it\n", r"extend each other in a circle: it -> it"),
        ("extends: base\nheads:\n  a: {like: [\n", r"presets/it\.yaml, line \d: not valid YAML"),
        ("only words\n", r"presets/it\.yaml: expected sections"),
    ],
)
def test_mistakes_of_a_preset_are_named(preset, message):
    with pytest.raises(UserError, match=message):
        composed(preset)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return link_presets(tmp_path)


def ser(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_presets_are_listed_with_what_they_are(project):
    listed = ser("preset").stdout.splitlines()
    assert [line.split()[0] for line in listed] == PRESETS
    assert all(len(line.split()) > 5 for line in listed)


def test_a_preset_replaces_any_other_preset_but_no_edited_parameters(project):
    for name in ("emodb", "emodb-ablation", "demo"):
        assert ser("preset", name).exit_code == 0
        assert (project / "params.yaml").read_text() == preset_text(name)
    edited = preset_text("demo").replace("epochs: 8", "epochs: 9")
    (project / "params.yaml").write_text(edited)
    refused = ser("preset", "emodb")
    assert "params.yaml has been edited" in str(refused.exception)
    assert "ser preset emodb --force" in str(refused.exception)
    assert (project / "params.yaml").read_text() == edited
    assert ser("preset", "emodb", "--force").exit_code == 0
    assert (project / "params.yaml").read_text() == preset_text("emodb")


def test_a_preset_can_be_edited_and_put_in_place_again(project):
    mine = project / "presets/mine.yaml"
    mine.write_text("# Mine.\nextends: demo\n")
    assert ser("preset", "mine").exit_code == 0
    mine.write_text("# Mine.\nextends: demo\ntraining: {epochs: 9}\n")
    assert ser("preset", "mine").exit_code == 0
    params = project / "params.yaml"
    assert "epochs: 9 " in params.read_text()
    params.write_text(params.read_text().replace("epochs: 9", "epochs: 7"))
    assert "params.yaml has been edited" in str(ser("preset", "mine").exception)


def test_edited_parameters_can_be_kept_as_a_preset(project):
    mine = preset_text("demo").replace("epochs: 8", "epochs: 9")
    (project / "params.yaml").write_text(mine)
    (project / "presets/mine.yaml").write_text(mine)
    assert ser("preset", "demo").exit_code == 0
    assert ser("preset", "mine").exit_code == 0
    assert (project / "params.yaml").read_text() == mine


def test_somebodys_unfinished_preset_does_not_keep_others_from_working(project):
    (project / "presets/unfinished.yaml").write_text("extends: [\n")
    (project / "params.yaml").write_text(preset_text("demo"))
    assert ser("preset", "emodb").exit_code == 0
    assert ser("preset").exit_code == 0


def test_whether_params_are_a_preset_can_be_asked(project):
    (project / "params.yaml").write_text(preset_text("demo"))
    assert ser("preset", "--check", "demo").exit_code == 0
    other = ser("preset", "--check", "emodb")
    assert other.exit_code == 1
    assert "params.yaml is not the preset emodb" in str(other.exception)
    assert (project / "params.yaml").read_text() == preset_text("demo")


def test_an_unknown_preset_is_named_with_the_nearest_one(project):
    assert "no preset 'emodbb'; did you mean 'emodb'?" in str(ser("preset", "emodbb").exception)


def test_corpora_that_are_not_there_are_named_with_a_command(project):
    said = ser("preset", "emodb-turevdb").stdout
    assert "ln -s /where/it/is corpora/emodb" in said
    assert "ln -s /where/it/is corpora/turevdb" in said
    assert "ser demo-corpus corpora/demo" in ser("preset", "demo").stdout
