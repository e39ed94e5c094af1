"""A microphone in a browser, over a WebSocket: sound in, an update per hop out.

The client's first message is JSON, ``{"token": ..., "head": ..., "rate": 48000, "hop": 0.5}``; all but the rate may be
left out. The server answers ``{"type": "started", ...}`` or ``{"type": "refused", "error": sentence}``. Then the client
sends sound, little-endian int16 of one channel at its rate in messages of any length, and ``{"pause": true}`` or
``false``; the server sends an update per window and per change of state.
"""

import asyncio
import contextlib
import json
import time
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from app.serve.answering import described
from app.serve.guard import bearer, check_token
from app.serve.heads import BrokenHeadError, Heads, NoSuchHeadError, NotReadyError
from app.serve.options import Options
from app.serve.refused import RefusedError
from app.serve.waiting import QueuedPredictor, WaitingLine
from inference import Predictor
from inference.live import LiveSession, Update
from inference.recordings import is_hard_to_resample
from inference.timeline import window_length

_FIRST_MESSAGE_SECONDS = 10.0
_IDLE_SECONDS, _PAUSED_SECONDS = 60.0, 900.0  # without a message, after which the place is given to somebody else
_FASTER_THAN_REAL_TIME = 1.5
_HEAD_START = 10.0  # seconds of sound that may arrive too early
_POINTS = 240  # of a drawn waveform
_MOST_UPDATES = 8  # that wait for a client that reads slowly; the oldest make room
_LONGEST_REASON = 120  # bytes, of a WebSocket's last frame

_POLICY, _NOT_UNDERSTOOD, _TRY_LATER = 1008, 1007, 1013


class Start(BaseModel):
    """A client's first message."""

    model_config = ConfigDict(extra="forbid")

    rate: Annotated[int, Field(ge=8000, le=384000)]
    token: str | None = None
    head: str | None = None
    hop: Annotated[float, Field(ge=0.1, le=60)] = 0.5


class Listeners:
    """The sessions that are going on, up to as many as the options allow."""

    def __init__(self, heads: Heads, line: WaitingLine, options: Options):
        self._heads, self._line, self._options = heads, line, options
        self.count = 0

    async def listen(self, socket: WebSocket) -> None:
        """Serve one client from its first message until it leaves."""
        await socket.accept()
        try:
            start = await self._started(socket)
            predictor = self._heads.get(start.head)
            if is_hard_to_resample(start.rate, predictor.sample_rate):
                raise RefusedError(422, f"Sound at {start.rate:,} Hz is hard to resample; send it at 48,000 Hz.")
            if self.count >= self._options.most_sessions:
                raise RefusedError(503, f"The server is full: {self.count} microphones at once are its limit.")
        except (RefusedError, NoSuchHeadError, NotReadyError, BrokenHeadError) as error:
            code = _TRY_LATER if isinstance(error, NotReadyError) or getattr(error, "status", 0) == 503 else _POLICY
            await _refuse(socket, code, str(error))
            return
        except (WebSocketDisconnect, TimeoutError):
            await _close(socket, _POLICY, "no first message")
            return
        self.count += 1
        try:
            await _Listener(socket, start, predictor, self._line).run()
        finally:
            self.count -= 1

    async def _started(self, socket: WebSocket) -> Start:
        async with asyncio.timeout(_FIRST_MESSAGE_SECONDS):
            message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect
        try:
            start = Start.model_validate_json(message.get("text") or "")
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"])) or "the first message"
            raise RefusedError(422, f"{where}: {problem['msg']}.") from error
        check_token(self._options.token, start.token or bearer(socket.headers))
        return start


