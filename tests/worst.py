"""The worst that a text, a JSON body or a form may hold: what costs most to put in order, to read or to refuse."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from urllib.parse import quote

import orjson
from pydantic import BaseModel, TypeAdapter

from shared.schemas import cases, contracts, identity, notifications
from shared.schemas.base import Body

MODULES = (identity, cases, contracts, notifications)


def _times(unit: str) -> Callable[[int], str]:
    """As many of it as fit into so many bytes of UTF-8."""
    return lambda size: unit * max(1, size // len(unit.encode()))


TEXTS: dict[str, Callable[[int], str]] = {
    "plain": _times("a"),
    "marks in the wrong order": lambda size: "a" + _times("\u0301\u0323")(size - 1),
    "marks just not too many": _times("a" + "\u0301\u0323" * 15),
    "marks of two": _times("\u0344"),
    "marks that do not say so": lambda size: "a" + _times("\u0f73\u0f75\u0f81")(size - 1),
    "letters taken apart": _times("e\u0302\u0301"),
    "syllables taken apart": _times("\u1112\u1161\u11ab"),
    "signs that are a sentence": _times("\ufdfa"),
    "signs that are never put together": _times("\ufb1d\u0958"),
    "beyond the first plane": _times("\U0001f600"),
    "joined": _times("\U0001f468\u200d"),
    "blanks": lambda size: "a" + " " * (size - 2) + "a",
    "other blanks": lambda size: "a" + _times("\u2003\u00a0")(size - 2) + "a",
    "ends of lines": lambda size: "a" + "\r\n" * ((size - 2) // 2) + "a",
    "control characters": _times("\x01"),
    "signs of addresses": _times("@"),
    "dots": _times("."),
    "a long address": lambda size: "a@" + "b." * ((size - 4) // 2) + "co",
    "an address in marks": lambda size: "a@" + _times("\u0301\u0323")(size - 5) + ".co",
    "addresses of the web": _times("http://a "),
    "an address with quotes": lambda size: '"' + "\\" * (size - 7) + '"@b.co',
    "signs of phones": _times("+"),
    "digits": lambda size: "+33" + "1" * (size - 3),
    "digits of elsewhere": _times("\u0661\uff11"),
    "an extension": _times(";ext=1"),
    "brackets": _times("("),
    "commas": _times(", ;\t"),
    "dashes": _times("-\u2013"),
    "long when in capitals": _times("\u0390\u00df"),
    "turned around": _times("\u202e\u2066"),
    "quotes": _times('"<&'),
    "percent signs": _times("%"),
    "percent bombs": _times("%41\u00e9"),
}
JSON_BOMBS: dict[str, Callable[[int], bytes]] = {
    "unknown fields": lambda size: _object(f'"k{n}":1' for n in range(size // 12)),
    "one unknown field many times": lambda size: _object('"":1' for _ in range(size // 5)),
    "fields in a field": lambda size: b'{"kinds":' + _object('"":1' for _ in range(size // 5 - 3)) + b"}",
    "items": lambda size: b'{"action":"comment","attachment_ids":[' + b"1," * (size // 2 - 24) + b"1]}",
    "serials": lambda size: b'{"serials":[' + b"1," * (size // 2 - 24) + b"1]}",
    "invitations": lambda size: b'{"invitations":[' + b"{}," * (size // 3 - 24) + b"{}]}",
    "pins": lambda size: b'{"pins":[' + b"{}," * (size // 3 - 24) + b"{}]}",
    "lists just not too many": lambda size: b'{"a":[' + b"[]," * 4990 + b"[]]" + b" " * (size - 14982) + b"}",
    "serials just not too many": lambda size: b'{"serials":[' + b"1," * 4999 + b"1]" + b" " * (size - 10015) + b"}",
    "empty lists": lambda size: b'{"a":[' + b"[]," * (size // 3 - 4) + b"[]]}",
    "lists in lists": lambda size: b'{"email":' + b"[" * (size // 2 - 10) + b"]" * (size // 2 - 10) + b"}",
    "objects in objects": lambda size: b'{"a":' * (size // 6) + b"1" + b"}" * (size // 6),
    "never closed": lambda size: b"[" * size,
    "a long number": lambda size: b'{"severity":' + b"1" * (size - 13) + b"}",
    "a long fraction": lambda size: b'{"severity":0.' + b"1" * (size - 15) + b"}",
    "a long exponent": lambda size: b'{"version":1e' + b"1" * (size - 14) + b"}",
    "a long name": lambda size: b'{"' + b"a" * (size - 6) + b'":1}',
    "half characters": lambda size: b'{"email":"' + rb"\ud800" * ((size - 12) // 6) + b'"}',
    "escapes": lambda size: b'{"email":"' + rb"\u0301\u0323" * ((size - 12) // 12) + b'"}',
    "backslashes": lambda size: b'{"email":"' + b"\\" * (size // 2 * 2 - 12) + b'"}',
    "quotes": lambda size: b'"' * size,
    "no UTF-8": lambda size: b'{"email":"' + b"\xff" * (size - 12) + b'"}',
}
FORM_BOMBS: dict[str, Callable[[int], bytes]] = {
    "many fields": lambda size: b"&".join(b"k%d=1" % n for n in range(size // 9)),
    "one field many times": lambda size: b"a=1&" * (size // 4),
    "no names": lambda size: b"=" * size,
    "separators": lambda size: b"&" * size,
    "percent signs": lambda size: b"email=" + b"%" * (size - 6),
    "percent bombs": lambda size: b"email=" + b"%41\xc3\xa9" * ((size - 6) // 5),
    "no UTF-8": lambda size: b"email=" + b"%ff\xff" * ((size - 6) // 4),
}
EDGE = "a-boundary"
_PART = f'--{EDGE}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'.encode()
_END = f"\r\n--{EDGE}--\r\n".encode()
PART_BOMBS: dict[str, Callable[[int], bytes]] = {
    "ends of lines before the first part": lambda size: b"\n" * (size - 200) + _PART + b"\r\na" + _END,
    "nothing but ends of lines": lambda size: b"\r\n" * (size // 2),
    "short lines before the first part": lambda size: b"--\n" * (size // 3),
    "one long line": lambda size: b"-" * size,
    "ends of lines in a part": lambda size: _PART + b"\r\n" + b"\n" * (size - 200) + _END,
    "what looks like an edge": lambda size: _PART + b"\r\n" + f"\r\n--{EDGE[:-1]}".encode() * (size // 13 - 20) + _END,
    "ends of lines behind the last part": lambda size: _PART + b"\r\na" + _END + b"\n" * (size - 200),
    "parts": lambda size: (_PART + b"\r\na\r\n") * (size // 85),
    "edges": lambda size: f"--{EDGE}\r\n".encode() * (size // 14),
    "headers": lambda size: _PART + b"a:b\r\n" * (size // 5 - 40) + b"\r\na" + _END,
    "parts in parts": lambda size: (
        f"--{EDGE}\r\nContent-Type: multipart/mixed; boundary={EDGE}\r\n\r\n".encode() * (size // 64)
    ),
    "base64 that is none": lambda size: (
        _PART + b"Content-Transfer-Encoding: base64\r\n\r\n" + (b"AAAAA" + b"\n" * 65_531) * (size // 65_536) + _END
    ),
}

# Of a query or a header: visible characters only.
LINES = ("a=1&", "a&", "&", "=", "%", "%41%", "+", "a=b;", ";", ",", '"', "\\", "\\1", ";q=1,", "0.", "[", "-", "a")


def _object(pairs: Iterator[str]) -> bytes:
    return ("{" + ",".join(pairs) + "}").encode()


def models() -> list[type[Body]]:
    """Every body and query that a service reads."""
    found = {
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Body) and value.__module__ == module.__name__
    }
    return sorted(found, key=lambda model: model.__name__)


@cache
def text_fields(model: type[BaseModel]) -> dict[tuple[str, ...], int]:
    """The way to each text of a model, and how many characters it may have; 0 for what is no text but a word, an id.

    A way is of names, and `*` for an item of a list. A variant is named by its tag.
    """
    schema = TypeAdapter(model).json_schema()
    return {way: int(node.get("maxLength", 0)) for way, node in text_nodes(schema)}


def text_nodes(schema: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Each text of a JSON schema, and the way to it."""
    definitions = schema.get("$defs", {})

    def walk(node: dict[str, Any], way: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        if "$ref" in node:
            yield from walk(definitions[node["$ref"].rpartition("/")[2]], way)
        for variant in (*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())):
            yield from walk(variant, way)
        tag = node.get("properties", {}).get("action", {}).get("const")
        for name, inner in node.get("properties", {}).items():
            yield from walk(inner, (*way, f"action={tag}", name) if tag else (*way, name))
        if isinstance(inner := node.get("items"), dict):
            yield from walk(inner, (*way, "*"))
        if node.get("type") == "string":
            yield way, node

    yield from walk(schema, ())


