"""What each variant of a head costs, and what it predicts: torch, float32 and int8, alone and with its encoder.

Every run is tried on its own test utterances, and quantised anew for that: none is calibrated on what it is tried on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

from data.metrics import unweighted_accuracy
from data.rating_metrics import ccc, predicted_columns
from evaluation.regression import mean_over_targets
from evaluation.settings import EvaluateSettings
from evaluation.statistics import Metric, difference_bootstrap
from evaluation.units import confusions_by_speaker, rating_sums_by_speaker
from inference.export.graphs import OnnxModel, join, write_head
from inference.export.heads import HeadGraph
from inference.export.material import Material, Utterance, evenly, padded
from inference.export.quantising import count_operators, quantise_dynamic, quantise_static
from inference.export.reference import head_in_torch, in_float32
from inference.predictor import Predictor, Run
from inference.timing import machine, medians

HEAD, MODEL = "head", "encoder and head"
TORCH, FLOAT32, DYNAMIC, STATIC = "torch", "float32", "int8, dynamic", "int8, static"
FILES = {
    (HEAD, FLOAT32): "head.onnx",
    (HEAD, DYNAMIC): "head.int8.onnx",
    (HEAD, STATIC): "head.int8-static.onnx",
    (MODEL, FLOAT32): "model.onnx",
    (MODEL, DYNAMIC): "model.int8.onnx",
    (MODEL, STATIC): "model.int8-static.onnx",
}
_CALIBRATION_CLIPS = 32
_ROUNDS = 25
_FEWEST_SPEAKERS = 2  # below, there is nothing to draw an interval over


@dataclass(frozen=True)
class Trial:
    """Runs that answer together, and utterances for them.

    Attributes:
        runs: tested on the same utterances.
        test: that none of the runs was trained or chosen on.
        known: that they were trained or chosen on; int8 is calibrated on some of them.
    """

    runs: Sequence[Run]
    test: Sequence[Utterance]
    known: Sequence[Utterance]


@dataclass(frozen=True)
class Row:
    """A variant of a part.

    Attributes:
        part, variant: the head alone or with its encoder; torch, or a kind of file.
        file: its name; None of torch.
        megabytes: of the file.
        milliseconds: for one clip, median.
        real_time_factor: of that, by the clip's seconds.
        score: UA, or CCC of ratings, pooled over the trials.
        difference, low, high: of the score, minus torch's, and its interval over speakers; None of torch, and without
            several speakers.
        equal: the share of utterances with torch's class; None of ratings.
        largest: the largest difference of an output from torch's.
    """

    part: str
    variant: str
    file: str | None
    megabytes: float | None
    milliseconds: float
    real_time_factor: float
    score: float
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    equal: float | None = None
    largest: float | None = None


@dataclass(frozen=True)
class Comparison:
    """All variants beside each other.

    Attributes:
        metric: ``UA`` or ``CCC``.
        rows: the variants.
        runs: names of the runs that were tried.
        utterances, speakers: that they were tried on.
        clip_seconds: of the clip that was timed.
        threads: of onnxruntime and torch.
        notes: what a reader must know, a sentence each.
        machine: on which the times were taken.
    """

    metric: str
    rows: list[Row]
    runs: list[str]
    utterances: int
    speakers: int
    clip_seconds: float
    threads: int
    notes: list[str]
    machine: dict


def compare(
    predictor: Predictor,
    trials: Sequence[Trial],
    material: Material,
    folder: Path,
    encoder: Path | None,
    *,
    most: int,
    statistics: EvaluateSettings,
    threads: int = 1,
    on_utterance: Callable[[], None] = lambda: None,
) -> Comparison:
    """Write the int8 files of the first trial's runs, and try all variants.

    Args:
        predictor: of the head, in float32.
        trials: the first is of the runs that are exported.
        material: with waveforms, if there is an encoder.
        folder: with the float32 files, where the int8 files go.
        encoder: ``encoder.onnx``, or None if only the head is exported.
        most: utterances of each trial.
        statistics: of the bootstrap.
        threads: of onnxruntime and torch.
        on_utterance: called after each one.
    """
    parts = [HEAD] if encoder is None else [HEAD, MODEL]
    answers: dict[tuple[str, str], list[np.ndarray]] = {}
    tried: list[Utterance] = []
    with _threads(threads):
        for number, trial in enumerate(trials):
            with TemporaryDirectory() as elsewhere:
                place = Path(elsewhere) if number else folder
                if number:
                    _write_float32(trial.runs, predictor.of_ratings, encoder, place)
                _write_int8(parts, _calibration(trial), material, place)
                contestants = _contestants(parts, predictor, trial.runs, place, threads)
                for utterance in evenly(trial.test, most):
                    for name, outputs in _answer(contestants, material, utterance).items():
                        answers.setdefault(name, []).append(outputs)
                    tried.append(utterance)
                    on_utterance()
        contestants = _contestants(parts, predictor, trials[0].runs, folder, threads)
        key = _middle(material, [key for utterance in trials[0].test for key in utterance.clips])
        seconds, clip_seconds = _time(contestants, material, key, predictor)
    table = {name: np.stack(outputs) for name, outputs in answers.items()}
    rows = [
        _row(name, table, tried, predictor, statistics, seconds[name], clip_seconds, folder) for name in contestants
    ]
    return Comparison(
        metric="CCC" if predictor.of_ratings else "UA",
        rows=rows,
        runs=[run.name for trial in trials for run in trial.runs],
        utterances=len(tried),
        speakers=len({utterance.speaker for utterance in tried} - {""}),
        clip_seconds=clip_seconds,
        threads=threads,
        notes=_notes(folder),
        machine={**machine(), "onnx": version("onnx"), "onnxruntime": version("onnxruntime")},
    )


def _write_float32(runs: Sequence[Run], of_ratings: bool, encoder: Path | None, folder: Path) -> None:
    write_head(HeadGraph(runs, of_ratings), folder / FILES[HEAD, FLOAT32])
    if encoder is not None:
        join(encoder, folder / FILES[HEAD, FLOAT32], folder / FILES[MODEL, FLOAT32])


def _write_int8(parts: Sequence[str], keys: Sequence[str], material: Material, folder: Path) -> None:
    for part in parts:
        source = folder / FILES[part, FLOAT32]
        quantise_dynamic(source, folder / FILES[part, DYNAMIC])
        quantise_static(source, folder / FILES[part, STATIC], (_inputs(part, material, key) for key in keys))


def _calibration(trial: Trial) -> list[str]:
    """Clips that the runs know, from all over them."""
    return [utterance.clips[0] for utterance in evenly(trial.known, _CALIBRATION_CLIPS)]


def _inputs(part: str, material: Material, key: str) -> dict[str, np.ndarray]:
    if part == MODEL:
        return {"waveforms": material.waveform(key)[None]}
    frames, lengths = padded([material.frames(key)])
    return {"frames": frames.numpy(), "lengths": lengths.numpy()}


Contestant = Callable[[Mapping[str, np.ndarray]], np.ndarray]  # inputs of one clip -> outputs [C]


def _contestants(
    parts: Sequence[str], predictor: Predictor, runs: Sequence[Run], folder: Path, threads: int
) -> dict[tuple[str, str], Contestant]:
    """(part, variant) -> what answers."""
    output = "ratings" if predictor.of_ratings else "probabilities"
    whole = in_float32(predictor, runs)

    def head(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return head_in_torch(runs, predictor.of_ratings, *(torch.from_numpy(values) for values in inputs.values()))[0]

    def model(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return whole.predict(list(inputs["waveforms"]))[0].outputs

    def of(file: OnnxModel) -> Contestant:
        return lambda inputs: file.run(**inputs)[output][0]

    contestants = {}
    for part in parts:
        contestants[part, TORCH] = head if part == HEAD else model
        for variant in (FLOAT32, DYNAMIC, STATIC):
            contestants[part, variant] = of(OnnxModel(folder / FILES[part, variant], threads))
    return contestants


def _answer(
    contestants: Mapping[tuple[str, str], Contestant], material: Material, utterance: Utterance
) -> dict[tuple[str, str], np.ndarray]:
    """What each contestant answers to an utterance: the mean over its pieces, [C]."""
    inputs = {
        part: [_inputs(part, material, key) for key in utterance.clips]
        for part in dict.fromkeys(part for part, _ in contestants)
    }
    return {
        (part, variant): np.mean([contestant(piece) for piece in inputs[part]], axis=0)
        for (part, variant), contestant in contestants.items()
    }


def _middle(material: Material, keys: Sequence[str]) -> str:
    """The clip of median length."""
    lengths = {key: material.frames(key).shape[1] for key in keys}
    return sorted(keys, key=lengths.__getitem__)[len(keys) // 2]


def _time(
    contestants: Mapping[tuple[str, str], Contestant], material: Material, key: str, predictor: Predictor
) -> tuple[dict[tuple[str, str], float], float]:
    """Median seconds that each contestant takes for a clip, and the clip's own."""
    inputs = {part: _inputs(part, material, key) for part in dict.fromkeys(part for part, _ in contestants)}
    runs = {name: (lambda one=one, part=name[0]: one(inputs[part])) for name, one in contestants.items()}
    medians(runs, 2)  # to warm up
    frames = material.frames(key).shape[1]
    return medians(runs, _ROUNDS), frames / predictor.encoder.frame_rate


