"""Stored frames are the encoder's own output for the clip as it is, whoever else is in the batch."""

import json
import shutil

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file
from torchaudio.models.wav2vec2.utils import import_huggingface_model
from transformers import (
    Data2VecAudioConfig,
    Data2VecAudioModel,
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2ConformerConfig,
    Wav2Vec2ConformerModel,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
    WhisperFeatureExtractor,
)

from data.clips import ClipsSettings, from_int16, open_clips, to_int16, write_clips
from data.errors import UserError
from features.checkpoints import untrained_hubert
from features.extraction import extract_shard
from features.ssl import SslSettings, open_encoder
from features.store import FeatureSet, verify_shard
from tests.builders import TINY_ENCODER, tone, write_whisper

SMALL = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
LARGE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}
CPU = torch.device("cpu")
CLIPS = ClipsSettings(seconds=1.0)
# "a" and "f" have the same number of frames as "c" and "e", and other numbers of samples
SECONDS = {"a": 1.0, "b": 0.6, "c": 0.9951, "d": 0.03, "e": 0.61, "f": 0.6179}


def samples_of(name: str) -> np.ndarray:
    """One clip's sound as 16-bit samples: a tone that swells, off the zero line."""
    waveform = tone(SECONDS[name], frequency=150 + 60 * list(SECONDS).index(name))
    return to_int16(waveform * np.linspace(0.05, 1, len(waveform)) + 0.02)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for name in SECONDS:
        soundfile.write(folder / f"{name}.wav", samples_of(name), 16000)
    audio = [folder / f"{name}.wav" for name in SECONDS]
    write_clips(folder / "shard.h5", list(SECONDS), audio, CLIPS)
    return folder / "shard.h5"


def extract(clips, folder, batch_size=None, **settings):
    usual = {"clips": CLIPS, "checkpoint": TINY_ENCODER, "layers": [2], "compute_dtype": "float32"}
    settings = SslSettings(**{**usual, **settings})
    encoder = open_encoder(settings, CPU)
    folder.mkdir(exist_ok=True)
    extract_shard(
        open_clips(clips), folder / "shard.h5", settings, encoder, fingerprint="f" * 64, batch_size=batch_size
    )
    return FeatureSet(folder)


def load(checkpoint, layers=(2,), **settings):
    how = {"clips": CLIPS, "checkpoint": str(checkpoint), "layers": list(layers), "compute_dtype": "float32"}
    return open_encoder(SslSettings(**{**how, **settings}), CPU)


def scaled(name: str) -> torch.Tensor:
    """The whole waveform, scaled as the checkpoint's extractor does: [1, num_samples]."""
    samples = torch.from_numpy(from_int16(samples_of(name)))
    return ((samples - samples.mean()) / torch.sqrt(samples.var(unbiased=False) + 1e-7))[None]


def test_three_seconds_are_149_frames_of_768():
    encoder = load(TINY_ENCODER)
    (frames,) = encoder.encode([np.random.default_rng(0).normal(size=48000).astype(np.float32)])
    assert frames.shape == (1, 149, 768)
    assert encoder.num_frames(48000) == 149


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


FAMILIES = {
    "hubert-base": lambda: HubertModel(HubertConfig(**SMALL)),
    "hubert-large": lambda: HubertModel(HubertConfig(**SMALL, **LARGE)),
    "hubert-batch-norm": lambda: HubertModel(HubertConfig(**SMALL, conv_pos_batch_norm=True)),
    "wavlm-base": lambda: WavLMModel(WavLMConfig(**SMALL)),
    "wavlm-large": lambda: WavLMModel(WavLMConfig(**SMALL, **LARGE)),
    "wav2vec2-base": lambda: Wav2Vec2Model(Wav2Vec2Config(**SMALL)),
    "wav2vec2-large": lambda: Wav2Vec2Model(Wav2Vec2Config(**SMALL, **LARGE)),
    "data2vec": lambda: Data2VecAudioModel(Data2VecAudioConfig(**SMALL)),
    "conformer": lambda: Wav2Vec2ConformerModel(
        Wav2Vec2ConformerConfig(**SMALL, **LARGE, position_embeddings_type="rotary")
    ),
}


@torch.inference_mode()
@pytest.mark.parametrize("family", FAMILIES)
def test_every_familys_frames_are_its_own_output_alone_and_in_a_batch(family, clips, tmp_path):
    torch.manual_seed(1)
    model = FAMILIES[family]().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):  # not the identity
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.bias.normal_()
    model.save_pretrained(tmp_path / "checkpoint")
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(tmp_path / "checkpoint")
    how = {"checkpoint": str(tmp_path / "checkpoint"), "layers": "all"}
    together = extract(clips, tmp_path / "together", batch_size=8, **how)
    alone = extract(clips, tmp_path / "alone", batch_size=1, **how)
    for name in SECONDS:
        states = model(scaled(name), output_hidden_states=True).hidden_states
        for layer in (0, 1, 2):
            for features in (together, alone):
                stored = torch.from_numpy(features.frames(name, layer)).float()
                torch.testing.assert_close(stored, states[layer][0], rtol=2**-11, atol=2e-5)


