"""Who sees a case: the database's filter against the rule, and which index serves it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from services.cases.cases import store
from services.cases.cases.domain.case import Case
from services.cases.cases.domain.numbers import case_number
from services.cases.cases.domain.values import Contact, person_of
from services.cases.cases.domain.visibility import sees
from services.cases.cases.store import indexes, lists
from services.cases.cases.store.indexes import fill_in
from services.cases.cases.store.lists import SORTS
from shared.actor import Actor, Role, Visibility
from shared.mongo import Database, Document, with_time_to_upgrade
from shared.schemas.cases import AgentCaseQuery, CaseQuery
from tests.builders import MONGO_DRIVER, an_actor
from tests.platform.bus_helpers import a_database
from tests.unit.cases.acting import a_case as written

COMPANY, ANA, HERE, THERE = (uuid7() for _ in range(4))
LUC = an_actor(company_id=COMPANY)
# Whose turn it is has parts, each in an order of its own: see below.
ORDERS = [f"{sign}{name}" for name in SORTS if name != "turn" for sign in ("", "-")]
USUAL = ["updated_at", "-updated_at", "created_at", "-created_at"]


@pytest.fixture
async def db(mongo_url: str) -> AsyncIterator[Database]:
    async with a_database(mongo_url, MONGO_DRIVER) as fresh:
        await store.create_indexes(fresh)
        yield fresh


def ana(role: Role = Role.MEMBER, **other: Any) -> Actor:
    return an_actor(role, **{"company_id": COMPANY, "user_id": ANA} | other)


def a_case(number: int = 0, **changes: Any) -> Case:
    return written(LUC, number=case_number(700_000_000 + number), **changes)


def all_cases() -> list[Case]:
    """One of each kind: whose it is, where it is, whether it is confidential, of which company."""
    person, contact = person_of(ana()), Contact("Ana", "Duarte", "ana@example.com", "+33472000000", user_id=ANA)
    owns: list[dict[str, Any]] = [{}, {"owner": person}, {"contact": contact}, {"secondary_contact": contact}]
    kinds = product(owns, (None, HERE, THERE), (False, True), (COMPANY, uuid7()))
    return [
        a_case(number, site_id=site, confidential=confidential, company_id=company, **own)
        for number, (own, site, confidential, company) in enumerate(kinds)
    ]


def all_actors() -> list[Actor]:
    """One of each kind: the role, the company's visibility, the site scope, the main site."""
    scopes = (None, frozenset[UUID](), frozenset({HERE}), frozenset({HERE, THERE}))
    kinds = product(Role, Visibility, scopes, (None, HERE, THERE))
    return [ana(role, visibility=seen, site_ids=scope, main_site_id=main) for role, seen, scope, main in kinds]


async def found_by(db: Database, actor: Actor) -> set[UUID]:
    return {case["_id"] async for case in db["cases"].find(store.visible_to(actor), {"_id": 1})}


async def test_the_database_finds_exactly_what_the_rule_lets_an_actor_see(db: Database) -> None:
    cases = all_cases()
    for case in cases:
        await store.CASES.insert(db, case)
    for actor in all_actors():
        assert await found_by(db, actor) == {case.id for case in cases if sees(actor, case)}, actor


async def test_who_sees_a_case_follows_every_change_of_it(db: Database) -> None:
    first = await store.CASES.insert(db, a_case(site_id=HERE))
    limited = ana(site_ids=frozenset({HERE}))
    assert await found_by(db, limited) == {first.id}
    moved = await store.CASES.save(db, replace(first, site_id=THERE))
    assert await found_by(db, limited) == set()
    handed_over = await store.CASES.save(db, replace(moved, owner=person_of(limited)))
    assert await found_by(db, limited) == {first.id}
    marked = await store.CASES.save(db, replace(handed_over, confidential=True, owner=moved.owner))
    assert await found_by(db, ana()) == set()
    await store.CASES.save(db, replace(marked, confidential=False))
    assert await found_by(db, ana()) == {first.id}


# Cases of an older version


async def test_cases_of_an_older_version_get_the_readers_that_a_save_would_give_them(db: Database) -> None:
    cases = all_cases()
    for case in cases:
        await store.CASES.insert(db, case)
    written = await readers(db)
    await db["cases"].update_many({}, {"$unset": {"readers": "", "words": ""}})
    await store.create_indexes(db)
    assert await readers(db) == written
    assert await fill_in(db) == 0


