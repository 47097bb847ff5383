"""Reading requests: bodies, queries, paths, who acts, idempotency keys, versions."""

import re
import secrets
from functools import partial
from typing import Any, TypeVar, cast, get_args, get_origin

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from shared import errors
from shared.actor import Actor
from shared.bodies import TooManyFields, parse, parse_in_thread, read_bytes
from shared.idempotency import IdempotencyKey
from shared.logging import Origin, origin
from shared.schemas.base import Body
from shared.signing import ACTOR_HEADER, Verify
from shared.web.headers import IDEMPOTENCY_HEADER
from shared.web.problems import invalid, too_many_errors

VERIFY: web.AppKey[Verify] = web.AppKey("verify", cast("type[Verify]", object))

_B = TypeVar("_B", bound=Body)
_M = TypeVar("_M", bound=BaseModel)
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
# Proxies that pack answers write `W/` before an ETag (nginx) or how they packed it into its end (Apache, Caddy).
_VERSION = re.compile(r'(?:W/)?"(\d{1,15})(?:--?[a-z]{2,7})?"|(\d{1,15})', re.ASCII)


async def read_body(request: web.Request, model: type[_B]) -> _B:
    """The JSON body as `model`; Malformed, WrongMediaType, TooLarge, or Invalid with every wrong field.

    No body at all is an empty one, where none of the fields is required.
    """
    if not request.can_read_body and not any(field.is_required() for field in model.model_fields.values()):
        return model()
    if request.content_type != "application/json":
        raise errors.WrongMediaType("Send application/json.")
    body = await read_bytes(request, at_most=model.max_body_bytes)
    return await parse_in_thread(partial(parsed, model=model), body)


def parsed(body: bytes, *, model: type[_B]) -> _B:
    """The JSON as `model`; Malformed, or Invalid with every wrong field."""
    # What is wrong holds what was sent, which takes long to tell and to let go of: that stays where the body is read.
    try:
        return parse(body, model)
    except TooManyFields:
        raise too_many_errors() from None
    except ValidationError as error:
        raise invalid(error, model) from None


def read_query(request: web.Request, model: type[_M]) -> _M:
    """The query string as `model`; Invalid with every wrong or unknown parameter. An empty one is left out."""
    query: dict[str, object] = {}
    repeated: list[errors.FieldError] = []
    for name in dict.fromkeys(request.query):
        field = model.model_fields.get(name)
        values = list(dict.fromkeys(each for each in request.query.getall(name) if each or field is None))
        if len(values) > 1 and field is not None and not _takes_many(field):
            repeated.append(errors.FieldError(name, "repeated", "Give this once."))
        elif values:
            query[name] = values if len(values) > 1 else values[0]
    if repeated:
        raise errors.Invalid(errors=tuple(repeated))
    try:
        return model.model_validate(query)
    except ValidationError as error:
        raise invalid(error, model) from error


def _takes_many(field: FieldInfo) -> bool:
    """Whether it is a list, or may be one."""
    return any(get_origin(each) is list for each in (field.annotation, *get_args(field.annotation)))


def read_path(request: web.Request, name: str, kind: type[Any]) -> Any:  # the caller names the type
    """A path variable as `kind`; NotFound when it is none, as for an id that is not there."""
    try:
        return TypeAdapter(kind).validate_python(request.match_info[name])
    except ValidationError as error:
        raise errors.NotFound from error


def actor_of(request: web.Request) -> Actor:
    """Who acts; NotSignedIn without a valid signature, Forbidden for a suspended company or a read-only token."""
    token = request.headers.get(ACTOR_HEADER)
    if not token:
        raise errors.NotSignedIn
    actor = request.app[VERIFY](token)
    origin.set(Origin(origin.get().request_id, str(actor.user_id), actor.address, actor.name))
    if actor.suspended:
        raise CompanySuspended
    if not actor.may_write and request.method not in ("GET", "HEAD"):
        raise TokenMayOnlyRead
    return actor


class TokenMayOnlyRead(errors.Forbidden):
    """A change with an API token that is for reading."""

    reason = "read_only_token"
    title = "This API token may only read."


class CompanySuspended(errors.Forbidden):
    """The vendor has suspended the company."""

    code = "company_suspended"
    title = "Your company’s access is suspended. Please call your vendor."


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
        route=route_of(request),
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
    match = _VERSION.fullmatch(header.strip())
    if match is None:
        raise errors.PreconditionFailed
    return int(match[1] or match[2])


def route_of(request: web.Request) -> str:
    """The route's template: codes and ids that stand in the path stay out of logs and metrics."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"
