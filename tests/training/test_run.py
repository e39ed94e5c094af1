"""Training: honest, reproducible, and able to learn."""

import dataclasses
import json
import shutil
from functools import partial

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

import training.run
from data.errors import UserError
from engines.local import run_local
from features.store import FeatureSet
from models import HEADS
from tests.builders import write_features
from training.batches import DeviceFrames, MappedFrames, shuffled_batches, standardising_statistics
from training.checkpoint import load_head
from training.job import FoldJob, Utterances
from training.parallel import train_folds
from training.prediction import predict
from training.run import train_fold
from training.settings import TrainingSettings

CLASSES = ["a", "b", "c"]
FILES = {"model.safetensors", "config.json", "history.csv", "predictions.csv", "embeddings.safetensors"}
GRU = {"model": "gru", "hidden_size": 6, "num_layers": 1}


def utterances(*speakers: int) -> Utterances:
    ids = [f"s{speaker}-{number}-{number % 3}" for speaker in speakers for number in range(10)]
    return Utterances(ids, [name.split("-")[0] for name in ids], [int(name[-1]) for name in ids])


def job(features, folder, head=None, seed=1, fold=0, validation=(4,), **changes) -> FoldJob:
    folder.mkdir(parents=True)
    head = head or {"model": "linear", "l2": None}
    settings = HEADS[head["model"]][0](**head)
    plain = {"schedule": "constant", "warmup": 0, "classifier_rate": 1, "adversarial_weight": 0}
    how = TrainingSettings(**{"epochs": 6, "batch_size": 8, "learning_rate": 0.05, **plain, **changes})
    roles = {"train": utterances(0, 1, 2, 3), "validation": utterances(*validation), "test": utterances(5)}
    return FoldJob(
        name="head",
        head=settings,
        training=how,
        features=features,
        classes=CLASSES,
        fold=fold,
        seed=seed,
        roles=roles,
        num_clips=len(roles["train"].ids),
        fingerprint="f00d",
        folder=folder,
        rescue=folder.with_name(f"{folder.name}-rescued"),
        measurement=folder.with_name(f"{folder.name}-measured.json"),
        device="cpu",
    )


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("head", [{"model": "linear", "l2": None}, {"model": "linear"}, GRU], ids=str)
def test_it_learns_what_can_be_learnt_and_labels_keep_their_names(feature_folder, tmp_path, head):
    train_fold(job(feature_folder, tmp_path / "run", head))
    predictions = pd.read_csv(tmp_path / "run/predictions.csv")
    test = predictions[predictions["role"] == "test"]
    assert set(test["speaker"]) == {"s5"}
    assert (test["label"] == test["id"].str[-1].map({"0": "a", "1": "b", "2": "c"})).all()
    assert (test["label"] == test["predicted"]).mean() > 0.9
    probabilities = test[["p_a", "p_b", "p_c"]].to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (np.array(CLASSES)[probabilities.argmax(axis=1)] == test["predicted"]).all()


def test_same_seed_same_bytes_and_another_seed_others(feature_folder, tmp_path):
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        train_fold(job(feature_folder, tmp_path / name, GRU, seed=seed))
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert content(tmp_path / "one")["model.safetensors"] != content(tmp_path / "three")["model.safetensors"]
    assert set(content(tmp_path / "one")) == {*FILES, "attention.safetensors"}


def test_side_by_side_is_the_same_as_one_after_the_other(feature_folder, tmp_path):
    for fold in (0, 1):
        train_fold(job(feature_folder, tmp_path / "alone" / str(fold), fold=fold))
    jobs = [job(feature_folder, tmp_path / "together" / str(fold), fold=fold) for fold in (0, 1)]
    epochs = []
    finished = list(train_folds(jobs, partial(run_local, workers=2, on_progress=epochs.append)))
    assert {done.fold for done in finished} == {0, 1}
    assert sum(epochs) == 12
    for fold in ("0", "1"):
        assert content(tmp_path / "alone" / fold) == content(tmp_path / "together" / fold)


def test_test_utterances_influence_nothing(feature_folder, tmp_path):
    """Other test labels and other test speakers give the same weights, the same epoch, the same statistics."""
    one = job(feature_folder, tmp_path / "one", validation=(3,))
    wrong = dataclasses.replace(one.roles["test"], labels=[0] * 10)
    other = job(feature_folder, tmp_path / "other", validation=(3,))
    other = dataclasses.replace(other, roles={**one.roles, "test": wrong})
    fewer = job(feature_folder, tmp_path / "fewer", validation=(3,))
    fewer = dataclasses.replace(fewer, roles={**one.roles, "test": utterances(4)})
    for run in (one, other, fewer):
        train_fold(run)
    weights = [content(tmp_path / name)["model.safetensors"] for name in ("one", "other", "fewer")]
    assert weights[0] == weights[1] == weights[2]


