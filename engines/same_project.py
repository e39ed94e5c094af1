"""Whether another machine has the same project in the same place, with the same versions."""

import hashlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import NamedTemporaryFile

_ROOT = Path(__file__).resolve().parent.parent
_LIBRARIES = ("h5py", "numpy", "scikit-learn", "scipy", "soundfile", "torch", "torchaudio", "transformers")
_ENVIRONMENT = ("EMOCACHE_", "HF_", "TRANSFORMERS_", "CUBLAS_")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@contextmanager
def visiting_card(shared: Path) -> Iterator[dict]:
    """What another machine needs to find this project, and to know that it is the same one.

    Args:
        shared: a folder of the project, in which there is a file of its own meanwhile.
    """
    with NamedTemporaryFile(dir=shared, prefix=".seen-by-all-nodes-") as token:
        yield {
            "folder": str(Path.cwd()),
            "token": str(Path(token.name).absolute()),
            "path": [str(_ROOT)],
            "environment": {key: value for key, value in os.environ.items() if key.startswith(_ENVIRONMENT)}
            | _ONE_THREAD,
            "versions": versions(),
        }


def differing_version(there: dict[str, str]) -> str:
    """What differs here from the `versions` of another machine, as a sentence without its subject; empty if nothing."""
    here = versions()
    for name, value in there.items():
        if here[name] != value:
            return (
                f"has {name} {here[name]}, but the machine where `dvc repro` runs has {value}. Use the same "
                "environment on all nodes: activate it before `ray start`."
            )
    return ""


@lru_cache
def versions() -> dict[str, str]:
    """What must be the same everywhere, so that the bytes are: Python, libraries and our own code."""
    known = {"Python": platform.python_version(), "emocache's code": _code_digest()}
    for name in _LIBRARIES:
        try:
            known[name] = version(name)
        except PackageNotFoundError:
            known[name] = "missing"
    return known


def _code_digest() -> str:
    """Of all rooms of the project."""
    digest = hashlib.sha256()
    for package in sorted(_ROOT.glob("*/__init__.py")):
        if package.parent.name not in ("tests", "benchmarks"):
            for path in sorted(package.parent.rglob("*.py")):
                digest.update(f"{path.relative_to(_ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