async def test_two_replicas_that_begin_together_both_wait_for_the_last_case(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "_AT_ONCE", 1)
    for number in range(8):
        await store.CASES.insert(db, a_case(number))
    await db["cases"].update_many({}, {"$unset": {"readers": "", "words": ""}})

    async def left_when_done() -> int:
        while await fill_in(db):
            pass
        return await db["cases"].count_documents({"readers": None})

    assert sum(await asyncio.gather(left_when_done(), left_when_done())) == 0


async def readers(db: Database) -> dict[UUID, Any]:
    return {case["_id"]: case["readers"] async for case in db["cases"].find({}, {"readers": 1})}


async def test_looking_for_cases_without_readers_reads_none_of_the_others(db: Database) -> None:
    for number in range(20):
        await store.CASES.insert(db, a_case(number))
    stats = await explained(db, {"readers": None})
    assert (stats["totalKeysExamined"] <= 1, stats["totalDocsExamined"]) == (True, 0)


OLDER = {"company_id_1_own_ids_1__id_1", "company_id_1_problem.title_1__id_1"}


async def test_the_indexes_of_an_older_version_go(db: Database) -> None:
    await db["cases"].create_index([("company_id", 1), ("own_ids", 1), ("_id", 1)])
    await db["cases"].create_index([("company_id", 1), ("status", 1)], name="counts")
    await db["cases"].create_index([("company_id", 1), ("problem.title", 1), ("_id", 1)])
    await db["cases"].create_index([("pin", 1), ("created_at", 1), ("_id", 1)], name="pin")
    wanted = set(await db["cases"].index_information()) - {"counts", "pin", *OLDER}
    await store.create_indexes(db)
    assert set(await db["cases"].index_information()) == wanted


# What serves whom


async def explained(db: Database, wanted: Document, sort: str = "", limit: int = 0) -> Document:
    find: Document = {"find": "cases", "filter": wanted, "limit": limit}
    if sort:
        order = store.read_order(sort)
        assert order.collation is not None
        find |= {"sort": dict(order.keys), "collation": order.collation.document}
    command = {"explain": find, "verbosity": "executionStats"}
    plan: Document = await db._database.command(command, codec_options=db._database.codec_options)
    return {**plan["executionStats"], "stages": str(plan["queryPlanner"]["winningPlan"])}


WHOLE = [ana(), ana(Role.CASE_MANAGER), ana(Role.COMPANY_ADMIN), an_actor(Role.AGENT)]
PART = [
    ana(visibility="own"),
    ana(visibility="site", main_site_id=HERE),
    ana(Role.CASE_MANAGER, site_ids=frozenset({HERE, THERE})),
]


@pytest.mark.parametrize(("actors", "orders"), [(WHOLE, ORDERS), (PART, USUAL)])
async def test_a_list_is_read_from_an_index_in_its_order(db: Database, actors: list[Actor], orders: list[str]) -> None:
    with with_time_to_upgrade():
        await db["cases"].insert_many([_bare(number) for number in range(300)])
    for order, actor in product(orders, actors):
        stats = await explained(db, store.visible_to(actor), order, limit=11)
        assert "'SORT'" not in stats["stages"], (order, actor)
        assert stats["totalDocsExamined"] <= 2 * 11, (order, actor)  # some are passed over


async def test_whoever_sees_few_cases_of_a_company_reads_those_alone_in_any_order(db: Database) -> None:
    mine = _bare(300)
    with with_time_to_upgrade():
        await db["cases"].insert_many([{**_bare(number), "readers": ["company"]} for number in range(300)])
    await db["cases"].insert_one(mine)
    for order, actor in product(ORDERS, PART):
        stats = await explained(db, store.visible_to(actor), order, limit=11)
        assert stats["totalDocsExamined"] == 1, (order, actor)


AGENT = an_actor(Role.AGENT)


