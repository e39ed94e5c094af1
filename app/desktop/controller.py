"""The session, its source and its head: what the window shows, and every thread that works for it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, Signal

from data.audio import UnusableAudioError
from data.errors import UserError
from inference import Predictor
from inference.live import History, LiveSession, warm_up
from inference.live.loudness import Level
from inference.live.microphone import Microphone, MicrophoneSource, microphones
from inference.live.sources import FileSource, Source


class Controller(QObject):
    """Listens, and tells the window by signals, which Qt delivers in the window's thread.

    Whatever may take long (a head, a microphone, a file, the end of a session) happens in two threads of its own, one
    for heads and one for everything else, in the order in which it was asked for.

    Args:
        open_predictor: loads a head by its folder, name or pack.
        hop: seconds from one window to the next.
        window: seconds; None for the head's.
        save: where the history goes as it comes; None for nowhere.

    Attributes:
        predictor: in use; None until the first head is loaded.
        session: the current one; None before the first.
    """

    session_began = Signal(object, str)  # the session, and the name of its source
    updated = Signal(object, object)  # the session, and its update
    microphones_found = Signal(list)
    head_loading = Signal(str)
    head_loaded = Signal(object)  # the predictor
    head_failed = Signal(str)
    problem = Signal(str)

    def __init__(
        self,
        open_predictor: Callable[[Path | None], Predictor],
        hop: float = 0.5,
        window: float | None = None,
        save: Path | None = None,
    ):
        super().__init__()
        self.predictor: Predictor | None = None
        self.session: LiveSession | None = None
        self.histories: list[History] = []  # of all sessions, the current one last
        self._open_predictor, self._hop, self._window, self._save = open_predictor, hop, window, save
        self._source: Source | None = None
        self._waiting: Callable[[], Source] | None = None  # to start as soon as there is a head
        self._listener = _Listener()
        self._jobs = ThreadPoolExecutor(1, "live jobs")
        self._heads = ThreadPoolExecutor(1, "live heads")
        self._closed = threading.Event()

    @property
    def paused(self) -> bool:
        """Whether the session is paused."""
        return self.session is not None and self.session.paused

    def load_head(self, where: Path | None) -> None:
        """Load a head, and use it as soon as it is there; the one in use works on until then."""
        self.head_loading.emit("the best head" if where is None else where.name)
        self._heads.submit(self._load, where)

    def listen(self, microphone: Microphone | None = None) -> None:
        """Listen to a microphone; None for the default one."""
        self._do(self._begin, lambda: MicrophoneSource(microphone))

    def play(self, path: Path) -> None:
        """Play a recording. If it cannot be used, what there is goes on."""

        def open_file() -> FileSource:
            try:
                return FileSource(path)
            except UnusableAudioError as error:
                raise UserError(f"{path.name}: {error}") from error

        self._do(self._begin, open_file)

    def find_microphones(self) -> None:
        """Look for microphones, also for those that were plugged in since the last time."""
        self._do(self._find)

    def toggle_pause(self) -> None:
        """Pause, or go on."""
        if self.session is None or self._source is None:
            return
        if self.session.paused:
            self.session.resume()
            self._source.resume()
        else:
            self._source.pause()
            self.session.pause()

    def analyse_now(self) -> None:
        """Analyse the last seconds without waiting for the next hop."""
        if self.session is not None:
            self.session.analyse_now()

    def stop(self) -> None:
        """Stop listening; what was said last is still analysed."""
        self._do(self._end)

    def level(self) -> Level:
        """How loud it is right now."""
        return Level() if self.session is None else self.session.level()

    def save_history(self, path: Path) -> list[Path]:
        """Write the history of every session so far, each to a CSV of its own.

        Returns:
            The files: ``history.csv``, and ``history-2.csv`` and so on if there were several sessions.

        Raises:
            UserError: one cannot be written, or there is nothing to write.
        """
        filled = [history for history in self.histories if len(history)]
        if not filled:
            raise UserError("There is no history yet: nothing has been analysed.")
        paths = [_numbered(path, number) for number in range(1, len(filled) + 1)]
        for history, to in zip(filled, paths, strict=True):
            history.write(to)
        return paths

    def close(self) -> None:
        """Stop everything, and wait for the window that is being analysed."""
        self._closed.set()
        self._heads.shutdown(wait=False, cancel_futures=True)
        self._jobs.shutdown(wait=True, cancel_futures=True)
        self._end()
        if self.session is not None:
            self.session.stop()

    def _do(self, job: Callable, *arguments) -> None:
        """Do something after everything that was asked for before."""
        self._jobs.submit(job, *arguments).add_done_callback(self._report)

    def _report(self, done: Future) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            self.problem.emit(f"Something went wrong: {error}")

    def _load(self, where: Path | None) -> None:
        try:
            predictor = self._open_predictor(where)
            warm_up(predictor, self._window or predictor.seconds or 3.0)
        except UserError as error:
            self.head_failed.emit(str(error))
        except Exception as error:  # whatever it is, the head in use works on
            self.head_failed.emit(f"The head could not be loaded: {error}")
        else:
            if not self._closed.is_set():
                self._do(self._use, predictor)

    def _use(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.head_loaded.emit(predictor)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._begin(waiting)
        elif self._source is not None and self.session is not None:
            paused = self.session.paused
            self._new_session(self._source)
            if paused:
                self.session.pause()

    def _begin(self, open_source: Callable[[], Source]) -> None:
        if self.predictor is None:
            self._waiting = open_source
            return
        try:
            source = open_source()
        except UserError as error:
            self.problem.emit(str(error))
            return
        self._end()
        self._new_session(source)
        try:
            source.start(self._listener)
        except UserError as error:
            self.session.lose(str(error))
            self.problem.emit(str(error))
        else:
            self._source = source

    def _new_session(self, source: Source) -> None:
        old = self.session
        session = LiveSession(self.predictor, source.sample_rate, self._hop, self._window)
        session.on_update = lambda update: self.updated.emit(session, update)
        self.histories.append(session.rows)
        if self._save is not None:
            try:
                session.save_history(_numbered(self._save, len(self.histories)))
            except UserError as error:
                self.problem.emit(str(error))
        self.session = self._listener.session = session
        self.session_began.emit(session, source.name)
        session.start()
        if old is not None:
            old.stop()

    def _end(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.stop()
            self.session.end()

    def _find(self) -> None:
        try:
            found = microphones(look_again=not isinstance(self._source, MicrophoneSource))
        except UserError as error:
            self.microphones_found.emit([])
            self.problem.emit(str(error))
        else:
            self.microphones_found.emit(found)


class _Listener:
    """What a source feeds: whichever session is the current one, also after another head was picked."""

    session: LiveSession

    def feed(self, samples: np.ndarray) -> None:
        self.session.feed(samples)

    def end(self) -> None:
        self.session.end()

    def lose(self, reason: str) -> None:
        self.session.lose(reason)


def _numbered(path: Path, number: int) -> Path:
    """``history.csv``, ``history-2.csv``..."""
    return path if number == 1 else path.with_stem(f"{path.stem}-{number}")
