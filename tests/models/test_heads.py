"""A prediction depends neither on who else is in the batch nor on how much padding there is."""

import copy
import itertools

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from models import HEADS
from models.building import build_head, head_class
from models.head import Head, HeadSettings, View
from models.layers import (
    AttentiveStatistics,
    BidirectionalGRU,
    InstanceNorm,
    MaskedBatchNorm,
    Standardise,
    deviation_over_time,
    frame_mask,
    max_over_time,
    mean_over_time,
    reverse_time,
    sinusoidal_positions,
)

PARTS = ("positions", "instance_norm", "attention", "enhancement")
SIZE, CLASSES, SPEAKERS, LAYERS = 12, 4, 3, 3
VARIANTS = [
    {"model": "linear"},
    {"model": "linear", "statistics": ["deviation", "mean"]},
    {"model": "linear", "statistics": ["deviation"]},
    {"model": "weighted_layers", "projection": 6},
    {"model": "frame_mlp", "hidden_size": 16},
    {"model": "attentive_statistics", "hidden_size": 8, "attention_size": 6},
    {"model": "attentive_statistics", "num_layers": 0},
    {"model": "ecapa", "channels": 16, "scale": 4, "attention_size": 6, "embedding_size": 10},
    {"model": "gru", "hidden_size": 8, "attention": "dot"},
    {"model": "gru", "hidden_size": 8, "attention": "general"},
    {"model": "gru", "hidden_size": 8, "attention": "concat", "num_layers": 1},
    {"model": "gru", "hidden_size": 8, "pooling": ["mean", "deviation", "maximum", "attention"]},
    {"model": "gru", "hidden_size": 8, "attention": "none", "pooling": ["attention"]},
    {"model": "gru", "hidden_size": 8, "attention": "none"},
    {"model": "enhanced_gru", "hidden_size": 8, "num_heads": 4},
    {"model": "enhanced_gru", "hidden_size": 8, "pooling": ["deviation", "mean"], "classifier": [6]},
    *({"model": "enhanced_gru", "hidden_size": 8, part: False} for part in PARTS),
]
every_head = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: "-".join(map(str, variant.values())))
one_or_several_layers = pytest.mark.parametrize("num_layers", [1, LAYERS])
every_kind_of_features = pytest.mark.parametrize(
    ("num_layers", "dimension"), [(1, 13), (LAYERS, 13), (1, 768), (LAYERS, 768)]
)


def head(variant, num_speakers=0, num_layers=1, dimension=SIZE):
    settings = HEADS[variant["model"]][0](**variant)
    return build_head(settings, dimension, CLASSES, num_layers, num_speakers).eval()


def test_every_registered_head_is_tested():
    assert {variant["model"] for variant in VARIANTS} == set(HEADS)


@pytest.mark.parametrize("model", HEADS)
def test_every_head_reads_the_last_layer_all_of_them_or_those_listed(model):
    def layers(**settings):
        return HEADS[model][0](model=model, **settings).choose_layers([0, 3, 5, 9])

    assert (layers(layers=None), layers(layers="all"), layers(layers=[3, 5])) == ([9], [0, 3, 5, 9], [3, 5])
    assert layers() == ([0, 3, 5, 9] if model == "weighted_layers" else [9])
    for wrong in ([5, 3], [3, 3]):
        with pytest.raises(ValidationError, match="list each layer once, in increasing order"):
            layers(layers=wrong)


