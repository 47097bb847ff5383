"""What somebody may do to everybody else, once more and again, as it was first found; each ends by itself.

They run in a process of their own and come from an address of their own: only the portal can hold up the others.
"""

import asyncio
import json
import random
import resource
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.builders import a_contact
from tests.e2e.portal import a_case

Tally = Counter[str]
Json = dict[str, Any]

LASTS_S = 8.0  # bursts begin for so long
CUT_AFTER_S = 14.0  # whatever is under way then is given up
_BURST_EACH_S = 2.0
_ADDRESS, _PROXY = "127.0.0.2", "127.0.0.4"
_MARKS = "\u0301\u0323" * 240_000
_QUOTES = '"' * 1_040_000
# As much as the form of a case may have, of the sign that is longest in a page.
_ALLOWED = b"description=" + b'"' * 390_000
_EVER_SHORTER = (380_000, 30_000, 3_000, 300, 30, 3)
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Host": "localhost"}
_JSON = {"Content-Type": "application/json", "Host": "localhost"}


@dataclass(frozen=True)
class Target:
    """The portal, and whom the attackers may be. Everything in it can be handed to another process."""

    port: int
    admin: dict[str, str]  # headers of a signed-in administrator of a company
    member: dict[str, str]  # and of a member of it
    large_case: str  # the number of one with some hundred long comments
    small_case: str
    invitation: str  # the id of one that is open

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


Attack = Callable[[Target, Tally], Awaitable[None]]


class Sender:
    """Requests from one address; every answer is read whole and counted."""

    def __init__(self, target: Target, http: aiohttp.ClientSession, tally: Tally) -> None:
        self._target, self._http, self._tally = target, http, tally

    async def send(self, method: str, path: str, headers: dict[str, str], body: bytes | aiohttp.FormData = b"") -> None:
        headers = {**headers, "Idempotency-Key": secrets.token_hex(16)} if method == "POST" else headers
        url = f"{self._target.url}{path}"
        try:
            async with self._http.request(method, url, headers=headers, data=body, allow_redirects=False) as answer:
                await answer.read()
                self._tally[str(answer.status)] += 1
        except (aiohttp.ClientError, TimeoutError, OSError):
            self._tally["no answer"] += 1
        except asyncio.CancelledError:
            self._tally["cut"] += 1
            raise


@asynccontextmanager
async def _sending(target: Target, tally: Tally, *, address: str = _ADDRESS) -> AsyncIterator[Sender]:
    connector = aiohttp.TCPConnector(limit=0, local_addr=(address, 0))
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield Sender(target, http, tally)


async def _bursts(at_once: int, send: Callable[[int], Awaitable[None]]) -> None:
    """So many at once, every two seconds or as soon as all are answered, whichever is later."""
    loop = asyncio.get_running_loop()
    end, number = loop.time() + LASTS_S, 0
    while (began := loop.time()) < end:
        await asyncio.gather(*(send(number + n) for n in range(at_once)))
        number += at_once
        await asyncio.sleep(max(0.0, began + _BURST_EACH_S - loop.time()))


def _requests(
    at_once: int,
    method: str,
    path: str,
    body: Callable[[int], bytes] = lambda _: b"",
    *,
    by: str = "",
    form: bool = False,
) -> Attack:
    """The same request, more or less, in bursts; `by` is who is signed in."""

    async def attack(target: Target, tally: Tally) -> None:
        known: dict[str, str] = getattr(target, by) if by else {}
        headers = {**(_FORM if form else _JSON), **known}
        where = path.format(large=target.large_case, small=target.small_case, invitation=target.invitation)
        async with _sending(target, tally) as sender:
            await _bursts(at_once, lambda n: sender.send(method, where, headers, body(n)))

    return attack


def _json(**fields: Any) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


def _a_case(number: int) -> bytes:
    title = f"URGENT: your account is locked, see https://phish.example/{number}"
    return _json(**a_case(title=title, contact=a_contact(email=f"stranger-{number}@victim.example")))


def _invitations(number: int) -> bytes:
    return _json(invitations=[{"email": f"nobody-{number}-{n}@victim.example", "role": "member"} for n in range(20)])


