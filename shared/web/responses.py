"""Answering: JSON and files."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, BinaryIO

import orjson
from aiohttp import web
from pydantic import BaseModel

from shared.connections import whole_or_cut
from shared.logging import origin
from shared.web.headers import REQUEST_ID_HEADER

_CHUNK_BYTES = 256 * 1024


def answer(
    payload: BaseModel | Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """JSON, from a schema or a plain mapping, which may hold schemas."""
    if isinstance(payload, BaseModel):
        body = payload.model_dump_json().encode()
    else:
        body = orjson.dumps(payload, default=_plain)
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError


async def send_file(
    request: web.Request, make: Callable[[], Awaitable[BinaryIO]], *, name: str, content_type: str
) -> web.StreamResponse:
    """Streams a file as a download once it is made, and closes it; the headers go out at once.

    It is not made for somebody who has left already.
    """
    response = web.StreamResponse(
        headers={
            "Content-Type": content_type,
            "Content-Disposition": f'attachment; filename="{name}"',
            REQUEST_ID_HEADER: origin.get().request_id,
        }
    )
    with whole_or_cut(request):
        await response.prepare(request)
        with await make() as file:
            file.seek(0)
            while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                await response.write(chunk)
        await response.write_eof()
    return response
