"""The only file that knows where the services are: calls with deadlines, one retry, and who asks."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from services.gateway.visitor import Visitor
from shared import errors
from shared.logging import origin
from shared.signing import ACTOR_HEADER
from shared.web.headers import CLIENT_HEADER, IDEMPOTENCY_HEADER, REQUEST_ID_HEADER

Service = Literal["identity", "cases", "contracts", "notifications"]
Query = Mapping[str, object] | str | None

# What a service may say to the outside beside its body; everything else stays inside.
PASSED_BACK = ("Content-Type", "Content-Disposition", "ETag", "Location", "Retry-After")
_JSON = "application/json"
_PROBLEM = "application/problem+json"
_OF_SESSIONS = "/session/"  # there identity says whether the session itself still holds
CONNECT_S = 1.0
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
        """Names in plain words what is not available now."""
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
        """The body as the client library wants it: a long one in pieces, so that it does not block other requests."""
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
        self.upload_max_bytes = upload_max_bytes
        self._urls = urls
        self.deadlines = deadlines
        self._http: aiohttp.ClientSession | None = None
        self._streaming: aiohttp.ClientSession | None = None

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
        for http in (self._http, self._streaming):
            if http is not None:
                await http.close()
        self._http = self._streaming = None

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
        url, within_s = self.url(service, path, query), within_s or self.deadlines.answer_s
        ask = _Ask(service, method, url, sent | proofs(visitor), body, within_s)
        reply = await self._until_known(ask)
        if visitor is not None and not path.startswith(_OF_SESSIONS):
            refuse_rejected_actor(service, reply.status)
        return reply

    async def silent(self) -> dict[str, str]:
        """The services that do not answer that they are alive, and how that showed."""
        names = list(self._urls)
        found = await asyncio.gather(*(self._health(name) for name in names))
        return {name: trouble for name, trouble in zip(names, found, strict=True) if trouble}

    async def _health(self, service: Service) -> str:
        timeout = aiohttp.ClientTimeout(total=self.deadlines.health_s)
        try:
            async with self.session().get(self.url(service, "/healthz", None), timeout=timeout) as answer:
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
            left_s = asked_at + self.deadlines.until_known_s(unknown) - time()
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
            raise unavailable(ask.service, error) from error

    async def _send(self, ask: _Ask) -> Reply:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
        async with self.session().request(
            ask.method, ask.url, headers=ask.headers, data=ask.content, timeout=timeout, allow_redirects=False
        ) as answer:
            return Reply(answer.status, await answer.read(), passed_back(answer))

    def session(self) -> aiohttp.ClientSession:
        """The pool of connections; made when first asked for, inside the running loop."""
        if self._http is None:
            # No cookie of one visitor may ever ride on another's request.
            self._http = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=500, limit_per_host=0)
            )
        return self._http

    def streaming(self) -> aiohttp.ClientSession:
        """Connections beside the pool, for what stays open for hours; who asks for one bounds how many there are."""
        if self._streaming is None:
            self._streaming = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0)
            )
        return self._streaming

    def url(self, service: Service, path: str, query: Query = None) -> URL:
        """Where a service has this path, which has its variables quoted."""
        url = self._urls[service] + path
        if not query:
            return URL(url)
        # Spelled into the address: `with_query` would quote a second time what is quoted already.
        return URL(f"{url}?{query if isinstance(query, str) else urlencode(query, doseq=True)}")


SERVICES = web.AppKey("services", Services)


def proofs(visitor: Visitor | None) -> dict[str, str]:
    """The headers that only the gateway may send: request id, address of the client, signed actor."""
    current = origin.get()
    proofs = {REQUEST_ID_HEADER: current.request_id, CLIENT_HEADER: current.address}
    if visitor is not None:
        proofs[ACTOR_HEADER] = visitor.actor
    return proofs


def passed_back(answer: aiohttp.ClientResponse, names: Sequence[str] = PASSED_BACK) -> dict[str, str]:
    """The headers of a service's answer that may leave."""
    return {name: answer.headers[name] for name in names if name in answer.headers}


def unavailable(service: Service, error: Exception) -> ServiceUnavailable:
    """The refusal for a service that did not answer, which is logged."""
    _log.warning("service_unavailable", service=service, reason=type(error).__name__)
    return ServiceUnavailable(service)


def refuse_rejected_actor(service: Service, status: int) -> None:
    """ServiceUnavailable where a service rejects the signed actor of a visitor whom identity has just confirmed.

    Asking that visitor to sign in would lead back here again and again: the clock or the key of this service is wrong.
    """
    if status == errors.NotSignedIn.status:
        _log.warning("actor_rejected", service=service, look_at="its clock, its PORTICO_SECRET_KEY")
        raise ServiceUnavailable(service)


def _not_yet_known(reply: Reply) -> list[str]:
    """The fields that name something that the service's copy does not know yet; empty for every other answer."""
    if reply.status != errors.NotYetKnown.status or reply.headers.get("Content-Type") != _PROBLEM:
        return []
    problem = reply.json()
    return [wrong["field"] for wrong in problem["errors"]] if problem.get("code") == errors.NotYetKnown.code else []


def _unknown_for_good(reply: Reply) -> Reply:
    """422 in place of 409: waiting did not help, so the id does not exist, or is not this visitor's."""
    problem = reply.json()
    title = "Something that the request names is not known."
    fields = [wrong | {"message": "This is not known."} for wrong in problem["errors"]]
    told = problem | {"status": errors.Invalid.status, "title": title, "detail": title, "errors": fields}
    return Reply(errors.Invalid.status, orjson.dumps(told), reply.headers)
