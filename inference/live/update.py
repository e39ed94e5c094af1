"""What a listener to a live session is told."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from inference.predictor import Answer


class State(StrEnum):
    """How things stand. Where several hold, the last in this list is the one that is told."""

    SPEECH = "speech"
    SILENCE = "silence"
    CLIPPING = "clipping"
    TOO_SLOW = "too slow"
    WAITING = "waiting"
    PAUSED = "paused"
    ENDED = "ended"
    LOST = "lost"
    ERROR = "error"


@dataclass(frozen=True)
class Update:
    """One analysed window, or a change of state without one.

    Attributes:
        time: seconds of sound until the end of the window, or until now; what was fed while paused counts.
        state: how things stand.
        message: the same in a sentence, for people.
        answer: what is predicted; None without a window, of silence, and where the analysis failed.
        level_db: of the last hop, the root mean square in dB of full scale.
        peak: of the last hop; 1 is full scale.
        clipped: share of the window's samples at full scale.
        dropped: windows left out since the beginning because another one was being analysed.
        dropped_share: of the windows of the last ten seconds.
        seconds_behind: from the last sample of the window until this update.
        waveform: of the window at the source's rate, float32 [num_samples]; None without a window.
    """

    time: float
    state: State
    message: str
    answer: Answer | None = None
    level_db: float = 0.0
    peak: float = 0.0
    clipped: float = 0.0
    dropped: int = 0
    dropped_share: float = 0.0
    seconds_behind: float = 0.0
    waveform: np.ndarray | None = None

    @property
    def is_window(self) -> bool:
        """Whether a window was looked at, so that it has a row in the history."""
        return self.waveform is not None

    @property
    def attention(self) -> np.ndarray | None:
        """How much each frame of the window is attended to, [T]; None where nothing attends."""
        return None if self.answer is None else self.answer.attention