@pytest.mark.parametrize(
    ("actor", "query"),
    [
        (AGENT, AgentCaseQuery(limit=10)),
        (AGENT, AgentCaseQuery(limit=10, queue="mine")),
        (AGENT, AgentCaseQuery(limit=10, queue="mine", sort="-updated_at")),
        (AGENT, AgentCaseQuery(limit=10, queue="unassigned")),
        (AGENT, AgentCaseQuery(limit=10, queue="unassigned", sort="-created_at")),
        (AGENT, AgentCaseQuery(limit=10, queue="callbacks")),
        (AGENT, AgentCaseQuery(limit=10, queue="callbacks", sort="-callback")),
        (AGENT, AgentCaseQuery(limit=10, queue="escalations")),
        (AGENT, AgentCaseQuery(limit=10, queue="first_answers")),
        (AGENT, AgentCaseQuery(limit=10, queue="replied")),
        (AGENT, AgentCaseQuery(limit=10, queue="waiting_parts")),
        (AGENT, AgentCaseQuery(limit=10, sort="turn")),
        (AGENT, AgentCaseQuery(limit=10, pin="GOLD")),
        (AGENT, CaseQuery(limit=10, view="waiting")),
        (AGENT, CaseQuery(limit=10, view="submitted", sort="updated_at")),
        (AGENT, CaseQuery(limit=10, view="company")),
        (AGENT, CaseQuery(limit=10, view="site")),
        *[(actor, CaseQuery(limit=10, view="waiting")) for actor in (*WHOLE[:3], *PART)],
        (PART[0], CaseQuery(limit=10, view="waiting", sort="updated_at")),
    ],
    ids=lambda given: str(given.role if isinstance(given, Actor) else given),
)
async def test_queues_and_views_are_read_from_an_index_in_their_order(
    db: Database, actor: Actor, query: AgentCaseQuery | CaseQuery
) -> None:
    person, now = {"user_id": AGENT.user_id}, datetime.now(UTC)
    kinds: dict[int, Document] = {
        0: {"assignee": person, "submitter": person, "pin": "GOLD", "turn_since": now, "unanswered_since": now}
        | {"callback": {"from": now, "requested_at": now}, "escalation": {"state": "requested", "requested_at": now}}
        | {"first_answer": {"due_at": now, "answered_at": None}},
        1: {"assignee": None},
        2: {"status": "waiting_customer", "readers": [ANA, "company"], "assignee": {"user_id": ANA}},
        3: {"status": "waiting_parts", "assignee": {"user_id": ANA}},
        **{key: {"status": "in_progress", "assignee": {"user_id": ANA}} for key in range(4, 10)},
    }
    others = {"status": "closed", "assignee": None, "turn_since": None}
    with with_time_to_upgrade():
        await db["cases"].insert_many([{**_bare(number), **kinds.get(number % 20, others)} for number in range(1_000)])
    find: Any = store.find_cases if isinstance(query, CaseQuery) else store.find_queue
    await db._database.command("profile", 2)
    numbers = set[str]()
    cursor = None
    for _ in range(4):
        page = await find(db, actor, query.model_copy(update={"cursor": cursor}))
        numbers |= {case["number"] for case in page.documents}
        cursor = page.next_cursor
    await db._database.command("profile", 0)
    assert len(numbers) == 40
    looks = await db["system.profile"].find({"command.find": "cases"}).to_list(None)
    # Of each way into the index, one is read ahead: of a field of the order, or of a state.
    fields = max(3, len(lists.order_of(actor, query).keys)) if isinstance(query, CaseQuery) else 2
    for look in looks:
        assert "hasSortStage" not in look
        assert look["docsExamined"] <= fields * 11  # of those with the same value, some are passed over
    counted = await db["system.profile"].find({"command.aggregate": "cases"}).to_list(None)
    assert len(counted) == 4
    for count in counted:
        assert "COLLSCAN" not in count["planSummary"]
        # What is in the view, and no other case; that a case has a turn is seen in the case alone.
        assert count["docsExamined"] <= (500 if query.sort == "turn" else 50)


async def test_what_waits_at_the_start_is_read_from_an_index_in_its_order(db: Database) -> None:
    history = [{"kind": "reply", "by_vendor": True, "internal": False, "text": "Please send the log."}]
    kinds: dict[int, Document] = {
        0: {"assignee": {"user_id": AGENT.user_id}, "status": "in_progress"},
        1: {"assignee": None, "status": "new"},
        2: {"assignee": {"user_id": AGENT.user_id}, "status": "waiting_customer", "readers": [ANA]},
        3: {"assignee": None, "status": "waiting_customer"},
    }
    others = {"status": "in_progress", "assignee": {"user_id": ANA}}
    bare = [{**_bare(number), "history": history, **kinds.get(number % 20, others)} for number in range(1_000)]
    await db["cases"].insert_many(bare)
    # Of who has taken none, the database would sort all that nobody has taken.
    idle = replace(AGENT, user_id=uuid7())
    for actor, total in ((AGENT, 100), (idle, 50), (ana(), 50)):
        await db._database.command("profile", 2)
        page = await store.find_waiting(db, actor, limit=5)
        await db._database.command("profile", 0)
        assert (len(page.documents), page.total) == (5, total)
        looks = await db["system.profile"].find({"command.find": "cases"}).to_list(None)
        counts = await db["system.profile"].find({"command.aggregate": "cases"}).to_list(None)
        assert looks
        assert counts
        assert not any("hasSortStage" in look for look in looks)
        assert sum(look["docsExamined"] for look in looks) <= 2 * 6
        assert sum(count["docsExamined"] for count in counts) <= total
        await db["system.profile"].drop()


