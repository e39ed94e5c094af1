"""Each preset runs through on a miniature of its corpus."""

import json
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from data.errors import UserError
from data.manifest import read_manifest
from data.roles import read_splits
from stages import check, compare, evaluate, extract, manifest, preprocess, split, train
from tests.builders import (
    REPOSITORY,
    tiny_params,
    write_emobox,
    write_emodb,
    write_ravdess,
    write_turevdb,
    write_whisper,
)


def run_all(params: dict, corpus: str, folder: Path, monkeypatch, demo_corpus, pieces: Path | None = None) -> None:
    """Every stage, one after the other, in a folder with a miniature of the corpus; finished pieces may be shared."""
    root = folder / params["corpus"]["root"]
    if not root.exists():
        root.parent.mkdir(parents=True)
        if corpus in CORPORA:
            CORPORA[corpus](root)
        else:
            root.symlink_to(demo_corpus)
    for room in ("data", "features"):
        (folder / room).mkdir()
        (folder / room / "VERSION").symlink_to(REPOSITORY / room / "VERSION")
    write_whisper(folder / "openai/whisper-tiny.en")
    with (folder / "params.yaml").open("w") as file:
        YAML().dump(params, file)
    monkeypatch.chdir(folder)
    Path("artifacts").mkdir()
    if pieces:
        Path("artifacts/.pieces").symlink_to(pieces)
    check.main()
    manifest.main()
    if params["split"]["scheme"] == "emobox":
        write_emobox(Path(params["split"]["file"]), read_manifest(Path("artifacts/manifest.csv")))
    split.main()
    for name in params["clips"]:
        preprocess.main(name)
    for name in params["features"]:
        extract.main(name)
    for name in params["heads"]:
        train.main(name)
        evaluate.main(name)
    compare.main()


CORPORA = {"emodb": write_emodb, "ravdess": write_ravdess, "turevdb": write_turevdb}


PRESETS = sorted(path.stem for path in (REPOSITORY / "presets").glob("*.yaml"))


@pytest.fixture(scope="module")
def pieces(tmp_path_factory) -> Path:
    """What presets of the same features share."""
    return tmp_path_factory.mktemp("pieces")


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_runs_on_a_miniature(preset, tmp_path, monkeypatch, demo_corpus, pieces):
    params = tiny_params(preset)
    run_all(params, params["corpus"]["name"], tmp_path, monkeypatch, demo_corpus, pieces)

    truth = read_splits(Path("artifacts/splits.csv")).set_index("id")["label"]
    codes = read_manifest(Path("artifacts/manifest.csv")).set_index("id")["emotion"]
    for path in Path("artifacts/heads").glob("*/fold-*/seed-*/predictions.csv"):
        predictions = pd.read_csv(path, dtype=str)
        assert (predictions["label"] == predictions["id"].map(truth)).all()
        classes = {code: label for label, of_class in params["task"]["classes"].items() for code in of_class}
        assert (predictions["label"] == predictions["id"].map(codes).map(classes)).all()

    for name in params["heads"]:
        metrics = json.loads(Path(f"artifacts/evaluation/{name}/metrics.json").read_text())
        assert 0 <= metrics["ua_low"] <= metrics["ua"] <= metrics["ua_high"] <= 1
    page = Path("artifacts/report/index.html").read_text()
    whisper = any("context" in features for features in params["features"].values())
    assert ("The encoder is untrained" in page) != whisper
    assert "http" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )  # it loads nothing
    for name in [*params["heads"], *params["task"]["classes"]]:
        assert name in page


def test_a_local_checkpoint_that_changed_in_place_stops_train_and_evaluate(tmp_path, monkeypatch, demo_corpus):
    params = tiny_params("turevdb")
    params["heads"] = {"linear": params["heads"]["linear"]}
    run_all(params, "turevdb", tmp_path, monkeypatch, demo_corpus)
    write_whisper(Path("openai/whisper-tiny.en"), layer_norm_bias=2.0)
    for stage in (train, evaluate):
        with pytest.raises(UserError, match=r"other weights.*dvc repro --force --single-item extract@whisper"):
            stage.main("linear")


def test_a_head_of_other_features_is_not_evaluated(tmp_path, monkeypatch, demo_corpus):
    params = tiny_params("turevdb")
    params["heads"] = {"linear": params["heads"]["linear"]}
    run_all(params, "turevdb", tmp_path, monkeypatch, demo_corpus)
    for path in Path("artifacts/heads/linear").rglob("config.json"):
        config = json.loads(path.read_text())
        config["features"]["digest"] = "0" * 64
        path.write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"trained on other features than \S+whisper\. Run dvc repro train@linear"):
        evaluate.main("linear")


def test_a_class_that_one_speaker_alone_has_and_folds_without_validation(tmp_path, monkeypatch, demo_corpus):
    """Where that speaker is tested, the class has no training utterance; elsewhere none to test."""
    params = tiny_params("emodb", class_weights="balanced")
    params["split"] |= {"validation": "none", "folds": None}
    params["heads"] = {name: params["heads"][name] for name in ("linear", "enhanced_gru")}
    root = write_emodb(tmp_path / params["corpus"]["root"])
    for path in root.glob("wav/*E?.wav"):
        if not path.name.startswith("03"):
            path.unlink()
    run_all(params, "emodb", tmp_path, monkeypatch, demo_corpus)
    details = json.loads(Path("artifacts/evaluation/enhanced_gru/details.json").read_text())
    assert "fold_0: no disgust in train." in details["warnings"]
    assert "fold_1: no disgust in test." in details["warnings"]
    assert details["present"] == 7
    assert [len(fold["confusion"]) for fold in details["per_fold"]] == [7] * 5
    by_speaker = {row["group"]: row["classes"] for row in details["groups"] if row["grouping"] == "speaker"}
    assert by_speaker == {"03": 7, "08": 6, "09": 6, "10": 6, "11": 6}
    page = Path("artifacts/report/index.html").read_text()
    assert "no validation" in page
    assert "too few speakers to test" in page
