"""On the path of every Python process of a test: writes down what listens, and what asks another machine."""

import os
import sys

_LOG = os.environ.get("EMOCACHE_TEST_NETWORK_LOG")


def _watch(event: str, arguments: tuple) -> None:
    if event in ("socket.bind", "socket.connect", "socket.getaddrinfo") and not isinstance(arguments[-1], str | bytes):
        with open(_LOG, "a") as file:
            file.write(f"{event} {arguments[1:] if event != 'socket.getaddrinfo' else arguments} {sys.argv}\n")


if _LOG:
    with open(_LOG, "a") as file:
        file.write(f"started {sys.orig_argv}\n")
    sys.addaudithook(_watch)
