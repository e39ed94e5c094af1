"""On what the parts of `benchmarks.gpu` run, and how they time it."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor


@dataclass(frozen=True)
class Setting:
    """What all parts are given.

    Attributes:
        device: to measure.
        small: tiny models and few clips.
        folder: for files.
    """

    device: torch.device
    small: bool
    folder: Path

    @property
    def dtypes(self) -> list[torch.dtype]:
        """In which the encoder may compute on the device."""
        return [torch.float32, torch.bfloat16, *([torch.float16] if self.device.type == "cuda" else [])]

    def seconds(self, run: Callable[[], object], rounds: int = 5) -> float:
        """Median time of a call, the device's work included; one call before does not count."""
        taken = []
        for _ in range(1 + rounds):
            self.wait()
            start = time.perf_counter()
            run()
            self.wait()
            taken.append(time.perf_counter() - start)
        return statistics.median(taken[1:])

    def wait(self) -> None:
        """Until the device has done all it was asked for."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def name_of(dtype: torch.dtype) -> str:
    """``bfloat16``."""
    return str(dtype).removeprefix("torch.")


def likeness(frames: Tensor, expected: Tensor, at_least: float) -> dict:
    """How near frames are to those expected.

    Args:
        frames: [..., D], on any device.
        expected: the same, float32 on the CPU.
        at_least: the lowest cosine per frame that is right.
    """
    frames = frames.float().cpu()
    cosine = torch.cosine_similarity(frames, expected, dim=-1).min().item()
    error = ((frames - expected).norm() / expected.norm()).item()
    right = bool(frames.isfinite().all()) and cosine >= at_least
    return {"lowest_cosine": cosine, "relative_error": error, "right": right}
