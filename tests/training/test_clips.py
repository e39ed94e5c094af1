"""Utterances of several clips: trained on each, answered for once."""

import dataclasses
import functools

import numpy as np
import pandas as pd
import pytest
import torch

from evaluation.runs import read_runs
from features.store import FeatureSet
from models import HEADS
from tests.builders import write_features
from training import convex, ridge
from training.batches import MappedFrames
from training.checkpoint import load_head
from training.clips import log_mean_probabilities, training_clips
from training.convex import Examples, fit_linear
from training.job import FoldJob, Utterances
from training.prediction import predict
from training.ridge import RatedExamples, fit_ridge
from training.run import train_fold
from training.settings import TrainingSettings

CLASSES = ["a", "b", "c"]
COPIES = ("room_small", "gain_-10")
LINEAR, GRU = {"model": "linear"}, {"model": "gru", "hidden_size": 6, "num_layers": 1, "attention": "dot"}


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    return write_features(tmp_path_factory.mktemp("features") / "pieces", most_pieces=3)


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    return write_features(tmp_path_factory.mktemp("features") / "copies", most_pieces=2, copies=COPIES)


def utterances(*speakers: int) -> Utterances:
    ids = [f"s{speaker}-{number}-{number % 3}" for speaker in speakers for number in range(10)]
    return Utterances(ids, [name.split("-")[0] for name in ids], [int(name[-1]) for name in ids])


def job(folder, run, head, **changes) -> FoldJob:
    run.mkdir(parents=True)
    how = TrainingSettings(**{"epochs": 3, "batch_size": 8, "adversarial_weight": 0, **changes})
    roles = {"train": utterances(0, 1, 2, 3), "validation": utterances(4), "test": utterances(5)}
    return FoldJob(
        name="head",
        head=HEADS[head["model"]][0](**head),
        training=how,
        features=folder,
        classes=CLASSES,
        fold=0,
        seed=1,
        roles=roles,
        num_clips=len(training_clips(roles["train"], FeatureSet(folder), how).ids),
        fingerprint="f00d",
        folder=run,
        rescue=run.with_name("rescued"),
        measurement=run.with_name("measured.json"),
        device="cpu",
    )


@pytest.mark.parametrize("head", [LINEAR, GRU], ids=lambda head: head["model"])
def test_an_utterances_probability_is_the_mean_of_its_pieces_by_the_run_that_tested_it(pieces, tmp_path, head):
    train_fold(job(pieces, tmp_path / "fold-0/seed-1", head))
    model, config = load_head(tmp_path / "fold-0/seed-1")
    features = FeatureSet(pieces)
    frames = MappedFrames(features, config["layers"], torch.device("cpu"))
    table = pd.read_csv(tmp_path / "fold-0/seed-1/predictions.csv")
    assert list(table["id"]) == utterances(4, 5).ids  # one row each
    embeddings = read_runs(tmp_path).embeddings(0, 1)
    for row, identifier in enumerate(table["id"]):
        keys = features.clips_of(identifier)
        assert len(keys) == 1 + int(identifier.split("-")[1]) % 3
        answers = predict(model, frames, keys)
        by_hand = answers.outputs.softmax(dim=1).mean(dim=0)
        np.testing.assert_allclose(
            table.loc[row, [f"p_{name}" for name in CLASSES]].to_numpy(float), by_hand, atol=2e-6
        )
        np.testing.assert_allclose(embeddings[row], answers.embeddings.mean(dim=0), atol=1e-5)


def test_validation_scores_are_of_utterances(pieces, tmp_path):
    for head in (LINEAR, GRU):
        run = tmp_path / head["model"]
        train_fold(job(pieces, run, head, select="last"))
        table = pd.read_csv(run / "predictions.csv").query("role == 'validation'")
        last = pd.read_csv(run / "history.csv").iloc[-1]
        assert last["validation_wa"] == pytest.approx((table["label"] == table["predicted"]).mean(), abs=1e-5)
        losses = [-np.log(row[f"p_{row['label']}"]) for _, row in table.iterrows()]
        assert last["validation_loss"] == pytest.approx(np.mean(losses), abs=1e-4)


def test_every_piece_trains_with_its_utterances_label_and_all_else_that_is_known_of_it(pieces):
    train, features = utterances(1, 2), FeatureSet(pieces)
    clips = training_clips(train, features, TrainingSettings())
    assert [features.locations[key].id for key in clips.ids] == np.repeat(
        train.ids, [1 + number % 3 for number in range(10)] * 2
    ).tolist()
    for key, speaker, label in zip(clips.ids, clips.speakers, clips.labels, strict=True):
        assert (f"{speaker}-", str(label)) == (key[:3], features.locations[key].id[-1])

    rated = dataclasses.replace(train, targets=[[float(number)] for number in range(20)])
    ratings = training_clips(rated, features, TrainingSettings()).targets
    assert [train.ids[int(rating)] for (rating,) in ratings] == [features.locations[key].id for key in clips.ids]


@pytest.mark.parametrize("head", [LINEAR, GRU], ids=lambda head: head["model"])
def test_no_piece_and_no_copy_of_a_test_or_validation_utterance_is_trained_on(copies, tmp_path, head):
    """Other test and validation frames leave every weight as it is, but for the choice of an epoch or strength."""
    one = {**head, "l2": [10.0]} if head is LINEAR else head
    runs = {"all": copies}
    runs["others"] = write_features(tmp_path / "features", most_pieces=2, copies=COPIES)
    for speaker in (4, 5):
        for suffix in (".h5", ".json"):
            (runs["others"] / f"speaker-{speaker}{suffix}").unlink()
    other = write_features(tmp_path / "other", most_pieces=2, copies=COPIES, voice=3.0)
    for speaker in (4, 5):
        for suffix in (".h5", ".json"):
            (other / f"speaker-{speaker}{suffix}").rename(runs["others"] / f"speaker-{speaker}{suffix}")
    for name, folder in runs.items():
        train_fold(job(folder, tmp_path / name / "run", one, copies="all", select="last"))
    weights, tables = (
        [(tmp_path / name / "run" / file).read_bytes() for name in runs]
        for file in ("model.safetensors", "predictions.csv")
    )
    assert weights[0] == weights[1]
    assert tables[0] != tables[1]


