"""What every HTTP client of the tests answers, and the one place through which each answer of Portico passes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from tests import api_document
from tests.api_document import Received


@dataclass(frozen=True)
class Answer:
    """A status and what came with it: the JSON, or else the bytes."""

    status: int
    body: Any
    headers: Mapping[str, str]  # whatever the case of their names

    @property
    def code(self) -> str:
        return str(self.body["code"])

    @property
    def field_codes(self) -> dict[str, str]:
        """Which field was refused with which code."""
        return {error["field"]: error["code"] for error in self.body["errors"]}

    @property
    def wrong_fields(self) -> set[str]:
        return set(self.field_codes)

    @property
    def text(self) -> str:
        """The body for a search in it, and for the message of a failed test."""
        body = self.body if isinstance(self.body, bytes) else orjson.dumps(self.body)
        return body.decode(errors="replace")


class CheckedResponse(aiohttp.ClientResponse):
    """The `response_class` of every session of the tests: whoever reads a body, `check_answer` sees it."""

    async def read(self) -> bytes:
        is_new = self._body is None
        body = await super().read()
        if is_new:
            check_answer(self, body)
        return body


def check_answer(response: aiohttp.ClientResponse, body: bytes) -> None:
    """Called once for each answer that a test has read: NotAsDescribed unless it is as OpenAPI says."""
    received = Received(response.method, response.url.path, response.status, response.headers, body)
    api_document.check(received)


async def answer_of(response: aiohttp.ClientResponse) -> Answer:
    """The whole answer; of a stream of events, which has no end, the first line."""
    if response.content_type == "text/event-stream":
        return Answer(response.status, await response.content.readline(), response.headers)
    is_json = response.content_type.endswith("json")
    return Answer(response.status, await response.json() if is_json else await response.read(), response.headers)


def client_of(app: web.Application) -> TestClient[web.Request, web.Application]:
    """Serves an application on a free port; started and closed by `async with`."""
    return TestClient(TestServer(app), response_class=CheckedResponse)
