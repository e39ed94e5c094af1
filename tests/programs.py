"""Programs and libraries of the system that tests of the extras need. Without them a test fails and says what to do."""

import ctypes.util
import shutil

import pytest


def program(*names: str) -> str:
    """The path of a program, by the first of its names that is installed."""
    for name in names:
        if path := shutil.which(name):
            return path
    return pytest.fail(_install(names[0]), pytrace=False)


def chromium() -> str:
    """The path of the browser, for ``executable_path``."""
    return program("chromium", "chromium-browser", "google-chrome")


def library(name: str) -> None:
    """Insist on a library, such as ``portaudio``."""
    if ctypes.util.find_library(name) is None:
        pytest.fail(_install(name), pytrace=False)


def _install(name: str) -> str:
    return (
        f"{name} is not installed, and this test needs it: "
        "sudo apt-get install --yes $(cat tests/system-packages.txt), or run `make test` instead of `make test-all`"
    )
