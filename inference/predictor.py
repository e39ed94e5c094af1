"""The encoder and one or more runs of a head: waveforms -> what they predict, as the pipeline does it."""

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.audio import SHORTEST, Excerpt, UnusableAudioError, read_waveform
from data.clips import cut_waveform, from_int16, to_int16
from data.errors import UserError
from features.encoder import AudioEncoder
from features.quantisation import restore
from features.settings import KindSettings
from features.store import stored_form
from training.checkpoint import StandardisedHead
from training.clips import log_mean_probabilities
from training.prediction import predict

_BATCH_SECONDS = {"cpu": 6.0, "cuda": 192.0}  # of audio that the encoder is given at once


@dataclass(frozen=True)
class Run:
    """A trained head: one fold and seed.

    Attributes:
        name: ``fold-0/seed-1``.
        model: in evaluation mode.
        temperature: by which its logits are divided; 1 leaves them as they are.
    """

    name: str
    model: StandardisedHead
    temperature: float = 1.0


@dataclass(frozen=True)
class Answer:
    """What is predicted of one waveform.

    Attributes:
        outputs: a probability for each class, or ratings in their own range, float64 [C].
        attention: how much each frame of the analysed part (of several pieces, of the first) is attended to, [T], mean
            over the runs; None of heads without attention.
    """

    outputs: np.ndarray
    attention: np.ndarray | None


class Predictor:
    """Predicts from waveforms what the pipeline would from files: the same clips, frames, rounding and standardisation.

    Several runs answer with their mean: of probabilities, or of ratings. Safe to use from several threads, which take
    turns.

    Args:
        name: of the head.
        runs: of the head; all of the same classes or ratings, and the same layers.
        names: of the outputs, in their order.
        of_ratings: whether they are ratings; classes otherwise.
        layers: that the head reads.
        settings: of the feature set.
        encoder: loaded for these settings.

    Raises:
        UserError: features that are not computed from audio.
    """

    def __init__(
        self,
        *,
        name: str,
        runs: Sequence[Run],
        names: Sequence[str],
        of_ratings: bool,
        layers: Sequence[int],
        settings: KindSettings,
        encoder: AudioEncoder,
    ):
        if not isinstance(encoder, AudioEncoder):
            raise UserError(
                f"{name} was trained on features of kind {settings.kind}, which are not computed from audio here."
            )
        self.name, self.runs, self.names, self.of_ratings = name, list(runs), list(names), of_ratings
        self.settings, self.encoder = settings, encoder
        self._layers = [encoder.layers.index(layer) for layer in layers]
        self._models = [run.model.to(encoder.device).eval() for run in runs]
        self._lock = threading.Lock()

    @classmethod
    def from_pretrained(cls, path: str | Path, device: str = "auto", checkpoint: str | None = None) -> "Predictor":
        """Open a packed model (a folder, or a zip).

        Args:
            path: what `ser pack` wrote.
            device: ``auto`` (the GPU if there is one), ``cpu`` or ``cuda``.
            checkpoint: the encoder's folder, if it cannot be downloaded by its name.

        Raises:
            UserError: it is damaged, or its encoder is not here, or another one.
        """
        from inference.opening import open_packed

        return open_packed(Path(path), device, checkpoint)

    @property
    def sample_rate(self) -> int:
        """Hz of the waveforms."""
        return self.settings.clips.sample_rate

    @property
    def seconds(self) -> float | None:
        """The longest clip that the head was trained on; None if it was trained on whole utterances."""
        return self.settings.clips.seconds

    @property
    def cautions(self) -> list[str]:
        """What a reader of predictions must know of the encoder."""
        return list(self.encoder.cautions.values())

    def predict(
        self, waveforms: Sequence[np.ndarray], on_done: Callable[[int], None] = lambda count: None
    ) -> list[Answer]:
        """Predict waveforms, each cut as the pipeline cuts an utterance.

        Args:
            waveforms: float32 [num_samples] from -1 to 1, at `sample_rate`. All are kept in memory, with their frames.
            on_done: called with the number of clips after each batch of the encoder.

        Raises:
            UserError: one that the encoder cannot take: too short, or too long.
        """
        pieces = [
            [from_int16(to_int16(piece)) for piece in cut_waveform(waveform, self.settings.clips).values()]
            for waveform in waveforms
        ]
        if not pieces:
            return []
        clips = list(itertools.chain.from_iterable(pieces))
        self.encoder.check_lengths(
            [f"clip {number + 1}" for number in range(len(clips))], [len(clip) for clip in clips]
        )
        with self._lock:
            frames = _Frames(self._encode(clips, on_done))
            predictions = [predict(model, frames, range(len(clips))) for model in self._models]
        counts = [len(of_one) for of_one in pieces]
        outputs = torch.stack(
            [
                self._of_utterances(prediction.outputs, run.temperature, counts)
                for prediction, run in zip(predictions, self.runs, strict=True)
            ]
        ).mean(dim=0)
        attention = _mean_attention([prediction.attention for prediction in predictions])
        firsts = itertools.accumulate(counts[:-1], initial=0)
        return [
            Answer(row.numpy(), None if attention is None else attention[first])
            for row, first in zip(outputs, firsts, strict=True)
        ]

    def predict_file(self, audio: Path | Excerpt) -> Answer:
        """Predict a recording, or a part of one.

        Raises:
            UnusableAudioError: it cannot be used, and why.
        """
        waveform = read_waveform(audio, self.sample_rate)
        if not to_int16(waveform).any():
            raise UnusableAudioError("silent: every sample is zero")
        try:
            return self.predict([waveform])[0]
        except UserError as error:
            raise UnusableAudioError(str(error)) from error

    def is_long_enough(self, num_samples: int) -> bool:
        """Whether a waveform of as many samples at `sample_rate` can be predicted."""
        return num_samples >= SHORTEST * self.sample_rate and self.encoder.num_frames(num_samples) > 0

    def _of_utterances(self, outputs: Tensor, temperature: float, counts: list[int]) -> Tensor:
        """Outputs [M, C] of pieces -> probabilities or ratings of utterances, float64 [N, C]."""
        if self.of_ratings:
            return torch.stack([rows.mean(dim=0) for rows in outputs.double().split(counts)])
        return log_mean_probabilities(outputs.double() / temperature, counts).exp()

    def _encode(self, clips: list[np.ndarray], on_done: Callable[[int], None]) -> list[Tensor]:
        """The layers that the head reads of each clip [L, T, D], rounded as the store rounds them."""
        frames: list[Tensor] = [None] * len(clips)
        for indices, num_frames in self._batches(clips):
            encoded = self.encoder.encode([self.encoder.prepare(clips[index]) for index in indices])
            layers = [encoded[layer][:, :num_frames].numpy() for layer in self._layers]
            rounded = [_as_stored(layer, self.settings.storage) for layer in layers]
            for row, index in enumerate(indices):
                frames[index] = torch.from_numpy(np.stack([layer[row] for layer in rounded])).to(self.encoder.device)
            on_done(len(indices))
        return frames

    def _batches(self, clips: list[np.ndarray]) -> Iterator[tuple[list[int], int]]:
        """Indices of clips of the same number of frames, and that number."""
        num_frames = [self.encoder.num_frames(len(clip)) for clip in clips]
        order = sorted(range(len(clips)), key=lambda index: (-num_frames[index], index))
        for count, same in itertools.groupby(order, key=num_frames.__getitem__):
            same = list(same)
            seconds = self.encoder.encoded_seconds(len(clips[same[0]]))
            most = max(1, round(_BATCH_SECONDS[self.encoder.device.type] / seconds))
            for start in range(0, len(same), most):
                yield same[start : start + most], count


