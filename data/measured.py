"""What a piece of work cost, in files that nothing tracks: outputs stay the same bytes, whatever they took."""

import json
import resource
import sys
from pathlib import Path

import torch

_PROCESS = Path("/proc/self/status")


def write_measurement(path: Path, fingerprint: str, **values) -> None:
    """Write what a piece cost, in place of an earlier measurement.

    Args:
        path: below ``artifacts/measured``; its folder need not exist.
        fingerprint: of the piece.
        values: whatever JSON can hold.
    """
    content = json.dumps({"fingerprint": fingerprint, **values}, indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(content + "\n")
    partial.replace(path)


def restart_gpu_peak(device: str) -> None:
    """Forget the GPU memory that this process has allocated at most so far."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()


def peak_memory(device: str) -> dict[str, float | None]:
    """The most memory of this process so far, in MB (10^6 bytes).

    Args:
        device: ``cpu`` or ``cuda``.

    Returns:
        ``peak_megabytes`` resident, memory-mapped files included; ``peak_gpu_megabytes`` allocated by torch since
        `restart_gpu_peak`, None on the CPU.
    """
    gpu = torch.cuda.max_memory_allocated() / 1e6 if device == "cuda" else None
    return {"peak_megabytes": _peak_resident_bytes() / 1e6, "peak_gpu_megabytes": gpu}


def _peak_resident_bytes() -> int:
    """The kernel's own mark for this process; on Linux `getrusage` also counts the process that started it."""
    for line in _PROCESS.read_text().splitlines() if _PROCESS.exists() else []:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
