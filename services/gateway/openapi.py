"""The API's description, OpenAPI 3.1, from the same table and models that route and validate."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.gateway.forwarding import CSRF_HEADER, Access, Route
from services.gateway.middleware import API
from services.gateway.session import SAFE_METHODS
from shared.schemas.base import Answer

Json = dict[str, Any]
_Mode = Literal["validation", "serialization"]
_Schemas = Mapping[tuple[type[BaseModel], _Mode], Json]

_PROBLEM = "application/problem+json"
_VARIABLE = re.compile(r"{(\w+)}")
_ABOUT = """The JSON API of the portal. Times are RFC 3339 in UTC; ids are opaque; a case is addressed by its number.

Sign in with POST /session; the session is a cookie. A request that changes something needs the header
X-CSRF-Token with the value from GET /session. Refusals are application/problem+json; a 429 says in Retry-After when
to come back."""
_IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "For 24 hours the same key and body answer with the same resource; another body is refused.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"},
}
_IF_MATCH: Json = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The ETag that was read.",
    "schema": {"type": "string"},
}


class FieldProblem(Answer):
    """One thing wrong with one field; `field` is a dotted path such as `contact.email`."""

    field: str
    code: str
    message: str


class Problem(Answer):
    """A refusal (RFC 9457). `code` is stable and for programs; `current` is how things stand after a stale change."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[FieldProblem]
    current: dict[str, Any] | None = None


def describe(routes: Iterable[Route], *, cookie: str) -> Json:
    """The whole document."""
    routes = tuple(routes)
    schemas, components = _schemas_of(routes)
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas, components)
    queries = {schemas[route.query, "validation"]["$ref"].rpartition("/")[2] for route in routes if route.query}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Portico", "version": "1", "description": _ABOUT},
        "servers": [{"url": API}],
        "paths": paths,
        "components": {
            # A query's model is told parameter by parameter, never as a body.
            "schemas": {name: schema for name, schema in components.items() if name not in queries},
            "responses": {
                "Problem": _content("Refused.", "application/problem+json", schemas[Problem, "serialization"])
            },
            "headers": {
                "RequestId": {"description": "Found in every log line of this request.", "schema": {"type": "string"}}
            },
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": cookie},
                "csrf": {"type": "apiKey", "in": "header", "name": CSRF_HEADER},
            },
        },
    }


def _schemas_of(routes: Iterable[Route]) -> tuple[_Schemas, Json]:
    wanted = list(dict.fromkeys(_models(routes)))
    schemas, definitions = models_json_schema(wanted, ref_template="#/components/schemas/{model}")
    return {key: schemas[key] for key in wanted}, definitions["$defs"]


def _models(routes: Iterable[Route]) -> Iterator[tuple[type[BaseModel], _Mode]]:
    yield Problem, "serialization"
    for route in routes:
        if route.body is not None:
            yield route.body, "validation"
        if route.query is not None:
            yield route.query, "validation"
        if route.answer is not None:
            yield route.answer, "serialization"


def _operation(route: Route, schemas: _Schemas, components: Json) -> Json:
    operation: Json = {
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}").strip("_"),
        "summary": route.summary,
        "tags": [route.path.split("/")[1].partition(".")[0]],
        "security": _security(route),
        "parameters": [*_path_parameters(route), *_query_parameters(route, schemas, components), *_headers(route)],
        "responses": _responses(route, schemas),
    }
    if route.body is not None:
        schema = schemas[route.body, "validation"]
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if route.files is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"multipart/form-data": {"schema": _files(route.files)}},
        }
    return operation


def _files(name: str) -> Json:
    one: Json = {"type": "string", "contentMediaType": "application/octet-stream"}
    return {"type": "object", "properties": {name: {"type": "array", "items": one, "minItems": 1}}, "required": [name]}


def _security(route: Route) -> list[Json]:
    session: Json = {"session": []} if route.method in SAFE_METHODS else {"session": [], "csrf": []}
    match route.access:
        case Access.ANYBODY:
            return []
        case Access.SESSION_OPTIONAL:
            return [{}, session]
        case Access.SIGNED_IN:
            return [session]


def _path_parameters(route: Route) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _VARIABLE.findall(route.path)
    ]


def _query_parameters(route: Route, schemas: _Schemas, components: Json) -> list[Json]:
    if route.query is None:
        return []
    model = components[schemas[route.query, "validation"]["$ref"].rpartition("/")[2]]
    required = model.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in model["properties"].items()
    ]


def _headers(route: Route) -> list[Json]:
    headers = [_IF_MATCH] if route.if_match else []
    if route.method == "POST" and route.access is Access.SIGNED_IN:
        headers.append(_IDEMPOTENCY_KEY)
    return headers


def _responses(route: Route, schemas: _Schemas) -> Json:
    schema = schemas[route.answer, "serialization"] if route.answer is not None else None
    if schema is not None or route.media_type != "application/json":
        done = _content("Done.", route.media_type, schema)
    else:
        done = {"description": "Done."}
    done["headers"] = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
    refused = {str(status): {"$ref": "#/components/responses/Problem"} for status in _refusals(route)}
    successes = {str(status): done for status in (route.status, *route.other_statuses)}
    return {**successes, **refused, "default": {"$ref": "#/components/responses/Problem"}}


def _refusals(route: Route) -> Iterator[int]:
    if route.access is Access.SIGNED_IN:
        yield from (401, 403)
    if _VARIABLE.search(route.path):
        yield 404
    if route.method == "POST":
        yield 409
    if route.if_match:
        yield from (412, 428)
    has_body = route.body is not None or route.files is not None
    if has_body:
        yield from (400, 413, 415)
    if has_body or route.query is not None:
        yield 422
    yield from (429, 503)
    if route.files is not None:
        yield 507


def _content(description: str, media_type: str, schema: Json | None) -> Json:
    return {"description": description, "content": {media_type: {"schema": schema} if schema is not None else {}}}
