"""One line a request: nothing of the audio, of its name or of the token."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOGGER = logging.getLogger("emocache.serve")
BODY = "emocache.body"  # of a scope: its `Body`
_LONGEST_PATH = 100


class Body:
    """The body of a request as the application receives it.

    Attributes:
        count: bytes so far.
        begun: whether the application asked for it.
        complete: whether it was received to its end.
    """

    def __init__(self, receive: Receive):
        self._receive = receive
        self.count, self.begun, self.complete = 0, False, False

    async def __call__(self) -> Message:
        self.begun = True
        message = await self._receive()
        if message["type"] == "http.request":
            self.count += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
        return message


class RequestLog:
    """Logs method, path, status, seconds and bytes; the query, which may hold a token, is left out."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        started, status, body = time.monotonic(), "-", Body(receive)

        async def noting_the_status(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.close"):
                status = message.get("status", message.get("code", "-"))
            await send(message)

        scope[BODY] = body
        try:
            await self._app(scope, body, noting_the_status)
        finally:
            method = scope.get("method", "WEBSOCKET")
            path = scope["raw_path"].decode("ascii", "backslashreplace")
            LOGGER.info(
                "%s %s %s %s, %.3f s, %d bytes",
                (scope.get("client") or ["-"])[0],
                method,
                path if len(path) <= _LONGEST_PATH else f"{path[:_LONGEST_PATH]}...",
                status,
                time.monotonic() - started,
                body.count,
            )
