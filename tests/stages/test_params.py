"""params.yaml: every preset is valid, and every mistake is named with the nearest valid name."""

import copy

import pytest
from ruamel.yaml import YAML
from torch import nn

from data.errors import UserError
from models.building import build_head
from stages.params import read_yaml
from stages.schema import check_params
from tests.builders import REPOSITORY, read_preset

PRESETS = sorted(path.stem for path in (REPOSITORY / "presets").glob("*.yaml"))


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_valid(name):
    params = check_params(read_preset(name))
    assert params.heads


def test_the_committed_parameters_are_the_demo_presets():
    assert (REPOSITORY / "params.yaml").read_bytes() == (REPOSITORY / "presets/demo.yaml").read_bytes()


def test_the_original_settings_have_a_preset_of_their_own():
    params = check_params(read_preset("iemocap-original"))
    features, (gru, training) = params.features["hubert"], params.head("gru")
    assert params.task.classes == {"neutral": ["neu"], "happy": ["hap", "exc"], "angry": ["ang"], "sad": ["sad"]}
    assert (params.split.scheme, params.split.folds) == ("session", None)
    assert (features.checkpoint, features.layers) == ("facebook/hubert-base-ls960", [12])
    assert (features.pad, params.clips["speech3s"].seconds) == ("before", 3.0)
    assert (gru.hidden_size, gru.num_layers, gru.dropout, gru.attention) == (256, 2, 0.2, "general")
    assert (training.epochs, training.batch_size, training.learning_rate) == (50, 32, 1e-5)


def test_the_originals_enhanced_system_has_one_too():
    settings, training = check_params(read_preset("iemocap-original-enhanced")).head("enhanced_gru")
    model = build_head(settings, 768, 4, num_speakers=8, speaker_classifier=training.speaker_classifier)
    for classifier, last in ((model.head.classifier, 4), (model.speaker_classifier, 8)):
        layers = [layer for layer in classifier.modules() if isinstance(layer, nn.Linear)]
        assert [layers[0].in_features, *(layer.out_features for layer in layers)] == [1024, 256, 128, last]
    assert (settings.hidden_size, settings.dropout, settings.attention_dropout) == (512, 0.3, 0.1)
    assert (settings.num_layers, settings.num_heads, settings.instance_norm) == (3, 8, True)
    assert (training.epochs, training.learning_rate, training.schedule) == (50, 5e-4, "cosine_restarts")
    assert (training.warmup, training.warmup_unit, training.warmup_from) == (1000, "steps", 0.1)
    assert (training.adversarial_weight, training.max_alpha, training.classifier_rate) == (0.05, 1.0, 2.0)
    assert training.alpha_start * training.epochs == 5
    assert (training.noise_probability, training.stretch_probability, training.time_mask_probability) == (0.3, 0.2, 0.2)
    assert (training.time_mask, training.time_mask_mode, training.time_mask_factor) == (0.1, "frames", 0.1)
    assert (training.feature_mask, training.mixup) == (0, 0)


def test_superbs_protocol_is_written_down_in_its_preset():
    params = check_params(read_preset("superb-er"))
    features, (head, training) = params.features["hubert"], params.head("weighted_layers")
    split = params.split
    assert (split.scheme, split.validation, split.validation_share) == ("session", "random", 0.2)
    assert (params.clips["whole"].seconds, features.layers, head.projection) == (None, "all", 256)
    assert (training.optimizer, training.learning_rate, training.schedule, training.warmup) == (
        "adam",
        1e-4,
        "constant",
        0,
    )
    assert (training.weight_decay, training.clip_norm, training.standardise) == (0, 1, False)
    assert (training.batch_size, training.accumulate, training.steps, training.validate_every) == (4, 8, 30_000, 1000)
    assert (training.select, training.patience, training.classifier_rate) == ("wa", None, 1)


