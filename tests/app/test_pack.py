"""`ser pack` and `ser card`, as a user meets them."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML
from scipy.special import softmax
from typer.testing import CliRunner

from app.cli import app
from app.pack import Asked, pack_head
from app.trained import open_trained
from data.clips import ClipsSettings
from data.errors import UserError
from features.ssl import SslSettings
from inference import Predictor
from inference.packing import read_pack
from tests.builders import REPOSITORY, write_wav, write_whisper
from tests.trained_heads import evaluate, train_on_recordings


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A project with a head of two runs on a local encoder, after `dvc repro`. Read only."""
    folder = tmp_path_factory.mktemp("project")
    write_whisper(folder / "models/tiny", seconds=2)
    settings = SslSettings(clips=ClipsSettings(seconds=0.5), checkpoint="models/tiny", layers=[2])
    here = Path.cwd()
    os.chdir(folder)
    try:
        trained = train_on_recordings(folder / "made", settings, folds=2)
        for path in trained.folder.glob("*/*/predictions.csv"):
            _miss_some(path)
        details = evaluate(trained)
    finally:
        os.chdir(here)
    shutil.move(trained.folder, folder / "artifacts/heads/small")
    (folder / "artifacts/evaluation/small").mkdir(parents=True)
    details.write(folder / "artifacts/evaluation/small/details.json")
    params = {"features": {"set": settings.model_dump()}, "heads": {"small": {"features": "set/ours"}}}
    params["evaluate"] = {"bootstrap": 100}
    YAML().dump(params, folder / "params.yaml")
    (folder / "dvc.yaml").touch()
    write_wav(folder / "hello.wav")
    return folder


def _miss_some(path: Path) -> None:
    """Say that the head was wrong, and sure of it, in a third of its validation utterances, and that two speak them."""
    table = pd.read_csv(path)
    validation = table.index[table["role"] == "validation"]
    names = ["p_low", "p_middle", "p_high"]
    sure = np.where(table[names].to_numpy() == table[names].max(axis=1).to_numpy()[:, None], 0.96, 0.02)
    table.loc[validation, names] = sure[validation]
    table.loc[validation[::3], "label"] = table.loc[validation[::3], "label"].map(
        {"low": "middle", "middle": "high", "high": "low"}
    )
    table.loc[validation[3:], "speaker"] = "another"
    table.to_csv(path, index=False)


@pytest.fixture
def project(made, tmp_path, monkeypatch) -> Path:
    """A copy of it, in which the test runs."""
    shutil.copytree(made, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def ser(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def four_lines() -> str:
    """The example of docs/pack.md."""
    (example,) = re.findall(
        r"^```python\n(.*?)^```", (REPOSITORY / "docs/pack.md").read_text(), re.MULTILINE | re.DOTALL
    )
    return example


def test_the_four_documented_lines_predict_what_the_head_does(project):
    ser("pack", "--head", "small", "--output", "packs/gru", "--encoder", "models/tiny")
    *statements, last = [line for line in four_lines().splitlines() if line]
    assert len(statements) == 3
    scope = {}
    exec("\n".join(statements), scope)
    answer = eval(last, scope)
    assert list(answer) == ["low", "middle", "high"]
    runs = read_pack(Path("packs/gru")).runs
    assert all(run.temperature > 1.2 for run in runs)
    expected = [scaled(run.name, run.temperature) for run in runs]
    np.testing.assert_allclose(list(answer.values()), np.mean(expected, axis=0), atol=1e-6)


def scaled(run: str, temperature: float) -> np.ndarray:
    """What a run of the head says of hello.wav, its logits divided by a temperature."""
    answer = open_trained(Path("artifacts/heads/small") / run).predict_file(Path("hello.wav"))
    return softmax(np.log(answer.outputs) / temperature)


def test_a_single_run_keeps_its_answer_whatever_its_temperature(project):
    ser("pack", "--head", "small", "--runs", "fold-1/seed-1", "--output", "one.zip", "--encoder", "models/tiny")
    (run,) = read_pack(Path("one.zip")).runs
    answer = Predictor.from_pretrained("one.zip").predict_file(Path("hello.wav")).outputs
    assert answer.argmax() == scaled("fold-1/seed-1", 1).argmax()
    np.testing.assert_allclose(answer, scaled("fold-1/seed-1", run.temperature), atol=1e-6)


def test_a_folder_by_name_is_not_in_the_pack_and_is_asked_for(project):
    said = ser("pack", "--head", "small")
    assert "packs/small: small, 2 runs" in said
    assert "its encoder is the local folder tiny" in said
    assert "ser predict --head packs/small --checkpoint FOLDER FILES" in said
    with pytest.raises(UserError, match="its encoder, tiny, was a local folder"):
        open_trained(Path("packs/small"))
    predictor = open_trained(Path("packs/small"), checkpoint="models/tiny")
    assert predictor.predict_file(Path("hello.wav")).outputs.sum() == pytest.approx(1)


def test_the_card_is_that_of_the_pack_or_the_one_that_a_head_would_get(project):
    ser("pack", "--head", "small", "--license", "mit")
    card = ser("card", "packs/small")
    assert card == Path("packs/small/README.md").read_text()
    assert card.startswith("---\nlicense: mit\n")
    assert (
        ser("card", "--head", "small").replace("license: other\nlicense_name: not-stated", "license: mit")[:200]
        == card[:200]
    )
    data = json.loads(ser("card", "packs/small", "--json"))
    assert data["classes"] == ["low", "middle", "high"]
    assert data["card"]["metrics"]["ua"]["mean"] == pytest.approx(
        json.loads(Path("artifacts/evaluation/small/details.json").read_text())["metrics"]["ua"]["mean"]
    )


def test_what_is_in_the_way_is_kept(project):
    Path("mine").mkdir()
    with pytest.raises(UserError, match="mine exists, and is no packed model"):
        pack_head(Asked(Path("small")), Path("mine"), force=True)
    pack_head(Asked(Path("small")), Path("packs/small"))
    with pytest.raises(UserError, match=r"packs/small exists\. To replace it: --force"):
        pack_head(Asked(Path("small")), Path("packs/small"))
    pack_head(Asked(Path("small"), runs="fold-0/seed-1"), Path("packs/small"), force=True)
    assert [run.name for run in read_pack(Path("packs/small")).runs] == ["fold-0/seed-1"]
    assert [path.name for path in Path("packs").iterdir()] == ["small"]
    with pytest.raises(UserError, match="packs/small is packed already"):
        pack_head(Asked(Path("packs/small")))


def test_figures_that_are_missing_or_of_other_runs_are_not_packed(project):
    with pytest.raises(UserError, match=r"--runs fold-0/seed-2: no such run; did you mean 'fold-0/seed-1'\?"):
        pack_head(Asked(Path("small"), runs="fold-0/seed-2"))
    with pytest.raises(UserError, match="--license Public Domain: expected an identifier"):
        pack_head(Asked(Path("small"), license="Public Domain"))
    Path("artifacts/heads/small/pieces.json").write_text('{"another": {}}')
    with pytest.raises(UserError, match=r"figures of other runs of small .* Run dvc repro evaluate@small"):
        pack_head(Asked(Path("small")))
    shutil.rmtree("artifacts/evaluation/small")
    with pytest.raises(
        UserError, match=r"small has not been evaluated here.* Run dvc repro evaluate@small, or dvc pull"
    ):
        pack_head(Asked(Path("small")))
    assert not Path("packs").exists()
