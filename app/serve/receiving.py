"""The body of a request -> a file, within the limits; nothing of it stays."""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from app.serve.refused import RefusedError

_FORM = "multipart/form-data"
_NOT_AUDIO = ("text/", "application/json", "application/xml", "application/x-www-form-urlencoded", "multipart/")
_SWALLOWED_BYTES, _SWALLOWED_SECONDS = 64_000_000, 2.0


class ClientLeftError(Exception):
    """The client closed the connection."""


@dataclass(frozen=True)
class Upload:
    """A recording as a client sent it.

    Attributes:
        path: a file that is removed after the answer; its name tells nothing.
        name: of the file in a form as the client gave it, never used as a path; empty if there is none.
    """

    path: Path
    name: str


@contextlib.asynccontextmanager
async def received(request: Request, folder: Path, max_bytes: int) -> AsyncIterator[Upload]:
    """Read the body of a request, a form with one file or the bytes themselves, into a file.

    Args:
        request: whose body was not read yet.
        folder: for the file.
        max_bytes: of the file.

    Raises:
        RefusedError: too large, empty, or no form with one file.
        ClientLeftError: the client left before the end.
    """
    promised = request.headers.get("content-length", "")
    if promised.isdecimal() and int(promised) > max_bytes + 10_000:
        raise _too_large(max_bytes)
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    handle, name = tempfile.mkstemp(dir=folder)
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            if kind == _FORM:
                given = await _write_form(request, file, max_bytes)
            else:
                _check_kind(kind)
                given = ""
                await _write_bytes(request, file, max_bytes)
            if not file.tell():
                raise RefusedError(400, "The file is empty: it has 0 bytes.")
        yield Upload(path, given)
    except ClientDisconnect as error:
        raise ClientLeftError from error
    finally:
        path.unlink(missing_ok=True)


async def swallow(receive: Receive) -> None:
    """Read what a client still sends, within reason: many clients read the answer only after they have sent it all."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SWALLOWED_SECONDS):
            left = _SWALLOWED_BYTES
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


def _check_kind(kind: str) -> None:
    if not kind or kind.startswith(_NOT_AUDIO):
        what = f"not {kind:.60}" if kind else "and say so in Content-Type"
        raise RefusedError(415, f"Send audio, {what}: audio/wav, application/octet-stream, or a form with one file.")


async def _write_bytes(request: Request, file: BinaryIO, max_bytes: int) -> None:
    async for chunk in _limited(request, max_bytes):
        file.write(chunk)


async def _write_form(request: Request, file: BinaryIO, max_bytes: int) -> str:
    """Write the form's one file, and return its name."""
    parser = MultiPartParser(
        request.headers, _limited(request, max_bytes + 10_000), max_files=1, max_fields=8, max_part_size=10_000
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise RefusedError(400, f"This form cannot be read: {error.message}") from error
    except (ValueError, LookupError) as error:
        raise RefusedError(400, "This form cannot be read.") from error
    try:
        files = [value for value in form.values() if isinstance(value, UploadFile)]
        if len(files) != 1:
            raise RefusedError(400, "Send a form with one file: curl --form file=@speech.wav")
        await asyncio.to_thread(shutil.copyfileobj, files[0].file, file)
        if file.tell() > max_bytes:
            raise _too_large(max_bytes)
        return files[0].filename or ""
    finally:
        await form.close()


async def _limited(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    count = 0
    async for chunk in request.stream():
        count += len(chunk)
        if count > max_bytes:
            raise _too_large(max_bytes)
        yield chunk


def _too_large(max_bytes: int) -> RefusedError:
    return RefusedError(
        413, f"The file is too large: this server takes up to {max_bytes / 1e6:g} MB (--max-megabytes)."
    )
