"""Each preset runs through on a miniature of its corpus."""

import json
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from data.cautions import Kind
from data.errors import UserError
from data.manifest import read_manifest
from data.roles import fold_columns, read_splits
from evaluation.results import read_details
from stages import (
    check,
    compare,
    evaluate,
    extract,
    join_features,
    join_manifests,
    manifest,
    preprocess,
    split,
    train,
)
from stages.layout import manifest_folder, splits_file
from tests.builders import (
    PRESETS,
    REPOSITORY,
    TINY_ENCODER,
    tiny_params,
    write_corpora,
    write_emobox,
    write_emodb,
    write_whisper,
)

QUICK = ("demo", "emodb-turevdb", "emobox-turevdb", "superb-er")  # one of each shape; all others are slow


def run_all(params: dict, folder: Path, monkeypatch, demo_corpus, pieces: Path | None = None) -> None:
    """Every stage, one after the other, in a folder with miniatures of the corpora; finished pieces may be shared."""
    write_corpora(params, folder, demo_corpus)
    (folder / "data").mkdir()
    (folder / "data/VERSION").symlink_to(REPOSITORY / "data/VERSION")
    write_whisper(folder / "openai/whisper-tiny.en")
    with (folder / "params.yaml").open("w") as file:
        YAML().dump(params, file)
    monkeypatch.chdir(folder)
    Path("artifacts").mkdir()
    if pieces:
        Path("artifacts/.pieces").symlink_to(pieces)
    check.main()
    for name in params["corpora"]:
        manifest.main(name)
    for name in params["joined"]:
        join_manifests.main(name)
    for name, task in params["tasks"].items():
        if task["split"]["scheme"] == "emobox":
            rows = read_manifest(manifest_folder(task["corpus"]) / "manifest.csv")
            write_emobox(Path(task["split"]["file"]), rows)
        split.main(name)
    for feature_set in params["features"]:
        for corpus in params["corpora"]:
            preprocess.main(corpus, feature_set)
            extract.main(corpus, feature_set)
        for name in params["joined"]:
            join_features.main(name, feature_set)
    for name in params["heads"]:
        train.main(name)
        evaluate.main(name)
    compare.main()


@pytest.fixture(scope="module")
def pieces(tmp_path_factory) -> Path:
    """What presets of the same features share."""
    return tmp_path_factory.mktemp("pieces")


@pytest.mark.parametrize(
    "preset", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in PRESETS]
)
def test_preset_runs_on_a_miniature(preset, tmp_path, monkeypatch, demo_corpus, pieces):
    params = tiny_params(preset)
    run_all(params, tmp_path, monkeypatch, demo_corpus, pieces)

    for name, head in params["heads"].items():
        task = params["tasks"][head["task"]]
        splits = read_splits(splits_file(head["task"])).set_index("id")
        targets = task.get("targets", [])
        classes = {code: label for label, of_class in task.get("classes", {}).items() for code in of_class}
        paths = list(Path("artifacts/heads").glob(f"{name}/fold-*/seed-*/predictions.csv"))
        assert len(paths) == len(fold_columns(splits))
        for path in paths:
            predictions = pd.read_csv(path, dtype=dict.fromkeys(("id", "label"), str))
            for target in targets:
                assert (predictions[target] == predictions["id"].map(splits[target])).all()
            if classes:
                assert (predictions["label"] == predictions["id"].map(splits["label"])).all()
                assert (predictions["label"] == predictions["id"].map(splits["emotion"]).map(classes)).all()
        metrics = json.loads(Path(f"artifacts/evaluation/{name}/metrics.json").read_text())
        shown = "ccc" if targets else "ua"
        assert -1 <= metrics[f"{shown}_low"] <= metrics[shown] <= metrics[f"{shown}_high"] <= 1
    page = Path("artifacts/report/index.html").read_text()
    untrained = [name for name, features in params["features"].items() if features.get("checkpoint") == TINY_ENCODER]
    shown = any(head["features"].split("/")[0] in untrained for head in params["heads"].values())
    assert ("The encoder is untrained" in page) == shown
    assert "http" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )  # it loads nothing
    predicted = [name for task in params["tasks"].values() for name in task.get("classes", task.get("targets"))]
    for name in [*params["heads"], *predicted]:
        assert name in page


def test_a_local_checkpoint_that_changed_in_place_stops_train_and_evaluate(tmp_path, monkeypatch, demo_corpus):
    params = tiny_params("turevdb")
    params["heads"] = {"linear": params["heads"]["linear"]}
    run_all(params, tmp_path, monkeypatch, demo_corpus)
    write_whisper(Path("openai/whisper-tiny.en"), layer_norm_bias=2.0)
    for stage in (train, evaluate):
        with pytest.raises(UserError, match=r"other weights.*dvc repro --force --single-item extract@turevdb-whisper"):
            stage.main("linear")


def test_a_head_of_other_features_is_not_evaluated(tmp_path, monkeypatch, demo_corpus):
    params = tiny_params("turevdb")
    params["heads"] = {"linear": params["heads"]["linear"]}
    run_all(params, tmp_path, monkeypatch, demo_corpus)
    for path in Path("artifacts/heads/linear").rglob("config.json"):
        config = json.loads(path.read_text())
        config["features"]["digest"] = "0" * 64
        path.write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"trained on other features than \S+turevdb\. Run dvc repro train@linear"):
        evaluate.main("linear")


def test_a_class_that_one_speaker_alone_has_and_folds_without_validation(tmp_path, monkeypatch, demo_corpus):
    """Where that speaker is tested, the class has no training utterance; elsewhere none to test."""
    params = tiny_params("emodb", class_weights="balanced")
    params["tasks"]["emotions"]["split"] |= {"validation": "none", "folds": None}
    params["heads"] = {name: params["heads"][name] for name in ("linear", "enhanced_gru")}
    root = write_emodb(tmp_path / "corpora/emodb")
    for path in root.glob("wav/*E?.wav"):
        if not path.name.startswith("03"):
            path.unlink()
    run_all(params, tmp_path, monkeypatch, demo_corpus)
    details = read_details(Path("artifacts/evaluation/enhanced_gru/details.json"))
    absent = {caution.text for caution in details.cautions if caution.kind == Kind.ABSENT_CLASS}
    assert {"fold_0: no disgust in train.", "fold_1: no disgust in test."} <= absent
    assert details.num_present == 7
    assert [len(fold.confusion) for fold in details.per_fold] == [7] * 5
    by_speaker = {row.group: row.num_classes for row in details.groups if row.grouping == "speaker"}
    assert by_speaker == {"03": 7, "08": 6, "09": 6, "10": 6, "11": 6}
    page = Path("artifacts/report/index.html").read_text()
    assert "no validation" in page
    assert "too few speakers to test" in page