def body_with(way: tuple[str, ...], text: object) -> Any:
    """A body that has this text there and nothing else."""
    if not way:
        return text
    first, *rest = way
    inner = body_with(tuple(rest), text)
    if first == "*":
        return [inner]
    if first.startswith("action="):
        return {"action": first.removeprefix("action=")} | inner
    return {first: inner}


def text_of(kind: str, characters: int) -> str:
    """A text of a kind, with at most so many characters."""
    return TEXTS[kind](4 * characters)[:characters]


def variants(model: type[BaseModel]) -> list[str]:
    """Of a model that has some, by their tags; of another one only itself."""
    return sorted({_variant(way) for way in text_fields(model)})


def in_all_fields(model: type[BaseModel], variant: str, kind: str) -> bytes:
    """A body with such a text in every field at once, each as long as its length alone does not refuse it."""
    body: Any = None
    for way, most in text_fields(model).items():
        if _variant(way) == variant:
            body = _merged(body, body_with(way, text_of(kind, 4 * (most or 10))))
    return json.dumps(body, ensure_ascii=False).encode()


def _variant(way: tuple[str, ...]) -> str:
    return way[0] if way and way[0].startswith("action=") else ""


def _merged(body: Any, more: Any) -> Any:
    if isinstance(body, dict) and isinstance(more, dict):
        return body | {name: _merged(body.get(name), value) for name, value in more.items()}
    if isinstance(body, list) and isinstance(more, list):
        return [_merged(body[0], more[0])]
    return more if body is None else body


def as_json(way: tuple[str, ...], kind: str, size: int) -> bytes:
    """The longest such body of at most so many bytes, as UTF-8."""
    room = size - len(orjson.dumps(body_with(way, "")))
    for share in (1, 2, 6):
        body = orjson.dumps(body_with(way, TEXTS[kind](room // share)))
        if len(body) <= size:
            return body
    raise AssertionError(f"{kind} does not fit")


def as_form(name: str, kind: str, size: int) -> bytes:
    """The same as a form's field; not every byte is escaped, so that as much as possible gets through."""
    for share in (1, 2, 3):
        body = f"{quote(name)}=".encode() + quote(TEXTS[kind]((size - len(name) - 1) // share), safe="@.+;,(-").encode()
        if len(body) <= size:
            return body
    raise AssertionError(f"{kind} does not fit")
