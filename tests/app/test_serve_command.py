"""`ser serve` as a person starts and stops it."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.app.serving import Running, post, wav
from tests.builders import REPOSITORY

pytestmark = pytest.mark.extras


def start(pack: Path, *options: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli", "serve", "--head", str(pack), *options],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def address(server: subprocess.Popen) -> str:
    """Where it says that it is, once it is ready."""
    for line in server.stdout:
        if found := re.search(r"Open (http://\S+)", line):
            return found[1]
    raise AssertionError("it ended")


def test_a_server_starts_answers_and_stops_at_ctrl_c(pack):
    server = start(pack, "--port", "0")
    url = address(server)
    assert post(Running(url.rstrip("/"), None), wav()).json()["head"] == "voices"
    server.send_signal(signal.SIGINT)
    said, _ = server.communicate(timeout=30)
    assert server.returncode == 0
    assert said.rstrip().endswith("Stopped.")
    assert "Traceback" not in said


def test_a_port_in_use_is_named_with_another_one(pack):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said, _ = start(pack, "--port", str(port)).communicate(timeout=60)
    assert said == (
        f"error: port {port} of 127.0.0.1 is in use, maybe by another `ser serve`. "
        f"Stop that, or choose another port: --port {port + 1}\n"
    )


def test_a_token_is_made_up_where_others_can_reach_the_server(pack):
    server = start(pack, "--port", "0", "--host", "0.0.0.0", EMOCACHE_TOKEN="")
    try:
        url, _, token = address(server).partition("/#token=")
        port = url.rpartition(":")[2]
        assert httpx.get(f"http://127.0.0.1:{port}/info").status_code == 401
        answer = httpx.get(f"http://127.0.0.1:{port}/info", headers={"Authorization": f"Bearer {token}"})
        assert answer.json()["head"] == "voices"
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)


CONTRADICTIONS = {
    "--certificate": (["--certificate", "params.yaml"], "belong together"),
    "no certificate": (["--certificate", "params.yaml", "--key", "params.yaml"], "not a certificate and its own"),
    "a short token": (["--token", "abc"], "at least 8"),
    "an address of another machine": (["--host", "192.0.2.1"], "cannot listen there"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_options_that_cannot_work_are_refused_before_a_head_is_loaded(case, pack):
    options, sentence = CONTRADICTIONS[case]
    said, _ = start(pack, *options).communicate(timeout=60)
    assert said.startswith("error: ")
    assert sentence in said
    assert "Loading" not in said
