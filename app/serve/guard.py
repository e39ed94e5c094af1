"""Who may ask: clients that know the token, and no web page but the server's own.

A web page that somebody else made can make a browser send requests to 127.0.0.1: with the browser's own address as
``Origin``, as a WebSocket, or, once the page's name has been pointed at 127.0.0.1 (DNS rebinding), with that name as
``Host``. All of these are refused, whatever the token.
"""

import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.serve.logs import BODY
from app.serve.options import Options
from app.serve.receiving import swallow
from app.serve.refused import RefusedError

OPEN_PATHS = ("/", "/health", "/openapi.json", "/favicon.ico")  # and /static/: they tell nothing, and compute nothing
_LOCAL_NAMES = ("127.0.0.1", "localhost", "::1")
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Guard:
    """Turns away strangers before the application sees them, and adds the headers that a browser's safety needs."""

    def __init__(self, app: ASGIApp, options: Options):
        self._app, self._options = app, options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._check_host(headers)
            self._check_page(scope, headers)
            if scope["type"] == "http" and not _is_open(scope["path"]):
                check_token(self._options.token, bearer(headers))
        except RefusedError as refusal:
            await refuse(scope, receive, _with_headers(send), refusal)
            return
        await self._app(scope, receive, _with_headers(send))

    def _check_host(self, headers: Headers) -> None:
        """On this machine only: the address that the client believes in is one of this machine's own names."""
        if not self._options.is_local:
            return
        name, _ = _split(f"//{headers.get('host', '')}")
        if name not in (*_LOCAL_NAMES, self._options.host):
            raise RefusedError(421, f"This server answers to 127.0.0.1 and localhost only, not to {name!r:.80}.")

    def _check_page(self, scope: Scope, headers: Headers) -> None:
        """Browsers say which page asks; other clients say nothing."""
        origin = headers.get("origin")
        if origin is not None and _split(origin)[1] != headers.get("host", "").lower():
            raise RefusedError(403, f"The web page {origin:.80} may not use this server.")
        site = headers.get("sec-fetch-site", "none")
        follows_link = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/"
        if site not in ("none", "same-origin") and not follows_link:
            raise RefusedError(403, "Another web page may not use this server.")


def bearer(headers: Headers) -> str | None:
    """The token of a request's header ``Authorization: Bearer TOKEN``."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def check_token(token: str | None, given: str | None) -> None:
    """Compare tokens in constant time.

    Raises:
        RefusedError: a token is needed, and another one or none was given.
    """
    if token is None:
        return
    if given is None:
        raise RefusedError(
            401, "A token is needed: Authorization: Bearer TOKEN. The server printed it.", www_authenticate="Bearer"
        )
    if not hmac.compare_digest(token.encode(), given.encode()):
        raise RefusedError(401, "This is not the server's token.", www_authenticate="Bearer")


async def refuse(scope: Scope, receive: Receive, send: Send, refusal: RefusedError) -> None:
    """Answer with a refusal; a WebSocket is closed before it is opened."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.sentence[:120]})
        return
    response = await respond(scope, receive, refusal)
    await response(scope, receive, send)


async def respond(scope: Scope, receive: Receive, refusal: RefusedError) -> Response:
    """The response of a refusal, after what the client still sends."""
    headers = dict(refusal.headers)
    body = scope[BODY]
    if not body.complete:
        headers["connection"] = "close"
        waits_for_us = not body.begun and "expect" in Headers(scope=scope)
        if refusal.status != 408 and not waits_for_us:
            await swallow(receive)
    return JSONResponse({"error": refusal.sentence}, refusal.status, headers)


def _split(address: str) -> tuple[str | None, str]:
    """The name and the whole of what a URL says of its server; nothing where it is no URL."""
    try:
        parts = urlsplit(address)
        return parts.hostname, parts.netloc.lower()
    except ValueError:
        return None, ""


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith("/static/")


def _with_headers(send: Send) -> Send:
    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            there = {name.lower() for name, _ in message["headers"]}
            added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
            message = {**message, "headers": [*message["headers"], *(pair for pair in added if pair[0] not in there)]}
        await send(message)

    return adding
