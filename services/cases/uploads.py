"""Reads uploaded files from a multipart body as it comes: counted, bounded in time, never more of it kept than may be.

aiohttp's own limit does not cover bodies that are read part by part, so the bytes are counted here.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import cast

from aiohttp import BodyPartReader, MultipartReader, StreamReader, hdrs, web
from aiohttp.http_exceptions import BadHttpMessage

from services.cases.domain import Limits, Upload, clean_name, in_words
from shared import errors
from shared.bodies import FILES_IN_HAND, coming, hold
from shared.multipart import read_disposition

MAX_PARTS = 10
BODY_WITHIN_S = 120.0
CHUNK_WITHIN_S = 10.0
_FIELD = "file"
_CHUNK_BYTES = 64 * 1024
# Beside the files themselves a body has headers and boundaries.
_OVERHEAD_BYTES = 512 * 1024
_MAX_PART_HEADERS = 8


@dataclass(frozen=True, slots=True)
class Uploads:
    """The files of one request, in the order they came."""

    files: tuple[Upload, ...]

    @property
    def fingerprint(self) -> bytes:
        """The same for the same files, whatever boundary is between them."""
        return "\n".join(f"{file.sha256} {file.name}" for file in self.files).encode() or b"nothing"


class _Counted:
    """The body as aiohttp's reader asks for it; TooLarge once too much came, and a timeout for each wait."""

    def __init__(self, content: StreamReader, at_most: int) -> None:
        self._content = content
        self._at_most = at_most
        self._seen = 0

    async def read(self, size: int = -1) -> bytes:
        async with asyncio.timeout(CHUNK_WITHIN_S):
            return self._count(await self._content.read(size))

    async def readline(self, *, max_line_length: int | None = None) -> bytes:
        async with asyncio.timeout(CHUNK_WITHIN_S):
            return self._count(await self._content.readline(max_line_length=max_line_length))

    def at_eof(self) -> bool:
        return self._content.at_eof()

    def unread_data(self, chunk: bytes) -> None:
        self._seen -= len(chunk)
        self._content.unread_data(chunk)

    def _count(self, chunk: bytes) -> bytes:
        self._seen += len(chunk)
        if self._seen > self._at_most:
            raise _too_large(self._at_most)
        return chunk


def _too_large(at_most: int) -> errors.TooLarge:
    return errors.TooLarge(f"At most {in_words(at_most)} can be sent at once.")


def max_body_bytes(limits: Limits) -> int:
    """How long a whole body may be."""
    return limits.max_total_bytes + _OVERHEAD_BYTES


async def read_uploads(request: web.Request, limits: Limits) -> Uploads:
    """The parts named `file`, each with as much of its content as a file may have.

    WrongMediaType, Malformed for what is no multipart body or has too many parts, TooLarge for the whole, Invalid for
    a part of another name. A file that is too long costs nobody else: its content is dropped, the next one is read.
    """
    if request.content_type != "multipart/form-data":
        raise errors.WrongMediaType("Send multipart/form-data, with the files in parts named file.")
    at_most = max_body_bytes(limits)
    if (request.content_length or 0) > at_most:
        raise _too_large(at_most)
    try:
        async with coming(request, BODY_WITHIN_S):
            return Uploads(await _read_parts(request, _Counted(request.content, at_most), limits))
    except (BadHttpMessage, ValueError, RuntimeError, web.RequestPayloadError, ConnectionError) as error:
        raise errors.Malformed("The body ended early, or is no multipart/form-data.") from error


async def _read_parts(request: web.Request, body: _Counted, limits: Limits) -> tuple[Upload, ...]:
    reader = MultipartReader(request.headers, cast("StreamReader", body), max_headers=_MAX_PART_HEADERS)
    files: list[Upload] = []
    parts = 0
    while (part := await reader.next()) is not None:
        parts += 1
        if parts > MAX_PARTS:
            raise errors.Malformed(f"At most {MAX_PARTS} parts are read.")
        if not isinstance(part, BodyPartReader):
            raise errors.Malformed("A part may not have parts of its own.")
        told = read_disposition(part.headers.get(hdrs.CONTENT_DISPOSITION))
        if told.name != _FIELD:
            raise errors.Invalid.at(told.name[:100] or "body", "extra_forbidden", "Only parts named file are read.")
        if (upload := await _read_file(request, part, told.filename or "", len(files), limits)) is not None:
            files.append(upload)
    return tuple(files)


async def _read_file(
    request: web.Request, part: BodyPartReader, name: str, index: int, limits: Limits
) -> Upload | None:
    """None for what a browser sends where no file was chosen."""
    content, digest, size = bytearray(), hashlib.sha256(), 0
    while chunk := await part.read_chunk(_CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
        if size <= limits.max_file_bytes:
            hold(request, len(chunk), FILES_IN_HAND)
            content += chunk
        else:
            content.clear()
    if not size and not name:
        return None
    kept = bytes(content) if size <= limits.max_file_bytes else None
    return Upload(index, clean_name(name), kept, digest.hexdigest())
