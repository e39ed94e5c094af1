"""Where somebody speaks in a recording, by its energy: simple, quick, and fooled by music and other noise that varies.

The level of every 30 ms is compared with the recording's own background. No model, no training; where much depends on
it, use a real detector, and give its segments as the utterances.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_closing, binary_opening

from inference.recordings import Recording

FRAME = 0.03  # seconds
_AT_ONCE = 2**20  # samples of all channels that are decoded at once
_QUIETEST = -100.0  # dB relative to full scale, of zeros
_CONTRAST = 6.0  # dB; where the loud is not as much louder than the quiet, nobody speaks
_SHARE = 0.3  # of the way from the background's level to the loud parts' level, where speech begins
_PAUSE = 0.3  # seconds; shorter ones belong to the speech
_CLICK = 0.09  # seconds; what is shorter is no speech
_ENOUGH = 0.2  # of a window, or `_LONG_ENOUGH` seconds of it, must be speech
_LONG_ENOUGH = 0.5


@dataclass(frozen=True)
class SpeechMap:
    """Which frames of a recording are speech.

    Attributes:
        frames: bool [num_frames].
        frame: the length of each, in seconds: about `FRAME`.
    """

    frames: np.ndarray
    frame: float

    def seconds(self, start: float, end: float) -> float:
        """How much speech there is from one time to another."""
        first, last = round(start / self.frame), round(end / self.frame)
        return float(self.frames[first : max(first + 1, last)].sum() * self.frame)

    def is_spoken(self, start: float, end: float) -> bool:
        """Whether enough of a window is speech: a fifth of it, or half a second."""
        return self.seconds(start, end) >= min(_ENOUGH * (end - start), _LONG_ENOUGH)


def find_speech(recording: Recording) -> SpeechMap:
    """Find the speech in a recording; it is decoded once, a block at a time."""
    size = round(FRAME * recording.sample_rate)
    return SpeechMap(is_speech(_levels(recording, size)), size / recording.sample_rate)


def is_speech(levels: np.ndarray) -> np.ndarray:
    """Tell speech from the background by the level of frames.

    The background is the 10th percentile of the levels, digital silence apart, and loud is the 95th. Speech begins 30 %
    of the way (in dB) from the one to the other, at least 6 dB above the background. Pauses below 0.3 s are filled,
    bursts below 0.09 s dropped.

    Args:
        levels: of frames of about `FRAME` seconds, in dB relative to full scale, [num_frames].

    Returns:
        bool [num_frames]; nothing is speech in a recording of even level.
    """
    heard = levels[levels > _QUIETEST]
    if not len(heard):
        return np.zeros(len(levels), dtype=bool)
    background, loud = np.percentile(heard, [10, 95])
    if loud - background < _CONTRAST:
        return np.zeros(len(levels), dtype=bool)
    active = levels >= background + max(_CONTRAST, _SHARE * (loud - background))
    pause, click = round(_PAUSE / FRAME), round(_CLICK / FRAME)
    padded = np.pad(active, pause)  # closing would lose what touches the ends
    filled = binary_closing(padded, np.ones(pause))[pause:-pause]
    return binary_opening(filled, np.ones(click))


def _levels(recording: Recording, size: int) -> np.ndarray:
    """The level of each frame of so many samples, dB relative to full scale [num_frames]; the channels' mean power."""
    recording.file.seek(0)
    levels = []
    frames = max(1, _AT_ONCE // (size * recording.file.channels))
    while len(block := recording.file.read(size * frames, dtype="float32", always_2d=True)):
        power = np.square(block, dtype=np.float64).mean(axis=1)
        power = np.pad(power, (0, -len(power) % size)).reshape(-1, size).mean(axis=1)
        levels.append(10 * np.log10(np.maximum(power, 10 ** (_QUIETEST / 10))))
    recording.file.seek(0)
    return np.concatenate(levels)