def _comment(number: int) -> bytes:
    return _json(action="comment", text=f"{number} " + "Still the same. " * 20)


_MANY_FIELDS = json.dumps({f"k{n}": 1 for n in range(80_000)}).encode()


async def _uploads(target: Target, tally: Tally) -> None:
    content = b"a" * 1_990_000

    def form() -> aiohttp.FormData:
        files = aiohttp.FormData()
        for n in range(3):
            files.add_field("file", content, filename=f"{n}.txt", content_type="text/plain")
        return files

    async with _sending(target, tally) as sender:

        async def one_after_the_other() -> None:
            while True:
                await sender.send("POST", "/api/v1/attachments", target.member, form())

        with suppress(TimeoutError):
            async with asyncio.timeout(LASTS_S):
                await asyncio.gather(*(one_after_the_other() for _ in range(4)))


async def _sign_in_flood(target: Target, tally: Tally) -> None:
    """600 at once from 400 addresses, as a proxy that is trusted names them."""
    rng = random.Random("sign-in flood")
    clients = [f"203.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}" for _ in range(400)]
    async with _sending(target, tally, address=_PROXY) as sender:

        async def sign_in(number: int) -> None:
            headers = {**_JSON, "X-Forwarded-For": clients[number % len(clients)]}
            body = _json(email=f"nobody-{number}@example.com", password="wrong horse battery")
            await sender.send("POST", "/api/v1/session", headers, body)

        await _bursts(600, sign_in)


# Connections


async def _open(target: Target, address: str = _ADDRESS) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", target.port, local_addr=(address, 0))


def _connections(
    count: int, hold: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], *, over: str = ""
) -> Attack:
    """So many at once; counted is how many of them the portal still holds when the time is up.

    Those which the attacker ends are `over`, and come again.
    """

    async def attack(target: Target, tally: Tally) -> None:
        async def one(_number: int) -> None:
            writer = None
            try:
                async with asyncio.timeout(LASTS_S):
                    reader, writer = await _open(target)
                    await hold(reader, writer)
                tally[over or "ended by the portal"] += 1
            except TimeoutError:
                tally["held to the end" if writer else "not let in"] += 1
            except OSError:
                tally["ended by the portal" if writer else "not let in"] += 1
            finally:
                if writer is not None:
                    writer.transport.abort()

        await (_bursts(count, one) if over else asyncio.gather(*(one(n) for n in range(count))))

    return attack


async def _slow_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n")

    async def drip() -> None:
        while True:
            writer.write(b"X-Slow: 1\r\n")
            await writer.drain()
            await asyncio.sleep(1)

    await _until_either(drip(), reader.read())


