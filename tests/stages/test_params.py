"""params.yaml: every preset is valid, and every mistake is named with the nearest valid name."""

import copy

import pytest
from torch import nn

from data.errors import UserError
from models.building import build_head
from stages.params import read_yaml
from stages.schema import check_params
from tests.builders import PRESETS, read_preset


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_valid(name):
    params = check_params(read_preset(name))
    assert params.heads


def test_the_original_settings_have_a_preset_of_their_own():
    params = check_params(read_preset("iemocap-original"))
    features, task, head = params.features["hubert"], params.tasks["emotions"], params.head("gru")
    gru, training = head.settings, head.training
    assert task.classes == {"neutral": ["neu"], "happy": ["hap", "exc"], "angry": ["ang"], "sad": ["sad"]}
    assert (task.split.scheme, task.split.folds) == ("session", None)
    assert (features.checkpoint, features.layers) == ("facebook/hubert-base-ls960", [12])
    assert (features.pad, features.clips.seconds) == ("before", 3.0)
    assert (gru.hidden_size, gru.num_layers, gru.dropout, gru.attention) == (256, 2, 0.2, "general")
    assert (training.epochs, training.batch_size, training.learning_rate) == (50, 32, 1e-5)


def test_the_originals_enhanced_system_has_one_too():
    head = check_params(read_preset("iemocap-original-enhanced")).head("enhanced_gru")
    settings, training = head.settings, head.training
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
    features, split = params.features["hubert"], params.tasks["emotions"].split
    head, training = params.head("weighted_layers").settings, params.head("weighted_layers").training
    assert (split.scheme, split.validation, split.validation_share) == ("session", "random", 0.2)
    assert (features.clips.seconds, features.layers, head.projection) == (None, "all", 256)
    assert (training.optimizer, training.learning_rate, training.schedule, training.warmup) == (
        "adam",
        1e-4,
        "constant",
        0,
    )
    assert (training.weight_decay, training.clip_norm, training.standardise) == (0, 1, False)
    assert (training.batch_size, training.accumulate, training.steps, training.validate_every) == (4, 8, 30_000, 1000)
    assert (training.select, training.patience, training.classifier_rate) == ("wa", None, 1)


_FOUR = {"a": ["demo:neu", "more:neu"], "b": ["demo:sad", "more:sad"]}