class _Listener:
    """One session."""

    def __init__(self, socket: WebSocket, start: Start, predictor: Predictor, line: WaitingLine):
        self._socket, self._start = socket, start
        self._predictor = QueuedPredictor(predictor, line, lambda: not self._is_over)
        self._session = LiveSession(self._predictor, start.rate, start.hop, on_update=self._tell)
        self._updates: asyncio.Queue[dict] = asyncio.Queue(_MOST_UPDATES)
        self._loop = asyncio.get_running_loop()
        self._is_over = False

    async def run(self) -> None:
        """Until the client leaves, or sends what it must not."""
        await self._socket.send_json(
            {
                "type": "started",
                "head": self._predictor.name,
                "names": self._predictor.names,
                "of_ratings": self._predictor.of_ratings,
                "window": window_length(self._predictor),
                "hop": self._start.hop,
            }
        )
        self._session.start()
        sending = asyncio.create_task(self._send())
        try:
            await self._receive()
        except RefusedError as error:
            await _refuse(self._socket, _NOT_UNDERSTOOD, error.sentence)
        except TimeoutError:
            await _refuse(self._socket, _TRY_LATER, "No sound arrives, so the session has ended.")
        except WebSocketDisconnect:
            pass
        finally:
            self._is_over = True
            sending.cancel()
            await asyncio.to_thread(self._session.stop)

    async def _receive(self) -> None:
        began, num_samples = time.monotonic(), 0
        while True:
            async with asyncio.timeout(_PAUSED_SECONDS if self._session.paused else _IDLE_SECONDS):
                message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect
            if (sound := message.get("bytes")) is None:
                self._obey(message["text"])
                continue
            if len(sound) % 2:
                raise RefusedError(422, "Sound must be int16: an even number of bytes in every message.")
            num_samples += len(sound) // 2
            allowed = _HEAD_START + _FASTER_THAN_REAL_TIME * (time.monotonic() - began)
            if num_samples / self._start.rate > allowed:
                raise RefusedError(422, "Sound arrives faster than anybody speaks. POST /predict takes files.")
            self._session.feed(np.frombuffer(sound, "<i2").astype(np.float32) / 32768)

    def _obey(self, text: str) -> None:
        try:
            pause = json.loads(text)["pause"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RefusedError(422, 'Send sound, or {"pause": true} or {"pause": false}.') from error
        (self._session.pause if pause else self._session.resume)()

    def _tell(self, update: Update) -> None:
        """Called in the session's thread."""
        if not self._is_over:
            self._loop.call_soon_threadsafe(self._keep, self._said(update))

    def _keep(self, said: dict) -> None:
        if self._updates.full():
            self._updates.get_nowait()
        self._updates.put_nowait(said)

    async def _send(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the receiving side notices, too
            while True:
                await self._socket.send_json(await self._updates.get())

    def _said(self, update: Update) -> dict:
        said = {
            "type": "update",
            "time": round(update.time, 3),
            "state": update.state.value,
            "message": update.message,
            "level_db": round(update.level_db, 1),
            "dropped": update.dropped,
            "seconds_behind": round(update.seconds_behind, 3),
        }
        if update.waveform is not None:
            said["seconds"] = round(len(update.waveform) / self._start.rate, 3)
            said["waveform"] = [round(float(value), 3) for value in _peaks(update.waveform)]
        if update.answer is not None:
            said["answer"] = described(update.answer, self._predictor)
        if update.attention is not None:
            said["attention"] = [round(float(value), 3) for value in _relative(update.attention)]
        return said


def _peaks(waveform: np.ndarray) -> np.ndarray:
    """The largest magnitudes in equal parts of a waveform, at most `_POINTS`."""
    parts = np.array_split(np.abs(waveform), min(_POINTS, len(waveform)))
    return np.array([part.max() for part in parts])


def _relative(attention: np.ndarray) -> np.ndarray:
    """Attention by the largest of it, at most `_POINTS` values."""
    parts = np.array_split(attention, min(_POINTS, len(attention)))
    means = np.array([part.mean() for part in parts])
    return means / max(means.max(), 1e-12)


async def _refuse(socket: WebSocket, code: int, sentence: str) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await socket.send_json({"type": "refused", "error": sentence, "again": code == _TRY_LATER})
    await _close(socket, code, sentence)


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    if socket.application_state is WebSocketState.CONNECTED:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await socket.close(code, reason.encode()[:_LONGEST_REASON].decode(errors="ignore"))