@every_head
@every_kind_of_features
@torch.inference_mode()
def test_prediction_does_not_depend_on_batch_mates_or_padding(variant, num_layers, dimension):
    """Neither with MFCCs nor with an encoder's layers: every head takes every kind of features."""
    model, lengths = head(variant, SPEAKERS, num_layers, dimension), torch.tensor([7, 20, 1, 13])
    frames = torch.randn(4, num_layers, 20, dimension)
    for row, length in enumerate(lengths):
        frames[row, ..., length:, :] = 0
    together = model(frames, lengths)
    assert together.emotion_logits.shape == (4, CLASSES)
    for row, length in enumerate(lengths):
        alone = model(frames[row : row + 1, ..., :length, :], lengths[row : row + 1])
        torch.testing.assert_close(together.emotion_logits[row], alone.emotion_logits[0], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(together.embedding[row], alone.embedding[0], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(together.speaker_logits[row], alone.speaker_logits[0], rtol=1e-5, atol=1e-6)


@every_head
@every_kind_of_features
@torch.inference_mode()
def test_the_content_of_padding_does_not_matter(variant, num_layers, dimension):
    model, lengths = head(variant, 0, num_layers, dimension), torch.tensor([5, 9])
    frames = torch.randn(2, num_layers, 9, dimension)
    garbage = frames.clone()
    garbage[0, ..., 5:, :] = 1e4
    torch.testing.assert_close(model(frames, lengths).emotion_logits, model(garbage, lengths).emotion_logits)


@every_head
def test_every_head_learns_from_a_single_frame_of_thousands_of_dimensions(variant):
    """Functionals; a head that keeps only what varies over time says which parameter that is."""
    model, lengths = head(variant, dimension=6373).train(), torch.tensor([1, 1, 1])
    frames = torch.randn(3, 1, 1, 6373)
    output = model(frames, lengths)
    output.emotion_logits.square().sum().backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    if output.attention is not None:
        assert torch.allclose(output.attention, torch.ones(()))
    with torch.inference_mode():
        embedding = model.eval()(frames, lengths).embedding
    is_blind = torch.allclose(embedding, embedding[:1].expand_as(embedding))
    assert is_blind == (model.settings.needs_time is not None)


@every_head
@one_or_several_layers
def test_every_parameter_gets_a_gradient(variant, num_layers):
    """From the emotions alone, so that no part's output is cut off."""
    model = head(variant, num_layers=num_layers).train()
    output = model(torch.randn(3, num_layers, 10, SIZE), torch.tensor([10, 4, 7]))
    output.emotion_logits.square().sum().backward()
    without = [
        name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert without == []


@every_head
@one_or_several_layers
def test_padding_takes_no_part_in_training(variant, num_layers):
    """Neither in the loss and the gradients, nor in batch norm's running statistics."""
    lengths, frames = torch.tensor([9, 4, 7]), torch.randn(3, num_layers, 9, SIZE)
    padded = nn.functional.pad(frames, (0, 0, 0, 6), value=50.0)
    torch.manual_seed(1)
    first = head(variant, num_layers=num_layers).train()
    for module in first.modules():
        if isinstance(module, nn.Dropout | nn.MultiheadAttention):
            setattr(module, "p" if isinstance(module, nn.Dropout) else "dropout", 0.0)
    second = copy.deepcopy(first)
    for model, batch in ((first, frames), (second, padded)):
        model(batch, lengths).emotion_logits.square().sum().backward()
    others = dict(second.named_parameters())
    for name, parameter in first.named_parameters():
        torch.testing.assert_close(parameter.grad, others[name].grad, rtol=1e-3, atol=1e-4, msg=name)
    torch.testing.assert_close(dict(first.named_buffers()), dict(second.named_buffers()))


POOLED_BY_ATTENTION = [
    variant
    for variant in VARIANTS
    if variant["model"] in ("attentive_statistics", "ecapa")
    or (variant.get("attention") == "none" and "attention" in variant.get("pooling", []))
]
ATTENDING = [
    variant
    for variant in VARIANTS
    if "gru" in variant["model"] and variant.get("attention", True) not in (False, "none")
]


@pytest.mark.parametrize("variant", ATTENDING + POOLED_BY_ATTENTION, ids=str)
@torch.inference_mode()
def test_attention_runs_over_the_time_of_one_utterance(variant):
    model = head(variant)
    lengths = torch.tensor([6, 10])
    frames = torch.randn(2, 1, 10, SIZE)
    weights = model(frames, lengths).attention
    queries = () if variant in POOLED_BY_ATTENTION else (10,)  # or every frame queries all frames
    assert weights.shape == (2, *queries, 10)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, *queries))
    assert not weights[0, ..., 6:].any()
    changed = frames.clone()
    changed[1] += 1
    torch.testing.assert_close(model(changed, lengths).attention[0], weights[0])


@torch.inference_mode()
def test_without_attention_there_are_no_weights():
    for variant in ({"model": "gru", "attention": "none"}, {"model": "enhanced_gru", "attention": False}):
        assert head(variant | {"hidden_size": 8})(torch.randn(1, 1, 5, SIZE), torch.tensor([5])).attention is None


@pytest.mark.parametrize("poolings", [["maximum", "mean"], ["deviation", "maximum", "attention"]], ids=str)
@pytest.mark.parametrize("attention", ["dot", "none"])
@torch.inference_mode()
def test_gru_joins_what_it_pools_in_the_order_named(poolings, attention):
    def embedding(*pooling):
        torch.manual_seed(5)
        variant = {"model": "gru", "hidden_size": 8, "attention": attention, "pooling": list(pooling)}
        return head(variant)(frames, lengths).embedding

    frames, lengths = torch.randn(2, 1, 10, SIZE), torch.tensor([10, 6])
    torch.testing.assert_close(embedding(*poolings), torch.cat([embedding(pooling) for pooling in poolings], dim=1))
    parts = [embedding(pooling) for pooling in ("mean", "maximum", "deviation", "attention")]
    assert not any(torch.allclose(one, other) for one, other in itertools.combinations(parts, 2))


def test_classifiers_have_the_hidden_layers_that_are_asked_for():
    """The original's 1024-256-128-C and 1024-256-128-S, in small."""
    variant = {"model": "enhanced_gru", "hidden_size": 8, "pooling": ["mean"]}

    def sizes(module):
        return [(layer.in_features, layer.out_features) for layer in module if isinstance(layer, nn.Linear)]

    settings = HEADS["enhanced_gru"][0](classifier=[6, 5], **variant)
    model = build_head(settings, SIZE, CLASSES, 1, SPEAKERS, speaker_classifier=[7, 5])
    assert sizes(model.head.classifier) == [(16, 6), (6, 5), (5, CLASSES)]
    assert sizes(model.speaker_classifier) == [(16, 7), (7, 5), (5, SPEAKERS)]
    plain = head(variant, SPEAKERS)
    assert sizes(plain.head.classifier) == [(16, 16), (16, 8), (8, CLASSES)]
    assert sizes(plain.speaker_classifier) == [(16, 128), (128, SPEAKERS)]


def test_the_attentions_own_dropout_replaces_the_heads():
    frames, lengths = torch.randn(1, 1, 10, SIZE), torch.tensor([10])
    for dropout, of_attention, varies in ((0.0, 0.5, True), (0.0, None, False), (0.0, 0.0, False)):
        variant = {"model": "enhanced_gru", "hidden_size": 8, "dropout": dropout, "attention_dropout": of_attention}
        model = head(variant).train()
        first, second = (model(frames, lengths).emotion_logits for _ in range(2))
        assert torch.equal(first, second) != varies
    assert head({"model": "enhanced_gru", "hidden_size": 8, "dropout": 0.3}).attention.dropout == 0.3


@torch.inference_mode()
def test_gru_uses_every_frame_and_their_order():
    model, lengths = head({"model": "gru", "hidden_size": 8}), torch.tensor([10])
    frames = torch.randn(1, 1, 10, SIZE)
    logits = model(frames, lengths).emotion_logits
    assert not torch.allclose(logits, model(frames.flip(2), lengths).emotion_logits, atol=1e-4)
    for step in range(10):
        changed = frames.clone()
        changed[0, 0, step] += 3
        assert not torch.allclose(logits, model(changed, lengths).emotion_logits, atol=1e-6)


def test_pooling_and_standardising_leave_padding_out():
    lengths = torch.tensor([2, 3])
    frames = torch.tensor([[[1.0], [3.0], [99.0]], [[-5.0], [-4.0], [-3.0]]])
    assert mean_over_time(frames, lengths).tolist() == [[2.0], [-4.0]]
    assert max_over_time(frames, lengths).tolist() == [[3.0], [-3.0]]
    standardised = Standardise(torch.tensor([[1.0]]), torch.tensor([[2.0]]))(frames[:, None], lengths)
    assert standardised[:, 0, :, 0].tolist() == [[0.0, 1.0, 0.0], [-3.0, -2.5, -2.0]]


def test_time_reversal_turns_real_frames_only():
    frames = torch.tensor([[1.0, 2, 3, 0], [4, 5, 6, 7]])[..., None]
    assert reverse_time(frames, torch.tensor([3, 4]))[..., 0].tolist() == [[3, 2, 1, 0], [7, 6, 5, 4]]


def test_our_gru_and_its_gradients_are_torchs_on_packed_sequences():
    ours, theirs = BidirectionalGRU(SIZE, 5, 2, dropout=0.0), nn.GRU(SIZE, 5, 2, batch_first=True, bidirectional=True)
    names = {
        f"{direction}.{layer}.{kind}_l0": f"{kind}_l{layer}{suffix}"
        for layer in (0, 1)
        for direction, suffix in (("forwards", ""), ("backwards", "_reverse"))
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    ours.load_state_dict({mine: theirs.state_dict()[name] for mine, name in names.items()})
    lengths = torch.tensor([7, 20, 1, 13])
    frames = torch.randn(4, 20, SIZE)
    mine, yours = frames.clone().requires_grad_(), frames.clone().requires_grad_()
    states = ours(mine, lengths)
    packed = pack_padded_sequence(yours, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True)
    torch.testing.assert_close(states, expected)
    torch.testing.assert_close(ours._run(frames, lengths), expected)  # how it is done on a GPU
    weights = torch.randn_like(states)
    (states * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(mine.grad, yours.grad)
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs.get_parameter(names[name]).grad, msg=name)


def test_the_gru_is_nearly_the_same_in_mixed_precision():
    gru, lengths = BidirectionalGRU(SIZE, 5, 2), torch.tensor([12, 9])
    frames = torch.randn(2, 12, SIZE)
    gradients = []
    for enabled in (False, True):
        gru.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            states = gru(frames, lengths)
        states.float().square().sum().backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in gru.parameters()]))
    assert 0 < (gradients[0] - gradients[1]).norm() < 0.02 * gradients[0].norm()