async def test_what_waits_for_an_agent_comes_in_one_order_from_both_parts(db: Database) -> None:
    kinds: list[Document] = [
        {"assignee": {"user_id": AGENT.user_id}, "status": "in_progress"},
        {"assignee": None, "status": "new"},
        {"assignee": {"user_id": ANA}, "status": "in_progress"},
    ]
    bare = [{**_bare(number), "history": [], **kinds[number % 3]} for number in range(30)]
    await db["cases"].insert_many(bare)
    page = await store.find_waiting(db, AGENT, limit=12)
    mine = [case for case in bare if case["assignee"] is None or case["assignee"]["user_id"] == AGENT.user_id]
    mine.sort(key=lambda case: (case["turn_since"] is not None, case["turn_since"], case["_id"]))
    assert [case["_id"] for case in page.documents] == [case["_id"] for case in mine[:12]]
    assert (page.total, page.total_is_lower_bound) == (20, False)


def _bare(number: int) -> Document:
    """Of a case as much as lists go by, with ties and empty values."""
    case = a_case(number, site_id=(None, HERE, THERE)[number % 3], confidential=number % 10 == 0)
    document = store.CASES._fields(replace(case, owner=person_of(ana())) if number % 4 == 0 else case)
    times = dict.fromkeys(("created_at", "updated_at"), case.created_at + timedelta(seconds=number // 2))
    return {**document, **times, "_id": uuid7(), "turn_since": None if number % 2 else case.turn_since}


@pytest.mark.parametrize("sort", ["turn", "-turn"])
async def test_whose_turn_it_is_is_read_from_an_index_however_many_cases_have_ended(db: Database, sort: str) -> None:
    kinds: dict[int, Document] = {
        0: {"status": "waiting_customer"},
        1: {"status": "new"},
        2: {"status": "in_progress"},
        3: {"status": "waiting_parts"},
    }
    ended = {"status": "closed", "turn_since": None}
    bare = [{**_bare(n), "confidential": False, "readers": ["company"]} for n in range(400)]
    since = {n: bare[n]["created_at"] for n in range(400)}
    await db["cases"].insert_many(
        [{**case, **({"turn_since": since[n], **kinds[n % 8]} if n % 8 < 4 else ended)} for n, case in enumerate(bare)]
    )
    for actor in WHOLE:
        await db._database.command("profile", 2)
        numbers, cursor = set[str](), None
        for _ in range(8):
            page = await store.find_cases(db, actor, CaseQuery(sort=sort, limit=50, cursor=cursor, total=False))
            numbers |= {case["number"] for case in page.documents}
            cursor = page.next_cursor
        await db._database.command("profile", 0)
        assert (len(numbers), cursor) == (400, None)
        looks = await db["system.profile"].find({"command.find": "cases"}).to_list(None)
        for look in looks:
            is_of_vendor = "waiting_parts" in str(look["command"]["filter"])
            # Of those that are the vendor's turn, the open ones of three states, all may be sorted; never of the ended.
            assert is_of_vendor or "hasSortStage" not in look
            assert look["docsExamined"] <= (152 if is_of_vendor else 2 * 51)
        assert {len(looks) >= 8, any("closed" in str(look["command"]["filter"]) for look in looks)} == {True}
        await db["system.profile"].drop()


async def test_favourites_are_read_by_themselves_in_any_order(db: Database) -> None:
    bare = [_bare(number) for number in range(300)]
    await db["cases"].insert_many(bare)
    ids = [case["_id"] for case in bare[:20]]
    await db["marks"].insert_many(
        [{"_id": {"user_id": ANA, "case_id": case_id}, "favourite_since": case_id.bytes} for case_id in ids]
    )
    for sort in ORDERS:
        await db._database.command("profile", 2)
        page = await store.find_cases(db, ana(Role.COMPANY_ADMIN), CaseQuery(view="favourites", sort=sort, limit=10))
        await db._database.command("profile", 0)
        assert (len(page.documents), page.total) == (10, 20)
        for look in await db["system.profile"].find({"ns": f"{db.name}.cases"}).to_list(None):
            assert look["docsExamined"] <= 20, sort
        (look,) = await db["system.profile"].find({"command.find": "marks"}).to_list(None)
        assert (look["docsExamined"], look["keysExamined"]) in ((0, 20), (20, 20))
        await db["system.profile"].drop()