class _Frames:
    """Frames in memory, as heads are given them; see `training.batches.FrameSource`."""

    def __init__(self, frames: list[Tensor]):
        self._frames = frames

    def gather(self, identifiers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Frames [B, L, T, D], zero-padded, and lengths [B], of some clips by their indices."""
        chosen = [self._frames[index] for index in identifiers]
        lengths = torch.tensor([frames.shape[1] for frames in chosen])
        layers, _, dimension = chosen[0].shape
        batch = chosen[0].new_zeros(len(chosen), layers, int(lengths.max()), dimension)
        for row, frames in zip(batch, chosen, strict=True):
            row[:, : frames.shape[1]] = frames
        return batch, lengths.to(batch.device)


def _as_stored(frames: np.ndarray, storage: str) -> np.ndarray:
    """Frames float32 [B, T, D] as they are read back from a store."""
    form = list(stored_form(frames, 0, storage).values())
    if not all(np.isfinite(values).all() for values in form):
        raise UserError(f"frames that are not finite, or do not fit {storage}.")
    return restore(*form) if storage == "int8" else form[0].astype(np.float32)


def _mean_attention(of_runs: Sequence[list[Tensor] | None]) -> list[np.ndarray] | None:
    """Mean over the runs of each clip's attention [T]; None without attention."""
    if any(attention is None for attention in of_runs):
        return None
    return [torch.stack(of_clip).mean(dim=0).numpy() for of_clip in zip(*of_runs, strict=True)]
