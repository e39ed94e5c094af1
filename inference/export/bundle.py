"""The folder that is handed over: ONNX files that were found equal to torch, and a description of them."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from data.errors import UserError
from data.json_files import write_json
from inference.export.encoders import open_graph
from inference.export.graphs import OPSET, OnnxModel, join, write_encoder, write_head
from inference.export.heads import HeadGraph
from inference.export.material import Material, Utterance, evenly
from inference.export.parity import Parity, check_parity, measure_parity
from inference.export.reference import try_head, try_model
from inference.predictor import Predictor

FORMAT, FORMAT_VERSION = "emocache-onnx", 1
HEAD, MODEL, ENCODER = "head.onnx", "model.onnx", "encoder.onnx"
DESCRIPTION = "model.json"
_WORKSHOP = ".parts"  # what is in it is not handed over
_MOST_ALONE = 100  # clips whose encoding is compared


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        parity: a file's name -> how it compares with torch.
        encoder: the encoder alone, to join other runs' heads to; None without an encoder. It goes with the workshop.
    """

    parity: dict[str, Parity]
    encoder: Path | None


def export_runs(
    predictor: Predictor,
    material: Material,
    utterances: Sequence[Utterance],
    folder: Path,
    *,
    with_encoder: bool = True,
    threads: int = 1,
    on_step: Callable[[str], None] = lambda step: None,
) -> Exported:
    """Write a predictor's runs as files in a folder, unless one of them differs from torch.

    Args:
        predictor: from `in_float32`; several runs answer with their mean.
        material: what the files are tried on.
        utterances: of it.
        folder: from `new_bundle`.
        with_encoder: whether to write ``model.onnx``, the encoder and the head in one.
        threads: of onnxruntime.
        on_step: called with what is being done, for people.

    Raises:
        UserError: a file does not give what torch gives.
    """
    runs, keys = predictor.runs, [key for utterance in utterances for key in utterance.clips]
    parity: dict[str, Parity] = {}
    graph = HeadGraph(runs, predictor.of_ratings)
    on_step(f"{HEAD}: writing and comparing with torch")
    write_head(graph, folder / HEAD)
    answers = try_head(OnnxModel(folder / HEAD, threads), runs, predictor.of_ratings, material, keys)
    parity[HEAD] = measure_parity(answers, predictor.of_ratings)
    check_parity(HEAD, parity[HEAD])
    longest, alone = None, None
    if with_encoder:
        on_step(f"{MODEL}: writing and comparing with torch")
        encoder, alone = open_graph(predictor.settings, predictor.layers), folder / _WORKSHOP / ENCODER
        longest = encoder.most_samples
        write_encoder(encoder, alone)
        join(alone, folder / HEAD, folder / MODEL)
        few = [key for utterance in evenly(utterances, _MOST_ALONE) for key in utterance.clips]
        answers = try_model(OnnxModel(folder / MODEL, threads), predictor, material, few)
        parity[MODEL] = measure_parity(answers, predictor.of_ratings)
        check_parity(MODEL, parity[MODEL])
    description = _describe(predictor, graph, longest, parity, material)
    write_json(folder / DESCRIPTION, description)
    return Exported(parity, alone)


@contextmanager
def new_bundle(folder: Path) -> Iterator[Path]:
    """A folder to write into, which takes its place, and that of an earlier export, when all went well.

    Raises:
        UserError: something else is in its place.
    """
    if folder.exists() and not _is_bundle(folder):
        raise UserError(f"{folder} exists and is no export of `ser export`: choose another --output, or remove it")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / _WORKSHOP).mkdir(parents=True)
    try:
        yield partial
        shutil.rmtree(partial / _WORKSHOP)
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _is_bundle(folder: Path) -> bool:
    if folder.is_dir() and not any(folder.iterdir()):
        return True
    try:
        return json.loads((folder / DESCRIPTION).read_text())["format"] == FORMAT
    except (OSError, ValueError, KeyError):
        return False


def _describe(
    predictor: Predictor,
    graph: HeadGraph,
    longest: int | None,
    parity: dict[str, Parity],
    material: Material,
) -> dict:
    """What someone needs who has nothing but the files."""
    settings, encoder = predictor.settings, predictor.encoder
    clips = settings.clips
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "head": predictor.name,
        "runs": {run.name: {"temperature": run.temperature} for run in predictor.runs},
        "ratings" if predictor.of_ratings else "classes": predictor.names,
        "outputs": graph.outputs,
        "sample_rate": predictor.sample_rate,
        "clips": {"seconds": clips.seconds, "crop": clips.crop},
        "shortest_samples": next(count for count in range(1, 10**7) if predictor.is_long_enough(count)),
        "longest_samples": longest,
        "frames": {"layers": predictor.layers, "dimension": graph.dimension, "per_second": encoder.frame_rate},
        "encoder": {
            "kind": settings.kind,
            "name": encoder.name if settings.checkpoint_folder is None else settings.checkpoint_folder.name,
            "revision": encoder.revision,
            **encoder.recipe,
            "cautions": predictor.cautions,
        },
        "storage": settings.storage,
        "opset": OPSET,
        "compared_with_torch": {
            "on": "test utterances" if material.is_real else "noise",
            **{name: vars(of_file) for name, of_file in parity.items()},
        },
    }
