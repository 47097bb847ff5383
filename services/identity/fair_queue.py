"""A queue for costly work: groups take turns, known callers go first, and nobody waits longer than is of use."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from shared.errors import TooManyRequests, Unavailable

# The gateway waits for 5 s, and the database wants its part of them.
MOST_WAIT_S = 3.0
# So many of those we know are served between two strangers, while both wait.
_KNOWN_IN_A_ROW = 4
_MOST_REMEMBERED = 10_000

_Waiter = asyncio.Future[None]


class TooManySignIns(Unavailable):
    """More people wait for their turn than can be served in time."""

    reason = "sign_ins"
    title = "Too many people are signing in at this moment. Please try again shortly."


@dataclass(frozen=True, slots=True)
class Caller:
    """For whom work is done. All of one `group` share one place in the round; the `known` go first."""

    group: str
    known: bool = False


class _Lane:
    """Groups in a round: however many wait in one, each gets one turn."""

    def __init__(self) -> None:
        self._groups: OrderedDict[str, deque[_Waiter]] = OrderedDict()
        self.waiting = 0

    def waiting_of(self, group: str) -> int:
        return len(self._groups.get(group, ()))

    def ahead_of(self, group: str) -> int:
        """How many are served before the next one of the group would be."""
        own = self.waiting_of(group)
        return sum(min(len(waiters), own + 1) for name, waiters in self._groups.items() if name != group) + own

    def add(self, group: str, waiter: _Waiter) -> None:
        self._groups.setdefault(group, deque()).append(waiter)
        self.waiting += 1

    def remove(self, group: str, waiter: _Waiter) -> None:
        """Nothing where it was served."""
        waiters = self._groups.get(group, deque())
        with suppress(ValueError):
            waiters.remove(waiter)
            self._left(group, waiters)

    def next(self) -> _Waiter:
        group, waiters = next(iter(self._groups.items()))
        waiter = waiters.popleft()
        self._groups.move_to_end(group)
        self._left(group, waiters)
        return waiter

    def last_of_the_largest(self) -> _Waiter | None:
        """Whoever may be sent away for somebody whose group has no place; None where each group has one."""
        group, waiters = max(self._groups.items(), key=lambda item: len(item[1]))
        if len(waiters) == 1:
            return None
        waiter = waiters.pop()
        self._left(group, waiters)
        return waiter

    def _left(self, group: str, waiters: deque[_Waiter]) -> None:
        self.waiting -= 1
        if not waiters:
            del self._groups[group]


class FairQueue:
    """Lets a bounded number work at once, of a bounded number who wait for it."""

    def __init__(self, *, at_once: int, most: int, most_each: int) -> None:
        """At most `most` wait, known ones and strangers each, and `most_each` of one group."""
        self._size = self._free = at_once
        self._most, self._most_each = most, most_each
        self._known, self._strangers = _Lane(), _Lane()
        self._known_in_a_row = 0
        self._took_s = 0.05
        self._remembered: OrderedDict[str, None] = OrderedDict()

    @asynccontextmanager
    async def place(self, caller: Caller) -> AsyncIterator[None]:
        """Waits for a place, which is held as long as the block; TooManyRequests, or Unavailable when too late."""
        await self._wait_for_place(caller)
        began = time.perf_counter()
        try:
            yield
        finally:
            self._took_s += (time.perf_counter() - began - self._took_s) / 10
            self._give_back()

    @property
    def free(self) -> int:
        """How many more could work now."""
        return self._free

    def remember(self, caller: Caller) -> None:
        """The caller's group goes before strangers from now on, in this process."""
        self._remembered[caller.group] = None
        self._remembered.move_to_end(caller.group)
        if len(self._remembered) > _MOST_REMEMBERED:
            self._remembered.popitem(last=False)

    def _refuse_unless_in_time(self, caller: Caller) -> None:
        if self._free:
            return
        lane = self._lane_of(caller)
        if lane.waiting_of(caller.group) >= self._most_each:
            raise TooManyRequests(retry_after_s=2)
        ahead = lane.ahead_of(caller.group)
        if lane is self._strangers:
            ahead += min(self._known.waiting, _KNOWN_IN_A_ROW * (ahead + 1))
        if (ahead + 1) * self._took_s / self._size > MOST_WAIT_S:
            raise TooManySignIns

    def _lane_of(self, caller: Caller) -> _Lane:
        return self._known if caller.known or caller.group in self._remembered else self._strangers

    async def _wait_for_place(self, caller: Caller) -> None:
        self._refuse_unless_in_time(caller)
        if self._free:
            self._free -= 1
            return
        lane, waiter = self._lane_of(caller), asyncio.get_running_loop().create_future()
        if lane.waiting >= self._most:
            _make_room(lane, caller)
        lane.add(caller.group, waiter)
        try:
            async with asyncio.timeout(MOST_WAIT_S):
                await waiter
        except (TimeoutError, asyncio.CancelledError) as error:
            if not waiter.cancelled() and waiter.exception() is None:
                self._give_back()  # its place had come free at that moment
            if isinstance(error, TimeoutError):
                raise TooManySignIns from error
            raise
        finally:
            lane.remove(caller.group, waiter)

    def _give_back(self) -> None:
        self._free += 1
        while self._free and (self._known.waiting or self._strangers.waiting):
            waiter = self._next()
            if not waiter.done():
                waiter.set_result(None)
                self._free -= 1

    def _next(self) -> _Waiter:
        strangers_turn = self._known_in_a_row >= _KNOWN_IN_A_ROW or not self._known.waiting
        if strangers_turn and self._strangers.waiting:
            self._known_in_a_row = 0
            return self._strangers.next()
        self._known_in_a_row += 1
        return self._known.next()


def _make_room(lane: _Lane, caller: Caller) -> None:
    sent_away = None if lane.waiting_of(caller.group) else lane.last_of_the_largest()
    if sent_away is None:
        raise TooManySignIns
    if not sent_away.done():
        sent_away.set_exception(TooManySignIns())