def test_copies_are_trained_on_if_asked_for_and_tested_in_rows_of_their_own(copies, tmp_path):
    runs = {}
    for which in ("clean", "all"):
        todo = job(copies, tmp_path / which / "fold-0/seed-1", LINEAR, copies=which)
        assert todo.num_clips == {"clean": 60, "all": 180}[which]
        train_fold(todo)
        runs[which] = read_runs(tmp_path / which)
        assert list(runs[which].predictions["id"]) == utterances(4, 5).ids
        assert list(runs[which].copies["id"]) == utterances(5).ids * 2
        assert list(runs[which].copies["copy"].unique()) == list(COPIES)
        assert set(runs[which].copies["role"]) == {"test"}
        assert len(runs[which].embeddings(0, 1)) == 20
    assert "copies" not in runs["clean"].config["training"]
    assert runs["all"].config["training"]["copies"] == "all"

    model, config = load_head(tmp_path / "all/fold-0/seed-1")
    features = FeatureSet(copies)
    frames = MappedFrames(features, config["layers"], torch.device("cpu"))
    row = runs["all"].copies.query("copy == 'gain_-10'").iloc[3]
    keys = features.clips_of(row["id"], "gain_-10")
    assert keys == [f"{row['id']} (gain_-10, piece {number})" for number in range(2)]
    by_hand = predict(model, frames, keys).outputs.softmax(dim=1).mean(dim=0)
    np.testing.assert_allclose(row[[f"p_{name}" for name in CLASSES]].to_numpy(float), by_hand, atol=2e-6)


def test_mean_probabilities_survive_logits_whose_probability_is_zero():
    logits = torch.tensor([[200.0, 0.0], [0.0, 200.0], [400.0, 0.0], [400.0, 0.0]])
    answers = log_mean_probabilities(logits, [2, 2])
    torch.testing.assert_close(answers, torch.tensor([[0.5, 0.5], [1.0, 0.0]]).log().clamp(min=-400.0))


def test_strengths_are_compared_by_the_loss_of_utterances():
    random = np.random.default_rng(0)
    labels = np.arange(30) % 2
    train = Examples(random.normal(size=(30, 3)) + labels[:, None], labels, ["a"] * 30)
    names = [f"u{number // 5}" for number in range(30)]
    pieces = Examples(random.normal(size=(30, 3)), np.repeat([0, 1, 0, 1, 0, 1], 5), ["b"] * 30, names)
    classifier = torch.nn.Linear(3, 2)
    chosen, compared = fit_linear(classifier, [0.1, 1.0], train, pieces, TrainingSettings())
    probabilities = classifier(torch.from_numpy(pieces.embeddings).float()).softmax(dim=1).detach()
    means = probabilities.reshape(6, 5, 2).mean(dim=1)
    by_hand = -np.log([means[number, number % 2] for number in range(6)]).mean()
    assert compared[f"{chosen:g}"] == pytest.approx(by_hand, abs=1e-5)


def test_a_single_speakers_pieces_stay_together_where_strengths_are_compared():
    """Every utterance has a direction of its own, and nothing else tells its class: only its own pieces could help."""
    ids = np.tile(np.arange(12), 3)
    train = Examples(10.0 * np.eye(12)[ids], ids % 2, ["one"] * 36, [str(number) for number in ids])
    _, compared = fit_linear(torch.nn.Linear(12, 2), [1e-3, 1e3], train, train, TrainingSettings(select="last"))
    assert min(compared.values()) > 0.6  # chance: log 2
    rated = RatedExamples(train.embeddings, ids[:, None] % 2 * 1.0, train.speakers, train.utterances)
    _, compared = fit_ridge(torch.nn.Linear(12, 1), [1e-3, 1e3], rated, rated, "last")
    assert min(compared.values()) >= 1.0  # 1 - CCC


def test_strengths_are_compared_on_clean_clips(copies, tmp_path, monkeypatch):
    seen = []

    def recorded(speaker_parts, train):
        seen.append(speaker_parts(train))
        return seen[-1]

    for module in (convex, ridge):
        monkeypatch.setattr(module, "_speaker_parts", functools.partial(recorded, module._speaker_parts))
    todo = job(copies, tmp_path / "classes/fold-0/seed-1", LINEAR, copies="all", select="last")
    train_fold(todo)
    rated = dataclasses.replace(todo.roles["train"], targets=[[float(label)] for label in todo.roles["train"].labels])
    roles = {**todo.roles, "train": rated}
    for role in ("validation", "test"):
        own = todo.roles[role]
        roles[role] = dataclasses.replace(own, targets=[[float(label)] for label in own.labels])
    (tmp_path / "ratings/fold-0/seed-1").mkdir(parents=True)
    how = TrainingSettings(copies="all", select="last", adversarial_weight=0)
    changes = {"training": how, "classes": [], "targets": ["valence"], "roles": roles}
    train_fold(dataclasses.replace(todo, folder=tmp_path / "ratings/fold-0/seed-1", **changes))
    sizes = [[(len(fitted.embeddings), len(tested.embeddings)) for fitted, tested in parts] for parts in seen]
    assert sizes == [[(135, 15)] * 4] * 2  # four speakers in turn, of classes and of ratings
