"""Reads the bodies of requests: bounded in size and time each, and all together in what a process holds of them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from aiohttp import web

from shared import errors
from shared.schemas.base import SMALL_BODY_BYTES, Body

BODY_DEADLINE_S = 10.0
# Each body is several times as large once it is read into values. Files come slowly, so they do not share with forms.
MOST_BYTES_IN_HAND, _MOST_FILE_BYTES_IN_HAND = 32 * 1024 * 1024, 64 * 1024 * 1024
# Whoever sends more fields is no person, and listing what is wrong with each would hold up everybody else.
MOST_FIELDS = 1000
# An agreement has 5000 serials at most; whoever sends somewhat more is told so by the model.
MOST_ENTRIES = 10_000
_READ_AT_ONCE_BYTES = 16 * 1024

_B = TypeVar("_B", bound=Body)
_T = TypeVar("_T")


class TooManyBodies(errors.Unavailable):
    """The process holds as many bytes of bodies as it may; whoever sends again in a moment is served."""

    code = "too_busy"
    title = "Too much is being sent at this moment. Please try again shortly."


class TooManyFields(Exception):
    """More than MOST_FIELDS names and objects, or than MOST_ENTRIES items of lists, in a JSON body."""


class InHand:
    """How many bytes of bodies the requests of a process hold together, from the first byte to the answer."""

    def __init__(self, most: int) -> None:
        """One for each kind of body that must not keep out the others."""
        self.held = 0
        self._most = most

    def take(self, size: int) -> None:
        """Raises TooManyBodies, without taking, when there is no room for so many bytes."""
        if self.held + size > self._most:
            raise TooManyBodies
        self.held += size

    def give_back(self, size: int) -> None:
        """What is no longer held."""
        self.held -= size

    @contextmanager
    def room_for(self, size: int) -> Iterator[None]:
        """Room for so many bytes for a while; TooManyBodies."""
        self.take(size)
        try:
            yield
        finally:
            self.give_back(size)


IN_HAND = web.AppKey("in_hand", InHand)
FILES_IN_HAND = web.AppKey("files_in_hand", InHand)
_READ: web.RequestKey[bytes | Exception] = web.RequestKey("read", object)  # type: ignore[arg-type]  # of either kind
_HELD: web.RequestKey[dict[InHand, int]] = web.RequestKey("held", dict)


def count_bodies(app: web.Application) -> None:
    """Bounds what the requests of an application hold together."""
    app[IN_HAND] = InHand(MOST_BYTES_IN_HAND)
    app[FILES_IN_HAND] = InHand(_MOST_FILE_BYTES_IN_HAND)


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
    if (request.content_length or 0) > at_most:
        raise too_large(at_most)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            while chunk := await request.content.readany():
                if len(body) + len(chunk) > at_most:
                    raise too_large(at_most)
                hold(request, len(chunk))
                body += chunk
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error
    except web.RequestPayloadError as error:
        raise errors.Malformed("The body ended early, or is not encoded as its headers say.") from error
    return bytes(body)


def hold(request: web.Request, size: int, key: web.AppKey[InHand] = IN_HAND) -> None:
    """Counts bytes of a body as held until the request is answered; TooManyBodies."""
    in_hand = request.app[key]
    in_hand.take(size)
    if _HELD not in request:
        request[_HELD] = {}
    request[_HELD][in_hand] = request[_HELD].get(in_hand, 0) + size


def let_go(request: web.Request) -> None:
    """The request is answered: nothing of its body is held any more."""
    for in_hand, size in request.get(_HELD, {}).items():
        in_hand.give_back(size)


def too_large(at_most: int) -> errors.TooLarge:
    """The refusal of a body longer than this."""
    return errors.TooLarge(f"At most {at_most} bytes are accepted here.")


async def read_aside(read: Callable[[bytes], _T], body: bytes) -> _T:
    """What `read` makes of a body; a long one is read in a thread, so that the event loop serves others meanwhile."""
    return read(body) if len(body) <= _READ_AT_ONCE_BYTES else await asyncio.to_thread(read, body)


def parse(body: bytes, model: type[_B]) -> _B:
    """The JSON body as `model`; ValidationError, or TooManyFields before any of them is looked at."""
    _refuse_many_fields(body)
    return model.model_validate_json(body)


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
