"""What a file is held against: torch's answers in float32, to batches of several shapes."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from features.kinds import open_encoder
from inference.export.graphs import OnnxModel
from inference.export.material import Material, padded
from inference.export.parity import Answers, shares
from inference.predictor import Predictor, Run

_BATCH_SIZES = (1, 3, 8)
_SHORT = 2  # clips that are also cut to a single frame, and to a few


def try_head(
    file: OnnxModel, runs: Sequence[Run], of_ratings: bool, material: Material, keys: Sequence[str]
) -> Iterator[Answers]:
    """A head's answers to clips: alone and in batches of several lengths, also cut to one frame."""
    frames = {key: material.frames(key) for key in keys}
    lengths = [frames[key].shape[1] for key in keys]
    batches = [[frames[keys[index]] for index in batch] for batch in shares(lengths, _BATCH_SIZES)]
    batches += [[frames[key][:, :most]] for key in keys[:_SHORT] for most in (1, 2)]
    batches.append([frames[key][:, : 1 + 3 * number] for number, key in enumerate(keys[:3])])
    for batch in batches:
        together, of_each = padded(batch)
        expected = head_in_torch(runs, of_ratings, together, of_each)
        got = file.run(frames=together.numpy(), lengths=of_each.numpy())
        yield Answers(tuple(together.shape), expected, got["ratings" if of_ratings else "probabilities"])


def try_model(
    file: OnnxModel,
    predictor: Predictor,
    material: Material,
    keys: Sequence[str],
    on_done: Callable[[], None] = lambda: None,
) -> Iterator[Answers]:
    """An encoder's and a head's answers to clips: each alone, some cut to one length together, and the shortest."""
    output = "ratings" if predictor.of_ratings else "probabilities"
    waveforms = [material.waveform(key) for key in keys]
    batches = [[waveform] for waveform in waveforms]
    few = waveforms[:3]
    common = min(map(len, few))
    batches.append([waveform[:common] for waveform in few])
    shortest = next(count for count in range(1, common + 1) if predictor.is_long_enough(count))
    batches += [[waveform[:length] for waveform in few] for length in (shortest, (shortest + common) // 2)]
    for batch in batches:
        together = np.stack(batch)
        expected = np.stack([answer.outputs for answer in predictor.predict(batch)])
        yield Answers(together.shape, expected, file.run(waveforms=together)[output])
        on_done()


@torch.inference_mode()
def head_in_torch(runs: Sequence[Run], of_ratings: bool, frames: torch.Tensor, lengths: torch.Tensor) -> np.ndarray:
    """What runs answer to frames [B, L, T, D]: the mean of probabilities, or of ratings, [B, C]."""
    logits = [run.model(frames, lengths).emotion_logits / (1 if of_ratings else run.temperature) for run in runs]
    outputs = logits if of_ratings else [values.softmax(dim=-1) for values in logits]
    return torch.stack(outputs).mean(dim=0).numpy()


def in_float32(predictor: Predictor, runs: Sequence[Run]) -> Predictor:
    """A predictor with some of a predictor's runs, that computes in float32 on the CPU, as ONNX files do.

    What an int8 store rounds away is not rounded: it would need each utterance's extremes.
    """
    encoder, settings = predictor.encoder, predictor.settings
    if encoder.compute_type != "float32" or encoder.device.type != "cpu":
        encoder = open_encoder(settings.model_copy(update={"compute_dtype": "float32"}), torch.device("cpu"))
    if settings.storage == "int8":
        settings = settings.model_copy(update={"storage": "float32"})
    return Predictor(
        name=predictor.name,
        runs=runs,
        names=predictor.names,
        of_ratings=predictor.of_ratings,
        layers=predictor.layers,
        settings=settings,
        encoder=encoder,
    )
