"""What extraction and training cost: only measurements of exactly what is shown count."""

import json
from pathlib import Path

import pytest

from evaluation.results import Details, FeatureData, Fingerprints, Training
from report.cost import feature_costs, head_costs


def write(path: Path, **content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def extraction(fingerprint: str, **other) -> dict:
    usual = {"device": "cpu", "clips": 10, "seconds": 2.0, "peak_megabytes": 900.0, "peak_gpu_megabytes": None}
    return {"fingerprint": fingerprint, **usual, **other}


def training(fingerprint: str, **other) -> dict:
    usual = {"device": "cpu", "utterances": 100, "seconds_per_epoch": [1.0, 2.0, 3.0], "predicted": 50}
    usual |= {"predict_seconds": 0.5, "peak_megabytes": 700.0, "peak_gpu_megabytes": None}
    return {"fingerprint": fingerprint, **usual, **other}


def evaluation(head: str = "gru", features: tuple = ("a", "b"), runs: tuple = ("r", "s")) -> Details:
    recipe = {"name": "hubert/emodb", "clips": 40, "recipe": {}, "encoders": [], "provenance": []}
    data = FeatureData(**recipe, seconds=9.0, share_cut=0.0, frame_rate=50.0)
    fingerprints = Fingerprints(features=list(features), head=list(runs))
    training = Training.model_construct(features=data, fingerprints=fingerprints)
    return Details.model_construct(head=head, features=data.name, training=training)


def test_matching_measurements_are_put_together(tmp_path):
    folder = tmp_path / "features/hubert"
    write(folder / "one.json", **extraction("a"))
    write(folder / "two.json", **extraction("b", seconds=4.0, peak_megabytes=1200.0))
    assert feature_costs([evaluation(), evaluation("linear")], tmp_path) == [
        {
            "features": "hubert/emodb",
            "device": "cpu",
            "ms_per_clip": pytest.approx(300),
            "peak_megabytes": 1200.0,
            "peak_gpu_megabytes": None,
            "clips": 20,
            "of": 40,
        }
    ]
    folder = tmp_path / "heads/gru/fold-0"
    write(folder / "seed-1.json", **training("r"))
    write(folder / "seed-2.json", **training("s", seconds_per_epoch=[5.0], device="cuda", peak_gpu_megabytes=80.0))
    assert head_costs([evaluation()], tmp_path) == [
        {
            "head": "gru",
            "device": "cpu, cuda",
            "train_ms": pytest.approx(1000 * 11 / 400),
            "seconds_per_epoch": 2.5,
            "train_seconds": 11.0,
            "predict_ms": pytest.approx(10),
            "peak_megabytes": 700.0,
            "peak_gpu_megabytes": 80.0,
            "runs": 2,
            "of": 2,
        }
    ]


def test_stale_measurements_do_not_count(tmp_path):
    write(tmp_path / "features/hubert/one.json", **extraction("a"))
    write(tmp_path / "features/hubert/two.json", **extraction("other clips"))
    write(tmp_path / "features/wavlm/one.json", **extraction("other encoder"))
    write(tmp_path / "heads/gru/fold-0/seed-1.json", **training("other code"))
    assert feature_costs([evaluation()], tmp_path)[0]["clips"] == 10
    assert head_costs([evaluation()], tmp_path) == [{"head": "gru", "runs": 0, "of": 2}]


def test_missing_and_unreadable_measurements_are_not_measured(tmp_path):
    assert feature_costs([evaluation()], tmp_path) == [{"features": "hubert/emodb", "clips": 0, "of": 40}]
    assert head_costs([evaluation()], tmp_path) == [{"head": "gru", "runs": 0, "of": 2}]
    (tmp_path / "features/hubert").mkdir(parents=True)
    (tmp_path / "features/hubert/one.json").write_text('{"fingerprint": "a", "cl')
    assert feature_costs([evaluation()], tmp_path) == [{"features": "hubert/emodb", "clips": 0, "of": 40}]
