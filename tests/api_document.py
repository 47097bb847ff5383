"""Holds every answer of the API that a test receives against what OpenAPI promises of it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from http import HTTPStatus
from typing import Any

import orjson
from jsonschema_rs import Draft202012Validator

from services.gateway import openapi
from services.gateway.routes import ROUTES

_API = "/api/v1"
_PROBLEM = "application/problem+json"
# Of a long list so many rows are looked at: they are all made by the same lines.
_MOST_ROWS = 5
# Where there is no such method, and where Portico itself failed.
_OF_NO_ROUTE = (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.INTERNAL_SERVER_ERROR)
# What the gateway waits for: nobody outside gets this.
_BETWEEN_SERVICES = "not_yet_known"

_FORMATS = {
    "date-time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "uuid": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "email": re.compile(r"[^@\s]+@[^@\s]+"),
}


class NotAsDescribed(AssertionError):
    """An answer that the API's description does not know."""


@dataclass(frozen=True)
class Received:
    """An answer as it came: `path` without the address of the server, `headers` whatever the case of their names."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes


@cache
def _document() -> dict[str, Any]:
    return openapi.describe(ROUTES, cookie="portico")


@cache
def _templates() -> tuple[tuple[re.Pattern[str], str], ...]:
    """The paths, those without variables first: `/cases/facets` is not the case of that number."""
    paths = sorted(_document()["paths"], key=lambda path: path.count("{"))
    return tuple((re.compile(re.sub(r"{\w+}", "[^/]+", path).replace(".", r"\.")), path) for path in paths)


@cache
def _validator(path: str, method: str, status: str, media_type: str) -> Draft202012Validator:
    described = _document()["paths"][path][method]["responses"][status]["content"][media_type]
    schema = described.get("schema", {}) | {"components": _document()["components"]}
    formats: dict[str, Callable[..., bool]] = {name: partial(_is_whole, pattern) for name, pattern in _FORMATS.items()}
    return Draft202012Validator(schema, formats=formats, validate_formats=True)


def _is_whole(pattern: re.Pattern[str], text: str) -> bool:
    return pattern.fullmatch(text) is not None


def operation_of(method: str, path: str) -> tuple[str, str] | None:
    """The path and method in the document; None for what is none of the API's."""
    path = path.removeprefix(_API)
    for pattern, template in _templates():
        if pattern.fullmatch(path) and method.lower() in _document()["paths"][template]:
            return template, method.lower()
    return None


def check(received: Received) -> None:
    """NotAsDescribed for a status, a header or a body that the document does not promise."""
    operation = operation_of(received.method, received.path)
    if operation is None or received.status in _OF_NO_ROUTE or _is_a_page(received):
        return
    if problem := _why_not(received, *operation):
        said = received.body[:2000]
        raise NotAsDescribed(f"{received.method} {received.path} answered {received.status}: {problem}\n{said!r}")


def _is_a_page(received: Received) -> bool:
    """An answer of the portal for people, whose addresses are partly those of the services' routes."""
    is_html = received.headers.get("Content-Type", "").startswith("text/html")
    is_redirect = HTTPStatus.MULTIPLE_CHOICES <= received.status < HTTPStatus.BAD_REQUEST
    return not received.path.startswith(_API) and (is_html or is_redirect)


def _why_not(received: Received, path: str, method: str) -> str:
    responses, status = _document()["paths"][path][method]["responses"], str(received.status)
    media_type = received.headers.get("Content-Type", "").partition(";")[0]
    body = orjson.loads(received.body) if received.body and media_type.endswith("json") else None
    if received.status == HTTPStatus.CONFLICT and body and body["code"] == _BETWEEN_SERVICES:
        return ""
    if status not in responses:
        return "no such status"
    if missing := [name for name in responses[status].get("headers", {}) if name not in received.headers]:
        return f"without {missing}"
    content = responses[status].get("content", {})
    if media_type in content and body is not None:
        return _why_not_body(body, _validator(path, method, status, media_type))
    is_allowed = media_type in content or "*/*" in content or not (content or received.body)
    return "" if is_allowed else f"{media_type or 'nothing'} in place of {list(content) or 'nothing'}"


def _why_not_body(body: Any, validator: Draft202012Validator) -> str:
    if isinstance(body, dict) and isinstance(body.get("items"), list):
        body = body | {"items": body["items"][:_MOST_ROWS]}
    error = next(validator.iter_errors(body), None)
    return "" if error is None else f"{'.'.join(map(str, error.instance_path))}: {error.message[:300]}"
