"""Case numbers are never given twice, not even after an older state of the database was restored."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from deploy.local.parts import Mongod
from deploy.local.waiting import until
from services.cases.cases.store import CaseNumbers, keep_counter_seen
from shared.mongo import Database
from tests.builders import MONGO_DRIVER, an_actor
from tests.contained import ContainedMongod
from tests.service.cases.conftest import CasesApi, a_replica
from tests.unbounded import UNBOUNDED

COUNTER = {"_id": "case_number"}
Backup = dict[str, list[dict[str, Any]]]


@pytest.fixture
async def own(own_mongod: Mongod | ContainedMongod) -> AsyncIterator[CasesApi]:
    """The service with a database that nobody else has, which can be restored."""
    async with a_replica(own_mongod.url, **UNBOUNDED) as api:
        yield api


async def backup_of(db: Database) -> Backup:
    return {name: await db[name].find({}).to_list(None) for name in ("cases", "allocators")}


async def restore(db: Database, backup: Backup) -> None:
    for name, documents in backup.items():
        await db[name].delete_many({})
        await db[name].insert_many(documents)


async def run_after_restore(mongo_url: str) -> tuple[int, str]:
    """As an operator has it."""
    environment = {"PATH": os.environ["PATH"], "MONGO_URL": mongo_url, "MONGO_DRIVER": MONGO_DRIVER}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cases", "after-restore"), stdout=asyncio.subprocess.PIPE, env=environment
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def numbers_of(db: Database, count: int) -> list[str]:
    """Of a process that has just been started."""
    numbers = CaseNumbers(db)
    return [await numbers.take() for _ in range(count)]


async def created(cases: CasesApi, count: int) -> list[str]:
    return [(await cases.submitted(an_actor()))["number"] for _ in range(count)]


async def test_after_a_restore_and_its_command_no_number_comes_again(
    own: CasesApi, own_mongod: Mongod | ContainedMongod
) -> None:
    before = await created(own, 3)
    backup = await backup_of(own.db)
    lost = await created(own, 3)
    for _ in range(20):  # each of them a process, which begins a block
        lost += await numbers_of(own.db, 101)
    await restore(own.db, backup)
    code, said = await run_after_restore(own_mongod.url)
    assert code == 0
    first, *others = await numbers_of(own.db, 300)
    assert said == f"New cases get numbers from {first} on.\n"
    assert not {first, *others} & {*before, *lost}
    assert len({*before, *lost, first, *others}) == len(before) + len(lost) + 300
    # The backup is restored once more: the numbers of the first attempt were told to people as well.
    await restore(own.db, backup)
    await run_after_restore(own_mongod.url)
    assert min(await numbers_of(own.db, 3)) > first


async def test_after_a_restore_the_command_finds_numbers_whose_counter_is_lost(
    own: CasesApi, own_mongod: Mongod | ContainedMongod
) -> None:
    await own.db["allocators"].update_one(COUNTER, {"$set": {"next": 500_000_000}}, upsert=True)
    before = await created(own, 101)
    await own.db["allocators"].delete_many({})
    await run_after_restore(own_mongod.url)
    assert min(await numbers_of(own.db, 1)) > max(before)


async def _seen(db: Database, ago: timedelta) -> int:
    """The counter was seen last so long ago; where it stands."""
    await numbers_of(db, 1)
    await db["allocators"].update_one(
        COUNTER, [{"$set": {"seen_at": {"$subtract": ["$$NOW", ago / timedelta(milliseconds=1)]}}}]
    )
    counter = await db["allocators"].find_one(COUNTER)
    assert counter is not None
    return int(counter["next"])


@pytest.mark.parametrize("ago", [timedelta(minutes=4), timedelta(hours=1), timedelta(days=3)])
async def test_without_the_command_an_older_counter_leaves_out_what_its_age_had_room_for(
    cases: CasesApi, ago: timedelta
) -> None:
    stood = await _seen(cases.db, ago)
    (number,) = await numbers_of(cases.db, 1)
    # Each process that was started meanwhile has begun a block of numbers, whatever became of it.
    assert int(number[:-1]) >= stood + ago.total_seconds() + 10_000


async def test_a_clock_that_was_decades_ahead_does_not_use_the_numbers_up(cases: CasesApi) -> None:
    stood = await _seen(cases.db, timedelta(days=20 * 365))
    (number,) = await numbers_of(cases.db, 1)
    assert int(number[:-1]) <= stood + 10_000_000


async def test_a_clock_that_was_decades_behind_leaves_no_number_out(cases: CasesApi) -> None:
    stood = await _seen(cases.db, -timedelta(minutes=1))  # seen by the right clock, which is ahead of the wrong one
    await numbers_of(cases.db, 1)
    counter = await cases.db["allocators"].find_one(COUNTER)
    assert counter is not None
    assert counter["seen_at"] > await cases.db.now()
    assert counter["next"] <= stood + 1000


async def test_a_service_that_runs_sees_that_the_counter_is_older(cases: CasesApi) -> None:
    stood = await _seen(cases.db, timedelta(days=1))
    seeing = asyncio.create_task(keep_counter_seen(cases.db))

    async def has_moved() -> bool:
        counter = await cases.db["allocators"].find_one(COUNTER)
        return counter is not None and counter["next"] >= stood + timedelta(days=1).total_seconds()

    try:
        assert await until(has_moved, deadline_s=30)
    finally:
        seeing.cancel()


async def test_a_short_stop_leaves_no_number_out(cases: CasesApi) -> None:
    stood = await _seen(cases.db, timedelta(minutes=2))
    (number,) = await numbers_of(cases.db, 1)
    assert int(number[:-1]) == stood
