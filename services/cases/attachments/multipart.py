"""Reads uploaded files from a multipart body as it comes, and never keeps more of it than may be."""

import hashlib
from dataclasses import dataclass

from aiohttp import BodyPartReader, hdrs, web

from services.cases.attachments.domain.files import Limits, Upload, clean_name, in_words
from shared import errors
from shared.bodies import FILE_MEMORY, SlowestRate, hold_bytes, receiving
from shared.multipart import UNREADABLE, read_disposition, read_parts

MAX_PARTS = 10
BODY_WITHIN_S = 120.0
CHUNK_WITHIN_S = 10.0
_FIELD = "file"
_CHUNK_BYTES = 64 * 1024
# Beside the files themselves a body has headers and boundaries.
_OVERHEAD_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class Uploads:
    """The files of one request, in the order they came."""

    files: tuple[Upload, ...]

    @property
    def fingerprint(self) -> bytes:
        """The same for the same files, whatever boundary is between them."""
        return "\n".join(f"{file.sha256} {file.name}" for file in self.files).encode() or b"nothing"


def _too_large(at_most: int) -> errors.TooLarge:
    params = {"reason": "files", "limit_bytes": at_most}
    return errors.TooLarge(f"At most {in_words(at_most)} can be sent at once.", params=params)


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
    try:
        async with receiving(request, BODY_WITHIN_S):
            return Uploads(await _read_parts(request, limits))
    except (*UNREADABLE, ConnectionError) as error:
        raise errors.EndedEarly("The body ended early, or is no multipart/form-data.") from error


async def _read_parts(request: web.Request, limits: Limits) -> tuple[Upload, ...]:
    at_most = max_body_bytes(limits)
    rate = SlowestRate(at_once_s=CHUNK_WITHIN_S)
    reader = read_parts(request, rate, most_parts=MAX_PARTS, at_most=at_most, too_large=_too_large(at_most))
    files: list[Upload] = []
    parts = 0
    while (part := await reader.next()) is not None:
        parts += 1
        if parts > MAX_PARTS:
            raise errors.Malformed(f"At most {MAX_PARTS} parts are read.", params={"limit": MAX_PARTS})
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
            hold_bytes(request, len(chunk), FILE_MEMORY)
            content += chunk
        else:
            content.clear()
    if not size and not name:
        return None
    kept = bytes(content) if size <= limits.max_file_bytes else None
    return Upload(index, clean_name(name), kept, digest.hexdigest())
