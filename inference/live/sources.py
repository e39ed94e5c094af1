"""Where the sound of a live session comes from: a file, played at its own speed or as fast as it is analysed."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile

from data.audio import UnusableAudioError
from inference.live.session import LiveSession
from inference.recordings import open_recording

_BLOCK = 0.05  # seconds that are fed at once


class Source(Protocol):
    """Something that feeds a session, in a thread of its own.

    Attributes:
        name: for people.
        sample_rate: Hz of what it feeds.
    """

    name: str
    sample_rate: int

    def start(self, session: LiveSession) -> None:
        """Begin to feed a session.

        Raises:
            UserError: the source cannot be opened.
        """

    def pause(self) -> None:
        """Stop feeding for a while."""

    def resume(self) -> None:
        """Go on where it stopped."""

    def stop(self) -> None:
        """Stop feeding for good."""


class FileSource:
    """Plays a recording.

    Args:
        path: anything that libsndfile or ffmpeg reads.

    Raises:
        UnusableAudioError: it cannot be read, or is empty.
    """

    def __init__(self, path: Path):
        self._open = contextlib.ExitStack()
        self._recording = self._open.enter_context(open_recording(path))
        self.name, self.sample_rate = self._recording.name, self._recording.sample_rate
        self.seconds = self._recording.seconds
        self._may_play, self._stopping = threading.Event(), threading.Event()
        self._may_play.set()
        self._thread: threading.Thread | None = None

    def blocks(self) -> Iterator[np.ndarray]:
        """All of it, a twentieth of a second at a time, float32 [num_samples]; channels are averaged.

        Raises:
            UnusableAudioError: it is damaged further on.
        """
        length = max(1, round(_BLOCK * self.sample_rate))
        try:
            while len(block := self._recording.file.read(length, dtype="float32", always_2d=True)):
                yield block.mean(axis=1)
        except (soundfile.SoundFileError, RuntimeError) as error:
            raise UnusableAudioError(f"unreadable from here on: {error}") from error

    def start(self, session: LiveSession) -> None:
        """Play it at its own speed."""
        self._thread = threading.Thread(target=self._play, args=[session], name="live file", daemon=True)
        self._thread.start()

    def pause(self) -> None:
        self._may_play.clear()

    def resume(self) -> None:
        self._may_play.set()

    def stop(self) -> None:
        self._stopping.set()
        self._may_play.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._open.close()

    def _play(self, session: LiveSession) -> None:
        begin, played = time.monotonic(), 0.0
        try:
            for block in self.blocks():
                if not self._may_play.is_set():
                    self._may_play.wait()
                    begin = time.monotonic() - played
                played += len(block) / self.sample_rate
                if self._stopping.wait(max(0.0, begin + played - time.monotonic())):  # a block arrives at its end
                    return
                session.feed(block)
        except UnusableAudioError as error:
            session.lose(f"{self.name}: {error}.")
        else:
            session.end()