@every_head
@one_or_several_layers
def test_the_reversal_turns_the_speakers_gradient_round_once(variant, num_layers):
    """What reaches the head is minus alpha times the plain gradient; the classifier's own stays as it is."""
    lengths, frames = torch.tensor([9, 4, 7]), torch.randn(3, num_layers, 9, SIZE)

    def gradients(alpha, reverse=True):
        model.zero_grad()
        model.alpha = alpha
        output = model(frames, lengths)
        logits = output.speaker_logits if reverse else model.speaker_classifier(output.embedding)
        torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()
        own = {name: p.grad.clone() for name, p in model.speaker_classifier.named_parameters()}
        return own, {name: p.grad.clone() for name, p in model.head.named_parameters() if p.grad is not None}

    model = head(variant, SPEAKERS, num_layers)
    own, plain = gradients(1.0, reverse=False)
    for alpha in (0.0, 0.5, 1.0):
        own_now, reversed_now = gradients(alpha)
        for name in own:
            torch.testing.assert_close(own_now[name], own[name])
        for name, gradient in reversed_now.items():
            torch.testing.assert_close(gradient, -alpha * plain[name], rtol=1e-4, atol=1e-7)


@torch.inference_mode()
def test_instance_norm_removes_an_utterances_own_mean_and_scale():
    norm, lengths = InstanceNorm(SIZE), torch.tensor([20, 12])
    frames = torch.randn(2, 20, SIZE)
    frames[1, 12:] = 0
    same_voice = frames * 3.0 + 5.0
    same_voice[1, 12:] = 99.0
    normed = norm(frames, lengths)
    torch.testing.assert_close(norm(same_voice, lengths), normed, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(normed[1, :12].mean(dim=0), torch.zeros(SIZE), rtol=0, atol=1e-5)
    torch.testing.assert_close(normed[1, :12].std(dim=0, unbiased=False), torch.ones(SIZE), rtol=1e-3, atol=1e-3)
    assert not normed[1, 12:].any()


def test_batch_norm_is_torchs_over_real_frames_only():
    ours, theirs = MaskedBatchNorm(SIZE), nn.BatchNorm1d(SIZE)
    lengths = torch.tensor([7, 2, 1])
    for _ in range(3):
        frames = torch.randn(3, 7, SIZE) * 3 + 5
        real = frame_mask(lengths, 7)
        normed = ours(frames, lengths)
        torch.testing.assert_close(normed[real], theirs(frames[real]), rtol=1e-4, atol=1e-5)
        assert not normed[~real].any()
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_variance, theirs.running_var)
    torch.testing.assert_close(ours.eval()(frames, lengths)[real], theirs.eval()(frames[real]), rtol=1e-4, atol=1e-5)


