"""A server in a thread of its own, and recordings to send it."""

import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import soundfile
import uvicorn

from app.serve.connections import ImpatientProtocol
from app.serve.heads import Heads
from app.serve.options import Options
from app.serve.web import build_app
from inference import Predictor
from tests.builders import tone

TOKEN = "a-token-of-tests"


@dataclass(frozen=True)
class Running:
    """A server that listens.

    Attributes:
        url: of its page, without the last slash.
        app: the application.
    """

    url: str
    app: object

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


@contextlib.contextmanager
def running(
    load: Callable[[Path], Predictor],
    options: Options | None = None,
    places: tuple[str, ...] = ("small",),
    port: int = 0,
) -> Iterator[Running]:
    """Run a server as `app.serve.running` does, at any free port or a certain one."""
    options = options or Options()
    app = build_app(Heads([Path(place) for place in places], load), options)
    config = uvicorn.Config(
        app,
        http=ImpatientProtocol,
        log_config=None,
        access_log=False,
        limit_concurrency=512,
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        try:
            yield Running(f"http://127.0.0.1:{listener.getsockname()[1]}", app)
        finally:
            server.should_exit = True
            thread.join(timeout=10)
            assert not thread.is_alive(), "the server does not stop"


def wav(seconds: float = 0.5, frequency: float = 220.0, **how) -> bytes:
    """The bytes of a recording."""
    file = io.BytesIO()
    soundfile.write(file, tone(seconds, frequency=frequency), 16000, format="WAV", **how)
    return file.getvalue()


def post(server: Running, content: bytes, name: str = "a.wav", query: str = "", **how) -> httpx.Response:
    """Ask for a prediction, with a form."""
    return httpx.post(f"{server.url}/predict{query}", files={"file": (name, content)}, timeout=60, **how)


def probabilities(answer: dict) -> list[float]:
    """Of the classes, in their order."""
    return [value for name, value in answer.items() if name.startswith("p_")]
