"""A prediction depends neither on who else is in the batch nor on how much padding there is."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from models import HEADS, build_head
from models.layers import BidirectionalGRU, Standardise, max_over_time, mean_over_time, reverse_time

SIZE, CLASSES = 12, 4
VARIANTS = [
    {"model": "linear"},
    {"model": "gru", "hidden_size": 8, "attention": "dot"},
    {"model": "gru", "hidden_size": 8, "attention": "general"},
    {"model": "gru", "hidden_size": 8, "attention": "concat", "num_layers": 1},
]
every_head = pytest.mark.parametrize("variant", VARIANTS, ids=lambda each: "-".join(map(str, each.values())))


def head(variant):
    settings = HEADS[variant["model"]][0](features="f", **variant)
    return build_head(settings, SIZE, CLASSES).eval()


def test_every_registered_head_is_tested():
    assert {variant["model"] for variant in VARIANTS} == set(HEADS)


@every_head
@torch.inference_mode()
def test_prediction_does_not_depend_on_batch_mates_or_padding(variant):
    model, lengths = head(variant), torch.tensor([7, 20, 1, 13])
    frames = torch.randn(4, 20, SIZE) * (torch.arange(20) < lengths[:, None])[..., None]
    together = model(frames, lengths)
    assert together.emotion_logits.shape == (4, CLASSES)
    for row, length in enumerate(lengths):
        alone = model(frames[row : row + 1, :length], lengths[row : row + 1])
        torch.testing.assert_close(together.emotion_logits[row], alone.emotion_logits[0], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(together.embedding[row], alone.embedding[0], rtol=1e-5, atol=1e-6)


@every_head
@torch.inference_mode()
def test_what_stands_in_the_padding_does_not_matter(variant):
    model, lengths = head(variant), torch.tensor([5, 9])
    frames = torch.randn(2, 9, SIZE)
    garbage = frames.clone()
    garbage[0, 5:] = 1e4
    torch.testing.assert_close(model(frames, lengths).emotion_logits, model(garbage, lengths).emotion_logits)


@every_head
def test_every_parameter_gets_a_gradient(variant):
    model = head(variant).train()
    output = model(torch.randn(3, 10, SIZE), torch.tensor([10, 4, 7]))
    output.emotion_logits.square().sum().backward()
    without = [name for name, parameter in model.named_parameters() if not parameter.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize("attention", ["dot", "general", "concat"])
@torch.inference_mode()
def test_attention_runs_over_the_time_of_one_utterance(attention):
    model = head({"model": "gru", "hidden_size": 8, "attention": attention})
    lengths = torch.tensor([6, 10])
    frames = torch.randn(2, 10, SIZE)
    weights = model(frames, lengths).attention
    assert weights.shape == (2, 10, 10)  # every frame queries all frames
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 10))
    assert not weights[0, :, 6:].any()
    changed = frames.clone()
    changed[1] += 1
    torch.testing.assert_close(model(changed, lengths).attention[0], weights[0])


@torch.inference_mode()
def test_gru_uses_every_frame_and_their_order():
    model, lengths = head({"model": "gru", "hidden_size": 8}), torch.tensor([10])
    frames = torch.randn(1, 10, SIZE)
    logits = model(frames, lengths).emotion_logits
    assert not torch.allclose(logits, model(frames.flip(1), lengths).emotion_logits, atol=1e-4)
    for step in range(10):
        changed = frames.clone()
        changed[0, step] += 3
        assert not torch.allclose(logits, model(changed, lengths).emotion_logits, atol=1e-6)


def test_pooling_and_standardising_leave_padding_out():
    lengths = torch.tensor([2, 3])
    frames = torch.tensor([[[1.0], [3.0], [99.0]], [[-5.0], [-4.0], [-3.0]]])
    assert mean_over_time(frames, lengths).tolist() == [[2.0], [-4.0]]
    assert max_over_time(frames, lengths).tolist() == [[3.0], [-3.0]]
    standardised = Standardise(torch.tensor([1.0]), torch.tensor([2.0]))(frames, lengths)
    assert standardised[..., 0].tolist() == [[0.0, 1.0, 0.0], [-3.0, -2.5, -2.0]]


def test_time_reversal_turns_real_frames_only():
    frames = torch.tensor([[1.0, 2, 3, 0], [4, 5, 6, 7]])[..., None]
    assert reverse_time(frames, torch.tensor([3, 4]))[..., 0].tolist() == [[3, 2, 1, 0], [7, 6, 5, 4]]


@torch.inference_mode()
def test_our_gru_is_torchs_on_packed_sequences():
    ours, theirs = BidirectionalGRU(SIZE, 5, 2, dropout=0.0), nn.GRU(SIZE, 5, 2, batch_first=True, bidirectional=True)
    for layer in (0, 1):
        for suffix, direction in (("", ours.forwards), ("_reverse", ours.backwards)):
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(direction[layer], f"{kind}_l0").copy_(getattr(theirs, f"{kind}_l{layer}{suffix}"))
    lengths = torch.tensor([7, 20, 1, 13])
    frames = torch.randn(4, 20, SIZE)
    packed = pack_padded_sequence(frames, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True)
    torch.testing.assert_close(ours(frames, lengths), expected)