async def _until_either(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET /static/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.read(1)
    await reader.read()


async def _half_open(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _reads_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # the transport of a socket has it
    body = _ALLOWED
    head = f"POST /cases HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    head += f"Content-Type: {_FORM['Content-Type']}"
    writer.write(f"{head}\r\n\r\n".encode() + body)
    with suppress(ConnectionError):
        await writer.drain()
    await asyncio.sleep(CUT_AFTER_S)


async def _half_forms(target: Target, tally: Tally) -> None:
    """As many as one address may have; each comes again when refused, ever shorter, and fills what others leave."""

    async def one(number: int) -> None:
        await asyncio.sleep(number / 100)
        for size in _EVER_SHORTER:
            await _half_a_form(target, size, tally)
            await asyncio.sleep(0.5)

    with suppress(TimeoutError):
        async with asyncio.timeout(LASTS_S):
            await asyncio.gather(*(one(number) for number in range(200)))


async def _half_a_form(target: Target, size: int, tally: Tally) -> None:
    writer, became = None, "ended by the portal"
    try:
        reader, writer = await _open(target)
        head = f"POST /cases HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size + 999}\r\n"
        writer.write(f"{head}Content-Type: {_FORM['Content-Type']}\r\n\r\n".encode() + b'"' * size)
        became = (await reader.read(12))[-3:].decode() or became
    except asyncio.CancelledError:
        became = "held to the end"
        raise
    except OSError:
        pass
    finally:
        tally[became] += 1
        if writer is not None:
            writer.transport.abort()


async def _broken_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = "POST /cases HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n"
    head += "Content-Type: multipart/form-data; boundary=x"
    writer.write(f'{head}\r\n\r\n--x\r\nContent-Disposition: form-data; name="title"\r\n\r\nbroken'.encode())
    await writer.drain()
    await asyncio.sleep(0.5)
    writer.transport.abort()
    with suppress(OSError):
        await reader.read()


@dataclass(frozen=True)
class Abuse:
    """One of them, with the words that the table says it in."""

    name: str
    what: str
    attack: Attack


ABUSES: tuple[Abuse, ...] = (
    Abuse(
        "marks-anonymous",
        "960 kB of combining marks as an address to sign in with, not signed in",
        _requests(1, "POST", "/api/v1/session", lambda _: _json(email=f"a{_MARKS}@b.co", password="x")),
    ),
    Abuse(
        "marks-signed-in",
        "960 kB of combining marks as a description, 4 at once",
        _requests(4, "POST", "/api/v1/cases", lambda _: _json(**a_case(description=_MARKS)), by="member"),
    ),
    Abuse(
        "forms-60",
        "60 forms at once with 1 MB of quotes, not signed in",
        _requests(60, "POST", "/cases", lambda _: f"title={_QUOTES}".encode(), form=True),
    ),
    Abuse(
        "forms-150",
        "150 of them",
        _requests(150, "POST", "/cases", lambda _: f"title={_QUOTES}".encode(), form=True),
    ),
    Abuse(
        "forms-allowed",
        "600 forms at once with as much as one may have, not signed in",
        _requests(600, "POST", "/cases", lambda _: _ALLOWED, form=True),
    ),
    Abuse(
        "half-forms", "200 forms of which the end never comes, and shorter ones where those are refused", _half_forms
    ),
    Abuse("non-readers", "600 forms whose answer is not read", _connections(600, _reads_nothing)),
    Abuse("uploads", "4 × 3 files of 2 MB at a time, one after the other, never cited", _uploads),
    Abuse(
        "strangers",
        "50 cases at once whose contacts are strangers",
        _requests(50, "POST", "/api/v1/cases", _a_case, by="member"),
    ),
    Abuse(
        "resends",
        "one invitation sent again, 40 at once",
        _requests(40, "POST", "/api/v1/invitations/{invitation}/resend", by="admin"),
    ),
    Abuse(
        "invitations",
        "200 invitations at once",
        _requests(10, "POST", "/api/v1/invitations", _invitations, by="admin"),
    ),
    Abuse("sign-ins", "600 sign-ins at once from 400 addresses", _sign_in_flood),
    Abuse("exports-10", "10 exports at once", _requests(10, "GET", "/api/v1/cases.xlsx", by="member")),
    Abuse("exports-40", "40 exports at once", _requests(40, "GET", "/api/v1/cases.xlsx", by="member")),
    Abuse("lists", "40 lists of 200 cases at once", _requests(40, "GET", "/api/v1/cases?limit=200", by="member")),
    Abuse(
        "large-case",
        "30 views at once of a case with 575 long comments",
        _requests(30, "GET", "/cases/{large}", by="member"),
    ),
    Abuse(
        "comments",
        "50 comments at once on one case",
        _requests(50, "POST", "/api/v1/cases/{small}/actions", _comment, by="member"),
    ),
    Abuse(
        "unknown-fields",
        "80,000 unknown fields, 40 at once, not signed in",
        _requests(40, "POST", "/api/v1/session", lambda _: _MANY_FIELDS),
    ),
    Abuse("slow-headers", "200 connections whose headers never end", _connections(200, _slow_headers)),
    Abuse("idle", "1,500 connections that idle after one request", _connections(1500, _idle)),
    Abuse("half-open", "1,100 connections that say nothing", _connections(1100, _half_open)),
    Abuse("broken-off", "50 forms broken off in the middle", _connections(50, _broken_off, over="broken off")),
)


def carry_out(name: str, target: Target) -> Tally:
    """In a process of its own: what was answered how often."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))
    abuse = next(abuse for abuse in ABUSES if abuse.name == name)
    tally: Tally = Counter()

    async def bounded() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CUT_AFTER_S):
                await abuse.attack(target, tally)

    asyncio.run(bounded())
    return tally
