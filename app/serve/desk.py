"""How many requests are answered or wait at once, and what becomes of one whose client has left."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class FullError(Exception):
    """There are as many requests as may wait."""


class Visit:
    """One request's place at the desk."""

    def __init__(self, desk: "Desk"):
        self._desk = desk
        self._left = threading.Event()
        self._work: Future | None = None

    def is_wanted(self) -> bool:
        """Whether anybody still waits for the answer."""
        return not self._left.is_set()

    def start(self, work: Callable[[], T]) -> Future:
        """Do the work in a thread of its own; the place is taken until it ends, also if the client leaves."""
        self._work = self._desk.threads.submit(work)
        return self._work

    def leave(self) -> None:
        """The answer is there, or no longer wanted."""
        self._left.set()
        if self._work is None or self._work.cancel() or self._work.done():
            self._desk.free()
        else:
            self._work.add_done_callback(lambda _: self._desk.free())


class Desk:
    """Admits as many requests as may wait, and no more.

    Args:
        places: how many.
    """

    def __init__(self, places: int):
        self.places = places
        self.threads = ThreadPoolExecutor(max_workers=places, thread_name_prefix="request")
        self._taken = 0
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """How many requests are being answered or wait."""
        return self._taken

    def admit(self) -> Visit:
        """Take a place, to be given back by `Visit.leave`.

        Raises:
            FullError: there is none.
        """
        with self._lock:
            if self._taken >= self.places:
                raise FullError
            self._taken += 1
        return Visit(self)

    def free(self) -> None:
        """Give a place back."""
        with self._lock:
            self._taken -= 1

    def close(self) -> None:
        """Start nothing any more."""
        self.threads.shutdown(wait=False, cancel_futures=True)
