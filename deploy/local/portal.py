"""A signed-in user of the public JSON API, for what the demo puts into a new portal."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from time import monotonic
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import aiohttp

_NOT_YET_KNOWN_S = 30.0
_ASK_AGAIN_S = 0.3

Json = dict[str, Any]


class PortalRefused(Exception):
    """The portal answered with something else than success; the text is its own."""


@dataclass(frozen=True)
class Portal:
    """One user's session. Every change carries an Idempotency-Key, so that an interrupted demo can go on."""

    http: aiohttp.ClientSession
    address: str
    user: Json

    async def get(self, path: str) -> Json:
        """What stands there."""
        return await _send(self.http, "GET", f"{self.address}{path}", {})

    async def post(self, path: str, body: Json, *, key: str) -> Json:
        """Create something, or get what the same key (any text) has created before."""
        give_up_at = monotonic() + _NOT_YET_KNOWN_S
        while True:
            try:
                return await _send(self.http, "POST", f"{self.address}{path}", _as(key), json=body)
            except PortalRefused as refused:
                # What was made a moment ago in one service is on its way to the others; a cold broker takes its time.
                if "not_yet_known" not in str(refused) or monotonic() > give_up_at:
                    raise
                await asyncio.sleep(_ASK_AGAIN_S)

    async def upload(self, name: str, content: bytes, *, key: str) -> Json:
        """Upload a file, to be cited."""
        form = aiohttp.FormData()
        form.add_field("file", content, filename=name)
        return await _send(self.http, "POST", f"{self.address}/attachments", _as(key), data=form)

    async def put(self, path: str, body: Json) -> Json:
        """Replace something, whatever its version."""
        return await _send(self.http, "PUT", f"{self.address}{path}", {"If-Match": "*"}, json=body)


@asynccontextmanager
async def signed_in(portal_url: str, email: str, password: str) -> AsyncIterator[Portal]:
    """Sign in, and out at the end."""
    address, deadline = f"{portal_url}/api/v1", aiohttp.ClientTimeout(total=15)
    # The cookie may be for TLS only, which a cookie jar would then keep back on this machine's own address.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=deadline) as http:
        async with http.post(f"{address}/session", json={"email": email, "password": password}) as answer:
            session = await _read(answer)
            http.headers.update({"Cookie": _cookie(answer), "X-CSRF-Token": session["csrf_token"]})
        yield Portal(http, address, session["user"])
        await _send(http, "DELETE", f"{address}/session", {})


async def _send(
    http: aiohttp.ClientSession, method: str, address: str, headers: Mapping[str, str], **body: Any
) -> Json:
    async with http.request(method, address, headers=headers, **body) as answer:
        return await _read(answer)


def _as(key: str) -> dict[str, str]:
    return {"Idempotency-Key": str(uuid5(NAMESPACE_URL, key))}


async def _read(answer: aiohttp.ClientResponse) -> Json:
    if not answer.ok:
        raise PortalRefused(f"{answer.method} {answer.url.path}: {answer.status} {await answer.text()}")
    content: Json = {} if answer.status == 204 else await answer.json()  # noqa: PLR2004  # no content
    return content


def _cookie(answer: aiohttp.ClientResponse) -> str:
    jar: SimpleCookie = SimpleCookie()
    for header in answer.headers.getall("Set-Cookie", []):
        jar.load(header)
    return "; ".join(f"{name}={morsel.value}" for name, morsel in jar.items())
