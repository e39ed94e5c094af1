"""Our own forward pass against transformers' modules, where extraction's tests do not reach: products in bfloat16."""

import weakref

import pytest
import torch
from torch.nn import functional
from torch.nn.utils import parametrize
from transformers import HubertConfig, HubertModel

from features.hubert import FrozenHubert, is_known
from features.products import GroupedConvolution, Product
from features.transformers_model import TransformersModel
from tests.features.test_extraction import FAMILIES, LARGE

CPU = torch.device("cpu")
SIZE = {"hidden_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}


def hubert(**config) -> HubertModel:
    torch.manual_seed(4)
    model = HubertModel(HubertConfig(**SIZE, **config)).eval().requires_grad_(False)
    parametrize.remove_parametrizations(model.encoder.pos_conv_embed.conv, "weight")
    return model


def test_the_architectures_that_we_compute_ourselves_are_hubert_and_wav2vec2():
    known = {name for name in FAMILIES if is_known(FAMILIES[name]())}
    assert known == {"hubert-base", "hubert-large", "wav2vec2-base", "wav2vec2-large"}


@torch.inference_mode()
@pytest.mark.parametrize("config", [{}, LARGE], ids=["base", "large"])
def test_in_bfloat16_it_is_at_least_as_exact_as_transformers_under_autocast(config):
    torch.manual_seed(5)
    lengths = [8000, 7990]
    waveforms = torch.randn(2, 8000) + 0.1
    waveforms[1, 7990:] = 0
    exact, own, theirs = (
        torch.stack(kind(hubert(**config), [0, 2], CPU, dtype)(waveforms, lengths))
        for kind, dtype in (
            (TransformersModel, torch.float32),
            (FrozenHubert, torch.bfloat16),
            (TransformersModel, torch.bfloat16),
        )
    )
    assert (own - exact).norm() < 1.1 * (theirs - exact).norm()


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_silence_on_a_standing_offset_is_as_exact_as_in_transformers(dtype):
    """As of checkpoints with ``do_normalize: false``."""
    lengths = [4000, 3990]
    waveforms = torch.full((2, 4000), 0.2)
    waveforms[1, 3990:] = 0
    exact, own, theirs = (
        torch.stack(kind(hubert(), [0, 2], CPU, dtype)(waveforms, lengths))
        for kind, dtype in ((TransformersModel, torch.float32), (FrozenHubert, dtype), (TransformersModel, dtype))
    )
    assert (own - exact).norm() < 1.1 * (theirs - exact).norm()


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kernel", [128, 19])
def test_positions_of_any_number_of_frames_are_a_plain_convolution(dtype, kernel):
    torch.manual_seed(6)
    weight, bias = torch.randn(96, 48, kernel) / 80, torch.randn(96)
    convolution = GroupedConvolution(weight.to(dtype), bias.to(dtype), groups=2)
    for num_frames in (1, 149, 150, 400):
        frames = torch.randn(2, num_frames, 96)
        expected = functional.conv1d(frames.transpose(1, 2), weight, bias, padding=kernel // 2, groups=2)
        expected = functional.gelu(expected[..., :num_frames]).transpose(1, 2)
        tolerance = 1e-5 if dtype == torch.float32 else 0.03
        torch.testing.assert_close(convolution(frames.to(dtype)).float(), expected, rtol=tolerance, atol=tolerance)


def test_no_weight_of_the_transformer_is_kept_twice():
    model = hubert()
    theirs = weakref.ref(model.encoder.layers[0].feed_forward.output_dense)
    FrozenHubert(model, [2], CPU, torch.bfloat16)
    assert theirs() is None


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_product_takes_overlapping_views(dtype):
    values = torch.randn(50, 16).to(dtype)
    views = values.as_strided((24, 48), (32, 1))
    weight, bias = torch.randn(8, 48).to(dtype), torch.randn(8).to(dtype)
    expected = functional.gelu(views.contiguous().float() @ weight.float().T + bias.float())
    result = Product(weight, bias, gelu=True)(views).float()
    torch.testing.assert_close(result, expected, rtol=0.01, atol=1e-5 if dtype == torch.float32 else 0.1)
