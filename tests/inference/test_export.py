"""An exported file gives what torch gives, whatever the batch and the length; one that does not is not left behind."""

import copy
import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from data.clips import ClipsSettings, open_clips
from data.errors import UserError
from evaluation.settings import EvaluateSettings
from features.encoder import clips_in
from features.ssl import SslSettings
from features.store import FeatureSet
from inference.export import bundle, comparison, graphs
from inference.export.bundle import HEAD, MODEL, export_runs, new_bundle
from inference.export.comparison import DYNAMIC, FILES, FLOAT32, STATIC, TORCH, Trial, compare
from inference.export.graphs import OnnxModel, write_head
from inference.export.heads import HeadGraph
from inference.export.material import Material, Utterance
from inference.export.parity import Answers, measure_parity
from inference.export.reference import head_in_torch, in_float32
from inference.opening import open_head, run_folders
from inference.predictor import Predictor, Run
from models import HEADS
from models.building import build_head
from tests.builders import REPOSITORY, TINY_ENCODER, write_whisper
from tests.models.test_heads import VARIANTS
from tests.trained_heads import TrainedHead, train_on_recordings
from training.checkpoint import RatingScale, StandardisedHead

pytestmark = pytest.mark.extras

LAYERS, DIMENSION, CLASSES = 2, 12, 4
GRU = {"model": "gru", "hidden_size": 6, "num_layers": 2, "attention": "dot", "layers": "all"}


def random_run(variant, temperature=1.0, ratings=False) -> Run:
    settings = HEADS[variant["model"]][0](**variant)
    head = build_head(settings, DIMENSION, CLASSES, LAYERS, num_speakers=3).eval()
    scale = RatingScale(torch.randn(CLASSES), torch.rand(CLASSES) + 0.5) if ratings else None
    mean, deviation = torch.randn(LAYERS, DIMENSION), torch.rand(LAYERS, DIMENSION) + 0.5
    return Run("fold-0/seed-1", StandardisedHead(head, mean, deviation, scale).eval(), temperature)


def largest_difference(runs, ratings, path) -> float:
    file = OnnxModel(path)
    batches = []
    for size, num_frames in ((1, 1), (1, 30), (3, 1), (4, 17)):
        frames, lengths = torch.randn(size, LAYERS, num_frames, DIMENSION), torch.arange(size) % num_frames + 1
        for row, length in zip(frames, lengths, strict=True):
            row[:, length:] = 0
        got = file.run(frames=frames.numpy(), lengths=lengths.numpy())
        expected = head_in_torch(runs, ratings, frames, lengths)
        batches.append(Answers(tuple(frames.shape), expected, got["ratings" if ratings else "probabilities"]))
        output = runs[0].model(frames, lengths)
        if len(runs) == 1:
            np.testing.assert_allclose(got["embedding"], output.embedding.detach(), atol=1e-5)
        if output.attention is not None:
            np.testing.assert_allclose(got["attention"].sum(axis=1), 1, atol=1e-5)
            padding = lengths[:, None] <= torch.arange(num_frames)
            assert (got["attention"][padding.numpy()] == 0).all()
    return measure_parity(batches, ratings).largest


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: "-".join(map(str, variant.values())))
def test_every_head_gives_the_same_for_any_batch_and_length(variant, tmp_path):
    run = random_run(variant, temperature=1.7)
    write_head(HeadGraph([run], of_ratings=False), tmp_path / HEAD)
    assert largest_difference([run], False, tmp_path / HEAD) < 1e-5


@pytest.mark.parametrize("ratings", [False, True])
def test_several_runs_answer_with_their_mean(ratings, tmp_path):
    runs = [random_run(GRU, temperature, ratings) for temperature in (0.5, 2.0)]
    write_head(HeadGraph(runs, ratings), tmp_path / HEAD)
    assert largest_difference(runs, ratings, tmp_path / HEAD) < 1e-5


