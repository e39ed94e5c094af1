"""The last seconds of an endless waveform, in a buffer of fixed size."""

import numpy as np


class RingBuffer:
    """Keeps the last ``capacity`` samples. Positions count from the first sample ever written.

    Not safe for several threads by itself.

    Args:
        capacity: samples to keep, at least 1.
    """

    def __init__(self, capacity: int):
        self._samples = np.zeros(capacity, dtype=np.float32)
        self._total = 0
        self._first = 0

    @property
    def total(self) -> int:
        """Samples written or passed over so far: the position after the last one."""
        return self._total

    @property
    def first(self) -> int:
        """The position of the oldest sample that is still here; `total` if there is none."""
        return max(self._first, self._total - len(self._samples))

    def write(self, samples: np.ndarray) -> None:
        """Append samples [N], any number of them; the oldest make room."""
        kept = samples[-len(self._samples) :]
        start = (self._total + len(samples) - len(kept)) % len(self._samples)
        before_wrap = min(len(kept), len(self._samples) - start)
        self._samples[start : start + before_wrap] = kept[:before_wrap]
        self._samples[: len(kept) - before_wrap] = kept[before_wrap:]
        self._total += len(samples)

    def pass_over(self, count: int) -> None:
        """Forget what is here, and count samples that are not written: time that nobody listened to."""
        self._total += count
        self._first = self._total

    def read(self, start: int, end: int) -> np.ndarray:
        """A copy of the samples from one position to another, float32 [end - start].

        Raises:
            IndexError: some of them are not here any more, or not yet.
        """
        if not self.first <= start <= end <= self._total:
            raise IndexError(f"{start} to {end} of {self.first} to {self._total}")
        return self._samples.take(np.arange(start, end), mode="wrap")
