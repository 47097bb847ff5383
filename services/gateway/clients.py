"""The only file that knows where the services are: calls and streams with deadlines, one retry, and who asks."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import Any, Literal
from urllib.parse import quote, urlencode

import aiohttp
import orjson
import structlog
from aiohttp import web
from yarl import URL

from services.gateway.deadlines import USUAL, Deadlines
from services.gateway.settings import UPLOAD_MAX_BYTES, GatewaySettings
from services.gateway.streaming import PassedThrough
from services.gateway.visitor import Visitor
from shared import errors
from shared.connections import has_left, whole_or_cut
from shared.logging import origin
from shared.signing import ACTOR_HEADER
from shared.web.headers import CLIENT_HEADER, IDEMPOTENCY_HEADER, REQUEST_ID_HEADER

Service = Literal["identity", "cases", "contracts", "notifications"]
Query = Mapping[str, object] | str | None

# What a service may say to the outside beside its body; everything else stays inside.
PASSED_BACK = ("Content-Type", "Content-Disposition", "ETag", "Location", "Retry-After")
# What makes a file harmless, and keeps it out of caches.
_PASSED_BACK_WITH_FILES = ("X-Content-Type-Options", "Content-Security-Policy", "Cache-Control")
_JSON = "application/json"
_PROBLEM = "application/problem+json"
_OF_SESSIONS = "/session/"  # there identity says whether the session itself still holds
_CONNECT_S = 1.0
_CHUNK_BYTES = 64 * 1024
_ONE_PIECE_BYTES = 512 * 1024
_SPEAKS_OF: Mapping[Service, str] = {
    "identity": "Sign-in and company data",
    "cases": "Support cases",
    "contracts": "Products and contracts",
    "notifications": "E-mail notices",
}

_log = structlog.get_logger()


class ServiceUnavailable(errors.Unavailable):
    """A service did not answer in time, or not at all."""

    def __init__(self, service: Service) -> None:
        """Names in plain words what cannot be had now."""
        super().__init__(
            f"{_SPEAKS_OF[service]} cannot be reached at the moment. Please try again shortly.",
            params={"reason": service},
        )
        self.service = service


@dataclass(frozen=True, slots=True)
class Reply:
    """What a service answered; `headers` only those that may leave."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """A success."""
        return self.status < 300  # noqa: PLR2004

    def json(self) -> Any:
        """The body, read as JSON."""
        return orjson.loads(self.body)


@dataclass(frozen=True, slots=True)
class _Ask:
    """One request to a service, ready to be sent again."""

    service: Service
    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes | None
    within_s: float

    @property
    def content(self) -> bytes | BytesIO | None:
        """The body as the client library wants it: a long one in pieces, so that nobody else waits for it."""
        return BytesIO(self.body) if self.body and len(self.body) > _ONE_PIECE_BYTES else self.body

    @property
    def tries(self) -> int:
        """Two where the second does no harm."""
        return 2 if self.method == "GET" or IDEMPOTENCY_HEADER in self.headers else 1


def fill(template: str, **values: str) -> str:
    """An internal path with its variables quoted, so that no value can become another path."""
    if any(value in {"", ".", ".."} for value in values.values()):
        raise errors.NotFound
    return template.format(**{name: quote(value, safe="") for name, value in values.items()})


class Services:
    """The services over one pool of kept-alive connections."""

    def __init__(
        self,
        urls: Mapping[Service, str],
        deadlines: Deadlines = USUAL,
        *,
        upload_max_bytes: int = UPLOAD_MAX_BYTES,
    ) -> None:
        """Connects when first asked. No body that goes through as it comes may be longer than `upload_max_bytes`."""
        self._upload_max_bytes = upload_max_bytes
        self._urls = urls
        self._deadlines = deadlines
        self._http: aiohttp.ClientSession | None = None

    @classmethod
    def of(cls, settings: GatewaySettings) -> "Services":
        """The services where the settings say they are."""
        return cls(
            {
                "identity": settings.identity_url,
                "cases": settings.cases_url,
                "contracts": settings.contracts_url,
                "notifications": settings.notifications_url,
            },
            upload_max_bytes=settings.upload_max_bytes,
        )

    async def stop(self) -> None:
        """Closes every connection."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def call(
        self,
        service: Service,
        method: str,
        path: str,
        *,
        visitor: Visitor | None,
        query: Query = None,
        body: bytes | None = None,
        json: object | None = None,
        headers: Mapping[str, str] | None = None,
        within_s: float | None = None,
    ) -> Reply:
        """A service's answer, refusals included; Unavailable when there is none within 5 s, or `within_s`.

        `path` has its variables quoted (`fill`). A GET, and whatever carries an Idempotency-Key, is repeated once when
        the connection fails. `not_yet_known` is asked again for 3 s (products 1 s), then answered as 422.
        """
        sent = dict(headers or {})
        if json is not None:
            body = orjson.dumps(json)
            sent["Content-Type"] = _JSON
        if method == "POST" and visitor is not None:
            sent.setdefault(IDEMPOTENCY_HEADER, secrets.token_urlsafe(16))
        url, within_s = self._url(service, path, query), within_s or self._deadlines.answer_s
        ask = _Ask(service, method, url, sent | _proofs(visitor), body, within_s)
        reply = await self._until_known(ask)
        if visitor is not None and not path.startswith(_OF_SESSIONS):
            _refuse_disbelief(service, reply.status)
        return reply

    async def stream(
        self,
        request: web.Request,
        service: Service,
        path: str,
        *,
        visitor: Visitor | None,
        query: Query = None,
    ) -> web.StreamResponse | Reply:
        """Passes a long GET on to whoever asked, chunk by chunk; a refusal is answered here, and nothing has gone out.

        5 s to the headers, 150 s from there to the body, which may have to be made first, 30 s between chunks, and 5 s
        for a refusal.
        """
        async with self._opened(service, self._url(service, path, query), _proofs(visitor)) as source:
            if source.status == HTTPStatus.OK:
                return await self._pass_back(request, service, source)
            if visitor is not None:
                _refuse_disbelief(service, source.status)
            try:
                async with asyncio.timeout(self._deadlines.answer_s):
                    return Reply(source.status, await source.read(), _passed_back(source))
            except (aiohttp.ClientError, TimeoutError) as error:
                raise _away(service, error) from error

    async def _pass_back(
        self, request: web.Request, service: Service, source: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        headers = _passed_back(source, (*PASSED_BACK, *_PASSED_BACK_WITH_FILES))
        if source.content_length is not None:
            headers["Content-Length"] = str(source.content_length)
        response = web.StreamResponse(status=source.status, headers=headers)
        response.headers[REQUEST_ID_HEADER] = origin.get().request_id
        try:
            with whole_or_cut(request):
                await response.prepare(request)
                async for chunk in self._chunks(source):
                    await response.write(chunk)
                await response.write_eof()
        except (aiohttp.ClientError, TimeoutError) as error:
            if isinstance(error, ConnectionError) and has_left(request):
                raise
            _log.warning("stream_broken", service=service, reason=type(error).__name__)
        return response

    async def upload(
        self,
        request: web.Request,
        service: Service,
        path: str,
        *,
        visitor: Visitor | None,
        headers: Mapping[str, str],
    ) -> Reply:
        """Passes the body of a POST on as it comes, once: up to 120 s, 10 s between chunks, then 5 s for the answer.

        It has to come at `Pace`, too. TooLarge for a body of more than `upload_max_bytes`, however it is encoded.
        """
        body = PassedThrough(request, at_most=self._upload_max_bytes, idle_s=self._deadlines.upload_idle_s)
        sent = {IDEMPOTENCY_HEADER: secrets.token_urlsafe(16), **headers, **_proofs(visitor)}
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._deadlines.upload_s) as deadline:

                async def chunks() -> AsyncIterator[bytes]:
                    async for chunk in body.chunks():
                        yield chunk
                    deadline.reschedule(loop.time() + self._deadlines.answer_s)

                reply = await self._pass_through(self._url(service, path, None), sent, chunks())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise body.failure or _away(service, error) from error
        if visitor is not None:
            _refuse_disbelief(service, reply.status)
        return reply

    async def _pass_through(self, url: URL, headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> Reply:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S)
        async with self._session().post(
            url, headers=headers, data=chunks, timeout=timeout, allow_redirects=False
        ) as answer:
            reply = Reply(answer.status, await answer.read(), _passed_back(answer))
            # It may have been refused while most of it was still to come.
            answer.close()
            return reply

    @asynccontextmanager
    async def _opened(
        self, service: Service, url: URL, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S)
        try:
            async with asyncio.timeout(self._deadlines.first_byte_s):
                source = await self._session().get(url, headers=headers, timeout=timeout, allow_redirects=False)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _away(service, error) from error
        try:
            yield source
        finally:
            source.close()

    async def _chunks(self, source: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        within_s = self._deadlines.made_s
        while True:
            async with asyncio.timeout(within_s):
                chunk = await source.content.read(_CHUNK_BYTES)
            if not chunk:
                return
            yield chunk
            within_s = self._deadlines.idle_s

    async def silent(self) -> dict[str, str]:
        """The services that do not answer that they are alive, and how that showed."""
        names = list(self._urls)
        found = await asyncio.gather(*(self._health(name) for name in names))
        return {name: trouble for name, trouble in zip(names, found, strict=True) if trouble}

    async def _health(self, service: Service) -> str:
        timeout = aiohttp.ClientTimeout(total=self._deadlines.health_s)
        try:
            async with self._session().get(self._url(service, "/healthz", None), timeout=timeout) as answer:
                return "" if answer.ok else f"answers {answer.status}"
        except (aiohttp.ClientError, TimeoutError) as error:
            return type(error).__name__

    async def _until_known(self, ask: _Ask) -> Reply:
        """Asks again while the service's copy catches up; the Idempotency-Key stays the same."""
        time = asyncio.get_running_loop().time
        asked_at = time()
        pause_s = 0.05
        while True:
            reply = await self._answer(ask)
            if not (unknown := _not_yet_known(reply)):
                return reply
            left_s = asked_at + self._deadlines.until_known_s(unknown) - time()
            if left_s <= 0:
                return _unknown_for_good(reply)
            await asyncio.sleep(min(pause_s, left_s))
            # Copies are behind by milliseconds, or by far more: few asks find out.
            pause_s *= 4

    async def _answer(self, ask: _Ask) -> Reply:
        try:
            async with asyncio.timeout(ask.within_s):
                for _ in range(ask.tries - 1):
                    try:
                        return await self._send(ask)
                    except aiohttp.ClientConnectionError as error:
                        _log.info("service_asked_again", service=ask.service, reason=type(error).__name__)
                return await self._send(ask)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _away(ask.service, error) from error

    async def _send(self, ask: _Ask) -> Reply:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S)
        async with self._session().request(
            ask.method, ask.url, headers=ask.headers, data=ask.content, timeout=timeout, allow_redirects=False
        ) as answer:
            return Reply(answer.status, await answer.read(), _passed_back(answer))

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            # No cookie of one visitor may ever ride on another's request.
            self._http = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=500, limit_per_host=0)
            )
        return self._http

    def _url(self, service: Service, path: str, query: Query) -> URL:
        url = self._urls[service] + path
        if not query:
            return URL(url)
        # Spelled into the address: `with_query` would quote a second time what is quoted already.
        return URL(f"{url}?{query if isinstance(query, str) else urlencode(query, doseq=True)}")


