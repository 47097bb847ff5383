"""Reads the bodies of requests: bounded in size and time each, and all together in what a process holds of them."""

import asyncio
import math
import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web
from pydantic import ValidationError

from shared import errors
from shared.addresses import network_of
from shared.logging import origin
from shared.schemas.base import SMALL_BODY_BYTES, Body

BODY_DEADLINE_S = 10.0
# Each body is several times as large once it is read into values. Files come slowly, so they do not share with forms.
MOST_BODY_BYTES, _MOST_FILE_BYTES = 32 * 1024 * 1024, 64 * 1024 * 1024
_PART_FOR_SMALL_ONES = 8
# Whoever sends files is waited for so long, and as long as what has come takes at the slowest line.
_RESERVE_S = 15.0
_SLOWEST_RATE = 32 * 1024  # bytes a second
# Whoever sends more fields is no person, and listing what is wrong with each would hold up everybody else.
MOST_FIELDS = 1000
# An agreement has 5000 serials at most; whoever sends somewhat more is told so by the model.
MOST_ENTRIES = 10_000
_READ_AT_ONCE_BYTES = 16 * 1024
# Characters beyond the first 65,536 are escaped in two halves, which are worth nothing alone.
_HALF = re.compile(
    rb"\\u[dD][89abAB][\da-fA-F]{2}(?!\\u[dD][c-fC-F][\da-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][\da-fA-F]{2})\\u[dD][c-fC-F][\da-fA-F]{2}"
)

_B = TypeVar("_B", bound=Body)
_T = TypeVar("_T")


class TooManyBodies(errors.Unavailable):
    """The process holds as many bytes of bodies as it may; whoever sends again in a moment is served."""

    code = "too_busy"
    title = "Too much is being sent at this moment. Please try again shortly."


class TooManyFields(Exception):
    """More than MOST_FIELDS names and objects, or than MOST_ENTRIES items of lists, in a JSON body."""


@dataclass(eq=False, slots=True)
class HeldBody:
    """The body of one request."""

    whose: str  # a user, or the network of somebody who is not signed in
    deadline: asyncio.Timeout | None = None  # while it is still coming
    gave_way: bool = False

    @property
    def can_give_way(self) -> bool:
        """Nothing has been done with it yet."""
        return self.deadline is not None and not self.gave_way

    def give_way(self) -> None:
        """Its time is over now."""
        self.gave_way = True
        if self.deadline is not None and not self.deadline.expired():
            self.deadline.reschedule(0)


class BodyMemory:
    """How many bytes of bodies the requests of a process hold together, from the first byte to the answer.

    Where there is no room, a body that is still coming gives way: of whoever holds most the one that began first. So
    nobody keeps out the others. A part is for small bodies, whatever is being done with large ones.
    """

    def __init__(self, most: int) -> None:
        """One for each kind of body that must not keep out the others."""
        self.held = 0
        self._most = most
        self._bodies: dict[HeldBody, int] = {}  # in the order they began
        self._of_one: Counter[str] = Counter()

    def take(self, body: HeldBody, size: int) -> None:
        """So many bytes more of a body; TooManyBodies, without taking, where it would itself have to give way."""
        whole = self._bodies.get(body, 0) + size
        most = self._most if whole <= SMALL_BODY_BYTES else self._most - self._most // _PART_FOR_SMALL_ONES
        while self.held + size > most:
            self._make_room(body, size)
        self.held += size
        self._of_one[body.whose] += size
        self._bodies[body] = whole

    def release(self, body: HeldBody) -> None:
        """Nothing of it is held any more."""
        size = self._bodies.pop(body, 0)
        self.held -= size
        self._of_one[body.whose] -= size
        if not self._of_one[body.whose]:
            del self._of_one[body.whose]

    def _make_room(self, body: HeldBody, size: int) -> None:
        def held_by_one(other: HeldBody) -> int:
            return self._of_one[other.whose] + (size if other.whose == body.whose else 0)

        others = (other for other in self._bodies if other.can_give_way and other is not body)
        longest = max((*others, body), key=held_by_one)
        if longest is body:
            raise TooManyBodies
        longest.give_way()
        self.release(longest)


BODY_MEMORY = web.AppKey("body_memory", BodyMemory)
FILE_MEMORY = web.AppKey("file_memory", BodyMemory)
_READ: web.RequestKey[bytes | Exception] = web.RequestKey("read", object)  # type: ignore[arg-type]  # of either kind
_HELD = web.RequestKey("held", HeldBody)


def bound_body_memory(app: web.Application) -> None:
    """Bounds what the requests of an application hold together."""
    app[BODY_MEMORY] = BodyMemory(MOST_BODY_BYTES)
    app[FILE_MEMORY] = BodyMemory(_MOST_FILE_BYTES)


class SlowestRate:
    """How long the sender of a long body is waited for. Only waiting counts, not what is done with what has come."""

    def __init__(self, *, at_once_s: float = math.inf) -> None:
        """Never longer than `at_once_s` for the next bytes."""
        self.came = 0
        self._at_once_s = at_once_s
        self._waited_s = 0.0

    async def next(self, reading: Awaitable[bytes]) -> bytes:
        """What is being read; TimeoutError where it comes more slowly than by any line."""
        loop = asyncio.get_running_loop()
        left_s = _RESERVE_S + self.came / _SLOWEST_RATE - self._waited_s
        began = loop.time()
        async with asyncio.timeout(min(left_s, self._at_once_s)):
            chunk = await reading
        self._waited_s += loop.time() - began
        self.came += len(chunk)
        return chunk


