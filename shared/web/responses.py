"""Answering: JSON and files."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import orjson
from aiohttp import hdrs, web
from pydantic import BaseModel

from shared.connections import whole_or_cut
from shared.logging import origin
from shared.web.headers import REQUEST_ID_HEADER


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
    request: web.Request, pieces: AsyncGenerator[bytes], *, name: str, content_type: str
) -> web.StreamResponse:
    """Sends a file as a download while it is being made. What fails before the first piece is refused as usual."""
    async with aclosing(pieces):
        piece = await anext(pieces)
        response = web.StreamResponse(
            headers={
                "Content-Type": content_type,
                "Content-Disposition": f'attachment; filename="{name}"',
                REQUEST_ID_HEADER: origin.get().request_id,
            }
        )
        with whole_or_cut(request):
            await response.prepare(request)
            if request.method != hdrs.METH_HEAD:  # aiohttp would send what is written as the next answer
                await response.write(piece)
                async for piece in pieces:
                    await response.write(piece)
            await response.write_eof()
    return response
