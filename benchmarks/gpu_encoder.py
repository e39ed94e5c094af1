"""HuBERT on a GPU, with nothing but torch and transformers: the parts of `benchmarks.gpu` for a bare machine."""

import functools
import multiprocessing

import torch
from torch.nn.utils import parametrize
from transformers import HubertConfig, HubertModel

from benchmarks.bare_products import BareProducts
from benchmarks.gpu_setting import Setting, likeness, name_of
from features.hubert import FrozenHubert

RATE, SECONDS = 16000, 3.0
_SMALL = {"num_hidden_layers": 2}
_LARGE = {
    **{"hidden_size": 1024, "num_attention_heads": 16, "intermediate_size": 4096, "num_hidden_layers": 24},
    **{"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True},
}


def config_of(setting: Setting, size: str) -> HubertConfig:
    """HuBERT-base or -large, or two layers of it."""
    return HubertConfig(**{**(_LARGE if size == "large" else {}), **(_SMALL if setting.small else {})})


def frozen_hubert(config: HubertConfig, device: torch.device, dtype: torch.dtype) -> FrozenHubert:
    """With seeded random weights; its last layer."""
    torch.manual_seed(0)
    model = HubertModel(config).eval()
    parametrize.remove_parametrizations(model.encoder.pos_conv_embed.conv, "weight")
    return FrozenHubert(model, [config.num_hidden_layers], device, dtype)


@functools.cache
def peak(setting: Setting) -> dict:
    """What the card really does: a large matrix product, and copying."""
    size = 256 if setting.small else 8192
    results = {}
    for dtype in setting.dtypes:
        one, other = (torch.randn(size, size, device=setting.device).to(dtype) for _ in range(2))
        seconds = setting.seconds(lambda one=one, other=other: one @ other, rounds=10)
        results[f"{name_of(dtype)}_tflops"] = 2 * size**3 / seconds / 1e12
    source = torch.randn(size * size // 4 + 1, device=setting.device)
    seconds = setting.seconds(lambda: source.clone(), rounds=10)
    return results | {"memory_gigabytes_per_second": 2 * source.nbytes / seconds / 1e9}


@torch.inference_mode()
def check(setting: Setting) -> dict:
    """Both architectures in every type, clips of different lengths in one batch, against float32 on the CPU."""
    lengths = [32000, 31990, 31700]
    torch.manual_seed(1)
    waveforms = torch.randn(3, 32000) + 0.1
    for row, length in zip(waveforms, lengths, strict=True):
        row[length:] = 0
    frames = (min(lengths) - 400) // 320 + 1  # that all of them have
    results = {}
    for size in ("base", "large"):
        config = config_of(setting, size)
        (expected,) = frozen_hubert(config, torch.device("cpu"), torch.float32)(waveforms, lengths)
        for dtype in setting.dtypes:
            encoder = frozen_hubert(config, setting.device, dtype)
            (result,) = encoder(waveforms.to(setting.device), lengths)
            least = 0.99999 if dtype == torch.float32 else 0.999
            results[f"{size}_{name_of(dtype)}"] = likeness(result[:, :frames], expected[:, :frames], least)
    return results


def speed(setting: Setting) -> dict:
    """HuBERT-base, waveforms in ordinary memory to frames in ordinary memory, by type and batch size."""
    return {name_of(dtype): speed_of(setting, dtype) for dtype in setting.dtypes}


@torch.inference_mode()
def speed_of(setting: Setting, dtype: torch.dtype) -> dict:
    """Clips of 3 s per second at several batch sizes, and the share of the measured peak."""
    encoder, results = frozen_hubert(config_of(setting, "base"), setting.device, dtype), {}
    for batch in (1, 2) if setting.small else (16, 64, 128, 256):
        lengths = [round(SECONDS * RATE)] * batch
        waveforms = torch.randn(batch, lengths[0])
        run = functools.partial(_there_and_back, encoder, waveforms, lengths, setting.device)
        rate = batch / setting.seconds(run)
        products = BareProducts(config_of(setting, "base"), lengths[0], batch, dtype, setting.device)
        limit = batch / setting.seconds(products)
        reached = rate * products.flop / 1e12 / peak(setting)[f"{name_of(dtype)}_tflops"]
        results[f"batch_{batch}"] = {
            **{"clips_per_second": rate, "share_of_peak": reached},
            **{"bare_products_clips_per_second": limit, "times_the_products": limit / rate},
        }
    return results


def all_cards(setting: Setting) -> dict:
    """A process per card, all at the same time."""
    cards = torch.cuda.device_count() if setting.device.type == "cuda" else 1
    if cards < 2:
        return {"cards": cards}
    with multiprocessing.get_context("spawn").Pool(cards) as pool:
        rates = pool.map(functools.partial(_rate_of_card, setting), range(cards), chunksize=1)
    return {"cards": cards, "clips_per_second": sum(rates), "slowest_card": min(rates), "fastest_card": max(rates)}


def _there_and_back(encoder: FrozenHubert, waveforms: torch.Tensor, lengths: list[int], device: torch.device) -> None:
    (frames,) = encoder(waveforms.to(device), lengths)
    frames.cpu()


def _rate_of_card(setting: Setting, card: int) -> float:
    torch.cuda.set_device(card)
    on_card = Setting(torch.device("cuda", card), setting.small, setting.folder)
    encoder = frozen_hubert(config_of(setting, "base"), on_card.device, torch.bfloat16)
    waveforms = torch.randn(64, round(SECONDS * RATE))
    with torch.inference_mode():
        run = functools.partial(_there_and_back, encoder, waveforms, [waveforms.shape[1]] * 64, on_card.device)
        return 64 / on_card.seconds(run, rounds=20)
