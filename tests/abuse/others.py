"""Everybody else: eight people of four companies who go on working at a slow, steady rate while somebody attacks."""

import asyncio
import math
import secrets
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import aiohttp

from tests.bench.figures import percentile
from tests.bench.people import Person
from tests.e2e.portal import PASSWORD, a_case

EVERY_S = 0.1
WITHIN_S = 10.0
# Of so many requests one creates a case, and one signs in.
_CREATES_EACH, _SIGN_INS_EACH = 31, 53
_LOST = 0


@dataclass(frozen=True)
class Asked:
    """One request of theirs. `took_s` counts from when it was due."""

    kind: str
    due: float
    took_s: float
    status: int  # 0: no answer in time

    @property
    def was_served(self) -> bool:
        return self.status in range(200, 400)


@dataclass(frozen=True)
class Served:
    """How they fared in a while."""

    asked: int
    p50_ms: float  # infinite: half of them were not served
    p99_ms: float
    failures: dict[str, int]

    @classmethod
    def of(cls, asked: Sequence[Asked]) -> "Served":
        """Whoever was not served waited for ever."""
        waited = [each.took_s * 1000 if each.was_served else math.inf for each in asked]
        failures: dict[str, int] = {}
        for each in asked:
            if not each.was_served:
                name = f"{each.kind} {each.status or 'no answer'}"
                failures[name] = failures.get(name, 0) + 1
        if not waited:
            return cls(0, math.nan, math.nan, {})
        return cls(len(asked), percentile(waited, 0.5), percentile(waited, 0.99), failures)


@dataclass(frozen=True)
class Span:
    """A while, by the clock that never goes back."""

    began: float
    ended: float


@dataclass
class Others:
    """`start` them once; `served` says how they fared since a moment."""

    port: int
    people: Sequence[Person]
    _asked: list[Asked] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def work(self) -> None:
        """Until cancelled. Each asks when it is due, however slowly the ones before are answered."""
        due, tick = time.monotonic(), 0
        async with AsyncExitStack() as leaving:
            browsers = [
                await leaving.enter_async_context(_browser(f"127.0.0.{11 + n}")) for n in range(len(self.people))
            ]
            while True:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                task = asyncio.create_task(self._ask(browsers[tick % len(browsers)], tick, due))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                due, tick = due + EVERY_S, tick + 1

    async def served(self, *spans: Span) -> Served:
        """Of what was due in these times; waits for the answers that are still to come."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=WITHIN_S + 1)
        return Served.of([each for each in self._asked if any(span.began <= each.due < span.ended for span in spans)])

    async def _ask(self, http: aiohttp.ClientSession, tick: int, due: float) -> None:
        person = self.people[tick % len(self.people)]
        kind, method, path, body = _request(tick, person)
        headers = {"Host": "localhost"} if kind == "sign-in" else person.headers
        if method == "POST":
            headers = headers | {"Idempotency-Key": secrets.token_hex(16)}
        url = f"http://127.0.0.1:{self.port}{path}"
        try:
            async with http.request(method, url, headers=headers, json=body, allow_redirects=False) as answer:
                await answer.read()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            status = _LOST
        self._asked.append(Asked(kind, due, time.monotonic() - due, status))


def _browser(address: str) -> aiohttp.ClientSession:
    """With an address of its own, which is not the attacker's; it comes anew each time, and has to be let in."""
    connector = aiohttp.TCPConnector(limit=0, local_addr=(address, 0), force_close=True)
    timeout = aiohttp.ClientTimeout(total=WITHIN_S)
    return aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())


def _request(tick: int, person: Person) -> tuple[str, str, str, object]:
    if tick % _CREATES_EACH == 0:
        return "create", "POST", "/api/v1/cases", a_case()
    if tick % _SIGN_INS_EACH == 1:
        return "sign-in", "POST", "/api/v1/session", {"email": person.portal.user["email"], "password": PASSWORD}
    return ("list", "GET", "/api/v1/cases", None) if tick % 2 else ("page", "GET", "/", None)
