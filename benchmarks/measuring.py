"""What a benchmark prints; `inference.timing` measures."""

import json

from inference.timing import machine, medians

__all__ = ["machine", "medians", "report"]


def report(name: str, **results) -> None:
    """Print a benchmark's results as JSON, rounded to what they are good for."""
    print(json.dumps({"benchmark": name, **_rounded(results), "machine": machine()}, indent=2))


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return float(f"{value:.3g}") if isinstance(value, float) else value
