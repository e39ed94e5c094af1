"""Extraction, the store and training on a GPU: the parts of `benchmarks.gpu` that need the project's own packages.

They are imported where they are used, so that a machine without them still measures the rest.
"""

import functools
import sys
import time
import types
from importlib.util import find_spec

import numpy as np
import torch

from benchmarks.gpu_encoder import RATE, SECONDS
from benchmarks.gpu_setting import Setting, likeness

IEMOCAP = 10_039  # utterances
FOUR_CLASSES = 5_531  # of them in the usual four classes
_BATCHES = 8  # of training that are compared, of four clips
_CPU = torch.device("cpu")


@torch.inference_mode()
def check_other_encoders(setting: Setting) -> dict:
    """What runs in transformers' own modules: WavLM and Whisper, small ones, by the project's encoders."""
    from transformers import (
        Wav2Vec2FeatureExtractor,
        WavLMConfig,
        WavLMModel,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperModel,
    )

    from data.clips import ClipsSettings
    from features.ssl import SslSettings, open_encoder

    torch.manual_seed(2)
    size = {"hidden_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    whisper = {"d_model": 96, "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 128}
    models = {
        "wavlm": (WavLMModel(WavLMConfig(**size)), Wav2Vec2FeatureExtractor(do_normalize=True)),
        "whisper": (WhisperModel(WhisperConfig(**whisper, decoder_layers=0)), WhisperFeatureExtractor()),
    }
    noise = np.random.default_rng(0)
    clips = [noise.normal(0, 0.1, count).astype(np.float32) for count in (16000, 15990)]
    results = {}
    for name, (model, extractor) in models.items():
        for part in (model, extractor):
            part.save_pretrained(setting.folder / name)
        settings = SslSettings(clips=ClipsSettings(), checkpoint=str(setting.folder / name), layers="all")
        frames = {}
        for device in (_CPU, setting.device):
            exact = settings.model_copy(update={"compute_dtype": "float32"})
            encoder = open_encoder(exact, device)
            inputs = [encoder.prepare(clip) for clip in clips]
            frames[device.type] = torch.stack(encoder.encode(inputs))[:, :, :49]
        results[name] = likeness(frames[setting.device.type], frames["cpu"], 0.99999)
    return results


def extraction(setting: Setting) -> dict:
    """IEMOCAP's number of clips, five shards, from clips to closed shards of features, in this process."""
    import soundfile

    from data.clips import ClipsSettings, open_clips, write_clips
    from features.extraction import extract_shard
    from features.ssl import SslSettings, open_encoder

    count = 10 if setting.small else IEMOCAP
    audio, recipe = setting.folder / "noise.wav", ClipsSettings(seconds=SECONDS)
    soundfile.write(audio, np.random.default_rng(0).normal(0, 0.1, round(RATE * SECONDS)), RATE)
    checkpoint = "untrained:0,layers=1" if setting.small else "untrained"
    settings = SslSettings(clips=recipe, checkpoint=checkpoint, layers=[1 if setting.small else 12])
    encoder = open_encoder(settings, setting.device)
    encoder.encode([encoder.prepare(soundfile.read(audio, dtype="float32")[0])])  # start-up is not extraction
    shards = []
    for number, rows in enumerate(np.array_split(np.arange(count), 5)):
        write_clips(setting.folder / f"{number}.h5", [f"clip-{row}" for row in rows], [audio] * len(rows), recipe)
        shards.append(open_clips(setting.folder / f"{number}.h5"))
    start = time.perf_counter()
    for clips in shards:
        path = setting.folder / f"features-{clips.path.name}"
        extract_shard(clips, path, settings, encoder, fingerprint="benchmark")
    seconds = time.perf_counter() - start
    return {
        "clips": count,
        "compute_type": encoder.compute_type,
        "seconds": seconds,
        "clips_per_second": count / seconds,
    }


def store_to_card(setting: Setting) -> dict:
    """Reading a whole store onto the card, gathering batches there, and whether they are the store's frames."""
    from training.batches import DeviceFrames, MappedFrames

    features = _store(setting)
    clips, layers = list(features.locations), features.layers
    batch = clips[:: max(1, len(clips) // 32)][:32]
    expected, lengths = MappedFrames(features, layers, _CPU).gather(batch)
    opened, mapped = DeviceFrames(features, layers, setting.device), MappedFrames(features, layers, setting.device)
    sources = {"from_the_card": opened, "from_the_map": mapped}
    results = {}
    for name, source in sources.items():
        frames, own = source.gather(batch)
        right = torch.equal(frames.cpu().float(), expected.float()) and torch.equal(own.cpu(), lengths)
        size = expected.numel() * 2  # bytes, as stored
        rate = size / setting.seconds(functools.partial(source.gather, batch), rounds=20) / 1e9
        results[name] = {"gigabytes_per_second": rate, "right": right}
    seconds = setting.seconds(lambda: DeviceFrames(features, layers, setting.device), rounds=3)
    size = features.num_bytes(layers)
    return {"gigabytes": size / 1e9, "opening_gigabytes_per_second": size / seconds / 1e9, **results}


def check_training(setting: Setting) -> dict:
    """The losses of each head's first steps, with the same weights and batches and without dropout, on both devices."""
    features, batches, results = _store(setting), 2 if setting.small else _BATCHES, {}
    for head, settings in _heads().items():
        off = {name: 0.0 for name in type(settings).model_fields if name == "dropout"}
        losses = {}
        for device in (_CPU, setting.device):
            run = _run(features, head, settings.model_copy(update=off), 4 * batches, device, batch_size=4, epochs=2)
            losses[device.type] = [run.train_epoch(epoch)["train_loss"] for epoch in (1, 2)]
        one, other = losses["cpu"], losses[setting.device.type]
        right = bool(np.allclose(one, other, rtol=0.01))
        results[head] = {"cpu": one[-1], setting.device.type: other[-1], "right": right}
    return results


def training_speed(setting: Setting) -> dict:
    """Seconds per epoch of every head, 5,531 clips of 3 s and one layer, batches of 32, from the frames on the card."""
    features = _store(setting)
    clips = 8 if setting.small else FOUR_CLASSES
    results = {}
    for head, settings in _heads().items():
        results[head] = {}
        for precision in ("float32", "bfloat16"):
            run = _run(features, head, settings, clips, setting.device, precision=precision)
            rounds = 1 if setting.small else 2
            results[head][precision] = setting.seconds(functools.partial(run.train_epoch, 1), rounds)
    return results


@functools.cache
def _store(setting: Setting):
    from benchmarks.random_store import write_store

    return write_store(setting.folder / "store", 40 if setting.small else FOUR_CLASSES, [12])


def _heads() -> dict:
    """Every head with its default size; what a solver would train is trained by gradient steps."""
    from models import HEADS

    steps = {"linear": {"l2": None}, "gru": {"hidden_size": 256}, "enhanced_gru": {"hidden_size": 256}}
    return {name: kind(model=name, **steps.get(name, {})) for name, (kind, _) in HEADS.items()}


def _run(features, head: str, settings, clips: int, device: torch.device, **changes):
    """A run with seeded weights that reads frames as training does."""
    if "dvclive" not in sys.modules and find_spec("dvclive") is None:  # it writes histories, which no epoch here does
        sys.modules["dvclive"] = types.ModuleType("dvclive")
        sys.modules["dvclive"].Live = None
    from benchmarks.train import make_job, make_run
    from training.batches import open_frames

    torch.manual_seed(3)
    run = make_run(features, make_job(features, head, clips, device, settings, **changes))
    run.frames = open_frames(features, settings.choose_layers(features.layers), device)
    return run
