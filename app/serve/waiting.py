"""The queue of waveforms: whoever asks, one thread predicts them, those that wait together in one call."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from inference import Answer, Predictor
from inference.predictor import Clips

_SECONDS_AT_ONCE = {"cpu": 6.0, "cuda": 192.0}  # of audio in one go; more would keep others waiting


class NotWantedError(Exception):
    """Who asked has left."""


@dataclass(frozen=True, eq=False)
class _Task:
    predictor: Predictor
    recordings: list[Clips]
    is_wanted: Callable[[], bool]
    answers: Future = field(default_factory=Future)

    @property
    def seconds(self) -> float:
        """Of audio to encode."""
        return sum(_seconds(self.predictor, recording) for recording in self.recordings)


class WaitingLine:
    """Predicts what is asked for in the order of asking, several questions to the same predictor in one call.

    A question that cannot be answered fails alone; the others that were asked with it are answered.
    """

    def __init__(self):
        self._tasks: deque[_Task] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="predictions", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._tasks)

    def predict(
        self, predictor: Predictor, recordings: Sequence[Clips], is_wanted: Callable[[], bool] = lambda: True
    ) -> list[Answer]:
        """Wait in line, and for the answers.

        Args:
            predictor: whom to ask.
            recordings: see `Predictor.predict_clips`.
            is_wanted: asked before the prediction, and now and then during it.

        Raises:
            UserError: see `Predictor.predict_clips`.
            NotWantedError: the answers are no longer wanted, or the server stops.
        """
        task = _Task(predictor, list(recordings), is_wanted)
        with self._changed:
            if self._closed:
                raise NotWantedError
            self._tasks.append(task)
            self._changed.notify()
        return task.answers.result()

    def close(self) -> None:
        """Answer nobody any more."""
        with self._changed:
            self._closed = True
            for task in self._tasks:
                task.answers.set_exception(NotWantedError())
            self._tasks.clear()
            self._changed.notify()
        self._thread.join(timeout=5)

    def _work(self) -> None:
        while tasks := self._next():
            self._answer(tasks)

    def _next(self) -> list[_Task]:
        """The first in line and those after it that fit into the same call; nothing when the line is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._tasks or self._closed)
            chosen: list[_Task] = []
            seconds = 0.0
            for task in list(self._tasks):
                if not chosen or (
                    task.predictor is chosen[0].predictor and seconds + task.seconds <= _seconds_at_once(task.predictor)
                ):
                    chosen.append(task)
                    seconds += task.seconds
                    self._tasks.remove(task)
            return chosen

    def _answer(self, tasks: list[_Task]) -> None:
        wanted = [task for task in tasks if task.is_wanted()]
        for task in tasks:
            if task not in wanted:
                task.answers.set_exception(NotWantedError())
        if not wanted:
            return

        def stop_if_nobody_waits(_: int) -> None:
            if self._closed or not any(task.is_wanted() for task in wanted):
                raise NotWantedError

        recordings = [recording for task in wanted for recording in task.recordings]
        try:
            answers = iter(wanted[0].predictor.predict_clips(recordings, stop_if_nobody_waits))
        except Exception as error:
            if len(wanted) == 1:
                wanted[0].answers.set_exception(error)
            else:
                for task in wanted:
                    self._answer([task])
            return
        for task in wanted:
            task.answers.set_result([next(answers) for _ in task.recordings])


class QueuedPredictor:
    """A predictor whose questions wait in line with everybody else's; otherwise that `inference.Predictor`."""

    def __init__(self, predictor: Predictor, line: WaitingLine, is_wanted: Callable[[], bool] = lambda: True):
        self._predictor, self._line, self._is_wanted = predictor, line, is_wanted

    def __getattr__(self, name: str):
        return getattr(self._predictor, name)

    def predict(
        self, waveforms: Sequence[np.ndarray], on_done: Callable[[int], None] = lambda count: None
    ) -> list[Answer]:
        """See `Predictor.predict`."""
        return self.predict_clips([self.cut(waveform) for waveform in waveforms], on_done)

    def predict_clips(
        self, recordings: Sequence[Clips], on_done: Callable[[int], None] = lambda count: None
    ) -> list[Answer]:
        """See `Predictor.predict_clips`; many are asked for a few at a time, so that others get their turn."""
        answers: list[Answer] = []
        for some in _portions(self._predictor, recordings):
            answers += self._line.predict(self._predictor, some, self._is_wanted)
            on_done(len(some))
        return answers


def _portions(predictor: Predictor, recordings: Sequence[Clips]) -> Iterator[list[Clips]]:
    """As many at a time as the encoder is given at once."""
    portion: list[Clips] = []
    seconds = 0.0
    for recording in recordings:
        more = _seconds(predictor, recording)
        if portion and seconds + more > _seconds_at_once(predictor):
            yield portion
            portion, seconds = [], 0.0
        portion.append(recording)
        seconds += more
    if portion:
        yield portion


def _seconds(predictor: Predictor, recording: Clips) -> float:
    return sum(len(piece) for piece in recording.pieces) / predictor.sample_rate


def _seconds_at_once(predictor: Predictor) -> float:
    return _SECONDS_AT_ONCE[predictor.encoder.device.type]
