"""Stored frames are the encoder's own, whoever else is in the batch."""

import json
import shutil

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file
from torchaudio.models.wav2vec2.utils import import_huggingface_model
from transformers import HubertConfig, HubertModel, Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from data.clips import ClipsSettings, open_clips, write_clips
from data.errors import UserError
from features.extraction import extract_shard
from features.settings import SslSettings
from features.ssl import Encoder, untrained_hubert
from features.store import FeatureSet, verify_shard
from tests.builders import TINY_ENCODER, tone

SMALL = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
CPU = torch.device("cpu")
SECONDS = {"a": 1.0, "b": 0.6, "c": 1.0, "d": 0.03, "e": 0.6, "f": 0.61}


def samples_of(name: str) -> np.ndarray:
    """One clip's sound as 16-bit samples."""
    waveform = tone(SECONDS[name], frequency=150 + 60 * list(SECONDS).index(name))
    return np.round(waveform * 32768).astype(np.int16)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for name in SECONDS:
        soundfile.write(folder / f"{name}.wav", samples_of(name), 16000)
    audio = [folder / f"{name}.wav" for name in SECONDS]
    write_clips(folder / "shard.h5", list(SECONDS), audio, ClipsSettings(seconds=1.0))
    return folder / "shard.h5"


def extract(clips, folder, compute_dtype=torch.float32, batch_size=None, **settings):
    settings = SslSettings(**{"clips": "speech", "checkpoint": TINY_ENCODER, "layers": [2], **settings})
    encoder = Encoder(settings, CPU, compute_dtype)
    folder.mkdir(exist_ok=True)
    extract_shard(open_clips(clips), folder / "shard.h5", settings, encoder, "f" * 64, batch_size)
    return FeatureSet(folder)


def scaled(name: str) -> torch.Tensor:
    """The waveform cut to whole frames and scaled to zero mean and unit variance: [1, num_samples]."""
    samples = samples_of(name)
    frames = (len(samples) - 400) // 320 + 1
    samples = torch.from_numpy(samples[: 400 + 320 * (frames - 1)].astype(np.float32) / 32768)
    return ((samples - samples.mean()) / torch.sqrt(samples.var(unbiased=False) + 1e-7))[None]


def test_three_seconds_are_149_frames_of_768():
    encoder = Encoder(SslSettings(clips="speech", checkpoint=TINY_ENCODER, layers=[2]), CPU)
    (frames,) = encoder.encode(torch.randn(1, 48000))
    assert frames.shape == (1, 149, 768)
    assert encoder.geometry.num_frames(48000) == 149


