"""Heads that predict ratings, and heads that are trained towards shares of votes."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge
from torch.nn import functional

from data.errors import UserError
from data.rating_metrics import ccc, rating_sums
from features.store import FeatureSet
from models import HEADS
from tests.training.test_run import GRU, content, job
from training.batches import MappedFrames
from training.checkpoint import load_head
from training.choices import check_choices, settle
from training.convex import Examples, fit_linear
from training.job import check_job
from training.objective import Objective, class_weights, concordance, entropy, rating_loss
from training.prediction import predict
from training.run import train_fold
from training.settings import TrainingSettings

TARGETS = ["valence", "activation"]
RATINGS = {0: [1.5, 4.0], 1: [3.0, 1.0], 2: [4.5, 3.0]}  # of the utterances of each class
LINEAR = {"model": "linear"}


def rated_job(features, folder, head=GRU, **changes):
    """Ratings follow the class, which is easy to hear."""
    plain = job(features, folder, head, **changes)
    roles = {
        role: dataclasses.replace(some, labels=[], targets=[RATINGS[label] for label in some.labels])
        for role, some in plain.roles.items()
    }
    chosen = {key: changes.get(key, "auto") for key in ("loss", "select")}
    how = plain.training.model_copy(update=chosen)
    return dataclasses.replace(plain, classes=[], targets=TARGETS, roles=roles, training=how)


def voted_job(features, folder, head=GRU, share=1.0, **changes):
    """The label gets a share of the votes, the next class the others."""
    plain = job(features, folder, head, **changes)
    shares = {label: [0.0] * 3 for label in range(3)}
    for label, row in shares.items():
        row[label], row[(label + 1) % 3] = share, 1 - share
    roles = {
        role: dataclasses.replace(some, targets=[shares[label] for label in some.labels])
        for role, some in plain.roles.items()
    }
    return dataclasses.replace(plain, roles=roles)


def test_the_ccc_loss_is_one_minus_the_metric_and_has_the_gradient_of_finite_differences():
    random = np.random.default_rng(1)
    ratings, predicted = (torch.tensor(random.normal(size=(7, 2))) for _ in range(2))
    predicted.requires_grad_()
    metric = torch.tensor(ccc(rating_sums(ratings.numpy(), predicted.detach().numpy())))
    torch.testing.assert_close(concordance(predicted, ratings), metric, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(rating_loss("ccc", predicted, ratings), 1 - metric.mean(), rtol=1e-6, atol=1e-6)
    mse = ((predicted - ratings) ** 2).mean()
    torch.testing.assert_close(
        rating_loss("ccc_mse", predicted, ratings), 1 - metric.mean() + mse, rtol=1e-6, atol=1e-6
    )
    assert torch.autograd.gradcheck(lambda values: rating_loss("ccc", values, ratings), predicted)


@pytest.mark.parametrize("rows", [1, 4])
def test_batches_without_variance_have_a_finite_gradient(rows):
    predicted = torch.full((rows, 2), 0.5, requires_grad=True)
    loss = rating_loss("ccc", predicted, torch.full((rows, 2), 0.5))
    loss.backward()
    assert loss.item() == 1
    assert predicted.grad.isfinite().all()


@pytest.mark.parametrize(
    ("head", "changes"),
    [
        (GRU, {}),
        (GRU, {"loss": "mse"}),
        (GRU, {"loss": "ccc_mse", "precision": "bfloat16", "augment": True}),
        (LINEAR, {}),
    ],
    ids=str,
)
def test_ratings_that_can_be_learnt_are_learnt_in_their_own_range(feature_folder, tmp_path, head, changes):
    run = tmp_path / "run"
    train_fold(rated_job(feature_folder, run, head, **changes))
    table = pd.read_csv(run / "predictions.csv")
    assert list(table) == ["id", "role", "speaker", *TARGETS, "predicted_valence", "predicted_activation"]
    test = table[table["role"] == "test"]
    truth, predicted = test[TARGETS].to_numpy(), test[["predicted_valence", "predicted_activation"]].to_numpy()
    assert [list(row) for row in truth] == [RATINGS[int(name[-1])] for name in test["id"]]
    assert ccc(rating_sums(truth, predicted)).min() > 0.85
    history = pd.read_csv(run / "history.csv")
    validated = table[table["role"] == "validation"]
    best = history.set_index("epoch").loc[json.loads((run / "config.json").read_text())["best_epoch"]]
    values = ccc(rating_sums(validated[TARGETS], validated[["predicted_valence", "predicted_activation"]]))
    assert best["validation_ccc"] == pytest.approx(values.mean(), abs=1e-4)
    assert best["validation_ccc_activation"] == pytest.approx(values[1], abs=1e-4)
    if "l2" not in history:
        assert history["validation_ccc"].max() == pytest.approx(values.mean(), abs=1e-4)


def test_a_saved_head_answers_in_the_ratings_own_range(feature_folder, tmp_path):
    train_fold(rated_job(feature_folder, tmp_path / "run", GRU, epochs=2))
    model, config = load_head(tmp_path / "run")
    assert config["targets"] == TARGETS
    assert "classes" not in config
    expected = np.array([RATINGS[number % 3] for number in range(10)] * 4)
    np.testing.assert_allclose(model.ratings.mean, expected.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(model.ratings.deviation, expected.std(axis=0), rtol=1e-6)
    table = pd.read_csv(tmp_path / "run/predictions.csv")
    frames = MappedFrames(FeatureSet(feature_folder), config["layers"], torch.device("cpu"))
    again = predict(model, frames, list(table["id"])).outputs
    np.testing.assert_allclose(again, table[["predicted_valence", "predicted_activation"]], atol=1e-5)


def test_linear_is_ridge_regression_whose_strength_the_validation_ccc_chooses(feature_folder, tmp_path):
    run = tmp_path / "run"
    train_fold(rated_job(feature_folder, run, {"model": "linear", "l2": [1.0, 1e5]}))
    _, config = load_head(run)
    assert (config["training"]["loss"], config["training"]["select"]) == ("mse", "ccc")
    assert config["l2"] == 1
    assert config["l2_compared"]["1"] < config["l2_compared"]["100000"]
    features = FeatureSet(feature_folder)

    def embeddings(speakers):
        ids = [f"s{speaker}-{number}-{number % 3}" for speaker in speakers for number in range(10)]
        return np.stack([features.frames(name, 12).astype(np.float32).mean(axis=0) for name in ids])

    train = embeddings(range(4))
    scaled = (train - train.mean(axis=0)) / train.std(axis=0)
    ratings = np.array([RATINGS[number % 3] for number in range(10)] * 4)
    ridge = Ridge(alpha=1.0).fit(scaled, (ratings - ratings.mean(axis=0)) / ratings.std(axis=0))
    test = (embeddings([5]) - train.mean(axis=0)) / train.std(axis=0)
    expected = ridge.predict(test) * ratings.std(axis=0) + ratings.mean(axis=0)
    table = pd.read_csv(run / "predictions.csv").query("role == 'test'")
    np.testing.assert_allclose(table[["predicted_valence", "predicted_activation"]], expected, atol=1e-3)


def test_auto_is_what_fits_the_task_and_what_means_nothing_for_it_is_refused():
    gru, linear = (HEADS[name][0](model=name) for name in ("gru", "linear"))
    plain = TrainingSettings(adversarial_weight=0)
    chosen = [settle(plain, head, ratings) for head in (gru, linear) for ratings in (False, True)]
    assert [one.loss for one in chosen] == ["cross_entropy", "ccc", "cross_entropy", "mse"]
    assert [one.select for one in chosen] == ["ua", "ccc", "ua", "ccc"]
    augmented = settle(plain.model_copy(update={"augment": True}), linear, predicts_ratings=True)
    assert augmented.loss == "ccc"
    for wrong in (
        {"loss": "kl"},
        {"select": "ua"},
        {"label_smoothing": 0.1},
        {"class_weights": "balanced"},
        {"sampling": "balanced"},
    ):
        with pytest.raises(UserError, match=rf"heads.gru.{next(iter(wrong))}"):
            check_choices(TrainingSettings(**wrong), True, "heads.gru")
        check_choices(TrainingSettings(**wrong), False, "heads.gru")
    for wrong in ({"loss": "ccc"}, {"select": "ccc"}):
        with pytest.raises(UserError, match="is for ratings, and the task of this head has classes"):
            check_choices(TrainingSettings(**wrong), False, "heads.gru")


def test_a_rating_that_never_changes_is_refused(feature_folder, tmp_path):
    rated = rated_job(feature_folder, tmp_path / "run")
    train = rated.roles["train"]
    constant = dataclasses.replace(train, targets=[[rating, 3.0] for rating, _ in train.targets])
    with pytest.raises(UserError, match="the same activation"):
        check_job(dataclasses.replace(rated, roles={**rated.roles, "train": constant}))


def test_kl_is_cross_entropy_minus_the_entropy_of_the_votes():
    outputs, shares = torch.randn(6, 3), torch.rand(6, 3)
    shares /= shares.sum(dim=1, keepdim=True)
    output = HEADS["linear"][1](HEADS["linear"][0](model="linear"), 3, 3, 1)(
        outputs[:, None, None], torch.ones(6).long()
    )
    losses = {
        name: Objective(TrainingSettings(loss=name), [0] * 6, 3, torch.device("cpu"))(output, shares, None).total
        for name in ("cross_entropy", "kl")
    }
    torch.testing.assert_close(losses["kl"], losses["cross_entropy"] - entropy(shares).mean())
    divergence = torch.nn.functional.kl_div(output.emotion_logits.log_softmax(dim=1), shares, reduction="batchmean")
    torch.testing.assert_close(losses["kl"], divergence)


@pytest.mark.parametrize("head", [GRU, LINEAR], ids=lambda head: head["model"])
def test_unanimous_votes_are_the_labels_and_others_soften_the_probabilities(feature_folder, tmp_path, head):
    train_fold(job(feature_folder, tmp_path / "labels", head))
    train_fold(voted_job(feature_folder, tmp_path / "votes", head))
    train_fold(voted_job(feature_folder, tmp_path / "soft", head, share=0.7, epochs=15, select="loss"))
    tables = {name: pd.read_csv(tmp_path / name / "predictions.csv") for name in ("labels", "votes", "soft")}
    classes = ["p_a", "p_b", "p_c"]
    np.testing.assert_allclose(tables["votes"][classes], tables["labels"][classes], atol=2e-3)
    assert (tables["votes"]["predicted"] == tables["labels"]["predicted"]).all()
    assert (tables["soft"]["label"] == tables["labels"]["label"]).all()
    own = [row[f"p_{row['label']}"] for _, row in tables["soft"].iterrows()]
    assert np.mean(own) == pytest.approx(0.7, abs=0.1)
    assert content(tmp_path / "soft") != content(tmp_path / "votes")


def test_balanced_classes_weigh_votes_as_the_loss_of_gradient_steps_does():
    random = np.random.default_rng(0)
    labels = (random.random(200) < 0.2).astype(int)
    shares = 0.4 * np.eye(2)[labels] + 0.3
    embeddings = random.normal(size=(200, 3)) + labels[:, None]
    train = Examples(embeddings, labels, ["a"] * 200, None, shares)
    classifier, training = torch.nn.Linear(3, 2).double(), TrainingSettings(class_weights="balanced")
    fit_linear(classifier, [1.0], train, train, training)
    logits = classifier(torch.from_numpy(embeddings))
    weights = class_weights(labels.tolist(), 2).double()
    functional.cross_entropy(logits, torch.from_numpy(shares), weight=weights, reduction="none").sum().backward()
    torch.testing.assert_close(classifier.bias.grad, torch.zeros(2).double(), atol=1e-2, rtol=0)
