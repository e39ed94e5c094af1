"""`ser grid`: every head on every feature set of every corpus, as complete and valid as a preset."""

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML
from typer.testing import CliRunner

from app.cli import app
from app.grid import count_stages, make_grid
from app.structure import check_structure
from data.errors import UserError
from stages.schema import check_params
from tests.builders import REPOSITORY, link_presets, preset_text, read_preset

CORPORA, SETS, HEADS = ["emodb", "turevdb"], ["whisper", "mfcc"], ["linear", "weighted_layers", "gru"]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return link_presets(tmp_path)


def values(*lists: list[str]) -> dict:
    return YAML(typ="safe").load(make_grid(*lists).text)


def ser(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def ser_grid(corpora=CORPORA, features=SETS, heads=HEADS, *options: str):
    lists = zip(("--corpora", "--features", "--heads"), (corpora, features, heads), strict=True)
    return ser("grid", *(text for option, names in lists for text in (option, ",".join(names))), *options)


def test_every_head_is_on_every_set_of_every_corpus():
    heads = values(CORPORA, SETS, ["linear", "gru"])["heads"]
    combinations = [(head["task"], head["features"], head["model"]) for head in heads.values()]
    expected = [(corpus, f"{of}/{corpus}", model) for corpus in CORPORA for of in SETS for model in ("linear", "gru")]
    assert combinations == expected
    assert next(iter(heads)) == "emodb_whisper_linear"


@pytest.mark.parametrize("corpora", [CORPORA, ["iemocap", "demo"]])
def test_a_grid_is_valid_and_as_complete_and_commented_as_a_preset(corpora):
    made = make_grid(corpora, ["whisper", "mfcc", "hubert"], HEADS)
    parameters = YAML(typ="safe").load(made.text)
    check_structure(parameters)
    assert list(check_params(parameters).heads) == made.heads
    preset = read_preset("emodb")
    assert list(parameters) == list(preset)
    assert set(parameters["training"]) == set(preset["training"])
    assert made.text.count("#") > 60
    assert max(map(len, made.text.splitlines())) <= 120


def test_a_corpus_keeps_the_classes_folds_and_training_of_its_own_preset():
    made = values(["emodb", "iemocap"], ["whisper"], ["gru"])
    for corpus in ("emodb", "iemocap"):
        assert made["tasks"][corpus] == read_preset(corpus)["tasks"]["emotions"]
    params = check_params(made)
    trained = {name: head.training for name, head in params.heads.items()}
    assert (trained["emodb_whisper_gru"].steps, trained["emodb_whisper_gru"].epochs) == (150, None)
    assert (trained["iemocap_whisper_gru"].steps, trained["iemocap_whisper_gru"].epochs) == (None, 12)
    assert {tuple(training.seeds) for training in trained.values()} == {(1, 2, 3)}


def test_a_head_has_the_same_recipe_on_all_corpora():
    heads = values(CORPORA, SETS, ["linear"])["heads"]
    for of in SETS:
        one, other = ({**heads[f"{corpus}_{of}_linear"], "task": "", "features": ""} for corpus in CORPORA)
        assert one == other
    assert heads["turevdb_whisper_linear"]["layers"] == [2]  # as in the corpora's presets
    assert heads["turevdb_mfcc_linear"]["statistics"] == ["mean", "deviation"]


def test_a_mixture_of_layers_gives_way_where_there_is_one_layer():
    made = make_grid(CORPORA, SETS, ["weighted_layers", "frame_mlp"])
    assert made.heads[:3] == ["emodb_whisper_weighted_layers", "emodb_whisper_frame_mlp", "emodb_mfcc_frame_mlp"]
    assert made.notes == ["mfcc has a single layer: frame_mlp takes the place of weighted_layers."]


def test_heads_over_time_are_left_out_where_an_utterance_is_one_vector():
    made = make_grid(["emodb"], ["egemaps", "egemaps_functionals", "imported"], ["linear", "gru"])
    heads = YAML(typ="safe").load(made.text)["heads"]
    assert "emodb_egemaps_functionals_gru" not in heads
    assert {"emodb_egemaps_gru", "emodb_imported_gru"} < set(heads)
    assert heads["emodb_egemaps_linear"]["statistics"] == ["mean", "deviation"]
    assert heads["emodb_egemaps_functionals_linear"]["statistics"] == ["mean"]
    assert made.notes == ["egemaps_functionals is one vector per utterance, so gru is left out."]


def test_the_benchmark_is_a_grid(project):
    features = ["whisper", "mfcc", "egemaps", "egemaps_functionals"]
    lines = (project / "presets/benchmark.yaml").read_text().splitlines()
    description = "\n".join(line.removeprefix("# ") for line in lines if line.startswith("#"))
    assert make_grid(CORPORA, features, HEADS, description).text == preset_text("benchmark")


@pytest.mark.parametrize("several", ["grid", "joined"])
def test_the_stages_are_those_that_dvc_makes(project, several):
    text = make_grid(CORPORA, SETS, ["gru"]).text if several == "grid" else preset_text("emodb-turevdb")
    (project / "params.yaml").write_text(text)
    (project / "dvc.yaml").symlink_to(REPOSITORY / "dvc.yaml")
    (project / ".dvc/tmp").mkdir(parents=True)
    (project / ".dvc/config").touch()
    with Repo(project, uninitialized=True) as repo:
        assert len(repo.index.stages) == count_stages(YAML(typ="safe").load(text))


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ((["emodbb"], SETS, HEADS), r"--corpora: no corpus with a preset 'emodbb'; did you mean 'emodb'\?"),
        ((CORPORA, ["wisper"], HEADS), r"--features: no feature set 'wisper'; did you mean 'whisper'\?"),
        ((CORPORA, SETS, ["grru"]), r"--heads: no head 'grru'; did you mean 'gru'\?"),
        ((CORPORA, [], HEADS), r"--features: name at least one feature set"),
    ],
)
def test_a_name_that_does_not_exist_is_refused_with_the_nearest(lists, message):
    with pytest.raises(UserError, match=message):
        make_grid(*lists)


