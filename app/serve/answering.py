"""A recording that a client sent -> the answer as JSON."""

import math
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.serve.options import Options
from app.serve.refused import RefusedError
from app.serve.waiting import QueuedPredictor
from data.audio import UnusableAudioError
from data.errors import UserError
from inference import Answer
from inference.columns import answer_values
from inference.recordings import Recording, open_recording
from inference.timeline import Span, timeline, window_length, windows

MOST_SECONDS_AT_ONCE = 60.0  # of a whole utterance; encoders need memory with the square of its length
_MOST_SAMPLES = 100_000_000  # of all channels, decoded at once: 400 MB
_MOST_WINDOWS = 2000
_DECODERS = threading.BoundedSemaphore(4)  # files that are decoded at once


@dataclass(frozen=True)
class Question:
    """What a client wants to know of its recording.

    Attributes:
        name: of the file, as the client gave it.
        hop: seconds from one window of a timeline to the next; None for one answer.
        smooth: of a timeline, the seconds over which it is averaged.
        speech_only: of a timeline, whether windows without speech are left out.
    """

    name: str
    hop: float | None = None
    smooth: float = 0.0
    speech_only: bool = False


class _InTurn(Recording):
    """A recording whose parts are decoded a few clients at a time: of many channels at a high rate they are large."""

    def read(self, sample_rate: int, start: float | None = None, end: float | None = None) -> np.ndarray:
        with _DECODERS:
            return super().read(sample_rate, start, end)


def answer(path: Path, question: Question, predictor: QueuedPredictor, options: Options) -> dict:
    """Predict a recording.

    Returns:
        Of one answer ``file, head, seconds, predicted, confidence, p_<class>...``, or ``predicted_<target>...``; of a
        timeline ``file, head, seconds, window, hop, rows``, each row with ``start, end`` and the same.

    Raises:
        RefusedError: it cannot be used; its sentence says why.
    """
    name = _shortened(question.name) or "This recording"
    try:
        with ExitStack() as opened:
            with _DECODERS:
                recording = opened.enter_context(open_recording(path, name, options.max_seconds))
                clips = _whole(recording, predictor) if question.hop is None else None
            said = {"file": question.name, "head": predictor.name, "seconds": round(recording.seconds, 3)}
            if clips is not None:
                return said | described(predictor.predict_clips([clips])[0], predictor)
            return said | _timeline(_InTurn(**vars(recording)), question, predictor)
    except (UnusableAudioError, UserError) as error:
        raise RefusedError(422, f"{name} cannot be used: {' '.join(str(error).split())}.") from error


def described(answer: Answer, predictor: QueuedPredictor) -> dict:
    """An answer as columns: ``predicted, confidence, p_<class>...``, or of ratings ``predicted_<target>...``."""
    return answer_values(answer.outputs, predictor.names, predictor.of_ratings, digits=6)


def _whole(recording: Recording, predictor: QueuedPredictor):
    if predictor.seconds is None and recording.seconds > MOST_SECONDS_AT_ONCE:
        raise RefusedError(
            413,
            f"{recording.name} lasts {recording.seconds:.0f} s: the head {predictor.name} is given whole recordings, "
            f"of up to {MOST_SECONDS_AT_ONCE:.0f} s. Ask for a timeline: ?hop=1",
        )
    if (count := recording.num_frames * recording.file.channels) > _MOST_SAMPLES:
        raise RefusedError(
            413, f"{recording.name} has {count:,} samples, too many at once. Send it in mono, or at a lower rate."
        )
    return predictor.read(recording.path)


def _timeline(recording: Recording, question: Question, predictor: QueuedPredictor) -> dict:
    count = len(windows(recording.seconds, window_length(predictor), question.hop))
    if count > _MOST_WINDOWS:
        least = math.ceil(recording.seconds / _MOST_WINDOWS * 10) / 10
        raise RefusedError(
            413, f"A hop of {question.hop:g} s gives {count:,} windows, more than {_MOST_WINDOWS:,}: ?hop={least:g}"
        )
    spans = timeline(recording, predictor, question.hop, question.smooth, question.speech_only)
    rows = [_row(span, predictor) for span in spans]
    return {"window": window_length(predictor), "hop": question.hop, "rows": rows}


def _row(span: Span, predictor: QueuedPredictor) -> dict:
    times = {"start": round(span.start, 3), "end": round(span.end, 3), "silent": span.silent}
    return times if span.answer is None else times | described(span.answer, predictor)


def _shortened(name: str) -> str:
    return name if len(name) <= 80 else f"{name[:60]}…{name[-16:]}"