class BoundedBody:
    """A body as it comes: of at most so many bytes, and not more slowly than by any line."""

    def __init__(self, request: web.Request, rate: SlowestRate, *, at_most: int, too_large: errors.TooLarge) -> None:
        """`too_large` at once for a body that says itself that it is too long."""
        self._rate = rate
        self._at_most = at_most
        self._too_large = too_large
        if (request.content_length or 0) > at_most:
            raise too_large

    @property
    def came(self) -> int:
        """How many bytes have come so far."""
        return self._rate.came

    async def take(self, reading: Awaitable[bytes]) -> bytes:
        """What is being read of it; `too_large`, or TimeoutError."""
        chunk = await self._rate.next(reading)
        if self._rate.came > self._at_most:
            raise self._too_large
        return chunk

    def give_back(self, size: int) -> None:
        """So many bytes that were taken are read again."""
        self._rate.came -= size


async def read_bytes(request: web.Request, *, at_most: int = SMALL_BODY_BYTES) -> bytes:
    """The whole body, the same again for who asks again; TooLarge, TooManyBodies, Malformed, or 408."""
    if _READ not in request:
        try:
            request[_READ] = await _read(request, at_most)
        except (errors.Refusal, web.HTTPException) as error:
            # Else who asks again would take the rest for the whole.
            request[_READ] = error
    if isinstance(read := request[_READ], Exception):
        raise read
    return read


async def _read(request: web.Request, at_most: int) -> bytes:
    try:
        if not request.content.is_eof():
            return await _received(request, at_most)
        body = request.content.read_nowait()  # it came with its head, as most do: nobody has to be waited for
    except web.RequestPayloadError as error:
        raise errors.EndedEarly from error
    if len(body) > at_most:
        raise too_large(at_most)
    hold_bytes(request, len(body))
    return body


async def _received(request: web.Request, at_most: int) -> bytes:
    incoming = BoundedBody(request, SlowestRate(), at_most=at_most, too_large=too_large(at_most))
    body = bytearray()
    async with receiving(request, BODY_DEADLINE_S):
        while chunk := await incoming.take(request.content.readany()):
            hold_bytes(request, len(chunk))
            body += chunk
    return bytes(body)


@asynccontextmanager
async def receiving(request: web.Request, within_s: float) -> AsyncIterator[None]:
    """While a body comes; 408 where that takes longer, TooManyBodies where it had to give way to somebody else's."""
    body = _held_of(request)
    try:
        async with asyncio.timeout(within_s) as body.deadline:
            yield
    except TimeoutError as error:
        if not body.gave_way:
            raise web.HTTPRequestTimeout from error
    finally:
        body.deadline = None
    if body.gave_way:
        raise TooManyBodies


def hold_bytes(request: web.Request, size: int, key: web.AppKey[BodyMemory] = BODY_MEMORY) -> None:
    """Counts bytes of a body as held until the request is answered; TooManyBodies."""
    request.app[key].take(_held_of(request), size)


@contextmanager
def hold_file(request: web.Request, size: int) -> Iterator[None]:
    """Room for one file of a body for a while; TooManyBodies."""
    hold_bytes(request, size, FILE_MEMORY)
    try:
        yield
    finally:
        request.app[FILE_MEMORY].release(_held_of(request))


def release_body(request: web.Request) -> None:
    """The request is answered: nothing of its body is held any more."""
    if _HELD in request:
        request.app[BODY_MEMORY].release(request[_HELD])
        request.app[FILE_MEMORY].release(request[_HELD])


def _held_of(request: web.Request) -> HeldBody:
    if _HELD not in request:
        current = origin.get()
        request[_HELD] = HeldBody(current.actor or network_of(current.address))
    return request[_HELD]


def too_large(at_most: int) -> errors.TooLarge:
    """The refusal of a body longer than this."""
    return errors.TooLarge(
        f"At most {at_most} bytes are accepted here.", params={"reason": "body", "limit_bytes": at_most}
    )


async def parse_in_thread(read: Callable[[bytes], _T], body: bytes) -> _T:
    """What `read` makes of a body; a long one is read in a thread, so that the event loop serves others meanwhile."""
    return read(body) if len(body) <= _READ_AT_ONCE_BYTES else await asyncio.to_thread(read, body)


def parse(body: bytes, model: type[_B]) -> _B:
    """The JSON body as `model`; ValidationError, or TooManyFields before any of them is looked at."""
    body = body.removeprefix(BOM_UTF8)  # programs of Windows write it
    _refuse_many_fields(body)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        if error.errors(include_url=False, include_input=False)[0]["type"] != "json_invalid":
            raise
        if (whole := _without_halves(body)) == body:
            raise
        return model.model_validate_json(whole)


def _without_halves(body: bytes) -> bytes:
    """Without the halves of characters that a program leaves which cuts a text between the two: nobody sees them."""
    if b"\0" in body:
        return body
    # A backslash of the text itself begins no escape. No JSON holds the bytes that stand in its place meanwhile.
    escapes = body.replace(rb"\\", b"\0\0")
    return _HALF.sub(b"", escapes).replace(b"\0\0", rb"\\")


def _refuse_many_fields(body: bytes) -> None:
    """Looks for single bytes only: to make values of a megabyte, and to count these, takes too long."""
    # What is no JSON is counted as far as it is, and no further is it read.
    unescaped = body.replace(rb"\\", b"").replace(rb"\"", b"")
    if unescaped.count(b'"') > 2 * (MOST_FIELDS + MOST_ENTRIES):
        raise TooManyFields
    outside_texts = b"".join(unescaped.split(b'"')[::2])
    # An object without any field is one thing to look at, too; so is a list.
    fields = outside_texts.count(b":") + outside_texts.count(b"{")
    entries = outside_texts.count(b",") + outside_texts.count(b"[")
    if fields > MOST_FIELDS or entries > MOST_ENTRIES:
        raise TooManyFields