def _row(
    name: tuple[str, str],
    table: Mapping[tuple[str, str], np.ndarray],
    utterances: Sequence[Utterance],
    predictor: Predictor,
    statistics: EvaluateSettings,
    seconds: float,
    clip_seconds: float,
    folder: Path,
) -> Row:
    """The row of a variant, from what all of them answered."""
    part, variant = name
    counts, metric = _counts(table[name], utterances, predictor)
    file = FILES.get(name)
    row = {
        "part": part,
        "variant": variant,
        "file": file,
        "megabytes": None if file is None else (folder / file).stat().st_size / 1e6,
        "milliseconds": 1000 * seconds,
        "real_time_factor": seconds / clip_seconds,
        "score": float(metric(counts.sum(axis=0)).mean()),
    }
    if variant == TORCH:
        return Row(**row)
    expected = table[part, TORCH]
    reference, _ = _counts(expected, utterances, predictor)
    row["difference"] = row["score"] - float(metric(reference.sum(axis=0)).mean())
    if len({utterance.speaker for utterance in utterances}) >= _FEWEST_SPEAKERS:
        row["low"], row["high"] = difference_bootstrap(counts, reference, metric, statistics.bootstrap, statistics.seed)
    if not predictor.of_ratings:
        row["equal"] = float((table[name].argmax(axis=1) == expected.argmax(axis=1)).mean())
    return Row(**row, largest=float(np.abs(table[name] - expected).max()))


