"""An audio file that is read in parts, without jumps."""

import numpy as np
import soundfile

_BLOCK = 2**16  # frames that are passed over at once


class PlayedFile(soundfile.SoundFile):
    """A file that stays where a read has left it; `soundfile` itself jumps to the same place after every read."""

    def seekable(self) -> bool:
        """Not by `soundfile`'s own decision; `seek` works."""
        return False


class Tape:
    """Stands in for a `soundfile.SoundFile` of an MP3, Vorbis or Opus, and plays it forwards only.

    After a jump they are decoded wrongly for some milliseconds, because their frames depend on the frames before them.
    What was read last is kept, so that windows may overlap; going back further starts from the beginning.
    """

    def __init__(self, file: PlayedFile):
        self._file = file
        self._position = 0
        self._first = 0  # frame, of what is kept
        self._kept = np.zeros((0, file.channels), dtype=np.float32)
        self.samplerate, self.frames, self.channels = file.samplerate, file.frames, file.channels

    def tell(self) -> int:
        """The next frame to be read."""
        return self._position

    def seek(self, frame: int) -> None:
        """Choose the next frame to be read."""
        self._position = frame

    def read(self, frames: int, dtype: str = "float32", always_2d: bool = True) -> np.ndarray:
        """Up to as many frames, float32 [frames, channels]; always with two dimensions."""
        if self._position < self._first:
            self._file.seek(0)
            self._first, self._kept = 0, self._kept[:0]
        end = self._first + len(self._kept)
        while end < self._position and len(block := self._play(min(_BLOCK, self._position - end))):
            end += len(block)
        overlap = self._kept[self._position - self._first :]
        self._kept = np.concatenate([overlap, self._play(max(0, frames - len(overlap)))])
        self._first = self._position
        samples = self._kept[:frames]
        self._position += len(samples)
        return samples

    def _play(self, frames: int) -> np.ndarray:
        return self._file.read(frames, dtype="float32", always_2d=True)
