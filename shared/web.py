"""The aiohttp application of every process: problem+json, request ids, limits, deadlines, metrics, graceful stop."""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, BinaryIO, TypeVar, cast

import orjson
import structlog
from aiohttp import HttpVersion10, HttpVersion11, web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from shared import errors
from shared.actor import Actor
from shared.bodies import MOST_ENTRIES, MOST_FIELDS, TooManyFields, count_bodies, let_go, parse, read_aside, read_bytes
from shared.clock import utc_now
from shared.connections import SERVER, has_left, whole_or_cut
from shared.errors import FieldError, Refusal, problem
from shared.idempotency import IdempotencyKey
from shared.logging import Origin, origin
from shared.mongo import Database, DatabaseError, is_unavailable
from shared.schemas.base import Body
from shared.signing import ACTOR_HEADER, Verify

REQUEST_ID_HEADER = "X-Request-Id"
CLIENT_HEADER = "X-Portico-Client"
SESSION_HEADER = "X-Portico-Session"
DEVICE_HEADER = "X-Portico-Device"
BROWSER_HEADER = "X-Portico-Browser"
IDEMPOTENCY_HEADER = "Idempotency-Key"
HEALTH_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})

DATABASE = web.AppKey("database", Database)
VERIFY: web.AppKey[Verify] = web.AppKey("verify", cast("type[Verify]", object))
CLOCK: web.AppKey[Callable[[], datetime]] = web.AppKey("clock", cast("type[Callable[[], datetime]]", object))
Status = Callable[[], Awaitable[tuple[bool, dict[str, Any]]]]
STATUS: web.AppKey[Status] = web.AppKey("status", cast("type[Status]", object))
UNLOGGED: web.AppKey[frozenset[str]] = web.AppKey("unlogged", frozenset)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_B = TypeVar("_B", bound=Body)
_M = TypeVar("_M", bound=BaseModel)
_log = structlog.get_logger()
_requests = Counter("portico_http_requests_total", "Requests, by what became of them", ["method", "route", "status"])
_seconds = Histogram("portico_http_request_seconds", "Time to the answer", ["method", "route"])

_CHUNK_BYTES = 256 * 1024
_MOST_ERRORS = 100
_LONGEST_MEDIA_TYPE = 256  # a boundary has 70 characters at most
_CALLER_LEFT = 499  # as nginx counts it; nobody gets this answer
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def create_app(*, clock: Callable[[], datetime] = utc_now, unlogged: frozenset[str] = frozenset()) -> web.Application:
    """An application that answers every failure as problem+json and bounds every body.

    `unlogged` are routes whose successes are no lines of the log.
    """
    app = web.Application(middlewares=[_observe, _refuse_what_nobody_needs])
    app[CLOCK] = clock
    app[UNLOGGED] = unlogged
    app.on_response_prepare.append(_name_no_software)
    count_bodies(app)
    return app


def add_health(app: web.Application, status: Status) -> None:
    """`/healthz`, `/readyz` and `/metrics`; for private ports only.

    `status` answers whether HTTP can be served now, and what is degraded.
    """
    app[STATUS] = status
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz)
    app.router.add_get("/metrics", _metrics)


async def _healthz(_request: web.Request) -> web.Response:
    return answer({"alive": True})


async def _readyz(request: web.Request) -> web.Response:
    ready, degraded = await request.app[STATUS]()
    return answer({"ready": ready, "degraded": degraded}, status=200 if ready else 503)