def test_a_batch_of_a_single_frame_is_normalised_by_what_came_before():
    norm = MaskedBatchNorm(SIZE)
    norm(torch.randn(2, 5, SIZE) + 3, torch.tensor([5, 4]))
    before, frame = copy.deepcopy(norm).eval(), torch.randn(1, 1, SIZE)
    torch.testing.assert_close(norm(frame, torch.tensor([1])), before(frame, torch.tensor([1])))
    assert all(torch.equal(mine, other) for mine, other in zip(norm.buffers(), before.buffers(), strict=True))
    model = head({"model": "ecapa", "channels": 16}).train()
    model(torch.randn(1, 1, 1, SIZE), torch.tensor([1])).emotion_logits.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("in_context", [False, True])
@torch.inference_mode()
def test_attentive_statistics_are_the_weighted_mean_and_deviation(in_context):
    pooling, lengths = AttentiveStatistics(SIZE, 6, in_context), torch.tensor([8, 5])
    frames = torch.randn(2, 8, SIZE)
    pooled, weights = pooling(frames, lengths)
    assert weights[1, :5].std() > 0.001
    if not in_context:  # one weight per frame
        for utterance, length, weight, (mean, deviation) in zip(
            frames, lengths, weights, pooled.unflatten(1, (2, SIZE)), strict=True
        ):
            expected = torch.from_numpy(np.average(utterance[:length], axis=0, weights=weight[:length])).float()
            torch.testing.assert_close(mean, expected)
            squares = (utterance[:length] - expected).square() * weight[:length, None]
            torch.testing.assert_close(deviation, squares.sum(dim=0).sqrt(), rtol=1e-3, atol=1e-4)
    pooling.attention.score.weight.zero_()  # all frames weigh the same
    plain = torch.cat([mean_over_time(frames, lengths), deviation_over_time(frames, lengths)], dim=1)
    torch.testing.assert_close(pooling(frames, lengths)[0], plain)
    torch.testing.assert_close(plain[1, SIZE:], frames[1, :5].std(dim=0, unbiased=False), rtol=1e-3, atol=1e-4)