def test_standardises_by_the_training_frames_alone(feature_folder, tmp_path):
    train_fold(job(feature_folder, tmp_path / "run", GRU, epochs=1))
    model, _ = load_head(tmp_path / "run")
    features = FeatureSet(feature_folder)
    frames = np.concatenate([features.frames(name, 12) for name in utterances(0, 1, 2, 3).ids]).astype(np.float64)
    np.testing.assert_allclose(model.standardise.mean, frames.mean(axis=0)[None], atol=1e-5)
    np.testing.assert_allclose(model.standardise.deviation, frames.std(axis=0)[None], atol=1e-5)
    mean, _ = standardising_statistics(features, [12], utterances(5).ids, of_means=False)
    assert not np.allclose(model.standardise.mean, mean, atol=1e-3)


def test_a_linear_head_standardises_its_statistics_over_the_training_utterances_alone(feature_folder, tmp_path):
    head = {"model": "linear", "statistics": ["mean", "deviation"]}
    train_fold(job(feature_folder, tmp_path / "run", head))
    model, config = load_head(tmp_path / "run")
    source = MappedFrames(FeatureSet(feature_folder), config["layers"], torch.device("cpu"))
    embeddings = model(*source.gather(utterances(0, 1, 2, 3).ids)).embedding
    torch.testing.assert_close(embeddings.mean(dim=0), torch.zeros(24), atol=1e-4, rtol=0)
    torch.testing.assert_close(embeddings.std(dim=0, correction=0), torch.ones(24), atol=1e-3, rtol=0)
    others = model(*source.gather(utterances(4, 5).ids)).embedding
    assert (others.mean(dim=0).abs() > 0.01).any()


def test_the_best_epoch_on_validation_is_kept_and_training_stops(feature_folder, tmp_path):
    """Validation labels are random here, so that its UA goes up and down and the last epoch is not the best."""
    plain = job(feature_folder, tmp_path / "run", GRU, validation=(3, 4), learning_rate=0.01, epochs=40, patience=3)
    labels = np.random.default_rng(1).integers(0, 3, 20).tolist()
    validation = dataclasses.replace(plain.roles["validation"], labels=labels)
    train_fold(dataclasses.replace(plain, roles={**plain.roles, "validation": validation}))
    config = json.loads((tmp_path / "run/config.json").read_text())
    history = pd.read_csv(tmp_path / "run/history.csv").set_index("epoch")
    assert config["best_epoch"] == history["validation_ua"].idxmax()
    assert config["epochs_run"] == len(history) == config["best_epoch"] + 3
    predictions = pd.read_csv(tmp_path / "run/predictions.csv")
    kept = predictions[predictions["role"] == "validation"]
    accuracy = (kept["label"] == kept["predicted"]).mean()
    assert accuracy == pytest.approx(history["validation_wa"][config["best_epoch"]], abs=1e-5)
    assert accuracy != pytest.approx(history["validation_wa"].iloc[-1], abs=1e-5)


def test_history_follows_the_training_utterances(feature_folder, tmp_path):
    """An easy set is learnt by heart, through shuffling, mixup and balanced sampling."""
    for name, changes in {"plain": {}, "mixed": {"augment": True}, "balanced": {"sampling": "balanced"}}.items():
        train_fold(job(feature_folder, tmp_path / name, GRU, epochs=30, **changes))
        history = pd.read_csv(tmp_path / name / "history.csv")
        scores = history[["train_ua", "train_wa", "train_macro_f1"]]
        assert (scores.iloc[0] < 0.95).all()
        assert (scores.iloc[-1] > (0.9 if name == "mixed" else 0.99)).all()
        assert (history["gradient_norm"] > 0).all()
        assert np.isfinite(history["gradient_norm"]).all()


@pytest.mark.parametrize(("batch_size", "accumulate"), [(40, 1), (10, 4)])
def test_history_of_one_step_agrees_with_a_computation_by_hand(feature_folder, tmp_path, batch_size, accumulate):
    """One step so small that the saved head is the one it began with."""
    how = {"learning_rate": 1e-12, "min_learning_rate": 0.0, "clip_norm": 1e-3, "epochs": 1, "standardise": False}
    train_fold(job(feature_folder, tmp_path / "run", seed=3, batch_size=batch_size, accumulate=accumulate, **how))
    (row,) = pd.read_csv(tmp_path / "run/history.csv").to_dict("records")

    model, config = load_head(tmp_path / "run")
    train = utterances(0, 1, 2, 3)
    labels = np.array(train.labels)
    source = MappedFrames(FeatureSet(feature_folder), config["layers"], torch.device("cpu"))
    logits = model(*source.gather(train.ids)).emotion_logits
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(train.labels))
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    assert row["gradient_norm"] == pytest.approx(
        float(torch.cat([gradient.flatten() for gradient in gradients]).norm()), rel=1e-4
    )

    predicted = logits.argmax(dim=1).numpy()
    correct = np.array([np.sum((labels == label) & (predicted == label)) for label in range(3)])
    f1 = 2 * correct / (np.bincount(labels, minlength=3) + np.bincount(predicted, minlength=3))
    assert row["train_ua"] == pytest.approx(np.mean(correct / np.bincount(labels)), abs=1e-5)
    assert row["train_wa"] == pytest.approx(correct.sum() / len(labels), abs=1e-5)
    assert row["train_macro_f1"] == pytest.approx(f1.mean(), abs=1e-5)
    assert 0 < row["train_ua"] != row["train_wa"] < 1


