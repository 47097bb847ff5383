"""Live updates: from the request that changes a case to the event at others' streams."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import orjson

from tests.bench.figures import percentile
from tests.bench.measuring import Bench
from tests.bench.people import Person

_COMMENTS = 40
_PAUSE_S = 0.4  # more than what goes out together
_WITHIN_S = 10.0


@dataclass
class _Watcher:
    """Somebody's stream, and when it last told of each case."""

    told_at: dict[str, float] = field(default_factory=dict)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def read(self, answer: aiohttp.ClientResponse) -> None:
        async for line in answer.content:
            if line.startswith(b"data: "):
                told = orjson.loads(line.removeprefix(b"data: "))
                async with self.news:
                    self.told_at[str(told.get("number"))] = time.monotonic()
                    self.news.notify_all()

    async def hears_of(self, number: str, since: float) -> float:
        async with self.news:
            await self.news.wait_for(lambda: self.told_at.get(number, 0.0) >= since)
        return self.told_at[number] - since


async def measure_live(bench: Bench, scale: int) -> None:
    """A customer writes, one comment after the other; an administrator, a colleague and an agent hear of it."""
    author = bench.people.customers[0]
    watching = {
        "company admin": author,
        "member": bench.people.customers[1],
        "agent": bench.people.agent,
    }
    rows = (await author.portal.get("/cases?status=open&limit=50"))["items"]
    numbers = [row["number"] for row in rows if not row["confidential"]]
    async with AsyncExitStack() as leaving:
        watchers = {role: await leaving.enter_async_context(_watch(person)) for role, person in watching.items()}
        took_s: dict[str, list[float]] = {role: [] for role in watchers}
        for n in range(_COMMENTS):
            number = numbers[n % len(numbers)]
            began = time.monotonic()
            body = {"action": "comment", "text": "Is there any news?"}
            await author.portal.post(f"/cases/{number}/actions", body, key=f"live {scale} {n} {bench.seed}")
            async with asyncio.timeout(_WITHIN_S):
                heard = await asyncio.gather(*(each.hears_of(number, began) for each in watchers.values()))
            for role, seconds in zip(watchers, heard, strict=True):
                took_s[role].append(seconds)
            await asyncio.sleep(_PAUSE_S)
    for role, values in took_s.items():
        for name, share in (("p50", 0.5), ("p95", 0.95), ("longest", 1.0)):
            bench.figures.add(f"live update, {role}, {scale:,} cases, {name}", "ms", percentile(values, share) * 1000)


@asynccontextmanager
async def _watch(person: Person) -> AsyncIterator[_Watcher]:
    watcher = _Watcher()
    timeout = aiohttp.ClientTimeout(total=None)
    async with person.portal.http.get(f"{person.portal.address}/events", timeout=timeout) as answer:
        answer.raise_for_status()
        reading = asyncio.ensure_future(watcher.read(answer))
        try:
            yield watcher
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
