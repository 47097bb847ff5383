"""Counts of cases: the counters say what the cases themselves say, at every moment."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Coroutine, Generator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from pymongo import AsyncMongoClient
from uuid_utils.compat import uuid7

from deploy.local.waiting import until
from services.cases.cases.store import counters, counts
from services.cases.cases.store.cases import CASES
from shared.actor import Actor, Role
from shared.errors import Conflict
from shared.mongo import Database, Document, with_time_to_upgrade
from shared.schemas.cases import CaseQuery
from tests.builders import MONGO_DRIVER, Json, a_contact, an_actor
from tests.events import site_changed, user_changed
from tests.service.cases.conftest import CasesApi, a_replica
from tests.unbounded import UNBOUNDED

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
QUERIES: list[Json] = [{}, {"status": "open"}, {"status": ["new", "closed"], "severity": 2}, {"severity": 3}]


async def kept(db: Database) -> None:
    """The worker has been there a moment ago: the counters are believed."""
    began = await db.now()

    async def is_kept() -> bool:
        await db[counters.COUNTERS].update_one({"_id": counters.STATE}, {"$set": {"due": LONG_AGO}})
        # Where the worker of the service was faster, this does nothing, and that one may be at it still.
        while await counters.count_changed(db):
            pass
        return await db[counters.COUNTERS].find_one({"_id": counters.STATE, "kept_at": {"$gte": began}}) is not None

    assert await until(is_kept, deadline_s=30, pause_s=0.02)


async def all_counted(db: Database) -> None:
    """Every case, also those of this moment."""
    while cases := await db[CASES.collection].find(counters.IS_CHANGED, {"_id": 1}).limit(500).to_list(None):
        await counters.count(db, [case["_id"] for case in cases])


@pytest.fixture
async def db(cases: CasesApi) -> Database:
    """Of the service, with right counters, and without the cases of other tests: some are as no service writes them."""
    with with_time_to_upgrade():
        await cases.db["cases"].delete_many({})
    await counters.recount(cases.db)
    await kept(cases.db)
    return cases.db


async def agree(db: Database, *actors: Actor, **filters: Any) -> None:
    """That the counters say of all these queries what the cases say."""
    for actor in actors:
        for query in QUERIES:
            asked = CaseQuery.model_validate({**query, **filters})
            by_counters = await counts._by_counters(db, actor, asked)
            by_cases = await counts._by_cases(db, actor, asked)
            assert by_counters is not None
            assert by_counters.status == by_cases.status, (actor, asked)
            assert by_counters.severity == by_cases.severity, (actor, asked)
            named = {site for site in by_cases.site if site[2] > 1 or not actor.is_vendor}
            assert set(by_counters.site) >= named, (actor, asked)
            assert len(by_counters.site) == len(by_cases.site)


class Company:
    """One with two sites and somebody in each role, and what happens to its cases, by chance."""

    def __init__(self, cases: CasesApi, rng: random.Random) -> None:
        self.cases = cases
        self.rng = rng
        self.admin = an_actor()
        self.agent = an_actor(Role.AGENT)
        self.sites = [site_changed(self.admin.company_id, name=name) for name in ("Lyon", "Nantes")]
        inside: Json = {"company_id": self.admin.company_id}
        here = frozenset({self.sites[0].site_id})
        self.members = [
            an_actor(Role.MEMBER, **inside, visibility="company"),
            an_actor(Role.MEMBER, **inside, visibility="company", site_ids=here),
            an_actor(Role.MEMBER, **inside, visibility="own"),
            an_actor(Role.CASE_MANAGER, **inside, visibility="own", site_ids=here),
        ]
        self.everybody = [an_actor(Role.VENDOR_ADMIN), self.agent, self.admin, *self.members]

    async def settle(self) -> None:
        for event in (*self.sites, *map(user_changed, self.members)):
            await self.cases.hear(event)

    async def submit(self) -> None:
        by = self.rng.choice([self.admin, *self.members])
        colleague = self.rng.choice(self.members)
        place = [{}, *({"site_id": str(site.site_id)} for site in self.sites if by.site_ids in (None, {site.site_id}))]
        await self.cases.submitted(
            by,
            severity=self.rng.randint(1, 4),
            confidential=self.rng.random() < 0.4,
            **self.rng.choice(place),
            **self.rng.choice([{}, {"contact": a_contact(user_id=str(colleague.user_id), email=colleague.email)}]),
        )

    async def act(self) -> None:
        company = {"company_id": self.admin.company_id}
        all_cases = await self.cases.db["cases"].find(company, {"number": 1, "version": 1}).sort("_id").to_list(None)
        case = self.rng.choice(all_cases)
        actions: list[Json] = [
            {"action": "change_severity", "severity": self.rng.randint(1, 4)},
            {"action": "close", "reason": "works again", "resolved": True},
            {"action": "cancel", "reason": "not needed"},
            {"action": "reopen", "reason": "broken again"},
            {"action": "comment", "text": "Any news?"},
            {"action": "take"},
            {"action": "reply", "text": "Please try tray 2."},
            {"action": "set_status", "status": "waiting_parts"},
        ]
        action = self.rng.choice(actions)
        if action["action"] not in {"comment", "take", "reply"}:
            action["version"] = case["version"]
        if action["action"] in {"take", "reply", "set_status"}:
            answer = await self.cases.agent_act(case["number"], self.agent, **action)
        else:
            answer = await self.cases.act(case["number"], self.admin, **action)
        assert answer.status in {200, 409}, answer.body  # what cannot be done now changes nothing

    async def case_ids(self) -> list[UUID]:
        found = self.cases.db["cases"].find({"company_id": self.admin.company_id}, {"_id": 1})
        return [case["_id"] for case in await found.to_list(None)]


@pytest.fixture
async def company(cases: CasesApi) -> Company:
    made = Company(cases, random.Random(4))
    await made.settle()
    return made


async def test_whatever_happens_the_counters_say_to_each_role_what_the_cases_say(
    db: Database, company: Company
) -> None:
    for step in range(60):
        await (company.submit() if step < 8 or company.rng.random() < 0.3 else company.act())
        if company.rng.random() < 0.3:
            await counters.count(db, company.rng.choices(await company.case_ids(), k=3))
        await agree(db, *company.everybody, company_id=str(company.admin.company_id))
    await agree(db, *company.everybody)
    for site in company.sites:
        await agree(db, *company.everybody, site_id=str(site.site_id))
    await all_counted(db)
    await agree(db, *company.everybody)
    assert await counters.recount(db) == 0


class Stopped:
    """Awaits some steps of a work and then stops it where it is, as at the end of its process."""

    def __init__(self, work: Coroutine[Any, Any, None], *, after: int) -> None:
        self._work = work
        self._after = after

    def __await__(self) -> Generator[Any, None, bool]:
        """Whether the work was done before."""
        running = self._work.__await__()
        for _ in range(self._after):
            try:
                awaited = next(running)
            except StopIteration:
                return True
            yield awaited
        try:
            awaited = running.throw(asyncio.CancelledError())
            while True:  # what it tidies up
                yield awaited
                awaited = next(running)
        except asyncio.CancelledError:
            return False
        except StopIteration:
            return True


async def test_wherever_the_worker_is_stopped_the_counters_stay_right(db: Database, company: Company) -> None:
    for _ in range(4):
        await company.submit()
    case_ids = await company.case_ids()
    done = stopped = 0
    for after in count():
        await db["cases"].update_many(
            {"_id": {"$in": case_ids}}, {"$set": {"problem.severity": 1 + after % 4, "updated_at": datetime.now(UTC)}}
        )
        if await Stopped(counters.count(db, case_ids), after=after):
            done += 1
        else:
            stopped += 1
        await agree(db, company.admin, company.agent, company_id=str(company.admin.company_id))
        if done == 2:
            break
    assert stopped >= 3
    assert await counters.recount(db) == 0


async def test_a_replica_starts_while_what_one_that_was_killed_has_begun_is_still_open(
    cases: CasesApi, db: Database, mongo_url: str
) -> None:
    case = await cases.submitted(an_actor())
    async with AsyncMongoClient[Json](mongo_url) as killed, killed.start_session() as session:
        await session.start_transaction()
        for collection, wanted in (("cases", {"number": case["number"]}), (counters.COUNTERS, {"_id": "of this test"})):
            await killed["cases"][collection].update_one(wanted, {"$set": {"x": 1}}, upsert=True, session=session)
        async with a_replica(mongo_url, **UNBOUNDED) as replica:
            assert (await replica.get(case["number"], an_actor(Role.AGENT))).status == 200
        await session.abort_transaction()


async def test_workers_at_the_same_cases_at_once_count_each_case_once(db: Database, company: Company) -> None:
    for _ in range(6):
        await company.submit()
    case_ids = await company.case_ids()
    for severity in (1, 2, 3):
        await db["cases"].update_many(
            {"_id": {"$in": case_ids}}, {"$set": {"problem.severity": severity, "updated_at": datetime.now(UTC)}}
        )
        await asyncio.gather(*(counters.count(db, part) for part in (case_ids, case_ids[:4], case_ids[2:])))
        await agree(db, *company.everybody, company_id=str(company.admin.company_id))
    assert await counters.recount(db) == 0


async def test_one_worker_at_a_time_counts_what_has_changed(
    cases: CasesApi, db: Database, counting: asyncio.Lock
) -> None:
    ana = an_actor()
    case = await cases.submitted(ana)
    state = {"_id": counters.STATE}
    async with counting:
        await db["cases"].update_one({"number": case["number"]}, {"$unset": {"counted": ""}})
        await db["cases"].update_one(
            {"number": case["number"]}, {"$set": {"updated_at": datetime.now(UTC) - timedelta(seconds=5)}}
        )
        await db[counters.COUNTERS].delete_many({"company_id": ana.company_id})
        await db[counters.COUNTERS].update_one(state, {"$set": {"due": datetime.now(UTC) + timedelta(hours=1)}})
    assert not await counters.count_changed(db)
    assert await db["cases"].count_documents({"number": case["number"], "counted": None}) == 1
    await kept(db)
    assert await db["cases"].count_documents({"number": case["number"], "counted": None}) == 0


async def test_what_a_replica_of_an_older_version_writes_is_counted_like_all_others(
    db: Database, company: Company
) -> None:
    await company.submit()
    await all_counted(db)
    (case,) = await db["cases"].find({"company_id": company.admin.company_id}).to_list(None)
    now = datetime.now(UTC)
    # A change of one that is counted, and a new one.
    await db["cases"].update_one({"_id": case["_id"]}, {"$set": {"status": "closed", "updated_at": now}})
    del case["counted"]
    await db["cases"].insert_one({**case, "_id": uuid7(), "number": "9999999901", "updated_at": now})
    await agree(db, *company.everybody, company_id=str(company.admin.company_id))
    await all_counted(db)
    await agree(db, *company.everybody, company_id=str(company.admin.company_id))
    assert await counters.recount(db) == 0


async def test_while_nobody_keeps_the_counters_the_cases_are_counted_themselves(
    cases: CasesApi, db: Database, counting: asyncio.Lock
) -> None:
    ana = an_actor()
    await cases.submitted(ana)
    await all_counted(db)
    counted = (await cases.call("GET", "/cases/facets", ana)).body
    state = {"_id": counters.STATE}
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    async with counting:
        await db[counters.COUNTERS].update_one(state, {"$set": {"kept_at": LONG_AGO, "due": tomorrow}})
    await db[counters.COUNTERS].delete_many({"company_id": ana.company_id})
    assert (await cases.call("GET", "/cases/facets", ana)).body == counted
    assert counted["status"] == [{"value": "new", "label": "new", "count": 1}]
    assert await counters.recount(db) == 2
    await kept(db)
    assert (await cases.call("GET", "/cases/facets", ana)).body == counted


async def test_a_database_without_counters_is_counted_by_the_worker_while_the_cases_answer(
    db: Database, company: Company, counting: asyncio.Lock
) -> None:
    for _ in range(5):
        await company.submit()
    async with counting:
        await db["cases"].update_many({}, {"$unset": {"counted": ""}})
        await db[counters.COUNTERS].drop()
    assert await counts._by_counters(db, company.admin, CaseQuery()) is None
    await counters.create_indexes(db)
    await kept(db)
    await agree(db, *company.everybody)


async def test_whoever_writes_a_case_sees_it_counted_at_once(cases: CasesApi, db: Database) -> None:
    ana, agent = an_actor(Role.MEMBER, visibility="own"), an_actor(Role.AGENT)
    company = {"company_id": str(ana.company_id)}

    async def count_new(by: Actor) -> int:
        facets = (await cases.call("GET", "/cases/facets", by, params=company)).body
        return sum(facet["count"] for facet in facets["status"] if facet["value"] == "new")

    for number in range(1, 4):
        case = await cases.submitted(ana)
        assert [await count_new(by) for by in (ana, agent)] == [number, number]
        if number == 2:
            await all_counted(db)
            assert [await count_new(by) for by in (ana, agent)] == [number, number]
    assert (await cases.agent_act(case["number"], agent, action="take")).body["status"] == "in_progress"
    assert [await count_new(by) for by in (ana, agent)] == [2, 2]


async def test_the_vendor_sees_a_site_whose_first_case_is_not_counted_yet(cases: CasesApi, db: Database) -> None:
    ana, agent = an_actor(), an_actor(Role.AGENT)
    site = site_changed(ana.company_id, name="Brest")
    await cases.hear(site)
    await all_counted(db)
    for _ in range(3):
        await cases.submitted(ana, site_id=str(site.site_id))
    sites = (await cases.call("GET", "/cases/facets", agent, params={"status": "open"})).body["site"]
    assert {"value": str(site.site_id), "label": "Brest", "count": 3} in sites


async def test_of_many_sites_those_with_most_cases_are_told(cases: CasesApi, db: Database) -> None:
    admin, agent = an_actor(), an_actor(Role.AGENT)
    for many in (1, 3, 2):
        await cases.hear(site := site_changed(admin.company_id, name=f"Site {many}"))
        for _ in range(many):
            await cases.submitted(admin, site_id=str(site.site_id))
    await all_counted(db)
    for actor in (admin, agent):
        told = await counts.count_cases(db, actor, CaseQuery(status="open"), most_sites=2)
        assert [(name, count) for _, name, count in told.site] == [("Site 3", 3), ("Site 2", 2)]


async def test_a_state_that_only_another_version_knows_disturbs_no_counts(db: Database, company: Company) -> None:
    for _ in range(2):
        await company.submit()
    strange = (await company.case_ids())[0]
    changed = {"status": "of no kind", "confidential": True, "updated_at": datetime.now(UTC)}
    await db["cases"].update_one({"_id": strange}, {"$set": changed})
    await all_counted(db)
    await agree(db, *company.everybody, company_id=str(company.admin.company_id), status="open")
    await db["cases"].update_one({"_id": strange}, {"$set": {"status": "new"}})


# What is looked at


@asynccontextmanager
async def looked_at(db: Database) -> AsyncIterator[list[Document]]:
    """What the database says of each look at cases and counters within; there once it is over."""
    looks: list[Document] = []
    await db._database.command("profile", 2)
    try:
        yield looks
    finally:
        await db._database.command("profile", 0)
        # At one moment, and in no transaction, as the service's own worker looks.
        at_one_moment = {"command.readConcern.level": "snapshot", "command.txnNumber": None}
        looks += await db["system.profile"].find(at_one_moment).to_list(None)
        await db["system.profile"].drop()


@pytest.mark.parametrize("role", [Role.AGENT, Role.COMPANY_ADMIN, Role.CASE_MANAGER, Role.MEMBER])
async def test_counts_look_at_no_more_when_there_are_more_cases_of_before(
    cases: CasesApi, db: Database, company: Company, role: Role
) -> None:
    reader = an_actor(role, company_id=company.admin.company_id)
    site = str(company.sites[0].site_id)
    looked: list[int] = []
    for _ in range(3):
        for severity in (1, 2, 3, 4):
            await cases.submitted(company.admin, severity=severity, site_id=site)
        await all_counted(db)
        # As if no case had been changed lately; of other tests, only those that had.
        lately = {"updated_at": {"$gt": datetime.now(UTC) - timedelta(minutes=1)}}
        await db["cases"].update_many(lately, {"$set": {"updated_at": LONG_AGO}})
        async with looked_at(db) as looks:
            await counts.count_cases(db, reader, CaseQuery(status="open"))
        assert all("COLLSCAN" not in look["planSummary"] for look in looks)
        looked.append(sum(look["docsExamined"] for look in looks))
    assert looked[0] == looked[1] == looked[2] > 0


# The operator's command


async def run_recount(mongo_url: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cases", "recount"),
        stdout=asyncio.subprocess.PIPE,
        env={"MONGO_URL": mongo_url, "MONGO_DRIVER": MONGO_DRIVER},
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_an_operator_has_the_counters_compared_and_mended(cases: CasesApi, db: Database, mongo_url: str) -> None:
    ana = an_actor()
    await cases.submitted(ana)
    await all_counted(db)
    assert await run_recount(mongo_url) == (0, "All counters are right.\n")
    await db[counters.COUNTERS].update_one(
        {"company_id": ana.company_id, "user_id": None}, {"$inc": {"cases.new 3": 5}}
    )
    assert await run_recount(mongo_url) == (0, "1 counters were wrong, and are right now.\n")
    await agree(db, ana)


async def test_of_two_who_recount_at_once_one_is_told_so(db: Database, cases: CasesApi) -> None:
    ana = an_actor()
    await cases.submitted(ana)
    await all_counted(db)
    await db[counters.COUNTERS].update_one(
        {"company_id": ana.company_id, "user_id": None}, {"$inc": {"cases.new 3": 5}}
    )
    found = await asyncio.gather(counters.recount(db), counters.recount(db), return_exceptions=True)
    assert sum(isinstance(each, Conflict) for each in found) + found.count(0) == 1
    await agree(db, ana)
