"""The linear head ends at the minimum, with the L2 strength that validation chooses."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from features.store import FeatureSet
from models.linear import LinearHead, LinearSettings
from tests.builders import write_features
from tests.training.test_run import job, utterances
from training.convex import Examples, fit_linear
from training.run import train_fold
from training.settings import TrainingSettings
from training.solvable import is_convex

ALL = {"model": "linear", "layers": "all", "statistics": ["mean", "deviation"]}


@pytest.mark.parametrize("dimension", [12, 60], ids=["fewer features than utterances", "more"])
def test_it_is_scikit_learns_logistic_regression_on_the_same_statistics(tmp_path, dimension):
    features = FeatureSet(write_features(tmp_path / "features", dimension, layers=(6, 12), voice=1.0))
    train_fold(job(features.folder, tmp_path / "run", {**ALL, "l2": [3.0]}))
    frames = {
        speakers: [
            np.stack([features.frames(identifier, layer) for layer in (6, 12)]).astype(float) for identifier in ids
        ]
        for speakers, ids in (("train", utterances(0, 1, 2, 3).ids), ("test", utterances(5).ids))
    }
    train, test = (
        np.array([np.concatenate([layers.mean(axis=1), layers.std(axis=1)], axis=1).ravel() for layers in part])
        for part in frames.values()
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1 / 3, tol=1e-8, max_iter=5000))
    expected = model.fit(train, utterances(0, 1, 2, 3).labels).predict_proba(test)
    predictions = pd.read_csv(tmp_path / "run/predictions.csv")
    got = predictions[predictions["role"] == "test"][["p_a", "p_b", "p_c"]]
    np.testing.assert_allclose(got, expected, atol=2e-3)


def test_the_loss_on_validation_chooses_the_strength(tmp_path):
    features = write_features(tmp_path / "features", voice=2.0)
    train_fold(job(features, tmp_path / "run", {"model": "linear", "l2": [1e-6, 10.0, 1e9]}))
    config = json.loads((tmp_path / "run/config.json").read_text())
    (row,) = pd.read_csv(tmp_path / "run/history.csv").to_dict("records")
    compared = config["l2_compared"]
    assert config["l2"] == row["l2"] == 10
    assert row["validation_loss"] == pytest.approx(compared["10"], rel=1e-4) == min(compared.values())
    assert min(compared["1e-06"], compared["1e+09"]) > compared["10"]


def test_without_validation_training_speakers_are_left_out_in_turn():
    """What tells the classes apart in the first feature is each speaker's own; only the second holds for others."""
    random = np.random.default_rng(1)
    labels = np.tile([0, 1], 40)
    speakers = np.repeat(np.arange(4), 20)
    voice = np.where(speakers % 2, 3.0, -3.0) * (2 * labels - 1)
    embeddings = np.stack([voice, 0.5 * (2 * labels - 1) + random.normal(size=80)], axis=1)
    nobody = Examples(np.zeros((0, 2)), np.zeros(0, int), [])
    classifier = torch.nn.Linear(2, 2)
    train = Examples(embeddings, labels, list(speakers))
    _, compared = fit_linear(classifier, [0.1, 1e5], train, nobody, TrainingSettings())
    assert compared["100000"] < compared["0.1"]  # on speakers it was fitted on, the weak one would win


def test_a_class_without_training_utterances_is_never_predicted():
    random = np.random.default_rng(2)
    classifier = torch.nn.Linear(3, 4)
    some = Examples(random.normal(size=(30, 3)), np.tile([0, 2], 15), ["a"] * 15 + ["b"] * 15)
    fit_linear(classifier, [1.0], some, some, TrainingSettings())
    logits = classifier(torch.from_numpy(some.embeddings).float())
    assert set(logits.argmax(dim=1).tolist()) <= {0, 2}
    assert logits.softmax(dim=1)[:, [1, 3]].max() < 1e-9


@pytest.mark.parametrize(
    "another", [{"adversarial_weight": 0.1}, {"augment": True}, {"label_smoothing": 0.1}, {"sampling": "balanced"}]
)
def test_another_loss_is_trained_by_gradient_steps(feature_folder, tmp_path, another):
    run = job(feature_folder, tmp_path / "run", {"model": "linear"}, epochs=2, **another)
    assert not is_convex(run.head, run.training)
    train_fold(run)
    assert len(pd.read_csv(tmp_path / "run/history.csv")) == 2


def test_validation_utterances_of_a_class_that_training_lacks_do_not_choose_the_strength():
    random = np.random.default_rng(3)
    labels = np.tile([0, 1], 20)
    train = Examples(random.normal(size=(40, 3)) + labels[:, None], labels, ["a"] * 40)
    seen = Examples(random.normal(size=(40, 3)) + labels[:, None], labels, ["b"] * 40)
    unseen = Examples(random.normal(size=(30, 3)) - 5, np.full(30, 2), ["b"] * 30)
    both = Examples(np.concatenate([seen.embeddings, unseen.embeddings]), np.append(labels, unseen.labels), ["b"] * 70)
    strengths = [0.1, 10.0, 1e3]
    chosen = [
        fit_linear(torch.nn.Linear(3, 3), strengths, train, held_out, TrainingSettings())[0]
        for held_out in (seen, both)
    ]
    assert chosen[0] == chosen[1]


def test_a_head_on_another_device_keeps_its_statistics_there():
    settings = LinearSettings(model="linear")
    head = LinearHead(settings, 4, 2, num_layers=1).to("meta")
    head.embedding_scale.fit(torch.randn(5, 4))
    assert head.scale.mean.device == head.scale.deviation.device == torch.device("meta")