MISTAKES = [
    ("heads.gru.hiden_size", 8, r"heads\.gru\.hiden_size: unknown parameter; did you mean 'hidden_size'\?"),
    ("heads.gru.hidden_size", "big", r"heads\.gru\.hidden_size: 'big': input should be a valid integer"),
    ("heads.gru.dropout", 1.5, r"heads\.gru\.dropout: 1\.5: input should be less than 1"),
    ("heads.gru.model", "grue", r"heads\.gru\.model: there is no model 'grue'; did you mean 'gru'\?"),
    ("heads.gru.task", "emotion", r"heads\.gru\.task: there is no task 'emotion'; did you mean 'emotions'\?"),
    ("heads.gru.start", "tim", r"heads\.gru\.start: 'tim': input should be 'scratch'"),
    ("heads.gru.features", "hubert", r"heads\.gru\.features: 'hubert': expected <feature set>/<corpus>"),
    (
        "heads.gru.features",
        "hubrt/demo",
        r"heads\.gru\.features: there is no feature set 'hubrt'; did you mean 'hubert'",
    ),
    ("heads.gru.features", "hubert/demmo", r"heads\.gru\.features: there is no corpus 'demmo'; did you mean 'demo'\?"),
    (
        "heads.gru.features",
        "hubert/more",
        r"has features of more, and the task emotions is one of demo; use hubert/demo",
    ),
    ("heads.gru.layers", [3], r"heads\.gru\.layers: 3 is not stored by features\.hubert"),
    ("heads.gru.epochs", 0, r"heads\.gru\.epochs: 0: input should be greater than or equal to 1"),
    ("heads.gru.seeds", [1, 1], r"heads\.gru\.seeds: \[1, 1\]: duplicate values: 1"),
    ("heads.linear", {"task": "emotions"}, r"heads\.linear\.model: is missing"),
    ("heads.linear", {"model": "linear"}, r"heads\.linear\.task: is missing"),
    ("trainning", {}, r"trainning: unknown parameter; did you mean 'training'\?"),
    ("training.epoch", 3, r"training\.epoch: unknown parameter; did you mean 'epochs'\?"),
    ("features.hubert.clips", "speech5s", r"features\.hubert\.clips"),
    ("features.hubert.kind", "mfc", r"features\.hubert\.kind: no kind 'mfc'; did you mean 'mfcc'\?"),
    ("features.hubert.layers", [99], r"features\.hubert\.layers\S*: 99"),
    ("features.hubert.layers", [13], r"features\.hubert: .*untrained has layers 0 to 12, not 13"),
    ("features.hubert.checkpoint", "untraind", r"features\.hubert\.checkpoint: 'untraind': did you mean 'untrained'"),
    ("features.hubert.checkpoint", "untrained:x", r"features\.hubert\.checkpoint: 'untrained:x': expected 'untrained'"),
    (
        "features.hubert.clips.crop",
        "end",
        r"hubert\.clips\.crop: 'end': input should be 'start', 'centre', 'loudest' or 'segments'",
    ),
    ("features.hubert.clips.secods", 2, r"hubert\.clips\.secods: unknown parameter; did you mean 'seconds'\?"),
    (
        "features.hubert.storage",
        "int4",
        r"features\.hubert\.storage: 'int4': input should be 'float16', 'float32' or 'int8'",
    ),
    (
        "features.hubert.clips.disturb",
        [{"noise": "whit", "snr": 5}],
        r"hubert\.clips\.disturb\.0: noise: 'whit': expected one of white, pink, babble.*did you mean 'white'\?",
    ),
    (
        "features.hubert.clips.disturb",
        [{"gain": 99}],
        r"hubert\.clips\.disturb\.0: gain: 99: .*less than or equal to 40",
    ),
    ("features.hu-bert", {}, r"features\.hu-bert: .*letters, digits and underscores only"),
    ("corpora.demo-2", {"reader": "demo"}, r"corpora\.demo-2: .*letters, digits and underscores only"),
    ("tasks.a b", {}, r"tasks\.a b: .*letters, digits and underscores only"),
    ("corpora.demo.reader", "iemocup", r"corpora\.demo\.reader: no reader 'iemocup'; did you mean 'iemocap'\?"),
    ("corpora.demo.exclude", {"emotoin": ["xxx"]}, r"corpora\.demo\.exclude: .*did you mean 'emotion'\?"),
    ("corpora.demo", {"features": "all"}, r"corpora\.demo\.reader: is missing"),
    ("corpora.demo.tabel", "a.csv", r"corpora\.demo\.tabel: unknown parameter \(there are reader, features, exclude"),
    ("corpora.table", {"reader": "table", "tabel": "a.csv"}, r"corpora\.table\.tabel: .*did you mean 'table'\?"),
    ("corpora.iemocap", {"reader": "table"}, r"corpora\.iemocap: .*give a table with its columns, a pattern"),
    ("corpora.x", {"reader": "table", "table": "a.csv", "columns": {"emotion": "e"}}, r"columns needs path"),
    ("corpora.x", {"reader": "table", "table": "../a.csv", "columns": {"path": "p"}}, r"expected a path below"),
    ("corpora.x", {"reader": "table", "table": "a.csv"}, r"table and columns go together"),
    (
        "corpora.x",
        {"reader": "table", "table": "a.csv", "columns": {"path": "p", "emotoin": "e"}},
        r"columns: .*no such column 'emotoin'; did you mean 'emotion'",
    ),
    ("corpora.x", {"reader": "table", "pattern": "(?P<speker>.)"}, r"pattern: .*no such group 'speker'; .*'speaker'"),
    ("corpora.x", {"reader": "table", "pattern": "(?P<speaker>"}, r"pattern: .*not a regular expression"),
    ("corpora.x", {"reader": "table", "pattern": "wav"}, r"pattern: .*no named groups"),
    ("corpora.demo.features", ["hubrt"], r"corpora\.demo\.features: there is no feature set 'hubrt'"),
    ("corpora.demo.features", ["mfcc"], r"heads\.\w+\.features: corpora\.demo\.features leaves hubert out; add it"),
    ("joined.both", ["demo"], r"joined\.both: .*expected two or more different corpora"),
    ("joined.both", ["demo", "demmo"], r"joined\.both: there is no corpus 'demmo'; did you mean 'demo'\?"),
    ("joined.demo", ["demo", "more"], r"joined\.demo: a corpus has this name, too"),
    ("tasks.emotions.corpus", "dmeo", r"tasks\.emotions\.corpus: there is no corpus 'dmeo'; did you mean 'demo'\?"),
    ("tasks.emotions.split.scheme", "sessions", r"split\.scheme: 'sessions': input should be 'session'"),
    ("tasks.emotions.split.scheme", "file", r"split.*split\.file goes with scheme: file or emobox"),
    ("tasks.emotions.split.scheme", "corpus", r"split\.scheme: corpus needs several corpora, and demo is one"),
    ("tasks.emotions.classes", {"neutral": ["neu"]}, r"tasks\.emotions\.classes: .*at least two classes"),
    ("tasks.emotions.classes", {"neutral": ["neu"], "sad": ["sda"]}, r"no code 'sda'; did you mean 'sad'\?"),
    ("heads.enhanced_gru.num_heads", 7, r"heads\.enhanced_gru: .*num_heads: 7 does not divide 2 x hidden_size = 64"),
    ("heads.enhanced_gru.adversarial_weigth", 1, r"unknown parameter; did you mean 'adversarial_weight'\?"),
    ("heads.gru.schedule", "cosin", r"heads\.gru\.schedule: 'cosin': input should be 'constant', 'linear', 'cosine'"),
    ("training.min_learning_rate", 1.0, r"training: .*min_learning_rate is above learning_rate"),
    ("features.hubert.layrs", [1], r"features\.hubert\.layrs: unknown parameter; did you mean 'layers'\?"),
    ("features.hubert", {"clips": {}}, r"features\.hubert\.kind: is missing"),
    (
        "features.hubert",
        {"kind": "mfcc", "clips": {}, "n_mfcc": 39, "n_mels": 20},
        r"features\.hubert: n_mfcc: 39 coefficients need at least as many mel bands, not 20",
    ),
    (
        "features.hubert",
        {"kind": "mfcc", "clips": {}, "layers": [12]},
        r"features\.hubert\.layers: unknown parameter \(there are kind, clips, storage, n_fft",
    ),
    ("training.warmup", 3.0, r"training: .*warmup is a share of the steps, at most 1"),
    ("report.reference", "grue", r"report\.reference: there is no head 'grue'; did you mean 'gru'\?"),
    ("report.reference", ["gru", "linear"], r"report\.reference: gru and linear are heads of one task, emotions"),
    ("evaluate.reference", "gru", r"evaluate\.reference: unknown parameter \(there are bootstrap, seed\)"),
    ("runtime.workers", 0, r"runtime\.workers"),
]


