"""The API's description as a page for people, rendered from the OpenAPI document; it needs nothing but itself."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from services.gateway.middleware import API
from services.gateway.openapi import Json

# Inside the page, which its policy allows by this hash.
_STYLE = (Path(__file__).parent / "templates" / "api_docs.css").read_text()
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; frame-ancestors 'none'; base-uri 'none'"

_LIMITS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "from {}",
    "maximum": "to {}",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "pattern": "as {}",
}

_templates = Environment(
    loader=PackageLoader("services.gateway"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def render(document: Json) -> str:
    """The page."""
    return _templates.get_template("api_docs.html").render(
        api=API,
        document=document,
        style=Markup(_STYLE),  # noqa: S704  # a file of ours
        operations=list(_operations(document)),
        schemas=[_schema(name, schema) for name, schema in sorted(document["components"]["schemas"].items())],
    )


def _operations(document: Json) -> Iterator[Json]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield _operation(method.upper(), path, operation)


def _operation(method: str, path: str, operation: Json) -> Json:
    status, success = next(iter(operation["responses"].items()))
    return {
        "id": operation["operationId"],
        "method": method,
        "path": path,
        "summary": operation["summary"],
        "who": _who(operation["security"]),
        "parameters": [
            {"name": p["name"], "place": p["in"], "required": p.get("required", False), "value": _value(p["schema"])}
            for p in operation["parameters"]
        ],
        "body": _content(operation.get("requestBody", {})),
        "status": status,
        "answer": _content(success),
        "refusals": [
            (refused, response["description"])
            for refused, response in operation["responses"].items()
            if "400" <= refused <= "599"
        ],
    }


def _who(security: list[Json]) -> str:
    if not security:
        return "Open to anybody."
    return "With or without a session." if {} in security else "Needs a session."


def _content(part: Json) -> Markup:
    shown = [_value(media["schema"]) if "schema" in media else escape(kind) for kind, media in _media(part)]
    return Markup(", ").join(shown)


def _media(part: Json) -> list[tuple[str, Json]]:
    return list(part.get("content", {}).items())


def _schema(name: str, schema: Json) -> Json:
    required = schema.get("required", [])
    return {
        "name": name,
        "description": schema.get("description", ""),
        "fields": [
            {"name": field, "required": field in required, "value": _value(value)}
            for field, value in schema.get("properties", {}).items()
        ],
        "value": _value(schema),
    }


def _value(schema: Json) -> Markup:
    """One line about a value: its kind, its limits, links to the schemas in it."""
    limits = [escape(text.format(schema[key])) for key, text in _LIMITS.items() if key in schema]
    if "default" in schema:
        limits.append(Markup("default <code>{}</code>").format(_spelled(schema["default"])))
    return Markup(", ").join([_kind(schema), *limits])


def _kind(schema: Json) -> Markup:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return Markup('<a href="#schema-{0}">{0}</a>').format(name)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return Markup(" or ").join(_value(option) for option in schema[choice])
    if "enum" in schema:
        return Markup(" or ").join(Markup("<code>{}</code>").format(_spelled(value)) for value in schema["enum"])
    if "const" in schema:
        return Markup("<code>{}</code>").format(_spelled(schema["const"]))
    if schema.get("type") == "array":
        return Markup("list of {}").format(_value(schema.get("items", {})))
    return escape(schema.get("format") or schema.get("type", "anything"))


def _spelled(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
