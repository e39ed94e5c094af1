"""Schedules, losses, sampling and augmentation do what their names say."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from data.errors import UserError
from evaluation.runs import read_runs
from features.store import FeatureSet
from models import HEADS
from models.adversary import AdversarialHead
from models.building import build_head
from models.head import HeadOutput, View
from tests.builders import write_features
from tests.training.test_run import CLASSES, GRU, content, job, utterances
from training.augmentation import Batch, augment, mask_features, mask_frames, mask_span, mix, stretch_time
from training.batches import MappedFrames, MomentFrames, balanced_batches, open_moments
from training.checkpoint import load_head
from training.job import check_job
from training.objective import Objective, class_weights
from training.prediction import predict
from training.run import train_fold
from training.schedule import Budget, make_optimizer, rate_factor, reversal_strength, settled_epoch
from training.settings import TrainingSettings

EVERYTHING = {
    **{"schedule": "cosine", "warmup": 0.1, "classifier_rate": 2, "adversarial_weight": 0.05, "label_smoothing": 0.1},
    **{"sampling": "balanced", "augment": True, "accumulate": 2, "learning_rate": 0.01},
}


def rates(num_steps, **settings):
    training = TrainingSettings(**settings)
    budget = Budget(num_steps, 20, 20, num_steps // 20)
    return np.array([rate_factor(step, budget, training) for step in range(num_steps)])


def test_cosine_restarts_after_a_quarter_then_a_half():
    factors = rates(1000, schedule="cosine_restarts", warmup=0.1)
    assert factors[0] == pytest.approx(0.01)
    assert factors[99] == factors[100] == 1
    restarts = [step for step in range(101, 1000) if factors[step] == 1]
    assert restarts == [350, 850]
    assert factors[349] < 0.001
    assert factors[225] == pytest.approx(0.5, abs=1e-3)
    assert factors.min() * 5e-4 >= 1e-7
    once = rates(1000, schedule="cosine", warmup=0.1)
    assert once[550] == pytest.approx(0.5, abs=1e-3)
    assert (np.diff(once[100:]) < 0).all()  # one cycle to the end
    assert once[-1] < 1e-3


@pytest.mark.parametrize("schedule", ["constant", "linear", "step", "noam", "cosine", "cosine_restarts"])
def test_every_schedule_warms_up_and_stays_between_its_bounds(schedule):
    factors = rates(500, schedule=schedule, warmup=0.2, min_learning_rate=1e-5)
    np.testing.assert_allclose(factors[1:100], np.arange(2, 101) / 100)
    assert factors[0] == pytest.approx(1e-5 / 5e-4)
    assert factors[100] == 1
    assert factors.min() * 5e-4 >= 0.99e-5
    if schedule == "noam":
        assert factors[400] == pytest.approx(0.5)  # four times the warm-up: half
    if schedule == "step":
        assert factors[150] == 0.5
    if schedule != "noam":
        assert rates(10, schedule=schedule, warmup=0)[0] == 1


def test_a_warm_up_is_counted_in_shares_epochs_or_steps_and_begins_where_it_is_told():
    for unit, warmup in (("share", 0.1), ("epochs", 5), ("steps", 100)):
        factors = rates(1000, schedule="linear", warmup=warmup, warmup_unit=unit, warmup_from=0.1)
        assert factors[[0, 49, 99, 550]] == pytest.approx([0.109, 0.55, 1, 0.5])


def test_a_budget_is_given_in_epochs_or_in_steps():
    assert Budget.of(TrainingSettings(epochs=3, batch_size=4, accumulate=2), 17) == Budget(9, 3, 3, 3)
    assert Budget.of(TrainingSettings(steps=25, batch_size=4, validate_every=10), 17) == Budget(25, 5, 10, 3)
    assert TrainingSettings().epochs == 50
    assert TrainingSettings(**TrainingSettings(epochs=3).override({"steps": 7})).epochs is None
    with pytest.raises(ValidationError, match="two budgets"):
        TrainingSettings(epochs=3, steps=7)


def test_alpha_waits_then_rises_then_stays():
    training = TrainingSettings(epochs=50, max_alpha=0.8)
    strengths = [reversal_strength(epoch, 50, training) for epoch in range(1, 51)]
    assert strengths[:5] == [0] * 5  # the original: 5 of 50
    assert strengths[19] == pytest.approx(0.4)
    assert strengths[34:] == [0.8] * 16
    at_once = TrainingSettings(epochs=10, alpha_start=0, alpha_full=0)
    assert [reversal_strength(epoch, 10, at_once) for epoch in (1, 10)] == [1, 1]


def test_patience_is_counted_once_the_warm_up_and_alphas_ramp_are_over(tmp_path):
    """Validation labels are constant, so that the first epoch is the best and only patience decides the end."""
    training = TrainingSettings(epochs=50)
    assert settled_epoch(Budget(1000, 20, 20, 50), training, adversarial=True) == 35
    assert settled_epoch(Budget(1000, 20, 20, 50), training, adversarial=False) == 5
    features = write_features(tmp_path / "features")
    for weight, epochs_run in ((0.05, 14 + 2), (0.0, 4 + 2)):
        run = job(features, tmp_path / str(weight), epochs=20, warmup=0.2, patience=2, adversarial_weight=weight)
        run.roles["validation"].labels[:] = [0] * 10
        train_fold(run)
        config = json.loads((tmp_path / str(weight) / "config.json").read_text())
        assert config["epochs_run"] >= epochs_run
        history = pd.read_csv(tmp_path / str(weight) / "history.csv")
        assert ("alpha" in history) == (weight > 0)
        if config["best_epoch"] < epochs_run - 2:
            assert config["epochs_run"] == epochs_run


def test_classifiers_learn_at_their_own_rate():
    head = build_head(HEADS["enhanced_gru"][0](model="enhanced_gru", hidden_size=8), 6, 3, num_speakers=2)
    optimizer = make_optimizer(head, TrainingSettings(learning_rate=0.001, classifier_rate=3))
    rate = {parameter: group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    for name, parameter in head.named_parameters():
        assert rate[parameter] == pytest.approx(0.003 if "classifier" in name else 0.001), name
    assert {name.split(".")[0] for name, _ in head.named_parameters()} == {"head", "speaker_classifier"}


def test_accumulated_small_batches_step_like_one_large_batch(feature_folder, tmp_path):
    """The loss of a step is the mean over all its utterances, also where the last batch is smaller."""
    for name, how in (("large", {"batch_size": 12}), ("small", {"batch_size": 3, "accumulate": 4})):
        train_fold(job(feature_folder, tmp_path / name, epochs=2, **how))
    large, small = (load_head(tmp_path / name)[0].state_dict() for name in ("large", "small"))
    for name, values in large.items():
        torch.testing.assert_close(values, small[name], rtol=1e-4, atol=1e-5)


def test_the_loss_is_cross_entropy_plus_the_weighted_speakers():
    logits, speaker_logits = torch.randn(6, 3), torch.randn(6, 4)
    labels, speakers = torch.tensor([0, 1, 2, 2, 1, 2]), torch.tensor([0, 1, 2, 3, 0, 1])
    targets = functional.one_hot(labels, 3).float(), functional.one_hot(speakers, 4).float()
    output = HeadOutput(logits, logits, speaker_logits)
    loss = Objective(TrainingSettings(adversarial_weight=0.05), labels, 3, torch.device("cpu"))(output, *targets)
    plain = functional.cross_entropy(logits, labels)
    torch.testing.assert_close(loss.emotion, plain)
    torch.testing.assert_close(loss.total, plain + 0.05 * functional.cross_entropy(speaker_logits, speakers))
    smoothing = TrainingSettings(adversarial_weight=0, label_smoothing=0.2)
    loss = Objective(smoothing, labels, 3, torch.device("cpu"))(HeadOutput(logits, logits), *targets)
    torch.testing.assert_close(loss.total, functional.cross_entropy(logits, labels, label_smoothing=0.2))


def test_weighted_classes_weigh_their_own_part_of_a_mixed_target():
    logits, mixed = torch.randn(4, 2), torch.tensor([[0.6, 0.4], [1, 0], [0, 1], [0.9, 0.1]])
    labels = [0] * 9 + [1]
    objective = Objective(TrainingSettings(class_weights="balanced"), labels, 2, torch.device("cpu"))
    expected = -(mixed * torch.tensor([10 / 18, 5.0]) * logits.log_softmax(dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(objective(HeadOutput(logits, logits), mixed, mixed).emotion, expected)


def test_balanced_weights_let_every_class_that_occurs_count_the_same():
    labels = [0] * 6 + [2] * 2 + [3] * 4
    weights = class_weights(labels, 5)
    assert weights.tolist() == pytest.approx([12 / 18, 0, 12 / 6, 12 / 12, 0])
    assert sum(weights[label] for label in labels) == pytest.approx(12)


def test_balanced_sampling_draws_all_classes_alike():
    labels = [0] * 900 + [1] * 90 + [3] * 10
    batches = list(balanced_batches(labels, 32, torch.Generator().manual_seed(0)))
    drawn = [labels[index] for batch in batches for index in batch]
    assert len(drawn) == 1000
    assert [len(batch) for batch in batches] == [32] * 31 + [8]
    assert np.bincount(drawn, minlength=4) == pytest.approx([333, 333, 0, 333], abs=60)


def some_batch(num_layers=1) -> Batch:
    lengths = torch.tensor([20, 8, 1])
    frames = torch.randn(3, num_layers, 20, 5)
    frames[1, :, 8:] = frames[2, :, 1:] = 0
    return Batch(frames, lengths, torch.eye(3), torch.eye(3)[[0, 0, 1]])


def test_stretching_changes_the_length_with_the_frames():
    batch = some_batch()
    ramp = torch.arange(20.0)[None, None, :, None].expand(3, 1, 20, 5) * (batch.frames != 0)
    frames, lengths = stretch_time(ramp, batch.lengths, torch.tensor([1.5, 0.5, 0.6]))
    assert lengths.tolist() == [30, 4, 1]
    assert frames.shape == (3, 1, 30, 5)
    torch.testing.assert_close(frames[0, 0, :, 0], torch.linspace(0, 19, 30))  # the same course, in more frames
    torch.testing.assert_close(frames[1, 0, :4, 0], torch.linspace(0, 7, 4))
    assert not frames[1, :, 4:].any()
    same, _ = stretch_time(batch.frames, batch.lengths, torch.ones(3))
    torch.testing.assert_close(same, batch.frames)


def test_mixing_takes_frames_and_targets_by_the_same_share():
    batch = some_batch()
    mixed = mix(batch, torch.tensor([1, 0, 2]), torch.tensor([0.75, 0.6, 0.5]))
    torch.testing.assert_close(
        mixed.frames[0, :, 8], 0.75 * batch.frames[0, :, 8] + 0.25 * batch.frames[1, :, 0]
    )  # anew
    torch.testing.assert_close(mixed.frames[1, :, :8], 0.6 * batch.frames[1, :, :8] + 0.4 * batch.frames[0, :, :8])
    assert not mixed.frames[1, :, 8:].any()
    torch.testing.assert_close(mixed.emotions[0], torch.tensor([0.75, 0.25, 0]))
    torch.testing.assert_close(mixed.speakers, torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 0]]))
    assert mixed.lengths.tolist() == batch.lengths.tolist()


def test_masks_set_no_more_than_their_share_to_zero():
    torch.manual_seed(1)
    frames, lengths = torch.ones(200, 1, 40, 30), torch.full((200,), 40)
    masked = mask_span(frames, lengths, torch.full((200,), 0.25))
    zeros = (masked[:, 0, :, 0] == 0).sum(dim=1)
    assert zeros.min() >= 9
    assert zeros.max() <= 11
    jumps = (masked[:, 0, :, 0].diff(dim=1) != 0).sum(dim=1)
    assert jumps.max() <= 2  # one stretch
    masked = mask_frames(frames, torch.tensor([40, 20] * 100), torch.full((200,), 0.1), factor=0.1)
    assert ((masked[:, 0, :, 0] == 0.1).sum(dim=1) == torch.tensor([4, 2] * 100)).all()
    assert (masked[1::2, :, 20:] == 1).all()  # padding is not drawn
    features = mask_features(frames, torch.full((200,), 0.2))
    assert (features == 0).float().mean() == pytest.approx(0.2, abs=0.02)
    assert torch.equal(features[:, :, 0], features[:, :, -1])


@pytest.mark.parametrize("num_layers", [1, 4])
def test_augmented_padding_stays_zero_and_targets_stay_probabilities(num_layers):
    torch.manual_seed(2)
    batch = some_batch(num_layers)
    for _ in range(20):
        changed = augment(batch, TrainingSettings(noise=0.5, stretch=0.5, time_mask=0.5, feature_mask=0.5, mixup=1))
        assert changed.frames.shape[-2] >= int(changed.lengths.max())
        for row, length in enumerate(changed.lengths):
            assert not changed.frames[row, ..., length:, :].any()
        torch.testing.assert_close(changed.emotions.sum(dim=1), torch.ones(3))
        assert (changed.emotions.diagonal() >= 0.5).all()  # each stays mostly itself
    nothing = TrainingSettings(noise=0, stretch=0, time_mask=0, feature_mask=0, mixup=0)
    torch.testing.assert_close(augment(batch, nothing).frames, batch.frames)


@pytest.mark.parametrize("head", [{"model": "linear"}, {"model": "weighted_layers", "projection": 5}, GRU], ids=str)
def test_everything_at_once_still_learns_and_the_same_seed_is_the_same_bytes(tmp_path, head):
    features = write_features(tmp_path / "features", layers=(6, 12))
    for name in ("one", "two"):
        train_fold(job(features, tmp_path / name, head, epochs=12, **EVERYTHING))
    assert content(tmp_path / "one") == content(tmp_path / "two")
    predictions = pd.read_csv(tmp_path / "one/predictions.csv")
    assert (predictions["label"] == predictions["predicted"]).mean() > 0.85


@pytest.mark.parametrize(
    "switch",
    [
        {"class_weights": "balanced"},
        {"sampling": "balanced"},
        {"label_smoothing": 0.2},
        {"augment": True},
        {"precision": "bfloat16"},
        {"adversarial_weight": 0.5, "alpha_start": 0, "alpha_full": 0},
        {"schedule": "cosine"},
        {"schedule": "cosine_restarts"},
        {"schedule": "linear"},
        {"optimizer": "adam", "weight_decay": 0.1},
        {"betas": [0.5, 0.6]},
        {"schedule": "step"},
        {"schedule": "noam", "warmup": 0.1},
        {"warmup": 0.5},
        {"classifier_rate": 2.0},
    ],
    ids=str,
)
def test_every_switch_reaches_the_weights(feature_folder, tmp_path, switch):
    weights = {}
    for name, how in (("without", {}), ("with", switch)):
        train_fold(job(feature_folder, tmp_path / name, GRU, epochs=2, **how))
        head = load_head(tmp_path / name)[0].head
        weights[name] = (head.head if isinstance(head, AdversarialHead) else head).state_dict()
    assert any(not torch.equal(values, weights["with"][name]) for name, values in weights["without"].items())


def test_what_contradicts_itself_is_refused():
    with pytest.raises(ValidationError, match="favours rare classes twice"):
        TrainingSettings(class_weights="balanced", sampling="balanced")
    with pytest.raises(ValidationError, match="augment needs standardise"):
        TrainingSettings(augment=True, standardise=False)
    with pytest.raises(ValidationError, match="noam needs a warmup"):
        TrainingSettings(schedule="noam", warmup=0)


def test_bfloat16_learns_the_same(feature_folder, tmp_path):
    run = job(feature_folder, tmp_path / "run", {**GRU, "hidden_size": 16}, precision="bfloat16", learning_rate=0.01)
    train_fold(run)
    predictions = pd.read_csv(tmp_path / "run/predictions.csv")
    assert (predictions["label"] == predictions["predicted"]).mean() > 0.85


@pytest.mark.parametrize(
    ("head", "view"),
    [
        ({"model": "linear", "l2": None}, View.MEAN),
        ({"model": "linear", "layers": "all", "statistics": ["deviation", "mean"]}, View.MEAN_AND_DEVIATION),
        ({"model": "weighted_layers", "projection": 5}, View.MEAN),
    ],
    ids=str,
)
def test_trained_on_moments_or_on_all_frames_it_is_the_same_head(tmp_path, head, view, monkeypatch):
    features = FeatureSet(write_features(tmp_path / "features", layers=(6, 12)))
    train_fold(job(features.folder, tmp_path / "run", head))
    model, config = load_head(tmp_path / "run")
    layers, identifiers = config["layers"], list(features.locations)
    means = MomentFrames(open_moments(features, layers), view, torch.device("cpu"))
    every = MappedFrames(features, layers, torch.device("cpu"))
    one, other = predict(model, means, identifiers), predict(model, every, identifiers)
    torch.testing.assert_close(one.outputs, other.outputs, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(one.embeddings, other.embeddings, rtol=1e-4, atol=1e-4)
    assert means.gather(identifiers[:3])[0].shape == (3, len(layers), view.value, 12)

    monkeypatch.setattr("training.run.MomentFrames", lambda *_: every)
    train_fold(job(features.folder, tmp_path / "frames", head))
    trained_on_frames, _ = load_head(tmp_path / "frames")
    for name, values in model.state_dict().items():
        torch.testing.assert_close(values, trained_on_frames.state_dict()[name], rtol=1e-3, atol=1e-3)


def test_embeddings_and_attention_stand_in_the_order_of_the_predictions(feature_folder, tmp_path):
    """As evaluation reads them back, against the saved head asked about each utterance alone."""
    train_fold(job(feature_folder, tmp_path / "head/fold-0/seed-1", GRU))
    runs = read_runs(tmp_path / "head")
    model, config = load_head(tmp_path / "head/fold-0/seed-1")
    source = MappedFrames(FeatureSet(feature_folder), config["layers"], torch.device("cpu"))
    rows, embeddings, attention = runs.run(0, 1), runs.embeddings(0, 1), runs.attention(0, 1)
    assert list(rows["role"].unique()) == ["validation", "test"]
    assert len(rows) == len(embeddings) == len(attention) == 20
    for row, identifier in enumerate(rows["id"]):
        with torch.inference_mode():
            output = model(*source.gather([identifier]))
        np.testing.assert_allclose(embeddings[row], output.embedding[0], atol=1e-5)
        np.testing.assert_allclose(attention[row], output.attention[0].mean(dim=0), atol=1e-3)  # over the queries


def test_a_head_on_int8_frames_predicts_what_it_does_on_float16(tmp_path):
    """The same trained head, on at least 99 % of 600 utterances that are hard enough to be mistaken sometimes."""
    how = {"speakers": 12, "per_speaker": 50, "dimension": 64, "classes": 3, "voice": 1.5}
    float16, int8 = (write_features(tmp_path / name, storage=name, **how) for name in ("float16", "int8"))
    train_fold(job(float16, tmp_path / "run", {**GRU, "hidden_size": 16}, epochs=2, learning_rate=0.003))
    model, config = load_head(tmp_path / "run")
    identifiers = list(FeatureSet(float16).locations)
    predicted = [
        predict(model, MappedFrames(FeatureSet(folder), config["layers"], torch.device("cpu")), identifiers)
        .outputs.argmax(dim=1)
        .numpy()
        for folder in (float16, int8)
    ]
    assert (predicted[0] == predicted[1]).mean() >= 0.99
    assert 0.4 < (predicted[0] == [int(name[-1]) for name in identifiers]).mean() < 0.98


def test_the_adversary_makes_the_embedding_forget_speakers(tmp_path):
    """Voices lie far apart here; with the reversal, a speaker classifier on the embedding does much worse."""
    features = write_features(tmp_path / "features", voice=1.0)
    losses = {}
    for alpha in (0.0, 3.0):
        head = {"model": "enhanced_gru", "hidden_size": 8, "instance_norm": False}
        how = {"adversarial_weight": 1.0, "max_alpha": alpha, "alpha_start": 0, "alpha_full": 0.1, "epochs": 20}
        train_fold(job(features, tmp_path / str(alpha), head, learning_rate=0.005, **how))
        losses[alpha] = pd.read_csv(tmp_path / str(alpha) / "history.csv")["speaker_loss"].iloc[-1]
    assert losses[0.0] < 0.9
    assert losses[3.0] > 1.2  # a guess among the four training speakers is 1.39


def test_speaker_classes_are_the_folds_training_speakers(feature_folder, tmp_path):
    train_fold(job(feature_folder, tmp_path / "run", GRU, adversarial_weight=0.05))
    model, config = load_head(tmp_path / "run")
    assert config["speakers"] == ["s0", "s1", "s2", "s3"]
    assert model.head.speaker_classifier[-1].out_features == 4


def test_a_fold_with_one_training_speaker_or_class_is_refused_before_training(feature_folder, tmp_path):
    run = job(feature_folder, tmp_path / "run", adversarial_weight=0.05)
    run.roles["train"] = utterances(2)
    with pytest.raises(UserError, match=r"the only training speaker is s2.*adversarial_weight: 0"):
        check_job(run)
    run.roles["train"].labels[:] = [1] * 10
    with pytest.raises(UserError, match="all training utterances belong to one class"):
        check_job(run)


def test_a_class_without_training_utterances_is_survived(feature_folder, tmp_path):
    run = job(feature_folder, tmp_path / "run", **EVERYTHING)
    run.roles["train"].labels[:] = [label % 2 for label in run.roles["train"].labels]
    train_fold(run)
    predictions = pd.read_csv(tmp_path / "run/predictions.csv")
    assert np.isfinite(predictions[[f"p_{name}" for name in CLASSES]]).all(axis=None)


@pytest.mark.parametrize(
    "head", [{"model": "weighted_layers", "projection": 8}, {**GRU, "layers": "all", "dropout": 0.0}], ids=str
)
def test_layer_weights_are_written_and_the_informative_layer_wins(tmp_path, head):
    features = write_features(tmp_path / "features", layers=(0, 12))
    train_fold(job(features, tmp_path / "run", head, epochs=30))
    weights = json.loads((tmp_path / "run/config.json").read_text())["layer_weights"]
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["12"] > weights["0"]


def test_layers_that_are_not_stored_are_named(feature_folder, tmp_path):
    head = {"model": "weighted_layers", "layers": [3, 12, 13]}
    with pytest.raises(UserError, match=r"layer 3, 13 is not stored in .*; there are \[12\]"):
        train_fold(job(feature_folder, tmp_path / "run", head))
