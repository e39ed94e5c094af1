"""Reading before and writing behind a computation, in threads, so that a GPU need not wait for either."""

import queue
import threading
from collections.abc import Callable, Iterator

_QUEUED = 4


class ReadAhead:
    """Iterate over a source in a thread of its own, a few items ahead; errors come out where the items do."""

    def __init__(self, source: Iterator):
        self._queue: queue.Queue = queue.Queue(_QUEUED)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._fill, args=(source,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __iter__(self):
        while (item := self._queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item

    def __exit__(self, *_):
        self._stopped.set()
        while self._thread.is_alive():  # it may wait for room
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                continue

    def _fill(self, source: Iterator) -> None:
        try:
            for item in source:
                if self._stopped.is_set():
                    return
                self._queue.put(item)
            self._queue.put(None)
        except Exception as error:  # handed over
            self._queue.put(error)


class WriteBehind:
    """Call a function on items in a thread of its own; its errors come out at the next item, or at the end."""

    def __init__(self, write: Callable):
        self._write = write
        self._queue: queue.Queue = queue.Queue(_QUEUED)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._drain, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def put(self, *item) -> None:
        """Hand over one item, the arguments of the function; raises what went wrong with an earlier one."""
        if self._error:
            raise self._error
        self._queue.put(item)

    def __exit__(self, kind, error, trace):
        self._queue.put(None)
        self._thread.join()
        if kind is None and self._error:
            raise self._error

    def _drain(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error:
                continue
            try:
                self._write(*item)
            except Exception as error:  # handed over
                self._error = error