def test_somebodys_own_corpus_can_be_in_a_grid(project):
    mine = (
        make_grid(["emodb"], ["mfcc"], ["linear"])
        .text.replace("emodb", "mine")
        .replace("reader: mine", "reader: emodb")
    )
    (project / "presets/ours.yaml").write_text(mine)
    (project / "presets/unfinished.yaml").write_text("extends: [\n")
    made = values(["mine", "turevdb"], ["mfcc"], ["linear"])
    assert made["corpora"]["mine"]["reader"] == "emodb"
    assert check_params(made).heads["mine_mfcc_linear"].task == "mine"


def test_it_says_how_many_stages_there_are_and_warns_of_many(project):
    said = ser_grid().stdout
    assert "params.yaml: 12 heads, 39 stages; DVC reads them in about 3 s" in said
    assert "warning" not in said
    many = ser_grid(
        ["emodb", "turevdb", "ravdess"], ["whisper", "mfcc", "hubert"], [*HEADS, "ecapa", "frame_mlp"], "--force"
    )
    assert "warning: with more than 100 stages" in many.stdout


def test_edited_parameters_and_other_files_are_not_overwritten(project):
    (project / "params.yaml").write_text("# mine\n")
    refused = ser_grid()
    assert "params.yaml has been edited" in str(refused.exception)
    assert "ser grid --corpora emodb,turevdb --features whisper,mfcc --heads linear,weighted_layers,gru --force" in str(
        refused.exception
    )
    assert ser_grid(CORPORA, SETS, HEADS, "--output", "presets/ours.yaml").exit_code == 0
    assert "presets/ours.yaml exists" in str(ser_grid(CORPORA, SETS, HEADS, "--output", "presets/ours.yaml").exception)
    assert (project / "params.yaml").read_text() == "# mine\n"
    assert (project / "presets/ours.yaml").read_text() == make_grid(CORPORA, SETS, HEADS).text
