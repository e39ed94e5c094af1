"""A server in a thread of its own, and recordings to send it."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import uvicorn

from app.serve.connections import ImpatientProtocol
from app.serve.heads import Heads
from app.serve.options import Options
from app.serve.web import build_app
from inference import Predictor
from inference.opening import open_head, run_folders
from tests.trained_heads import TrainedHead


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


def open_small(trained: TrainedHead) -> Predictor:
    """A head that was trained on recordings."""
    return open_head("small", run_folders(trained.folder), trained.settings, torch.device("cpu"))


@contextlib.contextmanager
def running(load, options: Options | None = None, places: tuple[str, ...] = ("small",)) -> Iterator[Running]:
    """Run a server as `app.serve.running` does, at any free port."""
    options = options or Options()
    app = build_app(Heads([Path(place) for place in places], load), options)
    config = uvicorn.Config(
        app,
        http=ImpatientProtocol,
        ws="websockets-sansio",
        log_config=None,
        access_log=False,
        limit_concurrency=512,
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
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
