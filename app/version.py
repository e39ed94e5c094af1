"""`ser --version`: of what there is, as an issue needs it."""

import platform
from importlib.metadata import PackageNotFoundError, version

_BESIDE = ("torch", "transformers")  # they change the numbers


def describe_version() -> str:
    """One line; nothing is imported for it."""
    beside = ", ".join(f"{package} {_version(package)}" for package in _BESIDE)
    return f"emocache {_version('emocache')} (Python {platform.python_version()}, {beside})"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