@torch.inference_mode()
def test_attention_in_context_sees_the_whole_utterance():
    """What a third frame is changes how much two others weigh in proportion; without context it does not."""
    frames, lengths = torch.randn(1, 3, SIZE), torch.tensor([3])
    other = frames.clone()
    other[0, 2] += 3
    for in_context in (False, True):
        pooling = AttentiveStatistics(SIZE, 6, in_context)
        pooling.attention.score.weight[:] = pooling.attention.score.weight[0]  # all features weigh alike
        before, after = (pooling(values, lengths)[1][0] for values in (frames, other))
        same = torch.allclose(before[0] / before[1], after[0] / after[1], rtol=1e-4)
        assert same != in_context


@torch.inference_mode()
def test_enhanced_gru_pools_by_mean_and_by_maximum_and_knows_the_order():
    model = head({"model": "enhanced_gru", "hidden_size": 8})
    frames, lengths = torch.randn(1, 1, 10, SIZE), torch.tensor([10])
    embedding = model(frames, lengths).embedding
    assert embedding.shape == (1, 32)
    assert (embedding[:, 16:] > embedding[:, :16]).all()  # a maximum over different frames is above their mean
    assert not torch.allclose(embedding, model(frames.flip(2), lengths).embedding, atol=1e-4)


def test_a_pooling_named_twice_is_refused():
    for model in ("gru", "enhanced_gru"):
        with pytest.raises(ValidationError, match="duplicate values: mean"):
            HEADS[model][0](model=model, pooling=["mean", "mean"])


def test_heads_and_scales_that_do_not_divide_are_refused_with_those_that_do():
    with pytest.raises(ValidationError, match=r"scale: 8 does not divide channels = 12 \(these do: 2, 3, 4, 6, 12\)"):
        HEADS["ecapa"][0](model="ecapa", channels=12)
    with pytest.raises(
        ValidationError, match=r"num_heads: 7 does not divide 2 x hidden_size = 16 \(these do: 1, 2, 4, 8, 16\)"
    ):
        HEADS["enhanced_gru"][0](model="enhanced_gru", hidden_size=8, num_heads=7)


@torch.inference_mode()
def test_weighted_layers_is_a_mean_of_projected_mixtures():
    """The usual order, layer mixture then projection then mean over time, gives the same."""
    model = head({"model": "weighted_layers", "projection": 6}, num_layers=4)
    model.mixture.scores.copy_(torch.tensor([0.3, -1.0, 2.0, 0.0]))
    frames, lengths = torch.randn(2, 4, 9, SIZE), torch.tensor([9, 5])
    mixture = (model.layer_weights()[:, None, None] * frames).sum(dim=1)
    expected = mean_over_time(model.projection(mixture), lengths)
    torch.testing.assert_close(model(frames, lengths).embedding, expected, rtol=1e-4, atol=1e-5)
    assert model.layer_weights().sum() == pytest.approx(1)


