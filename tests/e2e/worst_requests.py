"""Requests with the worst that each route, page, query and header may be sent."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import cycle, islice
from urllib.parse import quote
from uuid import uuid4

from services.gateway.app import create_app
from services.gateway.forwarding import Route
from services.gateway.middleware import API
from services.gateway.routes import ROUTES
from services.gateway.settings import GatewaySettings
from tests.builders import TEST_SECRET
from tests.worst import (
    EDGE,
    FORM_BOMBS,
    JSON_BOMBS,
    LINES,
    PART_BOMBS,
    TEXTS,
    as_form,
    as_json,
    in_all_fields,
    text_fields,
    variants,
)

FORM, PARTS = "application/x-www-form-urlencoded", f"multipart/form-data; boundary={EDGE}"
_MEGABYTE = 1_000_000
_PART_SIZES = (64_000, _MEGABYTE, 6_000_000)  # the last is what files may have together
_LINE_BYTES = 2_400  # three times as long when quoted, which is what a request line may have
_SHORT = 254  # characters of the longest field of one line
# It takes time with the square of its length where nobody counts it first, so it comes to every field.
_WORST = "marks in the wrong order"
_FEW_KINDS = (_WORST, "signs that are a sentence", "digits")
_VARIABLES = {"number": "1000000009", "id": str(uuid4()), "code": "code", "token": "token", "serial": "CN1"}
_LONG_FIELDS = {"/users": "emails", "/sign-in": "kept.description", "/language": "next", "/cases/1000000009": "text"}
_ALL_FIELDS = (
    *("email", "emails", "description", "next", "attachment_ids", "kept.description", "kept_path", "serial", "phone"),
    *("text", "title", "action", "contact.email", "contact.phone", "name", "country", "time_zone", "reason", "code"),
    *("step", "do", "id", "join"),
)
_HEADERS = (
    *("Cookie", "Accept-Language", "X-Forwarded-For", "Forwarded", "Origin", "X-Request-Id", "Content-Type"),
    *("Idempotency-Key", "If-Match", "X-CSRF-Token", "Authorization", "Content-Encoding", "Range"),
)


@dataclass(frozen=True)
class Sent:
    """One request; its body is made when it is its turn."""

    place: str  # of a route or page, where the text stands
    kind: str
    method: str
    path: str
    body: Callable[[], bytes] = bytes
    content_type: str = "application/json"
    header: str = ""  # one more, and what it says
    says: str = ""
    size: int = 0  # where there are several

    def __repr__(self) -> str:
        return f"{self.place}: {self.kind}" + (f" of {self.size}" if self.size else "")


@dataclass
class Pairing:
    """Which kinds come to a place: all of them (`make abuse`), or the next few, so that each place has some of its own.

    Every kind comes to many places, and every place gets several. It is the same in every run.
    """

    whole: bool
    _turns: dict[str, Iterator[str]] = field(default_factory=dict)

    def some(self, kinds: Iterable[str], count: int, *, of: str) -> list[str]:
        """So many; those of each sort (`of`) take turns for themselves."""
        if self.whole:
            return list(kinds)
        return list(islice(self._turns.setdefault(of, cycle(kinds)), count))


def path_of(template: str, **variables: str) -> str:
    """A path with something that could be there in the place of each variable."""
    for name, value in (_VARIABLES | variables).items():
        template = template.replace("{" + name + "}", value)
    return template


@cache
def of_routes(*, whole: bool) -> dict[str, list[Sent]]:
    """To each route of each service: in the path, in the query, in the body."""
    pairing, by_service = Pairing(whole), defaultdict[str, list[Sent]](list)
    for route in ROUTES:
        if route.files is None:
            sent = by_service[route.service]
            sent += _in_path(route, pairing)
            sent += _in_query(route, pairing)
            if route.body is not None:
                sent += _in_fields(route, pairing)
                sent += _in_body(route, pairing)
    return by_service


def _in_path(route: Route, pairing: Pairing) -> Iterator[Sent]:
    for name in _VARIABLES:
        if "{" + name + "}" in route.path:
            for kind in pairing.some(TEXTS, 4, of="paths"):
                path = path_of(route.path, **{name: quote(TEXTS[kind](_LINE_BYTES), safe="")})
                yield Sent(f"{route.name} {name}", kind, route.method, API + path)


def _in_query(route: Route, pairing: Pairing) -> Iterator[Sent]:
    names = sorted({way[0] for way in text_fields(route.query)}) if route.query is not None else []
    if not names:
        return
    path = API + path_of(route.path)
    for kind in pairing.some(TEXTS, 6, of="queries"):
        text = quote(TEXTS[kind](_LINE_BYTES // len(names)), safe="")
        yield Sent(f"{route.name} ?", kind, route.method, f"{path}?{'&'.join(f'{name}={text}' for name in names)}")
    for name in names:
        for kind in pairing.some(_FEW_KINDS, 2, of="fields of queries"):
            text = quote(TEXTS[kind](_LINE_BYTES), safe="")
            yield Sent(f"{route.name} ?{name}", kind, route.method, f"{path}?{name}={text}")


def _in_fields(route: Route, pairing: Pairing) -> Iterator[Sent]:
    assert route.body is not None
    path, limit = API + path_of(route.path), route.max_body_bytes
    for number, (way, most) in enumerate(text_fields(route.body).items()):
        place = f"{route.name} {'.'.join(way)}"
        # The longest that the route takes. Each kind comes to each field below, as long as the field takes it.
        kinds = list(dict.fromkeys((_WORST, *pairing.some(_FEW_KINDS[1:], 1, of="fields"))))
        if most > _SHORT:
            kinds = list(dict.fromkeys((*kinds, *pairing.some(TEXTS, 3, of="long fields"))))
        for kind in kinds:
            yield Sent(place, kind, route.method, path, _bound(as_json, way, kind, limit), size=limit)
        # Too much for all but one route: what is in it is not looked at.
        for kind in kinds if not number else ():
            yield Sent(place, kind, route.method, path, _bound(as_json, way, kind, _MEGABYTE), size=_MEGABYTE)


def _in_body(route: Route, pairing: Pairing) -> Iterator[Sent]:
    assert route.body is not None
    path, limit = API + path_of(route.path), route.max_body_bytes
    for variant in variants(route.body):
        for kind in pairing.some(TEXTS, 4, of="all fields"):
            body = _bound(in_all_fields, route.body, variant, kind)
            yield Sent(f"{route.name} {variant} in all fields", kind, route.method, path, body)
    names = {f'"{way[0]}"'.encode() for way in text_fields(route.body)}
    bombs = dict.fromkeys(pairing.some(JSON_BOMBS, 7, of="bombs"))
    # In a field that the route knows they get further than elsewhere.
    bombs |= dict.fromkeys(kind for kind, bomb in JSON_BOMBS.items() if any(name in bomb(200)[:20] for name in names))
    for number, kind in enumerate(bombs):
        for size in {limit, _MEGABYTE} if pairing.whole or not number else {limit}:
            yield Sent(route.name, kind, route.method, path, _bound(JSON_BOMBS[kind], size), size=size)


def of_lines(pairing: Pairing) -> Iterator[Sent]:
    """In whole queries, and in headers."""
    for path in ("/cases", "/", f"{API}/cases", f"{API}/products", f"{API}/users", f"{API}/deliveries"):
        for line in pairing.some(LINES, 5, of="queries"):
            yield Sent(f"{path} ?", line, "GET", f"{path}?{_of_line(line)}")
    for header in _HEADERS:
        for path in ("/profile", f"{API}/profile"):
            for line in pairing.some(LINES, 5, of="headers"):
                says = f'"{_of_line(line)}'
                yield Sent(f"{path} {header}", line, "PUT", path, lambda: b"{}", header=header, says=says)


def _of_line(line: str) -> str:
    return line * (7_000 // len(line))


def of_parts(path: str, pairing: Pairing) -> Iterator[Sent]:
    """Forms that may have files."""
    sizes = {str(size): size for size in _PART_SIZES}
    for kind, bomb in PART_BOMBS.items():
        for name in pairing.some(sizes, 1, of="sizes"):
            size = sizes[name]
            yield Sent(path, kind, "POST", path, _bound(bomb, size), PARTS, size=size)
    # Where the next form goes on: with another size of each kind.
    pairing.some(sizes, 1, of="sizes")


def pages() -> list[str]:
    """Where a form is sent to. Whoever has signed out is asked to sign in, on each page that comes behind."""
    app = create_app(GatewaySettings.model_validate({"PORTICO_SECRET_KEY": TEST_SECRET}))
    paths = {
        path_of(resource.canonical)
        for resource in app.router.resources()
        for route in resource
        if route.method == "POST" and not resource.canonical.startswith(API)
    }
    return sorted(paths, key=lambda path: (path == "/sign-out", path))


def of_page(path: str, limit: int, csrf_token: str, pairing: Pairing) -> Iterator[Sent]:
    """To one page, as long as it takes them."""
    proof = f"csrf_token={csrf_token}&".encode()
    room = limit - len(proof)
    name = _LONG_FIELDS.get(path, "description")
    for kind in pairing.some(TEXTS, 4, of="fields"):
        body = _bound(_after, proof, as_form, name, kind, room)
        yield Sent(f"{path} {name}", kind, "POST", path, body, FORM, size=limit)
    for kind in pairing.some(TEXTS, 6, of="all fields"):
        yield Sent(path, kind, "POST", path, _bound(_everywhere, proof, kind, room), FORM, size=limit)
    for number, kind in enumerate(pairing.some(FORM_BOMBS, 2, of="bombs")):
        for size in (room, _MEGABYTE) if pairing.whole or not number else (room,):
            yield Sent(
                f"{path} form", kind, "POST", path, _bound(_after, proof, FORM_BOMBS[kind], size), FORM, size=size
            )
    for kind in pairing.some(TEXTS, 4, of="parts") if path.startswith("/cases") else ():
        yield Sent(
            f"{path} in parts", kind, "POST", path, _bound(_in_parts, csrf_token, kind, limit), PARTS, size=limit
        )


def _bound(make: Callable[..., bytes], *arguments: object) -> Callable[[], bytes]:
    return lambda: make(*arguments)


def _after(head: bytes, make: Callable[..., bytes], *arguments: object) -> bytes:
    return head + make(*arguments)


def _everywhere(head: bytes, kind: str, room: int) -> bytes:
    share = room // len(_ALL_FIELDS) - 1
    return head + b"&".join(as_form(name, kind, share) for name in _ALL_FIELDS)


def _in_parts(csrf_token: str, kind: str, limit: int) -> bytes:
    text, file = TEXTS[kind](limit // 2), quote(TEXTS[kind](1_000), safe=" @.+")[:4_000]
    fields = {"csrf_token": csrf_token, "description": text, "text": text[:1_000], "action": "comment"}
    parts = [f'name="{field}"\r\n\r\n{value}' for field, value in fields.items()]
    parts += [f'name="files"; filename="{file}"\r\n\r\n%PDF-1.4'] * 3
    head = f"--{EDGE}\r\nContent-Disposition: form-data; "
    return ("\r\n".join(head + part for part in parts) + f"\r\n--{EDGE}--\r\n").encode()
