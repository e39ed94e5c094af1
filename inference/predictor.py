"""The encoder and one or more runs of a head: waveforms -> what they predict, as the pipeline does it."""

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.array_utils import byte_bounds
from torch import Tensor

from data.audio import SHORTEST, Excerpt, UnusableAudioError, read_waveform
from data.clips import cut_waveform, from_int16, to_int16
from data.errors import UserError
from features.batches import GPU_SECONDS, clips_at_once
from features.encoder import AudioEncoder
from features.quantisation import restore
from features.settings import KindSettings
from features.store import stored_form
from training.checkpoint import StandardisedHead
from training.clips import log_mean_probabilities
from training.prediction import predict

_HELD_SECONDS = 48.0  # of audio whose frames wait for the head at once: a head is faster on many clips than on two
_LONGEST = 300.0  # seconds of audio that attention is given at once: its memory grows with their square


@dataclass(frozen=True)
class Run:
    """A trained head: one fold and seed.

    Attributes:
        name: ``fold-0/seed-1``.
        model: in evaluation mode.
        temperature: by which the logits of an utterance are divided; 1 leaves them as they are.
    """

    name: str
    model: StandardisedHead
    temperature: float = 1.0


@dataclass(frozen=True)
class Clips:
    """What the pipeline would encode of one recording.

    Attributes:
        pieces: waveforms float32 [num_samples], in the order of time; one, unless the head was trained on pieces.
        start, end: the part of the recording that they cover, in seconds.
        seconds: of the recording.
    """

    pieces: list[np.ndarray]
    start: float
    end: float
    seconds: float


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
        self.name, self.runs, self.names, self.of_ratings = name, list(runs), list(names), of_ratings
        self.settings, self.encoder, self.layers = settings, encoder, list(layers)
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
    def seconds_at_once(self) -> float:
        """Of audio that are predicted fastest together."""
        return _HELD_SECONDS if self.encoder.device.type == "cpu" else GPU_SECONDS

    @property
    def cautions(self) -> list[str]:
        """What a reader of predictions must know of the encoder."""
        return list(self.encoder.cautions.values())

    def predict(
        self, waveforms: Sequence[np.ndarray], on_done: Callable[[int], None] = lambda count: None
    ) -> list[Answer]:
        """Predict waveforms, each cut as the pipeline cuts an utterance.

        Args:
            waveforms: float32 [num_samples] from -1 to 1, at `sample_rate`.
            on_done: called with the number of clips after each batch of the encoder.

        Raises:
            UserError: one that the encoder cannot take: too short, or too long.
        """
        return self.predict_clips([self.cut(waveform) for waveform in waveforms], on_done)

    def predict_clips(
        self, recordings: Sequence[Clips], on_done: Callable[[int], None] = lambda count: None
    ) -> list[Answer]:
        """Predict recordings that are cut already; see `predict`. Frames are held of a few clips at a time only."""
        counts = [len(recording.pieces) for recording in recordings]
        clips = list(itertools.chain.from_iterable(recording.pieces for recording in recordings))
        if not clips:
            return []
        self._check_lengths([len(clip) for clip in clips])
        outputs, attention = self._predict_each(clips, on_done)
        outputs = torch.stack(
            [self._of_utterances(rows, run.temperature, counts) for rows, run in zip(outputs, self.runs, strict=True)]
        ).mean(dim=0)
        firsts = itertools.accumulate(counts[:-1], initial=0)
        return [Answer(row.numpy(), attention[first]) for row, first in zip(outputs, firsts, strict=True)]

    def predict_file(self, audio: str | Path | Excerpt) -> Answer:
        """Predict a recording that libsndfile reads, or a part of one.

        Raises:
            UnusableAudioError: it cannot be used, and why.
        """
        return self.predict_clips([self.read(Path(audio) if isinstance(audio, str) else audio)])[0]

    def read(self, audio: Path | Excerpt) -> Clips:
        """Decode a recording, or a part of one, and cut it as the pipeline cuts an utterance.

        Raises:
            UnusableAudioError: it cannot be predicted, and why.
        """
        return self.check(self.cut(read_waveform(audio, self.sample_rate)))

    def check(self, clips: Clips) -> Clips:
        """The clips themselves, if they can be predicted.

        Raises:
            UnusableAudioError: silent, too short or too long.
        """
        if not any(piece.any() for piece in clips.pieces):
            raise UnusableAudioError("silent: every sample of the part that the head is given is zero")
        try:
            self._check_lengths([len(piece) for piece in clips.pieces])
        except UserError as error:
            raise UnusableAudioError(str(error)) from error
        return clips

    def cut(self, waveform: np.ndarray) -> Clips:
        """Cut a waveform float32 [num_samples] as the pipeline cuts an utterance, and round it as clips are stored."""
        waveform = np.ascontiguousarray(waveform)
        parts = list(cut_waveform(waveform, self.settings.clips).values())
        origin = byte_bounds(waveform)[0]
        start = (byte_bounds(parts[0])[0] - origin) / waveform.itemsize  # parts are views of the waveform
        end = (byte_bounds(parts[-1])[1] - origin) / waveform.itemsize
        return Clips(
            [from_int16(to_int16(part)) for part in parts],
            *(samples / self.sample_rate for samples in (start, end, len(waveform))),
        )

    def is_long_enough(self, num_samples: int) -> bool:
        """Whether a waveform of as many samples at `sample_rate` can be predicted."""
        return num_samples >= SHORTEST * self.sample_rate and self.encoder.num_frames(num_samples) > 0

    def _check_lengths(self, num_samples: Sequence[int]) -> None:
        """Refuse clips that the encoder cannot take."""
        self.encoder.check_lengths([f"clip {number}" for number in range(1, len(num_samples) + 1)], num_samples)
        longest = max(num_samples) / self.sample_rate
        if self.settings.kind == "ssl" and longest > _LONGEST:
            raise UserError(
                f"too long: {longest:,.0f} s at once, where the encoder is given {_LONGEST:.0f} s at most; predict it "
                "window by window (--hop)"
            )

    def _predict_each(
        self, clips: list[np.ndarray], on_done: Callable[[int], None]
    ) -> tuple[list[Tensor], list[np.ndarray | None]]:
        """Each run's outputs [M, C] of clips, and the attention on each clip's frames."""
        outputs = [torch.zeros(len(clips), len(self.names)) for _ in self.runs]
        attention: list[np.ndarray | None] = [None] * len(clips)
        for frames in self._encoded(clips, on_done):
            with self._lock:
                predictions = [predict(model, _Frames(frames), list(frames)) for model in self._models]
            for of_run, prediction in zip(outputs, predictions, strict=True):
                of_run[list(frames)] = prediction.outputs
            means = _mean_attention([prediction.attention for prediction in predictions])
            for index, mean in zip(frames, means or (), strict=bool(means)):
                attention[index] = mean
        return outputs, attention

    def _of_utterances(self, outputs: Tensor, temperature: float, counts: list[int]) -> Tensor:
        """Outputs [M, C] of pieces -> probabilities or ratings of utterances, float64 [N, C]."""
        if self.of_ratings:
            return torch.stack([rows.mean(dim=0) for rows in outputs.double().split(counts)])
        logits = log_mean_probabilities(outputs.double(), counts)
        return logits.exp() if temperature == 1 else (logits / temperature).softmax(dim=1)

    def _encoded(self, clips: list[np.ndarray], on_done: Callable[[int], None]) -> Iterator[dict[int, Tensor]]:
        """The layers that the head reads of some clips at a time, by their indices: [L, T, D], as the store rounds."""
        held, seconds = {}, 0.0
        for indices, num_frames in self._batches(clips):
            inputs = [self.encoder.prepare(clips[index]) for index in indices]
            with self._lock:
                encoded = self.encoder.encode(inputs)
            layers = [encoded[layer][:, :num_frames].numpy() for layer in self._layers]
            rounded = np.stack([_as_stored(layer, self.settings.storage) for layer in layers], axis=1)
            held |= zip(indices, torch.from_numpy(rounded).to(self.encoder.device), strict=True)
            seconds += sum(len(clips[index]) for index in indices) / self.sample_rate
            on_done(len(indices))
            if seconds >= _HELD_SECONDS:
                yield held
                held, seconds = {}, 0.0
        if held:
            yield held

    def _batches(self, clips: list[np.ndarray]) -> Iterator[tuple[list[int], int]]:
        """Indices of clips of the same number of frames, and that number."""
        num_frames = [self.encoder.num_frames(len(clip)) for clip in clips]
        order = sorted(range(len(clips)), key=lambda index: (-num_frames[index], index))
        for count, same in itertools.groupby(order, key=num_frames.__getitem__):
            same = list(same)
            seconds = self.encoder.encoded_seconds(len(clips[same[0]]))
            most = clips_at_once(self.encoder, seconds)
            for start in range(0, len(same), most):
                yield same[start : start + most], count


class _Frames:
    """Frames of clips in memory, as heads are given them; see `training.batches.FrameSource`."""

    def __init__(self, frames: dict[int, Tensor]):
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