class Recordings(Material):
    """The test utterances of a head that was trained on a few recordings."""

    has_waveforms = True

    def __init__(self, trained: TrainedHead, layers):
        self._features = FeatureSet(trained.folder.parents[1] / "features")
        self._clips = {clip.key: clip for clip in clips_in(open_clips(trained.folder.parents[1] / "clips/all.h5"))}
        self._layers = layers

    def utterances(self, speaker="s0"):
        ids = [identifier for identifier in self._features.ids if identifier.startswith(speaker)]
        names = ("low", "middle", "high")
        return [Utterance(name, speaker, names[int(name[-1])], tuple(self._features.clips_of(name))) for name in ids]

    def frames(self, key):
        return self._features.gather([key], self._layers)[0][0]

    def waveform(self, key):
        return self._clips[key].samples


def open_exact(trained: TrainedHead) -> Predictor:
    opened = open_head("small", run_folders(trained.folder), trained.settings, torch.device("cpu"))
    return in_float32(opened, opened.runs)


def export(trained: TrainedHead, folder, **options):
    predictor = open_exact(trained)
    material = Recordings(trained, predictor.layers)
    with new_bundle(folder) as partial:
        return export_runs(predictor, material, material.utterances(), partial, **options)


def ssl(folder, **settings) -> SslSettings:
    clips = ClipsSettings(seconds=0.5)
    return SslSettings(**{"clips": clips, "checkpoint": TINY_ENCODER, "layers": [1, 2], **settings})


def whisper(folder, **settings) -> SslSettings:
    write_whisper(folder / "whisper", seconds=2)
    return ssl(folder, checkpoint=str(folder / "whisper"), layers="all", **settings)


ENCODERS = {
    "hubert": (ssl, {}),
    "hubert padded": (ssl, {"pad": "before", "storage": "float32"}),
    "hubert in pieces, int8": (ssl, {"clips": ClipsSettings(seconds=0.3, crop="segments"), "storage": "int8"}),
    "hubert, ratings": (ssl, {}),
    "whisper": (whisper, {}),
    "whisper, full context": (whisper, {"context": "full"}),
}


@pytest.mark.parametrize("case", ENCODERS)
def test_encoder_and_head_give_from_waveforms_what_the_predictor_gives(case, tmp_path):
    settings, changes = ENCODERS[case]
    trained = train_on_recordings(tmp_path, settings(tmp_path, **changes), GRU, ratings="ratings" in case)
    exported = export(trained, tmp_path / "out")
    assert exported.parity[MODEL].answers >= 6
    assert exported.parity[MODEL].shapes >= 4  # batches of one and three, from a single frame to the whole clip
    assert exported.parity[MODEL].largest < 5e-4
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["head.onnx", "model.json", "model.onnx"]


def test_a_file_that_differs_from_torch_is_refused_and_nothing_is_left(tmp_path, monkeypatch):
    trained = train_on_recordings(tmp_path, ssl(tmp_path), GRU)
    whole = export(trained, tmp_path / "out", with_encoder=False)
    before = (tmp_path / "out" / HEAD).read_bytes()

    def write_another(graph, path):
        graph = copy.deepcopy(graph)
        graph.temperatures = [1.05]
        graphs.write_head(graph, path)

    monkeypatch.setattr(bundle, "write_head", write_another)
    for folder in ("out", "new"):
        with pytest.raises(UserError, match=r"head\.onnx does not give what torch gives: outputs differ by up to"):
            export(trained, tmp_path / folder, with_encoder=False)
    assert whole.parity[HEAD].holds
    assert (tmp_path / "out" / HEAD).read_bytes() == before
    assert not (tmp_path / "new").exists()
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]


def test_a_file_that_takes_one_number_of_frames_only_is_refused(tmp_path, monkeypatch):
    trained = train_on_recordings(tmp_path, ssl(tmp_path))
    monkeypatch.setitem(graphs._AXES, "frames", {0: "batch"})
    with pytest.raises(UserError, match=r"head\.onnx cannot be written, or run, as ONNX"):
        export(trained, tmp_path / "out", with_encoder=False)
    assert not (tmp_path / "out").exists()


