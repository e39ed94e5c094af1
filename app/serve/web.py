"""What there is at which address: predictions, their page, how the server is."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Query, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from app.serve.answering import Question, answer
from app.serve.desk import Desk, FullError, Visit
from app.serve.guard import Guard, respond
from app.serve.heads import BrokenHeadError, Heads, NoSuchHeadError, NotReadyError
from app.serve.listening import Listeners
from app.serve.logs import RequestLog
from app.serve.options import Options
from app.serve.receiving import ClientLeftError, received
from app.serve.refused import RefusedError
from app.serve.waiting import NotWantedError, QueuedPredictor, WaitingLine
from inference import Predictor
from inference.timeline import window_length

STATIC = Path(__file__).parent / "static"
SHORTEST_HOP = 0.1  # seconds
_FULL = "The server is busy: as many requests wait as it can hold. Try again in {} s."
_LEFT = 499  # nginx's status for a client that left; nobody reads it
_RETRY_SECONDS = 2
_UPLOAD = {
    "requestBody": {
        "required": True,
        "description": "One recording: a form with one file, or the bytes themselves with ?name=.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
            "audio/*": {"schema": {"type": "string", "format": "binary"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_ERROR = {"type": "object", "properties": {"error": {"type": "string", "description": "One sentence."}}}
_REFUSALS = {
    400: "No file, or not exactly one; the file is empty",
    401: "The token is missing or wrong",
    403: "Asked by another web page",
    404: "No such head",
    408: "The file did not arrive in time",
    413: "The file is too large, or the recording too long",
    415: "Not audio, by its Content-Type",
    422: "The recording cannot be used, or a parameter is out of range",
    503: "Busy, loading the head, or too slow: try again after Retry-After seconds",
}


class Server:
    """Everything that the addresses share."""

    def __init__(self, heads: Heads, options: Options):
        self.heads, self.options = heads, options
        self.line = WaitingLine()
        self.desk = Desk(options.most_requests)
        self.listeners = Listeners(heads, self.line, options)
        self._folder = tempfile.TemporaryDirectory(prefix="emocache-serve-")
        self.folder = Path(self._folder.name)

    def close(self) -> None:
        """Answer nobody any more, and leave nothing behind."""
        self.line.close()
        self.desk.close()
        self._folder.cleanup()


def build_app(heads: Heads, options: Options) -> FastAPI:
    """The application.

    Args:
        heads: the first is ready.
        options: of the server.
    """
    server = Server(heads, options)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(server.close)

    app = FastAPI(
        title="emocache",
        description="Emotions in recordings of speech, by heads that were trained with emocache. Nothing is stored.",
        lifespan=lifespan,
        docs_url=None,  # both pages load their scripts from elsewhere
        redoc_url=None,
    )
    app.state.server = server
    app.add_middleware(Guard, options=options)
    app.add_middleware(RequestLog)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    _add_errors(app)

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    @app.get("/favicon.ico", include_in_schema=False)
    def icon() -> FileResponse:
        return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")

    @app.get("/health", summary="Whether the server is ready, and how many wait")
    def health() -> dict:
        return {
            "ready": True,
            "head": heads.first,
            "waiting": server.desk.taken,
            "places": server.desk.places,
            "listening": server.listeners.count,
        }

    @app.get("/info", summary="The heads, their classes, the encoder and the limits")
    def info(head: Annotated[str | None, Query(description="A head's name; the first without one.")] = None) -> dict:
        return describe(server, head)

    @app.post(
        "/predict",
        summary="Predict a recording",
        openapi_extra=_UPLOAD,
        responses={
            status: {"description": text, "content": {"application/json": {"schema": _ERROR}}}
            for status, text in _REFUSALS.items()
        },
    )
    async def predict(
        request: Request,
        head: Annotated[str | None, Query(description="A head's name; the first without one.")] = None,
        hop: Annotated[
            float | None,
            Query(ge=SHORTEST_HOP, le=3600, description="Seconds from one window of a timeline to the next."),
        ] = None,
        smooth: Annotated[
            float, Query(ge=0, le=3600, description="Average a timeline over these seconds around each window.")
        ] = 0.0,
        speech_only: Annotated[bool, Query(description="Leave windows without speech unanswered.")] = False,
        name: Annotated[str, Query(description="Of the file, where the body is its bytes.", max_length=1000)] = "",
    ) -> Response:
        predictor = heads.get(head)
        try:
            visit = server.desk.admit()
        except FullError as error:
            raise RefusedError(503, _FULL.format(_RETRY_SECONDS), retry_after=str(_RETRY_SECONDS)) from error
        try:
            question = Question(name, hop, smooth, speech_only)
            return await _answer_in_time(request, server, visit, predictor, question)
        finally:
            visit.leave()

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await server.listeners.listen(socket)

    return app


def describe(server: Server, head: str | None) -> dict:
    """What a client may want to know of a head, and of the server."""
    predictor = server.heads.get(head)
    encoder, options = Path(predictor.encoder.name), server.options
    return {
        "head": head or server.heads.first,
        "heads": server.heads.states,
        "targets" if predictor.of_ratings else "classes": predictor.names,
        "runs": [run.name for run in predictor.runs],
        "encoder": encoder.name if encoder.is_absolute() else str(encoder),  # no paths of this machine
        "sample_rate": predictor.sample_rate,
        "window": window_length(predictor),
        "cautions": predictor.cautions,
        "limits": {
            "megabytes": options.max_megabytes,
            "seconds": options.max_seconds,
            "timeout": options.timeout,
            "requests": options.most_requests,
            "sessions": options.most_sessions,
        },
    }


async def _answer_in_time(
    request: Request, server: Server, visit: Visit, predictor: Predictor, question: Question
) -> Response:
    """Receive a recording and predict it; give up when the time is over, or the client has left."""
    options = server.options
    queued = QueuedPredictor(predictor, server.line, visit.is_wanted)
    has_arrived = False
    try:
        async with (
            asyncio.timeout(options.timeout),
            received(request, server.folder, options.max_bytes) as upload,
        ):
            has_arrived = True
            asked = replace(question, name=upload.name or question.name)
            work = visit.start(lambda: answer(upload.path, asked, queued, options))
            return JSONResponse(await _unless_client_leaves(request, work))
    except TimeoutError:
        if has_arrived:
            raise RefusedError(
                503,
                f"The answer took longer than {options.timeout:g} s (--timeout). Send a shorter recording, or try "
                "again when the server is less busy.",
                retry_after=str(_RETRY_SECONDS),
            ) from None
        raise RefusedError(408, f"The file did not arrive within {options.timeout:g} s (--timeout).") from None
    except NotWantedError:
        raise RefusedError(503, "The server is stopping.") from None
    except ClientLeftError:
        return Response(status_code=_LEFT)


async def _unless_client_leaves(request: Request, work: Future) -> dict:
    """The result of work in another thread.

    Raises:
        ClientLeftError: the client closed the connection first.
    """
    working, leaving = asyncio.wrap_future(work), asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientLeftError
        return working.result()
    finally:
        leaving.cancel()


def _add_errors(app: FastAPI) -> None:
    """Every error is a status and ``{"error": one sentence}``."""

    async def refused(request: Request, refusal: RefusedError) -> Response:
        return await respond(request.scope, request.receive, refusal)

    async def with_status(request: Request, error: HTTPException) -> Response:
        path = f"{request.method} {request.url.path:.80}"
        sentence = {404: f"There is no {path} here.", 405: f"{path} is not possible here."}.get(
            error.status_code, str(error.detail)
        )
        return await refused(request, RefusedError(error.status_code, sentence, **_as_names(error.headers)))

    async def invalid(request: Request, error: RequestValidationError) -> Response:
        problem = error.errors()[0]
        return await refused(request, RefusedError(422, f"{problem['loc'][-1]}: {problem['msg']}."))

    async def no_such_head(request: Request, error: NoSuchHeadError) -> Response:
        return await refused(request, RefusedError(404, f"{error}."))

    async def not_ready(request: Request, error: NotReadyError) -> Response:
        return await refused(request, RefusedError(503, str(error), retry_after=str(_RETRY_SECONDS)))

    async def broken_head(request: Request, error: BrokenHeadError) -> Response:
        return await refused(request, RefusedError(503, str(error)))

    async def broken(request: Request, error: Exception) -> Response:
        return await refused(request, RefusedError(500, "Something went wrong in the server; its log says what."))

    for kind, handler in {
        RefusedError: refused,
        HTTPException: with_status,
        RequestValidationError: invalid,
        NoSuchHeadError: no_such_head,
        NotReadyError: not_ready,
        BrokenHeadError: broken_head,
        Exception: broken,
    }.items():
        app.add_exception_handler(kind, handler)


def _as_names(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in (headers or {}).items()}