def _counts(outputs: np.ndarray, utterances: Sequence[Utterance], predictor: Predictor) -> tuple[np.ndarray, Metric]:
    """By speaker, what a metric is computed from, and the metric."""
    known = pd.DataFrame(
        {
            "id": [utterance.id for utterance in utterances],
            "speaker": [utterance.speaker for utterance in utterances],
            "seed": 0,
        }
    )
    expected = [utterance.expected for utterance in utterances]
    if predictor.of_ratings:
        ratings = pd.DataFrame(expected, columns=predictor.names)
        predicted = pd.DataFrame(outputs, columns=predicted_columns(predictor.names))
        return rating_sums_by_speaker(pd.concat([known, ratings, predicted], axis=1), predictor.names), (
            mean_over_targets(ccc)
        )
    names = np.array(predictor.names)
    rows = known.assign(label=expected, predicted=names[outputs.argmax(axis=1)])
    return confusions_by_speaker(rows, predictor.names), unweighted_accuracy


def _notes(folder: Path) -> list[str]:
    """What int8 leaves in float32 in these files."""
    notes = []
    if count_operators(folder / FILES[HEAD, DYNAMIC])["GRU"]:
        notes.append("onnxruntime has no GRU in int8: the GRU's layers stay float32, and only what follows is int8.")
    quantised = count_operators(folder / FILES[HEAD, DYNAMIC])
    if not quantised["MatMulInteger"]:
        notes.append(
            "The head has no matrix product that onnxruntime quantises at every call: its dynamic int8 is "
            "the float32 file."
        )
    return notes


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """torch on as many threads as onnxruntime."""
    was = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(was)
