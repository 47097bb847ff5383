"""The whole stack, each service in a cage of its `mem_limit`, started again when it ends, as Compose does it."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from uuid_utils.compat import uuid7

from deploy.local.stack import Borrowed, PythonPart, Stack
from deploy.local.waiting import until
from shared.mongo import Database, connect
from tests.abuse.attacks import Target
from tests.abuse.cages import Cage, cages
from tests.abuse.others import Others
from tests.bench.archive import Archive
from tests.bench.people import People, Person, joined
from tests.bench.sink import Sink
from tests.e2e.portal import a_case

_LOOK_EACH_S = 0.1
_RECOVERED_WITHIN_S = 15.0
_LONG_COMMENTS, _LONG = 575, '"Still 🖨️ jams" ' * 625
_PROXY = "127.0.0.4/32"


class CagedStack(Stack):
    """Its mails go to a sink that keeps nothing. Services that end are started again."""

    def __init__(self, data_dir: Path, *, code: Path, sink: Sink, inside: dict[str, Cage]) -> None:
        super().__init__(
            data_dir,
            borrowed=Borrowed(smtp_url=sink.url),
            environment={"PORTICO_TRUSTED_PROXIES": _PROXY},
            code=code,
        )
        self.cages = inside
        self.ended: list[str] = []
        for name, cage in inside.items():
            self.service(name).child.argv = cage.words(list(self.service(name).child.argv))

    def service(self, name: str) -> PythonPart:
        part = self.parts[name]
        assert isinstance(part, PythonPart)
        return part

    async def watch(self) -> None:
        """Until cancelled: the memory of each, and a new start for who has ended."""
        while True:
            for name, cage in self.cages.items():
                child = self.service(name).child
                if not child.running:
                    self.ended.append(f"{name} ended with {child.exit_code}")
                    child.start()
                cage.pid = child.pid
                cage.look()
            await asyncio.sleep(_LOOK_EACH_S)

    def unhandled(self) -> int:
        """How many errors of ours all services have logged."""
        logs = (self.data_dir / "logs" / f"{name}.log" for name in self.cages)
        return sum(len(re.findall(rb'"unhandled"', log.read_bytes())) for log in logs if log.exists())


@dataclass
class World:
    """A running stack, with people who attack and people who work."""

    stack: CagedStack
    target: Target
    others: Others
    working: asyncio.Task[None] | None = field(default=None)

    async def recovered(self) -> float | None:
        """How long until everything is ready and answers again; None when it does not, and had to be killed."""
        began = time.monotonic()
        if await until(self._is_well, deadline_s=_RECOVERED_WITHIN_S, pause_s=0.2):
            return round(time.monotonic() - began, 1)
        for name in self.stack.cages:
            if not await self._answers(self.stack.service(name).ready_url):
                self.stack.ended.append(f"{name} hung")
                self.stack.kill(name)
        await until(self._is_well, deadline_s=60, pause_s=0.5)
        return None

    async def _is_well(self) -> bool:
        urls = [self.stack.service(name).ready_url for name in self.stack.cages]
        # Twice: the first may find a connection that is only just accepted.
        return all([await self._answers(url) for url in [*urls, f"{self.stack.local_url}/sign-in"] * 2])

    @staticmethod
    async def _answers(url: str) -> bool:
        connector = aiohttp.TCPConnector(local_addr=("127.0.0.3", 0))
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1.5), connector=connector) as http,
                http.get(url, headers={"Host": "localhost"}) as answer,
            ):
                return answer.ok
        return False


@asynccontextmanager
async def running(folder: Path, *, code: Path, cases: int) -> AsyncIterator[World]:
    """Everything started and filled; nothing is left running."""
    sink, inside = Sink(folder), cages(f"portico-abuse-{folder.name}")
    stack = CagedStack(folder, code=code, sink=sink, inside=inside)
    db = connect(stack.environment["MONGO_URL"], "cases")
    sink.start()
    tasks: list[asyncio.Task[None]] = []
    try:
        await stack.start()
        tasks.append(asyncio.create_task(stack.watch()))
        async with joined(stack, "abuse") as people:
            await Archive(db, people, "abuse").grow_to(cases)
            target = await _target(stack, people, db)
            others = Others(stack.port, people.customers[4:])
            tasks.append(asyncio.create_task(others.work()))
            with suppress(Exception):  # signing out at the end is no part of it
                yield World(stack, target, others)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await db.close()
        await stack.stop()
        await sink.child.stop()
        for cage in inside.values():
            cage.remove()


async def _target(stack: Stack, people: People, db: Database) -> Target:
    admin, member, *_ = people.customers
    large, small = [await _a_commented_case(member, key) for key in ("large", "small")]
    await _lengthen(db, large)
    invited = {"invitations": [{"email": "nobody@victim.example", "role": "member"}]}
    answer = await admin.portal.post("/invitations", invited, key="invitation")
    invitation = _first_id(answer)
    return Target(stack.port, admin.headers, member.headers, large, small, invitation)


async def _a_commented_case(member: Person, key: str) -> str:
    case = await member.portal.post("/cases", a_case(), key=f"abuse-{key}")
    number = str(case["number"])
    await member.portal.post(f"/cases/{number}/actions", {"action": "comment", "text": "Still."}, key=f"abuse-{key}-1")
    return number


async def _lengthen(db: Database, number: str) -> None:
    """As many long comments as a case took when there was no other end to it, without the minute that they take."""
    case = await db["cases"].find_one({"number": number})
    assert case is not None
    comment = case["history"][-1]
    long = [{**comment, "id": uuid7(), "text": _LONG[:9_999]} for _ in range(_LONG_COMMENTS)]
    await db["cases"].update_one({"number": number}, {"$push": {"history": {"$each": long}}})


def _first_id(answer: dict[str, Any]) -> str:
    [first, *_] = answer["items"]
    return str(first["id"])
