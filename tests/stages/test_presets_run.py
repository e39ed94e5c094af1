"""Each preset runs through on a miniature of its corpus."""

import json
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from data.manifest import read_manifest
from data.splits import read_splits
from stages import check, compare, evaluate, extract, manifest, preprocess, split, train
from tests.builders import REPOSITORY, tiny_params, write_emodb, write_ravdess

CORPORA = {"emodb": write_emodb, "ravdess": write_ravdess}


@pytest.mark.parametrize("preset", ["demo", "emodb", "iemocap", "iemocap-original", "iemocap-superb", "ravdess"])
def test_preset_runs_on_a_miniature(preset, tmp_path, monkeypatch, demo_corpus):
    params = tiny_params(preset)
    root = tmp_path / params["corpus"]["root"]
    root.parent.mkdir(parents=True)
    if preset in CORPORA:
        CORPORA[preset](root)
    else:
        root.symlink_to(demo_corpus)
    for room in ("data", "features", "models", "training"):
        (tmp_path / room).symlink_to(REPOSITORY / room)
    with (tmp_path / "params.yaml").open("w") as file:
        YAML().dump(params, file)
    monkeypatch.chdir(tmp_path)
    Path("artifacts").mkdir()

    check.main()
    manifest.main()
    split.main()
    for name in params["clips"]:
        preprocess.main(name)
    for name in params["features"]:
        extract.main(name)
    for name in params["heads"]:
        train.main(name)
        evaluate.main(name)
    compare.main()

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
    assert "The encoder is untrained" in page
    assert "http" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )  # it loads nothing
    for name in [*params["heads"], *params["task"]["classes"]]:
        assert name in page