SERVICES = web.AppKey("services", Services)


def _proofs(visitor: Visitor | None) -> dict[str, str]:
    """What only the gateway may say of a request."""
    current = origin.get()
    proofs = {REQUEST_ID_HEADER: current.request_id, CLIENT_HEADER: current.address}
    if visitor is not None:
        proofs[ACTOR_HEADER] = visitor.actor
    return proofs


def _passed_back(answer: aiohttp.ClientResponse, names: Sequence[str] = PASSED_BACK) -> dict[str, str]:
    return {name: answer.headers[name] for name in names if name in answer.headers}


def _away(service: Service, error: Exception) -> ServiceUnavailable:
    _log.warning("service_unavailable", service=service, reason=type(error).__name__)
    return ServiceUnavailable(service)


def _refuse_disbelief(service: Service, status: int) -> None:
    """ServiceUnavailable where a service takes nobody's word for a visitor whom identity has just vouched for.

    Asking that visitor to sign in would lead back here for ever: what is wrong is this service's clock or key.
    """
    if status == errors.NotSignedIn.status:
        _log.warning("actor_disbelieved", service=service, look_at="its clock, its PORTICO_SECRET_KEY")
        raise ServiceUnavailable(service)


def _not_yet_known(reply: Reply) -> list[str]:
    """The fields that name what the service's copy does not know; none for every other answer."""
    if reply.status != errors.NotYetKnown.status or reply.headers.get("Content-Type") != _PROBLEM:
        return []
    problem = reply.json()
    return [wrong["field"] for wrong in problem["errors"]] if problem.get("code") == errors.NotYetKnown.code else []


def _unknown_for_good(reply: Reply) -> Reply:
    """422 in place of 409: waiting did not help, so the id is nobody's, or not this visitor's."""
    problem = reply.json()
    title = "Something that the request names is not known."
    fields = [wrong | {"message": "This is not known."} for wrong in problem["errors"]]
    told = problem | {"status": errors.Invalid.status, "title": title, "detail": title, "errors": fields}
    return Reply(errors.Invalid.status, orjson.dumps(told), reply.headers)
