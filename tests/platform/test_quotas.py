"""Fair shares on a real database: bounds hold over replicas and races, waits are true, others are not touched."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pymongo.read_concern import ReadConcern

from deploy.local.waiting import until
from shared import quotas
from shared.actor import Actor, Role
from shared.errors import Forbidden, TooManyRequests
from shared.mongo import Database, connect
from shared.quotas import Bound, MoreThanAllowed, Quota
from tests.builders import MONGO_DRIVER, an_actor

# Halfway between two full hours, and not over while the tests run.
NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=250_000) + timedelta(hours=1)
HOUR = timedelta(hours=1)
NONE = Bound(0, HOUR)


class TooManyThings(TooManyRequests):
    """Of whatever is counted here."""

    title = "That were too many things."


@pytest.fixture
async def db(mongo_url: str) -> AsyncIterator[Database]:
    database = connect(mongo_url, f"quotas-{uuid4().hex[:12]}", MONGO_DRIVER)
    await quotas.create_indexes(database)
    yield database
    await database.drop()
    await database.close()


def a_quota(*, user: Bound = NONE, company: Bound = NONE) -> Quota:
    return Quota("things", TooManyThings, user=user, company=company)


async def passes(quota: Quota, db: Database, actor: Actor, amount: int = 1, *, now: datetime = NOW) -> bool:
    try:
        await quota.take(db, actor, amount, now=now)
    except TooManyThings:
        return False
    return True


async def test_of_fifty_at_once_exactly_so_many_pass_as_may(db: Database, mongo_url: str) -> None:
    quota, ana = a_quota(user=Bound(20, HOUR)), an_actor()
    other_replica = connect(mongo_url, db.name, MONGO_DRIVER)
    passed = await asyncio.gather(*(passes(quota, [db, other_replica][n % 2], ana) for n in range(50)))
    await other_replica.close()
    assert sum(passed) == 20


async def test_a_company_is_bounded_as_a_whole(db: Database) -> None:
    quota, ana = a_quota(user=Bound(4, HOUR), company=Bound(6, HOUR)), an_actor()
    luc = an_actor(company_id=ana.company_id)
    passed = await asyncio.gather(*(passes(quota, db, by) for by in (ana, luc) for _ in range(25)))
    assert sum(passed) == 6
    assert await passes(quota, db, an_actor())


async def test_of_many_users_and_companies_at_once_each_counts_what_passed_and_nothing_else(db: Database) -> None:
    quota = a_quota(user=Bound(5, HOUR), company=Bound(12, HOUR))
    admins = [an_actor() for _ in range(3)]
    people = [an_actor(company_id=admin.company_id) for admin in admins for _ in range(4)]
    asked = [(by, amount) for by in people for amount in (1, 2, 1, 2, 1, 2)]
    passed = await asyncio.gather(*(passes(quota, db, by, amount) for by, amount in asked))
    counted: Counter[str] = Counter()
    for (by, amount), has_passed in zip(asked, passed, strict=True):
        counted[str(by.user_id)] += amount * has_passed
        counted[str(by.company_id)] += amount * has_passed
    assert all(11 <= counted[str(admin.company_id)] <= 12 for admin in admins)
    assert max(counted[str(by.user_id)] for by in people) <= 5
    written: Counter[str] = Counter()
    async for each in db[quotas.COUNTERS].with_options(read_concern=ReadConcern("local")).find({}):
        users = {user.partition("/")[0]: used for user, used in each["users"].items()}
        written.update(users | {each["_id"].split("/")[2]: each["used"]})
    assert +written == +counted


async def test_a_users_window_may_be_shorter_than_their_companys(db: Database) -> None:
    quota, ana = a_quota(user=Bound(2, HOUR), company=Bound(3, 24 * HOUR)), an_actor()
    at = NOW.replace(hour=12)
    passed = [await passes(quota, db, ana, now=at + hours * HOUR) for hours in (0, 0, 0, 1, 1)]
    assert passed == [True, True, False, True, False]
    with pytest.raises(TooManyThings) as refused:
        await quota.take(db, ana, now=at + HOUR)
    assert refused.value.retry_after_s == 10.5 * 3600


async def test_what_an_older_version_counted_for_a_company_counts(db: Database) -> None:
    quota, ana = a_quota(user=Bound(5, HOUR), company=Bound(3, HOUR)), an_actor()
    number, ends_at = quota.company.window(NOW)
    old = {"_id": f"things/company/{ana.company_id}/{number}", "used": 2, "ends_at": ends_at}
    await db[quotas.COUNTERS].insert_one(old)
    assert [await passes(quota, db, ana) for _ in range(2)] == [True, False]


async def test_many_who_are_refused_at_once_hold_nobody_up(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    quota, ana, writes = a_quota(user=Bound(1, HOUR)), an_actor(), 0
    assert await passes(quota, db, ana)
    kind = type(db[quotas.COUNTERS])
    write = kind.bulk_write

    async def counting(self: Any, *args: Any, **options: Any) -> Any:
        nonlocal writes
        writes += 1
        return await write(self, *args, **options)

    monkeypatch.setattr(kind, "bulk_write", counting)
    *passed, of_another = await asyncio.gather(*(passes(quota, db, by) for by in [ana] * 50 + [an_actor()]))
    assert (sum(passed), of_another) == (0, True)
    assert writes <= 5


async def test_of_a_new_companys_first_requests_at_once_as_many_pass_as_may(db: Database, mongo_url: str) -> None:
    quota = a_quota(user=Bound(2, HOUR), company=Bound(1000, HOUR))
    other_replica = connect(mongo_url, db.name, MONGO_DRIVER)
    for _ in range(30):
        ana = an_actor()
        passed = await asyncio.gather(*(passes(quota, [db, other_replica][n % 2], ana) for n in range(6)))
        assert sum(passed) == 2
    await other_replica.close()


async def test_what_the_company_refuses_is_not_counted_for_the_user(db: Database) -> None:
    ana = an_actor()
    luc = an_actor(company_id=ana.company_id)
    assert await passes(a_quota(company=Bound(1, HOUR)), db, luc)
    for _ in range(5):
        assert not await passes(a_quota(user=Bound(2, HOUR), company=Bound(1, HOUR)), db, ana)
    quota = a_quota(user=Bound(2, HOUR), company=Bound(10, HOUR))
    assert [await passes(quota, db, ana) for _ in range(3)] == [True, True, False]


async def test_who_is_refused_does_not_use_up_the_companys_share(db: Database) -> None:
    ana = an_actor()
    quota = a_quota(user=Bound(1, HOUR), company=Bound(2, HOUR))
    assert [await passes(quota, db, ana) for _ in range(5)] == [True, False, False, False, False]
    assert await passes(quota, db, an_actor(company_id=ana.company_id))


async def test_many_at_once_are_taken_whole_or_not(db: Database) -> None:
    quota, ana = a_quota(user=Bound(100, HOUR)), an_actor()
    assert [await passes(quota, db, ana, amount) for amount in (60, 60, 40, 1)] == [True, False, True, False]


async def test_who_asks_for_more_than_ever_fits_is_not_told_to_come_back(db: Database) -> None:
    for quota in (a_quota(user=Bound(100, HOUR)), a_quota(user=Bound(200, HOUR), company=Bound(100, HOUR))):
        ana = an_actor()
        with pytest.raises(MoreThanAllowed):
            await quota.take(db, ana, 101, now=NOW)
        assert await passes(quota, db, ana, 100)


async def test_what_is_refused_is_given_back_to_the_user_and_the_company(db: Database) -> None:
    quota, ana = a_quota(user=Bound(1, HOUR), company=Bound(1, HOUR)), an_actor()
    for _ in range(3):
        with pytest.raises(Forbidden):
            async with quota.taken(db, ana, now=NOW):
                raise Forbidden
    assert [await passes(quota, db, ana) for _ in range(2)] == [True, False]


async def test_what_may_have_been_done_stays_counted(db: Database) -> None:
    quota, ana = a_quota(user=Bound(1, HOUR)), an_actor()
    with pytest.raises(TimeoutError):
        async with quota.taken(db, ana, now=NOW):
            raise TimeoutError
    assert not await passes(quota, db, ana)


async def test_a_refusal_because_it_is_full_gives_nothing_back(db: Database) -> None:
    quota, ana = a_quota(user=Bound(1, HOUR)), an_actor()
    assert await passes(quota, db, ana)
    for _ in range(3):
        with pytest.raises(TooManyThings):
            async with quota.taken(db, ana, now=NOW):
                raise AssertionError


async def test_after_the_time_that_was_told_it_goes_on_and_not_before(db: Database) -> None:
    quota, ana = a_quota(user=Bound(1, HOUR)), an_actor()
    await quota.take(db, ana, now=NOW)
    with pytest.raises(TooManyThings, match="too many things") as refused:
        await quota.take(db, ana, now=NOW)
    wait_s = refused.value.retry_after_s
    assert wait_s == 1800
    assert not await passes(quota, db, ana, now=NOW + timedelta(seconds=wait_s - 1))
    assert await passes(quota, db, ana, now=NOW + timedelta(seconds=wait_s))


async def test_the_database_forgets_windows_that_are_over(db: Database) -> None:
    await a_quota(user=Bound(1, HOUR)).take(db, an_actor(), now=NOW)
    counters = db[quotas.COUNTERS]

    async def is_there() -> bool:  # written without waiting for the majority that reads it here
        return await counters.count_documents({}) == 1

    assert await until(is_there, deadline_s=45, pause_s=0.02)
    [counter] = await counters.find({}).to_list(None)
    assert counter["ends_at"] == NOW.replace(microsecond=0) + timedelta(minutes=30)
    assert (await counters.index_information())["forget"]["expireAfterSeconds"] == 0


async def test_the_vendor_has_no_bound_as_a_company(db: Database) -> None:
    agent = an_actor(Role.AGENT)
    quota = a_quota(user=Bound(2, HOUR), company=Bound(1, HOUR))
    assert [await passes(quota, db, agent) for _ in range(3)] == [True, True, False]
    assert await passes(quota, db, an_actor(Role.AGENT, company_id=agent.company_id))


async def test_without_a_bound_nothing_is_counted(db: Database) -> None:
    assert all([await passes(a_quota(), db, an_actor()) for _ in range(3)])
    assert await db[quotas.COUNTERS].count_documents({}) == 0


async def test_kinds_of_things_do_not_share_a_counter(db: Database) -> None:
    quota, ana = a_quota(user=Bound(1, HOUR)), an_actor()
    assert await passes(quota, db, ana)
    assert await passes(replace(quota, what="others"), db, ana)