def test_what_a_run_cost_is_written_beside_its_results(feature_folder, tmp_path):
    train_fold(job(feature_folder, tmp_path / "run", epochs=4))
    measured = json.loads((tmp_path / "run-measured.json").read_text())
    assert measured["fingerprint"] == "f00d"
    assert (measured["device"], measured["utterances"], measured["predicted"]) == ("cpu", 40, 20)
    assert len(measured["seconds_per_epoch"]) == 4
    assert min(*measured["seconds_per_epoch"], measured["predict_seconds"]) > 0
    assert measured["peak_megabytes"] > 100
    assert measured["peak_gpu_megabytes"] is None
    assert set(content(tmp_path / "run")) == FILES


def test_without_validation_the_last_weights_are_kept(feature_folder, tmp_path):
    train_fold(job(feature_folder, tmp_path / "run", validation=(), epochs=4, patience=1))
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["best_epoch"] == config["epochs_run"] == 4


def test_a_saved_head_predicts_what_it_predicted(feature_folder, tmp_path):
    train_fold(job(feature_folder, tmp_path / "run", GRU))
    model, config = load_head(tmp_path / "run")
    predictions = pd.read_csv(tmp_path / "run/predictions.csv")
    source = MappedFrames(FeatureSet(feature_folder), config["layers"], torch.device("cpu"))
    logits = predict(model, source, list(predictions["id"])).outputs
    np.testing.assert_allclose(
        logits.softmax(dim=1), predictions[[f"p_{name}" for name in config["classes"]]], atol=2e-6
    )
    (tmp_path / "run/model.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match="cannot load this head"):
        load_head(tmp_path / "run")


def test_a_loss_that_is_not_finite_stops_says_where_and_keeps_the_last_good_weights(feature_folder, tmp_path):
    with pytest.raises(UserError, match=r"head, fold 0, seed 1: loss .* in epoch 1, step \d.* no weights to keep"):
        train_fold(job(feature_folder, tmp_path / "run", GRU, learning_rate=1e30, clip_norm=1e38))

    broken = shutil.copytree(feature_folder, tmp_path / "broken")
    late = job(broken, tmp_path / "late", GRU, accumulate=2)
    original = training.run.reversal_strength  # called once per epoch: the frames break in the middle of the run

    def break_frames(epoch, num_epochs, settings):
        if epoch == 3:
            with h5py.File(broken / "speaker-2.h5", "r+") as file:
                file["layer_12"][:] = np.nan
        return original(epoch, num_epochs, settings)

    late = dataclasses.replace(late, training=late.training.model_copy(update={"adversarial_weight": 0.1}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.run, "reversal_strength", break_frames)
        message = (
            r"loss nan in epoch 3, step 1 \(step 7 of the run\)\. The best weights before that, of epoch [12], are in "
        )
        with pytest.raises(UserError, match=message + str(late.rescue)):
            train_fold(late)
    model, config = load_head(late.rescue)
    assert config["best_epoch"] in (1, 2)
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())


def test_a_validation_loss_that_is_never_finite_chooses_no_epoch_and_says_so(feature_folder, tmp_path):
    broken = shutil.copytree(feature_folder, tmp_path / "broken")
    with h5py.File(broken / "speaker-4.h5", "r+") as file:  # the validation speaker's
        file["layer_12"][:] = np.nan
    message = r"head, fold 0, seed 1: the validation loss was not finite in any of 3 epochs, so select: loss cannot"
    with pytest.raises(UserError, match=message):
        train_fold(job(broken, tmp_path / "run", GRU, select="loss", epochs=3))


def test_a_layer_that_is_not_stored_is_named(feature_folder, tmp_path):
    with pytest.raises(UserError, match=r"layer 7 is not stored in .*; there are \[12\]"):
        train_fold(job(feature_folder, tmp_path / "run", {"model": "linear", "layers": [7]}))


@pytest.mark.parametrize("storage", ["float16", "int8"])
@pytest.mark.parametrize("layers", [[12], [0, 7, 12]], ids=str)
def test_the_gpus_flat_tensor_gathers_what_the_memory_map_does(tmp_path, layers, storage):
    """On the CPU here; the code is the same on a GPU."""
    folder = write_features(tmp_path / "features", layers=(0, 7, 12), storage=storage)
    features, cpu = FeatureSet(folder), torch.device("cpu")
    mapped, flat = MappedFrames(features, layers, cpu), DeviceFrames(features, layers, cpu)
    identifiers = list(features.locations)
    for batch in shuffled_batches(len(identifiers), 7, torch.Generator().manual_seed(3)):
        one, other = (source.gather([identifiers[index] for index in batch]) for source in (mapped, flat))
        torch.testing.assert_close(one, other, rtol=0, atol=0)
