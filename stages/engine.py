"""``runtime.engine``: where the work of a stage is done, in processes of this machine or of a Ray cluster."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from data.processes import available_cores
from engines.local import run_local
from engines.on_ray import run_on_ray
from engines.ray_cluster import joined_cluster
from stages.layout import ARTIFACTS
from stages.runtime import RuntimeSettings

_WORTH_A_PROCESS = 1.0 if sys.platform == "linux" else 15.0  # seconds of work; one is forked, or starts in about 5


@dataclass(frozen=True)
class Engine:
    """Where work is done.

    Attributes:
        device: what its processes compute on, ``cpu`` or ``cuda``.
        run: does a `Work`'s tasks, given ``on_progress`` and ``on_lost``; see `engines.local.run_local`.
    """

    device: str
    run: Callable[..., Iterator[tuple[Any, Any]]]


@contextmanager
def opened_engine(runtime: RuntimeSettings, num_tasks: int = 1, seconds: float = math.inf) -> Iterator[Engine]:
    """The engine that the parameters ask for.

    Args:
        runtime: the parameters.
        num_tasks: how many tasks it will get on this machine.
        seconds: how long they take in one process, where that is known to be short.

    Raises:
        UserError: there is no such device, or no cluster.
    """
    workers = None if runtime.workers == "auto" else runtime.workers
    if runtime.engine == "ray":
        with joined_cluster() as cluster:
            print(f"on Ray: {cluster}", flush=True)
            device = runtime.device_of(cluster.count("GPU"))
            options = {"cluster": cluster, "shared": ARTIFACTS, "gpu": device == "cuda", "workers": workers}
            yield Engine(device, partial(run_on_ray, **options))
        return
    device = runtime.choose_device().type
    workers = choose_workers(num_tasks, device, workers, seconds)
    yield Engine(device, partial(run_local, workers=workers, start="spawn" if device == "cuda" else None))


def choose_workers(num_tasks: int, device: str, workers: int | None = None, seconds: float = math.inf) -> int:
    """How many processes work side by side on this machine: one per core, or per card, but no more than is worth it.

    Args:
        num_tasks: how many there are to do.
        device: ``cpu`` or ``cuda``.
        workers: the number that was asked for; None chooses.
        seconds: how long all tasks take in one process, where that is known to be short.
    """
    if workers is None:
        most = torch.cuda.device_count() if device == "cuda" else available_cores()
        workers = math.ceil(min(most, seconds / _WORTH_A_PROCESS))
    return max(1, min(workers, num_tasks))
