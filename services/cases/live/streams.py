"""The open streams of this replica, and what waits in each for its reader."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

import orjson
import structlog
from prometheus_client import Counter, Gauge
from pydantic import TypeAdapter

from services.cases.cases.domain.telling import Telling
from services.cases.cases.store import read_telling
from shared.actor import Actor
from shared.bus import Hint
from shared.errors import TooManyStreams
from shared.schemas.live import PresenceState
from shared.topology import CASE_CHANGED, CASE_PRESENCE

HEARD = (CASE_CHANGED, CASE_PRESENCE)

_MOST_STREAMS = 5_000
# Of one stream. Of more, its reader is told once that anything may have changed.
_MOST_WAITING = 100
_HEARTBEAT_S = 15.0
# Between two writes to one stream: what happens meanwhile goes out together, each case once.
_PACE_S = 0.25
_END_WITHIN_S = 1.0

_log = structlog.get_logger()
_open = Gauge("portico_live_streams", "Streams of live updates that are open")
_told = Counter("portico_live_messages_total", "Messages written to streams of live updates", ["kind"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Somebody of the vendor's is at a case, or was there."""

    number: str
    user_id: UUID
    name: str
    state: PresenceState


PRESENCE = TypeAdapter(Presence)


class Stream:
    """What one reader is still to be told: it holds a bounded number of messages, however slow the reader is."""

    def __init__(self, actor: Actor, number: str | None, *, of_all: bool = False) -> None:
        """Of one case, of all that the actor may see, or of both."""
        self.actor = actor
        self.number = number
        self.of_all = of_all or number is None
        self._changed: dict[str, int] = {}
        self._presences: dict[UUID, Presence] = {}
        self._anything = False
        self._woken = asyncio.Event()
        self._is_over = False
        self._patience: asyncio.Timeout | None = None

    def change(self, number: str, version: int) -> None:
        """The case has this version at least."""
        self._changed[number] = max(version, self._changed.get(number, 0))
        if len(self._changed) > _MOST_WAITING:
            self.reload()
        self._woken.set()

    def show(self, presence: Presence) -> None:
        """Somebody is at the case of this stream."""
        self._presences.pop(presence.user_id, None)
        if len(self._presences) < _MOST_WAITING:
            self._presences[presence.user_id] = presence
        self._woken.set()

    def reload(self) -> None:
        """Anything may have changed."""
        self._anything = True
        self._changed.clear()
        self._woken.set()

    def end(self) -> None:
        """Nothing more comes."""
        self._is_over = True
        self._woken.set()
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time() + _END_WITHIN_S)

    @asynccontextmanager
    async def until_over(self) -> AsyncIterator[None]:
        """The context of all writes: TimeoutError if the stream has to end, and its reader does not take the rest."""
        async with asyncio.timeout(None) as patience:
            self._patience = patience
            try:
                yield
            finally:
                self._patience = None

    async def messages(self) -> AsyncGenerator[bytes]:
        """What is to be written, as it comes; a comment when nothing has come for a while."""
        yield _message("open")
        while not self._is_over:
            self._woken.clear()
            if waiting := self._taken():
                yield b"".join(waiting)
                await asyncio.sleep(_PACE_S)
            elif not await self._wakes():
                yield b":\n\n"

    async def _wakes(self) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(_HEARTBEAT_S):
                return await self._woken.wait()
        return False

    def _taken(self) -> list[bytes]:
        found = [_message("reload")] if self._anything else []
        found += [_message("case", number=number, version=version) for number, version in self._changed.items()]
        found += [
            _message("presence", **PRESENCE.dump_python(presence, mode="json")) for presence in self._presences.values()
        ]
        self._anything = False
        self._changed.clear()
        self._presences.clear()
        return found


class Streams:
    """All streams of this replica, by the case or the company that they are about."""

    def __init__(self) -> None:
        """None is open."""
        self._of_case: defaultdict[str, set[Stream]] = defaultdict(set)
        self._of_company: defaultdict[UUID, set[Stream]] = defaultdict(set)
        self._of_vendor: set[Stream] = set()
        self._count = 0
        self._is_over = False

    @contextmanager
    def opened(self, actor: Actor, number: str | None, *, of_all: bool = False) -> Iterator[Stream]:
        """A stream, for as long as the context lasts; TooManyStreams."""
        if self._count >= _MOST_STREAMS or self._is_over:
            raise TooManyStreams
        stream = Stream(actor, number, of_all=of_all)
        for place in self._places(stream):
            place.add(stream)
        self._count += 1
        _open.set(self._count)
        try:
            yield stream
        finally:
            for place in self._places(stream):
                place.discard(stream)
            self._count -= 1
            _open.set(self._count)
            self._forget_empty(stream)

    def apply_hint(self, hint: Hint) -> None:
        """Passes on what another replica, or this one, has said."""
        try:
            if hint.kind == CASE_CHANGED:
                self._tell(read_telling(hint.about))
            else:
                self._show(PRESENCE.validate_python(hint.about))
        except ValueError:
            # Of a newer version: whoever reads again later sees it all the same.
            _log.warning("hint_unreadable", kind=hint.kind)

    def reload_all(self) -> None:
        """Hints may have been lost."""
        for stream in self._all():
            stream.reload()

    def end_all(self) -> None:
        """The process stops: readers go to another replica at once."""
        self._is_over = True
        for stream in self._all():
            stream.end()

    def _tell(self, telling: Telling) -> None:
        reached = [self._of_case.get(telling.number, ()), self._of_vendor]
        if not telling.internal:
            reached.append(self._of_company.get(telling.company_id, ()))
        for streams in reached:
            for stream in streams:
                if telling.may_reach(stream.actor):
                    _told.labels("case").inc()
                    stream.change(telling.number, telling.version)

    def _show(self, presence: Presence) -> None:
        for stream in self._of_case.get(presence.number, ()):
            if stream.actor.is_vendor and stream.actor.user_id != presence.user_id:
                _told.labels("presence").inc()
                stream.show(presence)

    def _all(self) -> Iterable[Stream]:
        yield from self._of_vendor
        for places in (self._of_case, self._of_company):
            for streams in places.values():
                yield from streams

    def _places(self, stream: Stream) -> Iterator[set[Stream]]:
        if stream.number is not None:
            yield self._of_case[stream.number]
        if stream.of_all:
            yield self._of_vendor if stream.actor.is_vendor else self._of_company[stream.actor.company_id]

    def _forget_empty(self, stream: Stream) -> None:
        if stream.number is not None and not self._of_case[stream.number]:
            del self._of_case[stream.number]
        if not self._of_company.get(stream.actor.company_id, True):
            del self._of_company[stream.actor.company_id]


def _message(kind: str, **about: object) -> bytes:
    """A server-sent event; its name is also the `kind` in its data."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"kind": kind, **about}))
