"""The API's description, OpenAPI 3.1, from the same table and models that route and validate."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from services.gateway.forwarding import CSRF_HEADER, Access, Route
from services.gateway.middleware import API
from services.gateway.refusals import refusals_of
from services.gateway.session import SAFE_METHODS
from shared.schemas.base import Answer

Json = dict[str, Any]
_Mode = Literal["validation", "serialization"]
_Schemas = Mapping[tuple[type[BaseModel], _Mode], Json]

_PROBLEM = "application/problem+json"
_VARIABLE = re.compile(r"{(\w+)}")
_GENERIC = re.compile(r"ListAnswer_\w+?_(?=\")")
_ABOUT = """The JSON API of the portal. Times are RFC 3339 in UTC; ids are opaque; a case is addressed by its number.

Sign in with POST /session; the session is a cookie. A request that changes something needs the header
X-CSRF-Token with the value from GET /session. Refusals are application/problem+json; a 429 says in Retry-After when
to come back. A field or a parameter that is not described is refused (422). In a body or a query, an optional field
that is null is the same as one that is left out; in the body of a PATCH, null empties the field, and a field that is
left out stays as it is."""
_DONE = {
    200: "Done.",
    201: "Created, or created before with the same Idempotency-Key.",
    202: "Accepted: it goes on by e-mail.",
    204: "Done; there is no body.",
}
_IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"},
}
_REPEATS = "For 24 hours the same key and body answer with the same resource; another body is refused."
_ANSWERED_ONCE = "A repeat with the same key answers 409: the session is given out once."
_IF_MATCH: Json = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The ETag that was read.",
    "schema": {"type": "string", "examples": ['"3"']},
}
_HEADERS: Mapping[str, Json] = {
    "X-Request-Id": {"description": "Found in every log line of this request.", "schema": {"type": "string"}},
    "ETag": {"description": "The version, for If-Match.", "schema": {"type": "string", "pattern": '^"[0-9]+"$'}},
    "Retry-After": {"description": "How many seconds to wait.", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
}
_WITH_WAIT = (429, 503, 507)
_EXAMPLE: Json = {
    "type": "urn:portico:problem:invalid",
    "title": "Some fields are missing or wrong.",
    "status": 422,
    "code": "invalid",
    "detail": "Some fields are missing or wrong.",
    "params": {},
    "request_id": "5f0c2b9d4a6e4a0f8f3f1f0b6f0d9c11",
    "errors": [
        {
            "field": "contact.email",
            "code": "email",
            "message": "Check this e-mail address: it should look like ana@example.com.",
            "params": {},
        },
        {
            "field": "title",
            "code": "string_too_long",
            "message": "Use at most 120 characters.",
            "params": {"limit": 120},
        },
    ],
}


class FieldProblem(Answer):
    """One thing wrong with one field."""

    field: str = Field(description="As it was sent: a dotted path, such as `contact.email` or `serials.3`.")
    code: str = Field(description="Stable, and for programs.")
    message: str = Field(description="For people, in English.")
    params: dict[str, Any] = Field(description="The values in the message, such as `limit`.")


class Problem(Answer):
    """A refusal (RFC 9457)."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    type: str = Field(description="`urn:portico:problem:` and the code.")
    title: str = Field(description="What such a refusal means, in English.")
    status: int
    code: str = Field(description="Stable, and for programs.")
    detail: str = Field(description="What was wrong this time, in English.")
    params: dict[str, Any] = Field(description="The values in `detail`; `reason` tells apart what has the same code.")
    request_id: str = Field(description="Found in every log line of this request.")
    errors: list[FieldProblem]
    current: dict[str, Any] = Field(default_factory=dict, description="The current state, for a change that came late.")


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
                "Problem": _content("A failure of the portal itself.", _PROBLEM, schemas[Problem, "serialization"])
            },
            "headers": dict(_HEADERS),
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": cookie},
                "csrf": {"type": "apiKey", "in": "header", "name": CSRF_HEADER},
            },
        },
    }


def _schemas_of(routes: Iterable[Route]) -> tuple[_Schemas, Json]:
    wanted = list(dict.fromkeys(_models(routes)))
    schemas, definitions = models_json_schema(wanted, ref_template="#/components/schemas/{model}")
    found = {"schemas": [schemas[key] for key in wanted], "components": definitions["$defs"]}
    plain = orjson.loads(_GENERIC.sub(_name_of(definitions["$defs"]), orjson.dumps(found).decode()))
    return dict(zip(wanted, plain["schemas"], strict=True)), plain["components"]


def _name_of(components: Json) -> Callable[[re.Match[str]], str]:
    """A list by its own name, in place of the one that pydantic makes of generic models."""
    return lambda found: str(components[found[0]]["title"])


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
    if route.query is not None:
        operation["description"] = components[_name(schemas[route.query, "validation"])]["description"]
    if route.body is not None:
        schema = schemas[route.body, "validation"]
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if route.files is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"multipart/form-data": {"schema": _files(route.files)}},
        }
    return operation


def _name(reference: Json) -> str:
    return str(reference["$ref"].rpartition("/")[2])


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
    model = components[_name(schemas[route.query, "validation"])]
    required = model.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in (model["properties"] | _sort(route)).items()
        if name != "sort" or route.sorts
    ]


def _sort(route: Route) -> Json:
    names = [way for name in route.sorts for way in (name, f"-{name}")]
    return {"sort": {"type": "string", "enum": names, "description": "With a minus: from the end."}} if names else {}


def _headers(route: Route) -> list[Json]:
    headers: list[Json] = []
    if route.if_match:
        anything = " `*` for whatever it is." if route.if_match == "any" else ""
        headers.append(_IF_MATCH | {"description": f"The ETag that was read.{anything}"})
    if route.takes_key:
        is_sign_in = route.access is Access.ANYBODY
        headers.append(_IDEMPOTENCY_KEY | {"description": _ANSWERED_ONCE if is_sign_in else _REPEATS})
    return headers


def _responses(route: Route, schemas: _Schemas) -> Json:
    schema = schemas[route.answer, "serialization"] if route.answer is not None else None
    problem = schemas[Problem, "serialization"]
    successes = {str(status): _success(route, status, schema) for status in (route.status, *route.other_statuses)}
    refused = {str(status): _refusal(status, codes, problem) for status, codes in refusals_of(route).items()}
    return {**successes, **refused, "default": {"$ref": "#/components/responses/Problem"}}


def _success(route: Route, status: int, schema: Json | None) -> Json:
    described: Json = {"description": _DONE[status]}
    if schema is not None or route.media_type != "application/json":
        described = _content(_DONE[status], route.media_type, schema)
    return described | {"headers": _header_references("X-Request-Id", *(["ETag"] if route.etag else []))}


def _refusal(status: int, codes: tuple[str, ...], problem: Json) -> Json:
    code: Json = {"properties": {"code": {"enum": list(codes)}}}
    described = _content(f"{HTTPStatus(status).phrase}: {', '.join(codes)}.", _PROBLEM, {"allOf": [problem, code]})
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        described["content"][_PROBLEM]["example"] = _EXAMPLE
    waits = ["Retry-After"] if status in _WITH_WAIT else []
    return described | {"headers": _header_references("X-Request-Id", *waits)}


def _header_references(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _content(description: str, media_type: str, schema: Json | None) -> Json:
    return {"description": description, "content": {media_type: {"schema": schema} if schema is not None else {}}}
