"""`ser fetch` gets everything that a compute node without a network needs."""

import json

import pytest
from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

from tests.remotes.conftest import ser
from tests.remotes.hub import serve_hub
from tests.remotes.offline import offline

pytestmark = pytest.mark.extras
over_a_network = pytest.mark.parametrize("remote", ["s3"], indirect=True)
TINY = {"num_hidden_layers": 1, "hidden_size": 48, "num_attention_heads": 4, "intermediate_size": 64}


@over_a_network
def test_heads_train_without_a_network_on_what_was_fetched(anna, clone, remote):
    remote.add_to(anna)
    anna.run("dvc", "push")
    anna.commit()
    ben = clone(anna, "ben")
    listing = json.loads(ser(ben, "fetch", "--dry-run", "--json"))
    stages = {"check", "code", "manifest@emodb", "split@emotions", "extract@emodb-mfcc"}
    assert {need["what"]: need["state"] for need in listing} == dict.fromkeys(stages, "to fetch")
    assert all(need["bytes"] > 0 for need in listing)
    assert not (ben.folder / "artifacts").exists()

    assert "ready: linear" in ser(ben, "fetch", "linear")
    assert ser(ben, "fetch", "linaer", ok=False).startswith("error: params.yaml: heads: there is no 'linaer'")
    params = ben.read_params()
    params["heads"]["linear"]["l2"] = [2.0]
    ben.write_params(params)
    assert "cannot be read" in ben.run(*offline("python", "-m", "app.cli", "store", "ls", "--remote"), ok=False)
    trained = ben.run(*offline("dvc", "repro", "--allow-missing"))
    assert "train linear: 2 folds x 1 seeds: 0 kept, 2 trained" in trained
    assert "clips encoded" not in trained


@over_a_network
def test_an_encoder_runs_without_a_network_on_the_weights_that_were_fetched(anna, remote, tmp_path, monkeypatch):
    """Whoever has the corpus fetches the weights of a new feature set, and extracts on a compute node."""
    params = anna.read_params()
    clips = params["features"]["mfcc"]["clips"]
    params["features"]["tiny"] = {"kind": "ssl", "clips": clips, "checkpoint": "team/tiny", "layers": [1]}
    params["corpora"]["turevdb"]["features"] = ["mfcc"]
    params["heads"]["linear"]["features"] = "tiny/emodb"
    anna.write_params(params)
    model = tmp_path / "model"
    HubertModel(HubertConfig(**TINY)).save_pretrained(model)
    Wav2Vec2FeatureExtractor().save_pretrained(model)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    with serve_hub("team/tiny", model) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        needed = {need["what"]: need for need in json.loads(ser(anna, "fetch", "--dry-run", "--json"))}
        assert needed["extract@emodb-tiny"]["state"] == "runs there, from the corpus"
        assert needed["team/tiny"]["bytes"] > (model / "model.safetensors").stat().st_size
        assert "ready: linear" in ser(anna, "fetch")
    assert "14 clips encoded" in anna.run(*offline("dvc", "repro", "extract@emodb-tiny"))


@over_a_network
def test_what_cannot_be_fetched_is_named(anna, clone, remote):
    remote.add_to(anna)
    anna.run("dvc", "push", "check", "code", "split", "manifest")
    anna.commit()
    ben = clone(anna, "ben")
    said = ser(ben, "fetch", ok=False)
    assert "error: not ready: linear\n  extract@emodb-mfcc: not fetched" in said
    assert "Traceback" not in said
