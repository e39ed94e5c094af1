"""`ser reproduce`: presets hold the protocols, corpora must be complete, and results may differ a little."""

import dataclasses

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.reproducing import PROTOCOLS, check_corpus, compare, describe
from data.errors import UserError
from stages.schema import check_params
from tests.builders import REPOSITORY, read_preset, write_emodb
from tests.report.test_page import evaluation

MINIATURE = dict.fromkeys(("anger", "boredom", "disgust", "fear", "happiness", "sadness", "neutral"), 10)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_has_its_preset_and_counts_of_the_whole_corpus(name):
    params = check_params(read_preset(name))
    protocol = PROTOCOLS[name]
    assert protocol.head in params.heads
    chance = 100 / len(protocol.counts)
    assert all(chance < figure < 100 for metric, figure in protocol.figures.items() if metric != "macro_f1")
    task = params.tasks[params.heads[protocol.head].task]
    assert list(protocol.counts) == list(task.classes)
    complete = {"iemocap": 5531, "ravdess": 1440, "emodb": 535, "turevdb": 1735}
    assert sum(protocol.counts.values()) == complete[task.corpus]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with the presets and a miniature of EmoDB."""
    (tmp_path / "presets").symlink_to(REPOSITORY / "presets")
    write_emodb(tmp_path / "corpora/emodb")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_parameters_that_were_edited_are_not_overwritten(project):
    (project / "params.yaml").write_text("mine: true\n")
    result = CliRunner().invoke(app, ["reproduce", "emobox-emodb"])
    assert "has been edited" in str(result.exception)
    assert "ser reproduce emobox-emodb --force" in str(result.exception)
    assert (project / "params.yaml").read_text() == "mine: true\n"


def test_an_incomplete_corpus_or_missing_folds_stop_before_anything_runs(project):
    ser = CliRunner()
    result = ser.invoke(app, ["reproduce", "emobox-emodb"])
    assert "there is no data/folds/emobox/emodb. Copy EmoBox's data/emodb there" in str(result.exception)
    (project / "data/folds/emobox/emodb").mkdir(parents=True)
    result = ser.invoke(app, ["reproduce", "emobox-emodb"])
    assert "which has 535 utterances" in str(result.exception)
    assert "anger: 10 instead of 127" in str(result.exception)
    assert [path.name for path in (project / "artifacts").iterdir()] == [".params-written"]
    check_corpus(dataclasses.replace(PROTOCOLS["emobox-emodb"], counts=MINIATURE))
    with pytest.raises(UserError, match="disgust: 10 instead of 9"):
        check_corpus(dataclasses.replace(PROTOCOLS["emobox-emodb"], counts=MINIATURE | {"disgust": 9}))


@pytest.mark.parametrize(("wa", "within"), [(0.6292, True), (0.6291, False), (0.6692, True), (0.6693, False)])
def test_a_result_may_differ_from_the_figure_in_both_directions(tmp_path, monkeypatch, wa, within):
    monkeypatch.chdir(tmp_path)
    protocol = PROTOCOLS["superb-er"]
    folder = tmp_path / "artifacts/evaluation/weighted_layers"
    folder.mkdir(parents=True)
    details = evaluation("weighted_layers", 0.5, speakers=8).details
    means = {**dict.fromkeys(details.metrics, 0.5), "wa": wa}
    metrics = {name: metric.model_copy(update={"mean_folds": means[name]}) for name, metric in details.metrics.items()}
    details.model_copy(update={"metrics": metrics}).write(folder / "details.json")
    compared = {comparison.metric: comparison for comparison in compare(protocol)}
    assert {name: comparison.within for name, comparison in compared.items()} == {
        "ua": True,
        "wa": within,
        "macro_f1": True,
    }
    table = describe("superb-er", protocol, list(compared.values()))
    assert f"WA             64.92     {100 * wa:.2f}" in table
    assert ("not within 2" in table) != within


def test_a_reference_of_our_own_is_never_called_published():
    for protocol in (PROTOCOLS["emobox-emodb"], PROTOCOLS["emobox-turevdb"]):
        table = describe("it", protocol, [])
        assert "published figure for Whisper tiny.en" in table
        assert "our own reference" in table
        assert " published " not in table.splitlines()[1]
