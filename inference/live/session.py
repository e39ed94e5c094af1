"""Sound in, at any time and from any thread; predictions of the last seconds out, one per hop."""

import logging
import math
import threading
import time as clocks
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.audio import LOUDEST, resample_waveform
from data.errors import UserError
from inference.live.history import History, Row
from inference.live.loudness import Level, clipped_share, loudest_db
from inference.live.ring import RingBuffer
from inference.live.schedule import Schedule
from inference.live.update import State, Update
from inference.predictor import Answer, Predictor
from inference.timeline import window_length

SILENCE_DB = -50.0  # of full scale; a window is silent if none of its tenths of a second is louder
_BUFFER = 5.0  # seconds
_CLIPPED = 0.001  # share of a window's samples from which it is called clipped
_TOO_SLOW = 0.2  # share of the last windows that are dropped, from which the machine is called too slow
_SOUND_IS_LATE = 1.5  # seconds without a sample after which the session says that it is waiting

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Window:
    """Samples to analyse, where they end, and when the last of them arrived."""

    samples: np.ndarray
    end: int
    due_at: float


class LiveSession:
    """Predicts the last seconds of a sound once every hop, in a thread of its own.

    A window that comes due while another one is analysed is dropped and counted, so that an answer is always about
    what was just said. Every method may be called from any thread, and none but `stop` waits for the analysis.

    Without `start` there is no thread: call `analyse_due` after each `feed`, and every window is analysed.

    Args:
        predictor: of the head; several sessions may share one.
        source_rate: Hz of what is fed.
        hop: seconds from one window to the next.
        window: seconds; None for the length of the head's clips, or 3 s if it was trained on whole utterances. Of more
            than the clips' length the head would be given a part, so it is as long as they are at most. It is shorter
            in the beginning.
        history: seconds that `history` goes back.
        on_update: called with each update, in the session's thread.
        silence_db: a window with nothing louder is not predicted.
        clock: seconds, rising.
    """

    def __init__(
        self,
        predictor: Predictor,
        source_rate: int,
        hop: float = 0.5,
        window: float | None = None,
        history: float = 60.0,
        on_update: Callable[[Update], None] = lambda update: None,
        silence_db: float = SILENCE_DB,
        clock: Callable[[], float] = clocks.monotonic,
    ):
        self.predictor, self.source_rate, self.hop = predictor, source_rate, hop
        self.window = _window_length(predictor, window)
        self.on_update = on_update
        self.rows = History(predictor.names, predictor.of_ratings)
        self._history_seconds, self._silence_db, self._clock = history, silence_db, clock
        self._hop = max(1, round(hop * source_rate))
        self._window = max(1, round(self.window * source_rate))
        self._ring = RingBuffer(max(round(_BUFFER * source_rate), self._window + self._hop))
        self._changed = threading.Condition()
        self._schedule = Schedule(self._hop, source_rate)
        self._fed_at = self._due_at = clock()
        self._state: State | None = State.WAITING  # None while there is sound: the windows tell how things stand
        self._reason = ""  # why the source was lost
        self._has_news = True  # a state that was not told yet
        self._wanted = False  # a window at once, without waiting for the hop
        self._stopping = False
        self._latest: Update | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> "LiveSession":
        """Start the analyser's thread."""
        self._thread = threading.Thread(target=self._run, name="live analyser", daemon=True)
        self._thread.start()
        return self

    def __enter__(self) -> "LiveSession":
        return self.start()

    def __exit__(self, *error) -> None:
        self.stop()

    def feed(self, samples: np.ndarray) -> None:
        """Take the next samples. They are only copied here.

        Args:
            samples: float32 [num_samples], one channel at the source's rate, any number of them. What is not finite
                becomes zero; what is far beyond full scale is clipped.
        """
        samples = np.asarray(samples, dtype=np.float32).reshape(-1)
        if not np.isfinite(samples).all():
            samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
        samples = np.clip(samples, -LOUDEST, LOUDEST)
        with self._changed:
            if self._state in (State.ENDED, State.LOST) or not len(samples):
                return
            if self._state is State.PAUSED:
                self._pass_over(len(samples))
                return
            self._state = None
            hops_before = self._ring.total // self._hop
            self._ring.write(samples)
            self._fed_at = self._clock()
            if self._ring.total // self._hop > hops_before:
                self._due_at = self._fed_at
                self._changed.notify_all()

    def pause(self) -> None:
        """Leave out what is fed from now on, until `resume`."""
        self._enter(State.PAUSED)

    def resume(self) -> None:
        """Go on after `pause`; no window holds sound from before it."""
        with self._changed:
            if self._state is State.PAUSED:
                self._pass_over(0)
                self._fed_at = self._clock()
                self._enter(State.WAITING)

    def end(self) -> None:
        """Say that the sound is over. What came after the last hop is analysed as well."""
        with self._changed:
            if self._state not in (State.ENDED, State.LOST):
                self._wanted = self._ring.total > max(self._schedule.seen, self._ring.first)
                self._enter(State.ENDED)

    def lose(self, reason: str) -> None:
        """Say that the source is gone, such as a microphone that was pulled out.

        Args:
            reason: for people, a sentence.
        """
        with self._changed:
            self._reason = reason
            self._enter(State.LOST)

    def analyse_now(self) -> None:
        """Analyse the last seconds at once, without waiting for the next hop."""
        with self._changed:
            self._wanted = True
            self._changed.notify_all()

    def stop(self) -> None:
        """End the session: wait for the window that is being analysed, and close the history's file."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self.rows.close()

    @property
    def paused(self) -> bool:
        """Whether it is paused."""
        return self._state is State.PAUSED

    @property
    def history(self) -> list[Row]:
        """The rows of the last minute, oldest first; see `History.columns`."""
        return self.rows.recent(self._history_seconds)

    def write_history(self, path: Path | str) -> None:
        """Write a CSV of all windows so far.

        Raises:
            UserError: it cannot be written.
        """
        self.rows.write(Path(path))

    def save_history(self, path: Path | str) -> None:
        """Write a CSV of all windows so far, and of each one to come as it comes.

        Raises:
            UserError: it cannot be written.
        """
        self.rows.save_to(Path(path))

    def latest(self) -> Update | None:
        """The last update; None before the first."""
        return self._latest

    def level(self, seconds: float = 0.1) -> Level:
        """How loud the last moment was, for a level meter that moves more often than once per hop."""
        with self._changed:
            return Level.of(self._last_samples(round(seconds * self.source_rate)))

    def analyse_due(self) -> list[Update]:
        """Analyse the window that is due, if there is one, and tell whatever is new.

        Returns:
            What was told.
        """
        with self._changed:
            window = self._take_window()
        told = [self._tell(self._analyse(window))] if window is not None else []
        with self._changed:
            self._schedule.drop(self._ring.total)
            state, has_news, self._has_news = self._state, self._has_news, False
            news = self._news(state, self._message(state)) if state is not None and has_news else None
        return told if news is None else [*told, self._tell(news)]

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work, timeout=_SOUND_IS_LATE)
                if self._stopping:
                    return
                if self._state is None and self._clock() - self._fed_at > _SOUND_IS_LATE:
                    self._enter(State.WAITING)
            try:
                self.analyse_due()
            except Exception as error:  # the thread must not die without a word
                _LOGGER.exception("a live session went wrong")
                self._tell(self._news(State.ERROR, _sentence(error)))

    def _has_work(self) -> bool:
        return self._stopping or self._wanted or self._has_news or self._schedule.is_due(self._ring.total)

    def _enter(self, state: State) -> None:
        """Change the state, but for the last ones."""
        with self._changed:
            if self._state not in (State.ENDED, State.LOST):
                self._state, self._has_news = state, True
                self._changed.notify_all()

    def _pass_over(self, count: int) -> None:
        self._ring.pass_over(count)
        self._schedule.pass_over(self._ring.total)

    def _take_window(self) -> _Window | None:
        """What to analyse now."""
        wanted, self._wanted = self._wanted, False
        end = self._schedule.take(self._ring.total)
        if wanted:
            end = self._ring.total
        if end is None:
            return None
        start = max(self._ring.first, end - self._window)
        if not self.predictor.is_long_enough(self._num_samples_there(end - start)):
            return None
        return _Window(self._ring.read(start, end), end, self._clock() if wanted else self._due_at)

    def _num_samples_there(self, num_samples: int) -> int:
        """How many samples of the source are at the head's rate."""
        return math.ceil(num_samples * self.predictor.sample_rate / self.source_rate)

    def _analyse(self, window: _Window) -> Update:
        samples = window.samples
        level, clipped = Level.of(samples[-self._hop :]), clipped_share(samples)
        silent = loudest_db(samples, self.source_rate) < self._silence_db
        answer, error = None, None
        if not silent:
            try:
                answer = self._predict(samples)
            except Exception as raised:  # whatever it is, it is told, and the next window is tried
                _LOGGER.debug("a window could not be analysed", exc_info=True)
                error = raised
        with self._changed:
            self._schedule.drop(self._ring.total)
            dropped, share = self._schedule.dropped, self._schedule.dropped_share
        if error is not None:
            state, message = State.ERROR, f"This window could not be analysed: {_sentence(error)}"
        elif share >= _TOO_SLOW:
            state = State.TOO_SLOW
            message = f"Too slow: {share:.0%} of the last windows were dropped. Choose a longer hop or a faster head."
        elif clipped >= _CLIPPED:
            state, message = State.CLIPPING, f"Too loud: {clipped:.1%} of the samples are clipped. Turn the level down."
        elif silent and not samples.any():
            state, message = State.SILENCE, "Silence: every sample is zero. Is the microphone muted, or not allowed?"
        elif silent:
            state, message = State.SILENCE, f"Silence: nothing is louder than {self._silence_db:.0f} dB."
        else:
            state, message = State.SPEECH, "Listening."
        return Update(
            time=window.end / self.source_rate,
            state=state,
            message=message,
            answer=answer,
            level_db=level.db,
            peak=level.peak,
            clipped=clipped,
            dropped=dropped,
            dropped_share=share,
            seconds_behind=self._clock() - window.due_at,
            waveform=samples,
        )

    def _predict(self, samples: np.ndarray) -> Answer:
        if self.source_rate != self.predictor.sample_rate:
            samples = resample_waveform(samples, self.source_rate, self.predictor.sample_rate)
        return self.predictor.predict([samples])[0]

    def _news(self, state: State, message: str) -> Update:
        """An update without a window."""
        with self._changed:
            level = Level.of(self._last_samples(self._hop))
            return Update(
                time=self._ring.total / self.source_rate,
                state=state,
                message=message,
                level_db=level.db,
                peak=level.peak,
                dropped=self._schedule.dropped,
                dropped_share=self._schedule.dropped_share,
            )

    def _message(self, state: State) -> str:
        if state is State.LOST:
            return self._reason
        if state is State.ENDED and not len(self.rows):
            return "The sound ended before there was enough of it to analyse."
        return {
            State.WAITING: "Waiting for sound.",
            State.PAUSED: "Paused.",
            State.ENDED: "The sound has ended.",
        }[state]

    def _last_samples(self, count: int) -> np.ndarray:
        return self._ring.read(max(self._ring.first, self._ring.total - count), self._ring.total)

    def _tell(self, update: Update) -> Update:
        """Keep an update, and call the listener; a failure of either is told or logged, never raised."""
        problem = None
        if update.is_window:
            try:
                self.rows.add(update)
            except UserError as error:
                problem = str(error)
        self._latest = update
        try:
            self.on_update(update)
        except Exception:  # the listener's own fault; the next update may find it well again
            _LOGGER.exception("a listener to a live session failed")
        if problem is not None:
            self._tell(self._news(State.ERROR, problem))
        return update


def _window_length(predictor: Predictor, wanted: float | None) -> float:
    """Seconds of a window; of a longer one than its clips, a head that crops would hear a part that is not the last."""
    longest, crop = predictor.seconds, predictor.settings.clips.crop
    if wanted is None or longest is None or crop == "segments":
        return wanted or window_length(predictor)
    return min(wanted, longest)


def _sentence(error: Exception) -> str:
    """What an exception says, or its name."""
    text = str(error).strip() or type(error).__name__
    return text if text.endswith(".") else f"{text}."


def warm_up(predictor: Predictor, seconds: float) -> None:
    """Predict some noise once: the first prediction takes several times as long as those after it."""
    noise = np.random.default_rng(1).normal(0, 0.1, round(seconds * predictor.sample_rate)).astype(np.float32)
    predictor.predict([noise])
