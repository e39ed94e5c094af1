"""Everything that a GPU does here, in one go: is it right, and how fast? ``python -m benchmarks.gpu`` prints JSON.

From the repository's root, with nothing but the working tree. torch and transformers are enough for the peak and the
encoder. pydantic, soundfile, h5py, pandas and scikit-learn are needed for the rest; a section that lacks one is skipped
and says so. It takes some minutes on one card. ``--device cpu --small`` runs the same code where there is no GPU.

Every check compares with the CPU in float32. The exit status is 1 if there is no GPU, if a check fails, or if a section
stops with an error.
"""

import argparse
import functools
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks import gpu_encoder, gpu_project
from benchmarks.gpu_setting import Setting


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny models and few clips: only to see that it runs")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        sys.exit("No GPU: torch sees none here, so nothing was measured. --device cpu --small tries the code itself.")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # float32 means float32
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(torch.device(arguments.device), arguments.small, Path(folder))
        sections = {
            "peak": gpu_encoder.peak,
            "encoder_check": gpu_encoder.check,
            "encoder_speed": gpu_encoder.speed,
            "all_cards": gpu_encoder.all_cards,
            "other_encoders_check": gpu_project.check_other_encoders,
            "extraction": gpu_project.extraction,
            "store_to_card": gpu_project.store_to_card,
            "training_check": gpu_project.check_training,
            "training_speed": gpu_project.training_speed,
        }
        start = time.perf_counter()
        results = {name: attempt(functools.partial(section, setting)) for name, section in sections.items()}
    results = {"benchmark": "gpu", "machine": machine(setting.device), **results}
    print(json.dumps(rounded(results | {"seconds": time.perf_counter() - start}), indent=2))
    if wrong := [name for name, result in results.items() if is_wrong(result)]:
        sys.exit(f"Wrong or stopped: {', '.join(wrong)}.")


def attempt(section: Callable[[], dict]) -> dict:
    """A section's results; why there are none, if it stops. It never stops the others."""
    start = time.perf_counter()
    try:
        results = section()
    except ImportError as error:
        results = {"skipped": str(error)}
    except Exception as error:  # the others are still worth their time
        results = {
            "error": f"{type(error).__name__}: {error}",
            "where": traceback.format_exc().splitlines()[-3].strip(),
        }
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return {**results, "took": time.perf_counter() - start}


def is_wrong(result) -> bool:
    """Whether a section stopped with an error, or one of its checks failed."""
    if not isinstance(result, dict):
        return False
    return "error" in result or result.get("right") is False or any(map(is_wrong, result.values()))


def machine(device: torch.device) -> dict:
    """What it ran on."""
    about = {"torch": torch.__version__, "python": sys.version.split()[0], "device": device.type}
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(0)
        about |= {"gpu": card.name, "cards": torch.cuda.device_count(), "gpu_gigabytes": card.total_memory / 1e9}
        about |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    return about


def rounded(value):
    """Floats with as many digits as they are good for."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return float(f"{value:.3g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