def test_what_is_not_an_export_is_not_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="is no export"), new_bundle(tmp_path / "out"):
        pass
    assert (tmp_path / "out" / "thesis.tex").exists()


def test_the_description_says_what_a_stranger_needs(tmp_path):
    trained = train_on_recordings(tmp_path, ssl(tmp_path))
    export(trained, tmp_path / "out", with_encoder=False)
    said = json.loads((tmp_path / "out/model.json").read_text())
    assert said["classes"] == ["low", "middle", "high"]
    assert (said["sample_rate"], said["clips"], said["shortest_samples"]) == (
        16000,
        {"seconds": 0.5, "crop": "start"},
        400,
    )
    assert said["frames"]["layers"] == [2]
    assert len(said["encoder"]["weights"]) == 64


@pytest.mark.parametrize("head", [{"model": "linear", "l2": [1.0], "layers": "all"}, GRU], ids=["linear", "gru"])
def test_int8_is_tried_on_test_utterances_and_calibrated_on_others(head, tmp_path, monkeypatch):
    trained = train_on_recordings(tmp_path, ssl(tmp_path), head, folds=2)
    predictor = open_exact(trained)
    material = Recordings(trained, predictor.layers)
    trials = [
        Trial([run], material.utterances(f"s{fold}"), material.utterances(f"s{fold + 2}"))
        for fold, run in enumerate(predictor.runs)
    ]
    calibrated_on = []

    def keep(part, material, key):
        calibrated_on.append(key)
        return inputs(part, material, key)

    inputs, write_int8 = comparison._inputs, comparison._write_int8

    def watch(*arguments):
        with monkeypatch.context() as patch:
            patch.setattr(comparison, "_inputs", keep)
            write_int8(*arguments)

    monkeypatch.setattr(comparison, "_write_int8", watch)
    with new_bundle(tmp_path / "out") as partial:
        exported = export_runs(in_float32(predictor, predictor.runs[:1]), material, trials[0].test, partial)
        statistics = EvaluateSettings(bootstrap=100)
        made = compare(predictor, trials, material, partial, exported.encoder, most=100, statistics=statistics)
    assert {key.split("-")[0] for key in calibrated_on} == {"s2", "s3"}
    assert (made.utterances, made.speakers, made.metric) == (12, 2, "UA")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*FILES.values(), "model.json"}
    for torch_row, *files in (made.rows[:4], made.rows[4:]):
        assert [torch_row.variant, *(row.variant for row in files)] == [TORCH, FLOAT32, DYNAMIC, STATIC]
        float32, dynamic, static = files
        assert (float32.difference, float32.low, float32.high, float32.equal) == (0, 0, 0, 1)
        assert float32.largest < 1e-3
        assert dynamic.largest > float32.largest or float32.part == "head"
        assert static.largest > float32.largest
    assert made.rows[6].megabytes < 0.6 * made.rows[5].megabytes
    assert made.rows[7].megabytes < made.rows[6].megabytes
    assert any("GRU" in note for note in made.notes) == (head is GRU)


def test_the_documented_lines_predict_with_nothing_but_onnxruntime(tmp_path):
    trained = train_on_recordings(tmp_path, ssl(tmp_path), GRU)
    export(trained, tmp_path / "exports/gru")
    name = next(name for name in trained.audio if name.startswith("s0-0"))
    audio = trained.audio[name]  # 16 kHz, mono
    (tmp_path / "speech.wav").write_bytes(audio.read_bytes())
    lines = re.search(r"```python\n(.*?)```", (REPOSITORY / "docs/export.md").read_text(), re.S)[1]
    forbidden = "import sys\nfor name in ('torch', 'transformers', 'inference'): sys.modules[name] = None\n"
    command = [sys.executable, "-c", forbidden + lines]
    printed = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    probabilities = [float(value) for value in re.findall(r"\d\.\d+(?:e-\d+)?", printed)]
    expected = open_exact(trained).predict_file(audio).outputs
    np.testing.assert_allclose(probabilities, expected, atol=1e-3)
