"""Frames as int8 with one scale per frame: half of float16's bytes."""

import numpy as np

_LARGEST = 127


def quantise(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round every frame to 255 steps between minus and plus its largest magnitude.

    Args:
        frames: float [..., T, D], finite.

    Returns:
        Steps int8 [..., T, D] and scale float32 [..., T]: ``steps * scale`` is off by at most half of ``scale``, which
        is the frame's largest magnitude divided by 127.
    """
    frames = frames.astype(np.float32, copy=False)
    scale = np.abs(frames).max(axis=-1) / np.float32(_LARGEST)
    divisor = np.where(scale > 0, scale, 1)[..., None]
    return np.rint(frames / divisor).clip(-_LARGEST, _LARGEST).astype(np.int8), scale
