"""`ser live` as a person starts and closes it, on a virtual screen."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.app.waiting import wait_until
from tests.builders import REPOSITORY, write_wav
from tests.programs import program

pytestmark = pytest.mark.extras


@pytest.fixture
def screen() -> Iterator[str]:
    """The name of a virtual screen."""
    reading, writing = os.pipe()
    command = [program("Xvfb"), "-displayfd", str(writing), "-screen", "0", "1200x800x24"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with os.fdopen(reading) as number:
        yield f":{number.readline().strip()}"
    server.terminate()
    server.wait()


def test_a_window_opens_analyses_a_recording_and_closes(screen, pack, tmp_path: Path):
    recording, history = write_wav(tmp_path / "a.wav", 3.0), tmp_path / "history.csv"
    options = ["--head", str(pack), "--file", str(recording), "--save", str(history)]
    environment = {**os.environ, "DISPLAY": screen, "QT_QPA_PLATFORM": "xcb"}
    live = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "live", *options],
        cwd=REPOSITORY,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )

    def xdotool(*arguments: str) -> list[str]:
        command = [program("xdotool"), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90).stdout.split()

    try:
        window = xdotool("search", "--sync", "--onlyvisible", "--name", "emocache live")[-1]
        wait_until(lambda: history.exists() and len(pd.read_csv(history)) == 6)
        xdotool("windowfocus", "--sync", window, "key", "ctrl+q")
        _, said = live.communicate(timeout=60)
    finally:
        live.kill()
    assert live.returncode == 0, said
    assert "Traceback" not in said
    assert pd.read_csv(history).time.tolist() == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
