"""What is predicted over a long recording, window by window."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from data.audio import SilentAudioError, UnusableAudioError
from data.errors import UserError
from inference.predictor import Answer, Clips, Predictor
from inference.recordings import Recording
from inference.voice_activity import SpeechMap, find_speech

WINDOW = 3.0  # seconds, for heads that were trained on whole utterances
_AT_ONCE = 32  # windows in memory


@dataclass(frozen=True)
class Span:
    """A window of a recording.

    Attributes:
        start, end: seconds.
        answer: what is predicted of it; None if it is silent.
        silent: it holds zeros only or, where only speech was asked for, no speech.
    """

    start: float
    end: float
    answer: Answer | None
    silent: bool


def windows(seconds: float, length: float, hop: float) -> list[tuple[float, float]]:
    """Cut a duration into windows that cover it.

    All are of the same length: the last one is moved back to where it ends with the recording. A recording that is
    shorter is one window.

    Args:
        seconds: of the recording.
        length: of a window, in seconds.
        hop: seconds from the start of a window to that of the next.

    Returns:
        Start and end of each, in seconds.

    Raises:
        UserError: a length or a hop that is not positive.
    """
    if not (length > 0 and hop > 0):
        raise UserError(f"windows of {length:g} s every {hop:g} s: both must be more than 0 s")
    if seconds <= length:
        return [(0.0, seconds)]
    count = int(np.ceil(round((seconds - length) / hop, 6)))
    starts = [round(number * hop, 6) for number in range(count)] + [seconds - length]
    return [(start, start + length) for start in starts]


def window_length(predictor: Predictor) -> float:
    """The length of windows that suits a head, in seconds: that of the clips that it was trained on."""
    return predictor.seconds or WINDOW


def timeline(
    recording: Recording,
    predictor: Predictor,
    hop: float,
    smooth: float = 0.0,
    speech_only: bool = False,
    on_done: Callable[[int], None] = lambda count: None,
    length: float | None = None,
) -> Iterator[Span]:
    """Predict a recording of any length, window by window; only a few windows are in memory at a time.

    Each window is decoded and predicted as a file that holds nothing else would be.

    Args:
        recording: open until the last span is there.
        predictor: the head.
        hop: seconds from the start of a window to that of the next.
        smooth: seconds; the outputs of windows whose middles lie within this stretch around a window's middle are
            averaged. 0 leaves them as they are.
        speech_only: leave windows without speech unanswered, as `inference.voice_activity` finds it.
        on_done: called with the number of windows that are done, again and again.
        length: of a window, in seconds; by default `window_length`.

    Yields:
        The windows, in their order.

    Raises:
        UserError: a length, a hop or a smoothing that makes no sense.
        UnusableAudioError: too short for the encoder; or a window that cannot be used, such as one of NaNs.
    """
    if smooth < 0:
        raise UserError(f"smoothing over {smooth:g} s: it must not be negative")
    length = window_length(predictor) if length is None else length
    cut = windows(recording.seconds, length, hop)
    if not predictor.is_long_enough(int(min(recording.seconds, length) * predictor.sample_rate)):
        raise UnusableAudioError(f"too short: {min(recording.seconds, length) * 1000:.0f} ms, less than one frame")
    speech = find_speech(recording) if speech_only else None
    spans = _predicted(recording, predictor, cut, speech, on_done)
    return smoothed(spans, smooth) if smooth else spans


def smoothed(spans: Iterable[Span], seconds: float) -> Iterator[Span]:
    """Average each answer with those nearby; silent windows stay silent and count for nothing.

    Args:
        spans: in their order.
        seconds: windows count whose middles are at most half of this away.
    """
    reach = seconds / 2 + 1e-6
    near: deque[Span] = deque()  # around the next one to be answered
    waiting: deque[Span] = deque()
    for span in spans:
        while waiting and _middle(span) - _middle(waiting[0]) > reach:
            yield _averaged(waiting.popleft(), near, reach)
        near.append(span)
        waiting.append(span)
        while _middle(waiting[0]) - _middle(near[0]) > reach:
            near.popleft()
    while waiting:
        yield _averaged(waiting.popleft(), near, reach)


def _predicted(
    recording: Recording,
    predictor: Predictor,
    cut: list[tuple[float, float]],
    speech: SpeechMap | None,
    on_done: Callable[[int], None],
) -> Iterator[Span]:
    for first in range(0, len(cut), _AT_ONCE):
        several = cut[first : first + _AT_ONCE]
        clips = [
            None if speech is not None and not speech.is_spoken(start, end) else _read(recording, predictor, start, end)
            for start, end in several
        ]
        answers = iter(predictor.predict_clips([of_window for of_window in clips if of_window is not None]))
        for (start, end), of_window in zip(several, clips, strict=True):
            yield Span(start, end, None if of_window is None else next(answers), silent=of_window is None)
        on_done(len(several))


def _read(recording: Recording, predictor: Predictor, start: float, end: float) -> Clips | None:
    """What is encoded of a window; None if it is silent."""
    most = math.ceil(round((end - start) * predictor.sample_rate, 3))  # rounding and resampling may add a sample
    try:
        clips = predictor.cut(recording.read(predictor.sample_rate, start, end)[:most])
    except SilentAudioError:
        return None
    except UnusableAudioError as error:
        raise UnusableAudioError(f"from {start:.1f} to {end:.1f} s: {error}") from error
    return clips if any(piece.any() for piece in clips.pieces) else None


def _middle(span: Span) -> float:
    return (span.start + span.end) / 2


def _averaged(span: Span, near: Iterable[Span], reach: float) -> Span:
    if span.answer is None:
        return span
    outputs = [
        other.answer.outputs
        for other in near
        if other.answer is not None and abs(_middle(other) - _middle(span)) <= reach
    ]
    return replace(span, answer=Answer(np.mean(outputs, axis=0), span.answer.attention))
