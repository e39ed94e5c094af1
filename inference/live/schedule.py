"""Which windows come due, and which were left out."""

from collections import deque

_OVER = 10.0  # seconds over which left-out windows are counted
_FEWEST = 5  # windows, before a share of them means anything


class Schedule:
    """Windows end at every multiple of the hop. One is analysed at a time; what comes due meanwhile is dropped.

    Args:
        hop: samples from the end of one window to the end of the next.
        sample_rate: Hz.

    Attributes:
        dropped: windows so far.
    """

    def __init__(self, hop: int, sample_rate: int):
        self._hop = hop
        self._seen = 0  # where the last window ends that was taken, dropped or passed over
        self._recent: deque[bool] = deque(maxlen=max(1, round(_OVER * sample_rate / hop)))  # was it dropped?
        self.dropped = 0

    @property
    def seen(self) -> int:
        """The position up to which nothing is due any more."""
        return self._seen

    def is_due(self, total: int) -> bool:
        """Whether a window is due once there are as many samples."""
        return total - self._seen >= self._hop - self._seen % self._hop

    def take(self, total: int) -> int | None:
        """Take the window that came due last, and drop those before it; its end, or None if none is due."""
        if not self.is_due(total):
            return None
        end = total // self._hop * self._hop
        self.drop(end - self._hop)
        self._recent.append(False)
        self._seen = end
        return end

    def drop(self, total: int) -> None:
        """Drop every window that is due."""
        count = max(0, total // self._hop - self._seen // self._hop)
        self.dropped += count
        self._recent.extend([True] * min(count, self._recent.maxlen))
        self._seen += count * self._hop

    def pass_over(self, total: int) -> None:
        """Forget what is due, without counting it as dropped."""
        self._seen = total // self._hop * self._hop

    @property
    def dropped_share(self) -> float:
        """Of the windows of the last ten seconds; 0 as long as there are few."""
        return sum(self._recent) / len(self._recent) if len(self._recent) >= _FEWEST else 0.0