def test_every_subset_of_layers_is_huberts_hidden_states(clips, tmp_path):
    checkpoint = "untrained:3,layers=4"
    states = untrained_hubert(3, layers=4)(scaled("a"), output_hidden_states=True).hidden_states
    for layers in ([0], [1, 3], "all"):
        features = extract(clips, tmp_path / str(layers), checkpoint=checkpoint, layers=layers)
        assert features.layers == (list(range(5)) if layers == "all" else layers)
        for layer in features.layers:
            stored = torch.from_numpy(features.frames("a", layer)).float()
            torch.testing.assert_close(stored, states[layer][0], rtol=2**-11, atol=1e-5)


def test_int8_is_off_by_half_a_step_of_each_dimensions_own_range_and_says_how_much(clips, tmp_path):
    exact = extract(clips, tmp_path / "float16", layers="all")
    stored = extract(clips, tmp_path / "int8", layers="all", storage="int8")
    assert stored.layers == [0, 1, 2]
    noise = []
    for layer in stored.layers:
        frames = {name: exact.frames(name, layer).astype(np.float64) for name in SECONDS}
        errors = {name: stored.frames(name, layer) - frames[name] for name in SECONDS}
        for name in SECONDS:
            step = np.ptp(frames[name], axis=0) / 254
            rounding = 2**-10 * np.abs(frames[name]).max(axis=0) + 1e-5  # float16's, of frames, offset and scale
            assert (np.abs(errors[name]) <= 0.5 * step + rounding).all()
        deviation = np.concatenate(list(frames.values())).std(axis=0)
        noise.append(np.sqrt((np.concatenate(list(errors.values())) ** 2).mean(axis=0)) / deviation)
    worst, layer, dimension = stored.worst_noise()
    assert worst == pytest.approx(noise[layer][dimension], rel=0.1)
    assert 0.0005 < worst < 0.02
    assert (
        f"at most {worst:.1%} of a dimension's deviation (layer {layer}, dimension {dimension};"
        in stored.noise_sentence()
    )
    assert exact.worst_noise() is None
    assert exact.noise_sentence() is None
    stored.worst_noise = lambda: (0.0, 1, 2)  # nothing varies within any utterance: there is no ratio to name
    assert stored.noise_sentence().endswith("(layer 1, dimension 2)")
    assert verify_shard(tmp_path / "int8/shard.h5") == []


@torch.inference_mode()
def test_bfloat16_frames_point_the_same_way_and_the_residual_stream_stays_float32(clips, tmp_path):
    exact = extract(clips, tmp_path / "float32", checkpoint="untrained:1", layers=[12])
    rough = extract(clips, tmp_path / "bfloat16", compute_dtype="bfloat16", checkpoint="untrained:1", layers=[12])
    for name in SECONDS:
        one, other = (torch.from_numpy(features.frames(name, 12)).float() for features in (exact, rough))
        assert torch.cosine_similarity(one, other, dim=-1).min() >= 0.999
    encoder = load(TINY_ENCODER, layers=[0, 2], compute_dtype="bfloat16")
    for frames in encoder.encode([scaled("a")[0].numpy()]):
        assert not torch.equal(frames, frames.bfloat16().float())


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
        load(checkpoint)


def test_a_checkpoint_that_is_no_speech_encoder_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 8}))
    with pytest.raises(UserError, match="'bert' model, not a speech encoder such as"):
        load(tmp_path)


def save_checkpoint(folder, **config):
    model = HubertModel(HubertConfig(**{**SMALL, **config})).eval()
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return model


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
        model.feature_projection.projection.bias.add_(1)
    model.save_pretrained(tmp_path / "same")
    assert load(tmp_path / "one").weights != load(tmp_path / "same").weights


def test_the_weights_digest_is_the_same_at_every_load_and_leaves_out_what_only_training_needs(tmp_path):
    save_checkpoint(tmp_path)
    path = tmp_path / "model.safetensors"
    weights = {name: tensor for name, tensor in load_file(path).items() if name != "masked_spec_embed"}
    whole = load(tmp_path).weights
    save_file(weights, path, {"format": "pt"})
    assert load(tmp_path).weights == load(tmp_path).weights == whole
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "hidden_dropout": 0.3, "new_key": 1, "vocab_size": 5}))
    assert load(tmp_path).weights == whole


def test_frames_that_float16_cannot_hold_are_refused_in_every_storage(clips, tmp_path):
    model = save_checkpoint(tmp_path / "checkpoint")
    for norm in [*(layer.final_layer_norm for layer in model.encoder.layers)]:
        norm.weight.data.mul_(1e7)
    model.save_pretrained(tmp_path / "checkpoint")
    for storage in ("float16", "int8"):
        with pytest.raises(UserError, match=rf"^a: .*do not fit {storage}\. Try .*compute_dtype: float32"):
            extract(clips, tmp_path / storage, checkpoint=str(tmp_path / "checkpoint"), storage=storage)