@torch.inference_mode()
def test_stored_frames_equal_huberts_own_output_and_torchaudios(clips, tmp_path):
    features = extract(clips, tmp_path / "out", checkpoint="untrained:7", layers=[12])
    model = untrained_hubert(7)
    independent = import_huggingface_model(model).eval()
    for name in SECONDS:
        expected = model(scaled(name)).last_hidden_state[0]
        stored = torch.from_numpy(features.frames(name, 12)).float()
        assert stored.shape == expected.shape
        torch.testing.assert_close(stored, expected, rtol=2**-11, atol=1e-5)  # float16 keeps 11 bits
        theirs, _ = independent.extract_features(scaled(name))
        torch.testing.assert_close(theirs[-1][0], expected, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_every_subset_of_layers_is_huberts_hidden_states(clips, tmp_path):
    checkpoint = "untrained:3,layers=4"
    states = untrained_hubert(3, layers=4)(scaled("a"), output_hidden_states=True).hidden_states
    for layers in ([0], [1, 3], "all"):
        features = extract(clips, tmp_path / str(layers), checkpoint=checkpoint, layers=layers)
        assert features.layers == (list(range(5)) if layers == "all" else layers)
        for layer in features.layers:
            stored = torch.from_numpy(features.frames("a", layer)).float()
            torch.testing.assert_close(stored, states[layer][0], rtol=2**-11, atol=1e-5)


def test_int8_frames_are_off_by_at_most_half_a_step_of_their_own_scale(clips, tmp_path):
    exact = extract(clips, tmp_path / "float16", layers="all")
    stored = extract(clips, tmp_path / "int8", layers="all", storage="int8")
    assert stored.layers == [0, 1, 2]
    for name in SECONDS:
        for layer in stored.layers:
            frames = exact.frames(name, layer).astype(np.float64)
            step = np.abs(frames).max(axis=1, keepdims=True) / 127
            error = np.abs(stored.frames(name, layer) - frames)
            assert (error <= 0.5 * step + 2**-11 * np.abs(frames) + 1e-5).all()  # float16 rounds, too
    size = [sum(path.stat().st_size for path in set.folder.glob("*.h5")) for set in (stored, exact)]
    assert size[0] < 0.53 * size[1]
    assert verify_shard(tmp_path / "int8/shard.h5") == []


def test_bfloat16_frames_point_the_same_way(clips, tmp_path):
    exact = extract(clips, tmp_path / "float32", checkpoint="untrained:1", layers=[12])
    rough = extract(clips, tmp_path / "bfloat16", torch.bfloat16, checkpoint="untrained:1", layers=[12])
    for name in SECONDS:
        one, other = (torch.from_numpy(each.frames(name, 12)).float() for each in (exact, rough))
        assert torch.cosine_similarity(one, other, dim=-1).min() >= 0.999


def test_frames_do_not_depend_on_batch_mates(clips, tmp_path):
    alone, together = extract(clips, tmp_path / "1", batch_size=1), extract(clips, tmp_path / "8", batch_size=8)
    for name in SECONDS:
        np.testing.assert_allclose(alone.frames(name, 2), together.frames(name, 2), rtol=2e-3, atol=2e-3)


def test_the_same_extraction_is_the_same_bytes(clips, tmp_path):
    for name in ("one", "two"):
        extract(clips, tmp_path / name)
    assert (tmp_path / "one/shard.h5").read_bytes() == (tmp_path / "two/shard.h5").read_bytes()
    assert verify_shard(tmp_path / "one/shard.h5") == []


@torch.inference_mode()
def test_pad_before_is_the_originals_way_and_changes_the_speech(clips, tmp_path):
    before = extract(clips, tmp_path / "before", pad="before")
    after = extract(clips, tmp_path / "after")
    frames = before.frames("b", 2)
    assert len(frames) == 49  # 1 s, all of it, padding too
    speech = after.num_frames("b")
    assert speech == 29
    one, other = torch.from_numpy(frames[:speech]).float(), torch.from_numpy(after.frames("b", 2)).float()
    assert torch.cosine_similarity(one, other, dim=-1).mean() < 0.99
    np.testing.assert_allclose(before.frames("a", 2), after.frames("a", 2), atol=2e-2)  # 1 s needs no zeros


def test_a_local_checkpoint_of_another_kind_works_by_the_same_code(clips, tmp_path):
    config = Wav2Vec2Config(hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64)
    config.do_stable_layer_norm, config.feat_extract_norm = True, "layer"
    torch.manual_seed(1)
    model = Wav2Vec2Model(config).eval()
    model.save_pretrained(tmp_path / "checkpoint")
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(tmp_path / "checkpoint")
    features = extract(clips, tmp_path / "out", checkpoint=str(tmp_path / "checkpoint"), layers=[1, 3])
    with torch.inference_mode():
        states = model(scaled("a"), output_hidden_states=True).hidden_states
    assert features.dimension == 48
    for layer in (1, 3):
        stored = torch.from_numpy(features.frames("a", layer)).float()
        torch.testing.assert_close(stored, states[layer][0], rtol=2**-11, atol=1e-5)


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ("nobody/has-this-model", "cannot load nobody/has-this-model from the Hugging Face hub"),
        ("./no/such/folder", "cannot load the folder"),
    ],
)
def test_a_checkpoint_that_cannot_be_had_says_what_to_do(checkpoint, message, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=message):
        Encoder(SslSettings(clips="speech", checkpoint=checkpoint), CPU)


def test_a_checkpoint_that_is_no_speech_encoder_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 8}))
    with pytest.raises(UserError, match="'bert' model, no encoder of raw waveforms"):
        Encoder(SslSettings(clips="speech", checkpoint=str(tmp_path)), CPU)


def save_checkpoint(folder, **config):
    model = HubertModel(HubertConfig(**{**SMALL, **config})).eval()
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return model


def load(checkpoint, **settings):
    return Encoder(SslSettings(clips="speech", checkpoint=str(checkpoint), layers=[2], **settings), CPU)


def test_missing_and_damaged_weights_are_refused(tmp_path):
    model = save_checkpoint(tmp_path)
    path = tmp_path / "model.safetensors"
    whole = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file({name: tensor for name, tensor in whole.items() if "layers.1." not in name}, path, {"format": "pt"})
    with pytest.raises(UserError, match=r"lacks \d+ of the encoder's weights[\s\S]*encoder\.layers\.1\."):
        load(tmp_path)
    for content in (b"", b"garbage" * 100):
        path.write_bytes(content)
        with pytest.raises(UserError, match="cannot load the folder"):
            load(tmp_path)


def test_the_weights_digest_covers_configuration_but_not_names(tmp_path):
    torch.manual_seed(2)
    model = save_checkpoint(tmp_path / "one")
    for name, key, value in (("same", "architectures", ["Other"]), ("other", "layer_norm_eps", 0.1)):
        shutil.copytree(tmp_path / "one", tmp_path / name)
        config = json.loads((tmp_path / name / "config.json").read_text())
        (tmp_path / name / "config.json").write_text(json.dumps({**config, key: value}))
    assert load(tmp_path / "one").weights == load(tmp_path / "same").weights
    assert load(tmp_path / "one").weights != load(tmp_path / "other").weights
    with torch.no_grad():
        next(model.parameters()).add_(1)
    model.save_pretrained(tmp_path / "same")
    assert load(tmp_path / "one").weights != load(tmp_path / "same").weights


def test_the_revision_is_the_commit_that_was_loaded(tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--team--hubert"
    save_checkpoint(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path), raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert load("team/hubert").revision == commit
    assert load("team/hubert", revision=commit).revision == commit
    assert load(repository / "snapshots" / commit).revision is None


def test_more_layers_than_there_are_is_an_error(tmp_path):
    save_checkpoint(tmp_path)
    with pytest.raises(UserError, match="has layers 0 to 2, not 12"):
        Encoder(SslSettings(clips="speech", checkpoint=str(tmp_path)), CPU)
