"""Frames as int8, with an offset and a scale per utterance and dimension: half of float16's bytes."""

import numpy as np

_LARGEST = 127


def quantise(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Round each dimension of an utterance to 255 steps between its smallest and its largest value.

    A dimension with outliers costs no other one, nor any other utterance, its precision.

    Args:
        frames: float32 [..., T, D], finite.

    Returns:
        Steps int8 [..., T, D], offset float16 [..., D], scale float16 [..., D]: ``offset + steps * scale`` is off by at
        most half of ``scale``. Infinite offsets or scales stand for values that float16 cannot hold.
    """
    frames = frames.astype(np.float32, copy=False)
    low, high = frames.min(axis=-2), frames.max(axis=-2)
    offset = ((low + high) / 2).astype(np.float16)
    centre = offset.astype(np.float32)
    needed = np.maximum(high - centre, centre - low) / np.float32(_LARGEST)
    scale = needed.astype(np.float16)
    scale = np.where(scale.astype(np.float32) < needed, np.nextafter(scale, np.float16(np.inf)), scale)
    divisor = np.where(scale > 0, scale, 1).astype(np.float32)
    steps = np.rint((frames - centre[..., None, :]) / divisor[..., None, :])
    return steps.clip(-_LARGEST, _LARGEST).astype(np.int8), offset, scale


def restore(steps: np.ndarray, offset: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Frames float32 [..., T, D] from what `quantise` returned."""
    return steps * scale[..., None, :].astype(np.float32) + offset[..., None, :].astype(np.float32)


class Noise:
    """How much int8 adds to each dimension, gathered over the utterances of a shard.

    Args:
        dimension: D.
    """

    def __init__(self, dimension: int):
        self._count = 0
        self._sum, self._squares, self._errors = (np.zeros(dimension) for _ in range(3))

    def add(self, frames: np.ndarray, restored: np.ndarray) -> None:
        """Take in frames float32 [..., D] and what is read back of them."""
        frames = frames.reshape(-1, frames.shape[-1])
        error = frames - restored.reshape(frames.shape)
        self._add_frames(frames)
        self._errors += np.einsum("td,td->d", error, error, dtype=np.float64)

    def add_stored(self, steps: np.ndarray, offset: np.ndarray, scale: np.ndarray) -> None:
        """Take in one utterance of which only what is stored is known: steps [T, D], offset and scale [D].

        Its values were off by any amount up to half a step, one as often as the other: with the deviation
        ``scale / sqrt(12)`` (Widrow & Kollar 2008, "Quantization Noise").
        """
        self._add_frames(restore(steps, offset, scale))
        self._errors += len(steps) * scale.astype(np.float64) ** 2 / 12

    def relative(self) -> np.ndarray:
        """Per dimension [D] the noise's deviation as a share of the dimension's own; 0 where nothing varies."""
        mean = self._sum / max(1, self._count)
        variance = np.maximum(self._squares / max(1, self._count) - mean**2, 0)
        noise = self._errors / max(1, self._count)
        return np.sqrt(np.divide(noise, variance, out=np.zeros_like(noise), where=variance > 1e-12 * (mean**2 + 1e-12)))

    def _add_frames(self, frames: np.ndarray) -> None:
        self._count += len(frames)
        self._sum += frames.sum(axis=0, dtype=np.float64)
        self._squares += np.einsum("td,td->d", frames, frames, dtype=np.float64)