def test_a_checkpoint_and_a_local_copy_of_it_are_one_recipe(clips, tmp_path):
    untrained_hubert(0, layers=2).save_pretrained(tmp_path / "copy")
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(tmp_path / "copy")
    by_name, copied = (
        extract(clips, tmp_path / folder, checkpoint=name)
        for folder, name in (("one", TINY_ENCODER), ("two", str(tmp_path / "copy")))
    )
    assert by_name.recipe == copied.recipe
    assert by_name.checkpoints == [TINY_ENCODER]
    assert copied.checkpoints == [str(tmp_path / "copy")]
    np.testing.assert_array_equal(by_name.frames("a", 2), copied.frames("a", 2))


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
        load(tmp_path, layers=[12])


def test_a_parameter_of_another_kind_of_encoder_is_refused(tmp_path):
    save_checkpoint(tmp_path / "hubert")
    write_whisper(tmp_path / "whisper", 1)
    with pytest.raises(UserError, match=r"context: \S+ is not Whisper"):
        load(tmp_path / "hubert", context="full")
    with pytest.raises(UserError, match=r"pad: \S+ is Whisper.*context: full or clip"):
        load(tmp_path / "whisper", pad="after")


@torch.inference_mode()
def test_whispers_full_context_is_transformers_own_output_cut_to_the_clips_frames(clips, tmp_path):
    model = write_whisper(tmp_path / "checkpoint", 1)
    features = extract(clips, tmp_path / "out", checkpoint=str(tmp_path / "checkpoint"), layers="all", context="full")
    assert (features.dimension, features.frame_rate, features.recipe["context"]) == (48, 50.0, "full")
    extractor = WhisperFeatureExtractor.from_pretrained(tmp_path / "checkpoint")
    for name in SECONDS:
        samples = from_int16(samples_of(name))
        mel = extractor(samples, sampling_rate=16000, return_tensors="pt").input_features
        states = model.encoder(mel, output_hidden_states=True).hidden_states
        assert features.num_frames(name) == -(-len(samples) // 320)
        for layer, state in enumerate(states):
            stored = torch.from_numpy(features.frames(name, layer)).float()
            torch.testing.assert_close(stored, state[0, : len(stored)], rtol=2**-11, atol=2e-5)


@torch.inference_mode()
def test_whispers_clip_context_sees_the_clips_own_mel_frames_and_positions_alone(clips, tmp_path):
    model = write_whisper(tmp_path / "checkpoint", 1)
    how = {"checkpoint": str(tmp_path / "checkpoint"), "layers": "all"}
    together, alone = (extract(clips, tmp_path / str(size), batch_size=size, **how) for size in (8, 1))
    assert together.recipe["context"] == "clip"
    extractor = WhisperFeatureExtractor.from_pretrained(tmp_path / "checkpoint")
    for name in SECONDS:
        samples = from_int16(samples_of(name))
        frames = -(-len(samples) // 320)
        mel = extractor(samples, sampling_rate=16000, return_tensors="pt").input_features[..., : 2 * frames]
        encoder = model.encoder
        encoder.config.max_source_positions = frames  # what transformers expects of an input of this length
        positions, encoder.embed_positions = encoder.embed_positions, torch.nn.Embedding(frames, 48)
        encoder.embed_positions.weight.data = positions.weight.data[:frames]
        states = encoder(mel, output_hidden_states=True).hidden_states
        encoder.embed_positions = positions
        for layer, state in enumerate(states):
            for features in (together, alone):
                stored = torch.from_numpy(features.frames(name, layer)).float()
                torch.testing.assert_close(stored, state[0], rtol=2**-11, atol=2e-5)


def test_whispers_digest_is_the_encoders_and_its_clips_have_a_longest_length(clips, tmp_path):
    write_whisper(tmp_path / "whole", 1)
    shutil.copytree(tmp_path / "whole", tmp_path / "encoder")
    path = tmp_path / "encoder/model.safetensors"
    whole = load_file(path)
    save_file({name: tensor for name, tensor in whole.items() if "encoder." in name}, path, {"format": "pt"})
    config = json.loads((tmp_path / "encoder/config.json").read_text())
    (tmp_path / "encoder/config.json").write_text(json.dumps({**config, "suppress_tokens": [1], "decoder_layers": 1}))
    assert load(tmp_path / "encoder").weights == load(tmp_path / "encoder").weights == load(tmp_path / "whole").weights
    save_file({name: tensor for name, tensor in whole.items() if "decoder." in name}, path, {"format": "pt"})
    with pytest.raises(UserError, match=r"lacks \d+ of the encoder's weights"):
        load(tmp_path / "encoder")
    write_whisper(tmp_path / "short", 1, max_source_positions=30)
    with pytest.raises(UserError, match=r": clips longer than the 0\.6 s that Whisper takes; set features"):
        extract(clips, tmp_path / "out", checkpoint=str(tmp_path / "short"))
