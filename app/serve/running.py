"""From the command line to a server that listens, and its end."""

import errno
import logging
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import uvicorn

from app.serve.connections import MOST_CONNECTIONS, ImpatientProtocol
from app.serve.heads import Heads
from app.serve.logs import LOGGER
from app.serve.options import Options
from app.serve.web import build_app
from data.errors import UserError
from inference import Predictor

_LARGEST_MESSAGE = 1_000_000  # bytes, of a WebSocket
_GRACE_SECONDS = 3  # for requests that are being answered when the server is stopped


def serve(places: Sequence[Path], load: Callable[[Path], Predictor], options: Options) -> None:
    """Listen until Ctrl-C.

    Args:
        places: of the heads.
        load: opens one.
        options: of the server; a token is made up where one is needed and none is given.

    Raises:
        UserError: the port is taken, or the first head cannot be loaded.
    """
    if not options.is_local and options.token is None:
        options = replace(options, token=secrets.token_urlsafe(24))
    with _bound(options) as listener:
        try:
            print(f"Loading {places[0].name} ...", flush=True)
            heads = Heads(places, load)
            for line in greeting(options, listener.getsockname()[1], heads):
                print(line, flush=True)
            _server(heads, options).run(sockets=[listener])
        except KeyboardInterrupt:
            print("\nStopped.")


def _server(heads: Heads, options: Options) -> uvicorn.Server:
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    LOGGER.setLevel(logging.INFO)
    return uvicorn.Server(
        uvicorn.Config(
            build_app(heads, options),
            http=ImpatientProtocol,
            ws="auto",
            ws_max_size=_LARGEST_MESSAGE,
            ws_per_message_deflate=False,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            ssl_certfile=options.certificate,
            ssl_keyfile=options.key,
        )
    )


def greeting(options: Options, port: int, heads: Heads) -> list[str]:
    """What a person reads who started the server."""
    scheme = "https" if options.certificate else "http"
    host = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(options.host, options.host)
    address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"
    lines = [f"{heads.first} is ready. Open {address}{f'#token={options.token}' if options.token else ''}"]
    lines += [f"note: {caution}" for caution in heads.get().cautions]
    if options.token:
        lines.append(f"Programs send the header Authorization: Bearer {options.token}")
    if not options.is_local and not options.certificate:
        lines.append(
            "warning: without --certificate and --key, recordings and the token travel unencrypted, and browsers on "
            "other machines give no microphone. See docs/serve.md for a tunnel through ssh."
        )
    lines.append("Nothing is stored. Press Ctrl-C to stop.")
    return lines


def _bound(options: Options) -> socket.socket:
    """A socket at the address.

    Raises:
        UserError: it is taken, or not of this machine.
    """
    try:
        family = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((options.host, options.port))
        listener.listen(128)  # a second server must fail now, not after it has loaded its head
    except PermissionError as error:
        raise UserError(f"--port {options.port}: only root may listen there; choose 1024 or above.") from error
    except OSError as error:
        raise UserError(_why_not(options, error)) from error
    return listener


def _why_not(options: Options, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {options.port} of {options.host} is in use, maybe by another `ser serve`. "
            f"Stop that, or choose another port: --port {options.port + 1}"
        )
    return f"--host {options.host}: cannot listen there: {error.strerror or error}."