SEQUENCE_HEADS = [variant for variant in VARIANTS if variant["model"] not in ("linear", "weighted_layers")]


@pytest.mark.parametrize("variant", SEQUENCE_HEADS, ids=str)
@torch.inference_mode()
def test_heads_of_one_sequence_mix_several_layers_by_softmax_weights(variant):
    """A head of several layers is the head of one layer on their weighted mean."""
    several, one = head(variant, num_layers=LAYERS), head(variant)
    several.mixture.scores.copy_(torch.tensor([0.5, -1.0, 2.0]))
    weights = several.layer_weights()
    torch.testing.assert_close(weights, torch.tensor([0.5, -1.0, 2.0]).softmax(dim=0))
    one.load_state_dict({name: value for name, value in several.state_dict().items() if name != "mixture.scores"})
    frames, lengths = torch.randn(2, LAYERS, 9, SIZE), torch.tensor([9, 5])
    mixture = (weights[:, None, None] * frames).sum(dim=1, keepdim=True)
    torch.testing.assert_close(several(frames, lengths).emotion_logits, one(mixture, lengths).emotion_logits)


@every_head
def test_a_head_of_a_single_layer_has_no_layer_weights(variant):
    assert head(variant).layer_weights() is None
    assert "mixture.scores" not in head(variant).state_dict()


def test_linear_joins_its_layers_side_by_side():
    model = head({"model": "linear", "statistics": ["deviation", "mean"]}, num_layers=2)
    frames, lengths = torch.randn(1, 2, 9, SIZE), torch.tensor([9])
    parts = [part for layer in frames[0] for part in (layer.std(dim=0, correction=0), layer.mean(dim=0))]
    torch.testing.assert_close(model(frames, lengths).embedding[0], torch.cat(parts))
    assert model.layer_weights() is None


@every_head
def test_the_classifiers_are_what_turns_an_embedding_into_logits(variant):
    model = head(variant, SPEAKERS)
    frames, lengths = torch.randn(3, 1, 9, SIZE), torch.tensor([9, 4, 7])
    output = model(frames, lengths)
    emotions, speakers = model.classifiers
    assert output.embedding.shape == (3, model.embedding_size)
    torch.testing.assert_close(emotions(output.embedding), output.emotion_logits)
    torch.testing.assert_close(speakers(output.embedding), output.speaker_logits)
    parameters = {parameter for classifier in model.classifiers for parameter in classifier.parameters()}
    named = {parameter for name, parameter in model.named_parameters() if "classifier" in name}
    assert parameters == named


@every_head
@torch.inference_mode()
def test_a_head_that_sees_means_needs_no_more_than_means(variant):
    settings = HEADS[variant["model"]][0](**variant)
    model, view = build_head(settings, SIZE, CLASSES, LAYERS).eval(), head_class(settings).view(settings)
    frames, lengths = torch.randn(1, LAYERS, 9, SIZE), torch.tensor([9])
    mean, deviation = frames.mean(dim=2, keepdim=True), frames.std(dim=2, correction=0, keepdim=True)
    few = {View.MEAN: mean, View.MEAN_AND_DEVIATION: torch.cat([mean - deviation, mean + deviation], dim=2)}
    enough = {
        kind: torch.allclose(
            model(frames, lengths).emotion_logits,
            model(values, torch.tensor([kind.value])).emotion_logits,
            atol=1e-5,
        )
        for kind, values in few.items()
    }
    assert enough == {View.MEAN: view is View.MEAN, View.MEAN_AND_DEVIATION: view is not View.FRAMES}


def test_a_class_without_the_contract_is_no_head():
    class Nothing(Head):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Nothing(HeadSettings(model="nothing"), 3)


def test_positions_are_sines_and_cosines():
    positions = sinusoidal_positions(50, 8)
    torch.testing.assert_close(positions[0], torch.tensor([0.0, 1.0] * 4))
    torch.testing.assert_close(positions[7, 0], torch.tensor(7.0).sin())
    assert len(torch.unique(positions, dim=0)) == 50
