"""What a benchmark prints; `inference.timing` measures."""

import json
import statistics
import time
from collections.abc import Callable, Mapping

from inference.timing import machine, medians

__all__ = ["against", "machine", "medians", "report"]


def against(limit: str, contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, float]]:
    """How contestants compare with one of them, which they cannot beat, on a machine that may be busy.

    Args:
        limit: its name.
        contestants: run in turns.
        rounds: how often.

    Returns:
        For each contestant ``seconds`` and ``cpu_seconds`` (of all threads of this process), medians over the rounds,
        and ``ratio`` and ``cpu_ratio``, medians of its share of the limit's in the same round.
    """
    clocks = {"seconds": time.perf_counter, "cpu_seconds": time.process_time}
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = {clock: read() for clock, read in clocks.items()}
            run()
            taken[name].append({clock: read() - start[clock] for clock, read in clocks.items()})
    results: dict[str, dict[str, float]] = {name: {} for name in contestants}
    for clock, ratio in zip(clocks, ("ratio", "cpu_ratio"), strict=True):
        for name, rounds_of in taken.items():
            results[name][clock] = statistics.median(one[clock] for one in rounds_of)
            pairs = zip(rounds_of, taken[limit], strict=True)
            results[name][ratio] = statistics.median(one[clock] / other[clock] for one, other in pairs)
    return results


def report(name: str, **results) -> None:
    """Print a benchmark's results as JSON, rounded to what they are good for."""
    print(json.dumps({"benchmark": name, **_rounded(results), "machine": machine()}, indent=2))


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return float(f"{value:.3g}") if isinstance(value, float) else value