async def _metrics(_request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


# Reading requests


async def read_body(request: web.Request, model: type[_B]) -> _B:
    """The JSON body as `model`; Malformed, WrongMediaType, TooLarge, or Invalid with every wrong field."""
    if request.content_type != "application/json":
        raise errors.WrongMediaType("Send application/json.")
    body = await read_bytes(request, at_most=model.max_body_bytes)
    return await read_aside(partial(parsed, model=model), body)


def parsed(body: bytes, *, model: type[_B]) -> _B:
    """The JSON as `model`; Malformed, or Invalid with every wrong field."""
    # What is wrong holds what was sent, which takes long to tell and to let go of: that stays where the body is read.
    try:
        return parse(body, model)
    except TooManyFields:
        raise errors.Invalid.at(
            "body", "too_many_errors", f"More than {MOST_FIELDS} fields, or more than {MOST_ENTRIES} entries of lists."
        ) from None
    except ValidationError as error:
        raise _refusal_of(error) from None


def read_query(request: web.Request, model: type[_M]) -> _M:
    """The query string as `model`; Invalid with every wrong or unknown parameter."""
    query: dict[str, object] = {}
    for name in request.query:
        values = request.query.getall(name)
        query[name] = values if len(values) > 1 else values[0]
    try:
        return model.model_validate(query)
    except ValidationError as error:
        raise _refusal_of(error) from error


def read_path(request: web.Request, name: str, kind: type[Any]) -> Any:  # the caller names the type
    """A path variable as `kind`; NotFound when it is none, as for an id that is not there."""
    try:
        return TypeAdapter(kind).validate_python(request.match_info[name])
    except ValidationError as error:
        raise errors.NotFound from error


def _refusal_of(error: ValidationError) -> Refusal:
    if error.error_count() > MOST_FIELDS:
        return errors.Invalid.at("body", "too_many_errors", f"More than {MOST_FIELDS} fields are wrong.")
    # Without what was sent: each missing field would have all of the body beside it.
    problems = error.errors(include_url=False, include_input=False)
    if any(problem["type"] == "json_invalid" for problem in problems):
        return errors.Malformed("The body is not valid JSON.")
    return errors.Invalid(errors=tuple(_field_error(problem) for problem in problems[:_MOST_ERRORS]))


def _field_error(problem: ErrorDetails) -> FieldError:
    field = ".".join(str(part) for part in problem["loc"]) or "body"
    code = problem["type"]
    plain = code.removeprefix("string_")
    if plain not in ("too_short", "too_long"):
        return FieldError(field, code, problem["msg"])
    bound, limit = ("at least", "min_length") if plain == "too_short" else ("at most", "max_length")
    count = problem["ctx"][limit]
    if code != plain:
        return FieldError(field, code, f"Use {bound} {count} character{'' if count == 1 else 's'}.")
    return FieldError(field, code, f"Give {bound} {count} {'entry' if count == 1 else 'entries'}.")


def actor_of(request: web.Request) -> Actor:
    """Who acts; NotSignedIn without a valid signature, Forbidden for a suspended company or a read-only token."""
    token = request.headers.get(ACTOR_HEADER)
    if not token:
        raise errors.NotSignedIn
    actor = request.app[VERIFY](token)
    origin.set(Origin(origin.get().request_id, str(actor.user_id), actor.address))
    if actor.suspended:
        raise CompanySuspended
    if not actor.may_write and request.method not in ("GET", "HEAD"):
        raise errors.Forbidden("This API token may only read.")
    return actor


class CompanySuspended(errors.Forbidden):
    """The vendor has suspended the company."""

    code = "company_suspended"
    title = "Your company's access is suspended. Please call your vendor."


async def idempotency_key_of(request: web.Request, actor: Actor, *, body: bytes | None = None) -> IdempotencyKey:
    """What this POST wants once; without an Idempotency-Key, the request stands for itself.

    `body` stands for a body that was read as a stream: whatever is the same when the request is sent again.
    """
    key = request.headers.get(IDEMPOTENCY_HEADER)
    if key is None:
        key = secrets.token_urlsafe(16)
    elif not _IDEMPOTENCY_KEY.fullmatch(key):
        raise errors.Invalid.at("Idempotency-Key", "idempotency_key", "Use 1 to 255 visible ASCII characters.")
    return IdempotencyKey.of(
        user_id=actor.user_id,
        route=_route_of(request),
        key=key,
        body=await read_bytes(request) if body is None else body,
    )


def etag(version: int) -> str:
    """The ETag of a document's version."""
    return f'"{version}"'


def expected_version(request: web.Request, *, any_allowed: bool = False) -> int | None:
    """The version in `If-Match`, None for an allowed `*`; PreconditionRequired or PreconditionFailed without one."""
    header = request.headers.get("If-Match")
    if header is None:
        raise errors.PreconditionRequired
    if any_allowed and header.strip() == "*":
        return None
    match = re.fullmatch(r'\s*"(\d{1,15})"\s*', header)
    if match is None:
        raise errors.PreconditionFailed
    return int(match[1])


# Answering


def answer(
    payload: BaseModel | Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """JSON, from a schema or a plain mapping."""
    body = payload.model_dump_json().encode() if isinstance(payload, BaseModel) else orjson.dumps(payload)
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


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


def problem_answer(refusal: Refusal) -> web.Response:
    """A refusal as problem+json."""
    headers = {}
    if (wait := getattr(refusal, "retry_after_s", None)) is not None:
        headers["Retry-After"] = str(wait)
    body = problem(refusal) | {"request_id": origin.get().request_id}
    return web.Response(
        body=orjson.dumps(body, default=str),
        status=refusal.status,
        content_type="application/problem+json",
        headers=headers,
    )


def _problem_with_allow(error: web.HTTPException) -> web.Response:
    response = problem_answer(refusal_of(error))
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


class _AsRefusal(Refusal):
    """An answer that aiohttp itself gave."""

    def __init__(self, error: web.HTTPException) -> None:
        super().__init__(error.reason)
        self.status = error.status  # type: ignore[misc]  # one class for all of aiohttp's own
        self.code = re.sub(r"\W+", "_", error.reason.lower())  # type: ignore[misc]
        self.title = error.reason  # type: ignore[misc]


def refusal_of(error: Exception) -> Refusal:
    """What to answer for anything that was raised; what nobody expected is logged with its trace."""
    match error:
        case Refusal():
            return error
        case web.HTTPNotFound():
            return errors.NotFound()
        case web.HTTPException():
            return _AsRefusal(error)
        case DatabaseError() if is_unavailable(error):
            _log.warning("database_unavailable", reason=f"{type(error).__name__}: {error}")
            return errors.Unavailable()
    _log.error("unhandled", exc_info=error)
    return errors.Broken()


def _route_of(request: web.Request) -> str:
    """The route's template: codes and ids that stand in the path stay out of logs and metrics."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"


def _origin_of(request: web.Request) -> Origin:
    given = request.headers.get(REQUEST_ID_HEADER, "")
    request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
    return Origin(request_id, "", request.headers.get(CLIENT_HEADER, ""))


@web.middleware
async def _observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    started = time.perf_counter()
    token = origin.set(_origin_of(request))
    try:
        try:
            response = await handler(request)
        except web.HTTPException as error:
            # Redirects are answers, not failures.
            response = error if error.status < 400 else _problem_with_allow(error)  # noqa: PLR2004
        except Exception as error:  # noqa: BLE001  # the one place where anything becomes an answer
            if isinstance(error, ConnectionError) and has_left(request):
                response = web.Response(status=_CALLER_LEFT)
            else:
                response = problem_answer(refusal_of(error))
        except asyncio.CancelledError:
            _record(request, _CALLER_LEFT, time.perf_counter() - started)
            raise
        if not response.prepared:
            response.headers[REQUEST_ID_HEADER] = origin.get().request_id
        _record(request, response.status, time.perf_counter() - started)
    finally:
        let_go(request)
        # The answer may wait long for its reader; what it was made of need not.
        request.clear()
        origin.reset(token)
    return response


@web.middleware
async def _refuse_what_nobody_needs(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.version not in (HttpVersion10, HttpVersion11):
        raise errors.Malformed("Send HTTP/1.1.")
    # aiohttp reads it by a way that takes the square of its length: half a second for a header as long as may be.
    if any(len(kind) > _LONGEST_MEDIA_TYPE for kind in request.headers.getall("Content-Type", [])):
        raise errors.WrongMediaType("Send a shorter Content-Type.")
    # A few bytes that are packed can unpack to a gigabyte. Whichever header a reader looks at, none may say so.
    codings = request.headers.getall("Content-Encoding", []) + request.headers.getall("Transfer-Encoding", [])
    if {coding.strip() for coding in ",".join(codings).lower().split(",")} - {"", "none", "identity", "chunked"}:
        raise errors.WrongMediaType("Send the body as it is, not packed.")
    return await handler(request)


async def _name_no_software(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER


def _record(request: web.Request, status: int, seconds: float) -> None:
    route = _route_of(request)
    _requests.labels(request.method, route, status).inc()
    _seconds.labels(request.method, route).observe(seconds)
    is_unlogged = route in request.app[UNLOGGED] and status < 400  # noqa: PLR2004
    if route not in HEALTH_PATHS and not is_unlogged:
        _log.info("request", method=request.method, route=route, status=status, ms=round(seconds * 1000, 1))