MISTAKES = [
    ("heads.gru.hiden_size", 8, r"heads\.gru\.hiden_size: unknown parameter; did you mean 'hidden_size'\?"),
    ("heads.gru.hidden_size", "big", r"heads\.gru\.hidden_size: 'big': input should be a valid integer"),
    ("heads.gru.dropout", 1.5, r"heads\.gru\.dropout: 1\.5: input should be less than 1"),
    ("heads.gru.model", "grue", r"heads\.gru\.model: no model 'grue'; did you mean 'gru'\?"),
    ("heads.gru.features", "hubrt", r"heads\.gru\.features: there is no feature set 'hubrt'; did you mean 'hubert'\?"),
    ("heads.gru.layers", [3], r"heads\.gru\.layers: 3 is not stored by features\.hubert"),
    ("heads.gru.epochs", 0, r"heads\.gru\.epochs: 0: input should be greater than or equal to 1"),
    ("heads.gru.seeds", [1, 1], r"heads\.gru\.seeds: \[1, 1\]: duplicate values: 1"),
    ("heads.linear", {"features": "hubert"}, r"heads\.linear\.model: is missing"),
    ("trainning", {}, r"trainning: unknown parameter; did you mean 'training'\?"),
    ("training.epoch", 3, r"training\.epoch: unknown parameter; did you mean 'epochs'\?"),
    ("features.hubert.clips", "speech5s", r"features\.hubert\.clips: there is no recipe 'speech5s'"),
    ("features.hubert.layers", [99], r"features\.hubert\.layers\S*: 99"),
    ("features.hubert.layers", [13], r"features\.hubert: .*untrained has layers 0 to 12, not 13"),
    ("features.hubert.checkpoint", "untraind", r"features\.hubert\.checkpoint: 'untraind': did you mean 'untrained'"),
    ("features.hubert.checkpoint", "untrained:x", r"features\.hubert\.checkpoint: 'untrained:x': expected 'untrained'"),
    ("clips.speech2s.crop", "end", r"clips\.speech2s\.crop: 'end': input should be 'start', 'centre' or 'loudest'"),
    ("clips.speech2s.secods", 2, r"clips\.speech2s\.secods: unknown parameter; did you mean 'seconds'\?"),
    ("corpus.name", "iemocup", r"corpus\.name: 'iemocup': no such corpus; did you mean 'iemocap'\?"),
    ("corpus.exclude", {"emotoin": ["xxx"]}, r"corpus\.exclude: .*did you mean 'emotion'\?"),
    ("split.scheme", "sessions", r"split\.scheme: 'sessions': input should be 'session'"),
    ("split.scheme", "file", r"split.*split\.file goes with scheme: file or emobox"),
    ("task.classes", {"neutral": ["neu"]}, r"task\.classes: .*at least two classes"),
    ("task.classes", {"neutral": ["neu"], "sad": ["sda"]}, r"no code 'sda'; did you mean 'sad'\?"),
    ("heads.enhanced_gru.num_heads", 7, r"heads\.enhanced_gru: .*num_heads: 7 does not divide 2 x hidden_size = 64"),
    ("heads.enhanced_gru.adversarial_weigth", 1, r"unknown parameter; did you mean 'adversarial_weight'\?"),
    ("heads.gru.schedule", "cosin", r"heads\.gru\.schedule: 'cosin': input should be 'constant', 'linear', 'cosine'"),
    ("training.min_learning_rate", 1.0, r"training: .*min_learning_rate is above learning_rate"),
    ("report.reference", "grue", r"report\.reference: there is no head 'grue'; did you mean 'gru'\?"),
    ("evaluate.reference", "gru", r"evaluate\.reference: unknown parameter \(there are bootstrap, seed\)"),
    ("features.hubert.storage", "int4", r"features\.hubert\.storage: 'int4': input should be 'float16' or 'int8'"),
    (
        "heads.linear",
        {"model": "weighted_layers", "features": "hubert", "layers": [3, 12, 13]},
        r"heads\.linear\.layers: 3, 13 is not stored by features\.hubert \(\[12\]\)",
    ),
    (
        "heads.linear",
        {"model": "weighted_layers", "features": "hubert"},
        r"heads\.linear: a mixture of the one layer 12",
    ),
    ("training.warmup", 3.0, r"training: .*warmup is a share of the steps, at most 1"),
    ("runtime.workers", 0, r"runtime\.workers"),
]


@pytest.mark.parametrize(("key", "value", "message"), MISTAKES, ids=[f"{key}={value}" for key, value, _ in MISTAKES])
def test_mistakes_are_named(key, value, message):
    params = copy.deepcopy(read_preset("demo"))
    section, *steps = key.split(".")
    target, name = params, section
    for step in steps:
        target, name = target[name], step
    target[name] = value
    with pytest.raises(UserError, match=message):
        check_params(params)


def test_a_section_that_is_missing_is_named():
    params = read_preset("demo")
    del params["split"]
    with pytest.raises(UserError, match=r"params\.yaml: split: is missing"):
        check_params(params)


def test_broken_yaml_names_the_line(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("corpus:\n  name: [demo\nsplit: {}\n")
    with pytest.raises(UserError, match=r"params\.yaml, line \d: not valid YAML"):
        read_yaml(path)
    with pytest.raises(UserError, match="there is no"):
        read_yaml(tmp_path / "nothing.yaml")


def test_a_head_may_override_training():
    params = read_preset("demo")
    params["heads"]["gru"]["epochs"] = 3
    checked = check_params(params)
    assert checked.head("gru")[1].epochs == 3
    assert checked.head("linear")[1].epochs == params["training"]["epochs"]


def test_presets_say_the_same_of_the_same_things():
    """The comments teach; a preset without them would not."""
    for name in PRESETS:
        text = (REPOSITORY / "presets" / f"{name}.yaml").read_text()
        assert text.count("#") > 30, name
        assert list(YAML(typ="safe").load(text)) == list(read_preset("demo")), name