def changed(key: str, value) -> dict:
    """The demo's parameters with a second corpus, and one value changed."""
    params = copy.deepcopy(read_preset("demo"))
    params["corpora"]["more"] = {"reader": "demo", "features": "all", "exclude": {}}
    section, *steps = key.split(".")
    target, name = params, section
    for step in steps:
        target, name = target[name], step
    target[name] = value
    return params


@pytest.mark.parametrize(("key", "value", "message"), MISTAKES, ids=[f"{key}={value}" for key, value, _ in MISTAKES])
def test_mistakes_are_named(key, value, message):
    with pytest.raises(UserError, match=message):
        check_params(changed(key, value))


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"classes": {"a": ["neu"], "b": ["sad"]}}, r"write demo:neu or more:neu instead of 'neu'"),
        ({"classes": {"a": ["demo:neu"], "b": ["demo:sad"]}}, r"no code of more, which both joins"),
        ({"split": {"scheme": "corpus", "test": ["third"]}}, r"there is no corpus in both named 'third'"),
        ({"split": {"scheme": "corpus", "test": ["demo"], "train": ["demo"]}}, r"demo has more than one role"),
    ],
)
def test_mistakes_in_joint_tasks_are_named(task, message):
    params = changed("joined.both", ["demo", "more"])
    whole = {"corpus": "both", "classes": _FOUR, "split": {"scheme": "corpus", "validation": "speaker"}}
    params["tasks"]["joint"] = whole
    check_params(params)
    params["tasks"]["joint"] = {**whole, **task}
    with pytest.raises(UserError, match=message):
        check_params(params)


def test_a_section_that_is_missing_is_named():
    params = read_preset("demo")
    del params["tasks"]
    with pytest.raises(UserError, match=r"params\.yaml: tasks: is missing"):
        check_params(params)


def test_broken_yaml_names_the_line(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("corpora:\n  demo: [reader\ntasks: {}\n")
    with pytest.raises(UserError, match=r"params\.yaml, line \d: not valid YAML"):
        read_yaml(path)
    with pytest.raises(UserError, match="there is no"):
        read_yaml(tmp_path / "nothing.yaml")


def test_a_head_may_override_training():
    params = read_preset("demo")
    params["heads"]["gru"]["epochs"] = 3
    checked = check_params(params)
    assert checked.head("gru").training.epochs == 3
    assert checked.head("linear").training.epochs == params["training"]["epochs"]


def test_a_head_that_keeps_only_what_varies_over_time_refuses_clips_of_a_single_frame():
    params = changed("features.hubert", {"kind": "imported", "clips": {}, "frame_rate": None})
    check_params(params)
    params["heads"]["enhanced_gru"]["instance_norm"] = True
    with pytest.raises(UserError, match=r"enhanced_gru\.instance_norm: True keeps only what varies over time"):
        check_params(params)


def test_copies_that_there_are_not_are_refused_of_a_head_and_mean_nothing_to_the_others():
    values = changed("training.copies", "all")
    assert check_params(values).head("gru").training.copies == "clean"
    values["heads"]["gru"]["copies"] = "all"
    with pytest.raises(UserError, match=r"heads\.gru\.copies: features\.hubert\.clips has no disturbed copies"):
        check_params(values)
    values["features"]["hubert"]["clips"]["disturb"] = [{"gain": -10}]
    assert check_params(values).head("gru").training.copies == "all"
