"""PyMongo Async and Motor on the same mongod, in turn: `python -m tests.bench.drivers` prints a table.

Each figure is calls per second: the median of all runs and, in brackets, the least and the most. "Neither" means that
the ranges of both drivers overlap. CPU is what this process used for one call, over all its threads.
"""

# ruff: noqa: T201  # it talks to the person before the terminal

import argparse
import asyncio
import os
import platform
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import count
from pathlib import Path
from statistics import median
from typing import get_args
from uuid import UUID

import uvloop
from uuid_utils.compat import uuid7

from deploy.local.parts import Mongod
from shared.documents import Documents
from shared.events.base import Event
from shared.mongo import Database, Document, Driver, connect

AT_ONCE = (1, 8, 64)
DRIVERS: tuple[Driver, ...] = get_args(Driver)
TEXT = "The printer takes two sheets at a time from tray 3, and then stops. " * 20

Call = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A document of about 2 KB, as a case is before anybody replied."""

    id: UUID
    title: str = "Paper jam in tray 3"
    text: str = TEXT
    people: tuple[str, ...] = ("ana@example.com", "luc@example.com", "marek@example.com")
    at: datetime
    version: int = 1
    events: tuple[Event, ...] = ()


NOTES = Documents("notes", Note)


def a_note() -> Note:
    return Note(id=uuid7(), at=datetime.now(UTC))


async def inserting(db: Database) -> Call:
    return lambda: NOTES.insert(db, a_note())


async def finding_one(db: Database) -> Call:
    note = await NOTES.insert(db, a_note())
    return lambda: db["notes"].find_one({"_id": note.id})


async def saving(db: Database) -> Call:
    note, numbers = await NOTES.insert(db, a_note()), count()

    async def save() -> None:
        nonlocal note
        note = await NOTES.save(db, replace(note, title=f"Paper jam {next(numbers)}"))

    return save


def listing(limit: int) -> Callable[[Database], Awaitable[Call]]:
    async def prepare(db: Database) -> Call:
        async def read() -> None:
            rows: list[Document] = await db["rows"].find().sort("_id").limit(limit).to_list(None)
            if len(rows) != limit:
                raise AssertionError(len(rows))

        return read

    return prepare


CALLS: dict[str, Callable[[Database], Awaitable[Call]]] = {
    "insert, majority": inserting,
    "find one by id": finding_one,
    "list of 25": listing(25),
    "list of 500": listing(500),
    "versioned save": saving,
}


@dataclass
class Figures:
    """What the runs of one kind of call on one driver gave."""

    per_second: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    @property
    def rate(self) -> str:
        low, high = min(self.per_second), max(self.per_second)
        return f"{median(self.per_second):,.0f} ({low:,.0f}–{high:,.0f})"


async def run(call: Callable[[Database], Awaitable[Call]], db: Database, at_once: int, seconds: float) -> Figures:
    """So many tasks that call one after the other, for so long."""
    calls = [await call(db) for _ in range(at_once)]
    end = time.perf_counter() + seconds

    async def work(each: Call) -> int:
        done = 0
        while time.perf_counter() < end:
            await each()
            done += 1
        return done

    began, cpu = time.perf_counter(), time.process_time()
    done = sum(await asyncio.gather(*(work(each) for each in calls)))
    return Figures([done / (time.perf_counter() - began)], [(time.process_time() - cpu) / done * 1e6])


@asynccontextmanager
async def databases() -> AsyncIterator[dict[Driver, Database]]:
    """One for each driver, filled alike, on a mongod whose disk is memory where possible."""
    memory = Path("/dev/shm")  # noqa: S108  # a fresh folder with a random name is made below it
    with tempfile.TemporaryDirectory(
        prefix="portico-bench-", dir=memory if os.access(memory, os.W_OK) else None
    ) as folder:
        mongod = Mongod(Path(folder) / "mongod", cache_gb=1)
        await mongod.start()
        both = {driver: connect(mongod.url, f"bench_{driver}", driver) for driver in DRIVERS}
        try:
            for db in both.values():
                await db["rows"].insert_many([{"_id": n, "title": "Paper jam", "text": TEXT} for n in range(1000)])
            yield both
        finally:
            for db in both.values():
                await db.close()
            await mongod.stop()


async def compare(runs: int, seconds: float) -> None:
    async with databases() as both:
        server = (await both["pymongo"]["rows"].database.client.server_info())["version"]
        print(
            f"{os.cpu_count()} CPUs, Python {platform.python_version()}, PyMongo {version('pymongo')},"
            f" Motor {version('motor')}, MongoDB {server}; {runs} runs of {seconds:g} s each, in turn;"
            f" load at the start {os.getloadavg()[0]:.1f}\n"
        )
        print("| call | at once | PyMongo Async, calls/s | Motor, calls/s | faster | CPU µs a call: PyMongo, Motor |")
        print("| --- | ---: | ---: | ---: | --- | ---: |")
        for name, call in CALLS.items():
            for at_once in AT_ONCE:
                figures = {driver: Figures() for driver in DRIVERS}
                for each in range(runs):
                    for driver in DRIVERS if each % 2 == 0 else reversed(DRIVERS):
                        once = await run(call, both[driver], at_once, seconds)
                        figures[driver].per_second += once.per_second
                        figures[driver].cpu_us += once.cpu_us
                print(row(name, at_once, figures["pymongo"], figures["motor"]), flush=True)


def row(name: str, at_once: int, pymongo: Figures, motor: Figures) -> str:
    ratio = median(pymongo.per_second) / median(motor.per_second)
    faster = "neither"
    if min(pymongo.per_second) > max(motor.per_second):
        faster = f"PyMongo Async × {ratio:.1f}"
    elif min(motor.per_second) > max(pymongo.per_second):
        faster = f"Motor × {1 / ratio:.1f}"
    cpu = f"{median(pymongo.cpu_us):,.0f}, {median(motor.cpu_us):,.0f}"
    return f"| {name} | {at_once} | {pymongo.rate} | {motor.rate} | {faster} | {cpu} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="for each driver, call and number at once")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long a run takes")
    options = parser.parse_args()
    uvloop.run(compare(options.runs, options.seconds))
