"""What lists and counts read of the database where a filter finds many cases, and that each way finds the same."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from uuid_utils.compat import uuid7

from deploy.local.child import free_port
from services.cases.cases import store
from services.cases.cases.domain.numbers import case_number
from services.cases.cases.store import counts, finding, searching
from services.cases.cases.store.lists import SORTS
from shared.actor import Actor, Role, Visibility
from shared.errors import Invalid
from shared.mongo import Database, DatabaseError, Document, connect, is_unavailable
from shared.schemas.cases import AgentCaseQuery, CaseQuery
from tests.builders import MONGO_DRIVER, an_actor
from tests.platform.bus_helpers import a_database
from tests.unit.cases.acting import a_case

COMPANY = uuid7()
LUC = an_actor(company_id=COMPANY)
AGENT = an_actor(Role.AGENT)
EVERYBODY = {
    "vendor": AGENT,
    "admin": an_actor(Role.COMPANY_ADMIN, company_id=COMPANY),
    "member": an_actor(Role.MEMBER, company_id=COMPANY),
    "own only": replace(LUC, role=Role.MEMBER, visibility=Visibility.OWN),
}
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
MARCH = {"created_from": "2026-03-01", "created_to": "2026-03-31"}
T = TypeVar("T")


@pytest.fixture
async def db(mongo_url: str) -> AsyncIterator[Database]:
    async with a_database(mongo_url, MONGO_DRIVER) as fresh:
        await store.create_indexes(fresh)
        yield fresh


async def put(db: Database, *changes: Document, of: Actor = LUC) -> list[Document]:
    documents: list[Document] = []
    for changed in changes:
        place = await db["cases"].estimated_document_count() + len(documents)
        case = a_case(of, id=uuid7(), number=case_number(700_000_000 + place))
        documents.append({**store.CASES._fields(case), "_id": case.id, "version": 1, "pending": [], **changed})
    await db["cases"].insert_many(documents)
    return documents


async def a_year(db: Database, a_day: int = 1) -> list[Document]:
    """Cases of 90 days, of which the oldest were changed last, with two severities in turn."""
    days = [n // a_day for n in range(90 * a_day)]
    template = store.CASES._fields(a_case(LUC))["problem"]
    made = [
        {
            "created_at": FIRST + timedelta(days=day, seconds=n),
            "updated_at": FIRST + timedelta(days=200 - day, seconds=n % 7),
            "problem": {**template, "title": f"Paper {n % 10}", "severity": 1 + n % 2},
        }
        for n, day in enumerate(days)
    ]
    return await put(db, *made)


async def reads(db: Database, asked: Awaitable[T]) -> tuple[T, list[Document]]:
    """What is answered, and how each look at the cases went."""
    await db._database.command("profile", 2)
    answer = await asked
    await db._database.command("profile", 0)
    looks = await db["system.profile"].find({"ns": f"{db.name}.cases"}).to_list(None)
    await db["system.profile"].drop()
    return answer, [look for look in looks if look["op"] != "getmore"]


def documents_read(looks: list[Document]) -> int:
    return sum(look["docsExamined"] for look in looks)


async def pages(db: Database, actor: Actor, **query: Any) -> list[str]:
    """The numbers of a list over all its pages."""
    found, cursor = [], None
    while True:
        page = await store.find_cases(db, actor, CaseQuery.model_validate({**query, "cursor": cursor}))
        found += [document["number"] for document in page.documents]
        if (cursor := page.next_cursor) is None:
            return found


# Created in a period


async def test_the_vendor_reads_no_case_of_a_period_that_the_page_does_not_show(db: Database) -> None:
    await a_year(db, 10)
    first, looks = await reads(db, store.find_cases(db, AGENT, CaseQuery.model_validate({**MARCH, "limit": 10})))
    assert len(first.documents) == 10
    assert documents_read(looks) <= 11
    again = {**MARCH, "limit": 10, "cursor": first.next_cursor}
    _, looks = await reads(db, store.find_cases(db, AGENT, CaseQuery.model_validate(again)))
    assert documents_read(looks) <= 11


@pytest.mark.parametrize("name", ["admin", "member", "own only"])
async def test_a_company_reads_the_cases_of_a_period_alone(db: Database, name: str) -> None:
    await a_year(db, 10)
    page, looks = await reads(
        db, store.find_cases(db, EVERYBODY[name], CaseQuery.model_validate({**MARCH, "limit": 10}))
    )
    assert (len(page.documents), page.total) == (10, 310)
    assert documents_read(looks) <= 310  # the page alone; the total comes from the index


@pytest.mark.parametrize("few", [0, 5, 1_000])
@pytest.mark.parametrize("actor", EVERYBODY.values(), ids=EVERYBODY)
@pytest.mark.parametrize("sort", [None, "updated_at", "-created_at", "number", "title", "turn"])
async def test_each_way_to_a_period_finds_the_same(
    db: Database, monkeypatch: pytest.MonkeyPatch, actor: Actor, sort: str | None, few: int
) -> None:
    for name in ("_FEW", "_FEW_OF_AN_AGE", "_FEW_KEYS"):
        monkeypatch.setattr(finding, name, few)
    monkeypatch.setattr(searching, "_IN_ORDER_S", 60)  # also on a busy machine
    in_march = [made for made in await a_year(db) if made["created_at"].month == 3]
    whole = await pages(db, actor, **MARCH, limit=200, sort=sort)
    assert sorted(whole) == sorted(made["number"] for made in in_march)
    assert await pages(db, actor, **MARCH, limit=7, sort=sort) == whole
    if sort is None:
        newest = sorted(in_march, key=lambda made: (made["updated_at"], made["_id"]), reverse=True)
        assert whole == [made["number"] for made in newest]


@pytest.mark.parametrize("few", [0, 1_000])
@pytest.mark.parametrize("actor", EVERYBODY.values(), ids=EVERYBODY)
async def test_a_period_is_found_in_every_order_and_group(
    db: Database, monkeypatch: pytest.MonkeyPatch, actor: Actor, few: int
) -> None:
    """Each way names the index that it takes: there has to be one."""
    for name in ("_FEW", "_FEW_OF_AN_AGE", "_FEW_KEYS"):
        monkeypatch.setattr(finding, name, few)
    numbers = sorted(made["number"] for made in await a_year(db) if made["created_at"].month == 3)
    for sort in SORTS:
        assert sorted(await pages(db, actor, **MARCH, sort=sort)) == numbers
    for view in ("company", "site"):
        assert sorted(await pages(db, actor, **MARCH, view=view)) == numbers
    if actor.is_vendor:
        assert sorted(await pages(db, actor, **MARCH, company_id=str(COMPANY))) == numbers


async def test_many_cases_of_a_period_are_found_in_the_order_of_the_list(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "_FEW", 5)
    monkeypatch.setattr(searching, "_IN_ORDER_S", 60)
    await a_year(db, 10)
    query = CaseQuery.model_validate({**MARCH, "sort": "title", "limit": 10})
    _, looks = await reads(db, store.find_cases(db, AGENT, query))
    assert documents_read(looks) < 100
    assert not any("hasSortStage" in look for look in looks)


async def test_a_period_of_which_no_case_comes_soon_in_the_order_is_found_by_the_time(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "_FEW", 0)
    monkeypatch.setattr(searching, "_IN_ORDER_S", 0.000_01)
    in_march = [made for made in await a_year(db) if made["created_at"].month == 3]
    assert sorted(await pages(db, AGENT, **MARCH, sort="title")) == sorted(made["number"] for made in in_march)


@pytest.mark.parametrize("actor", EVERYBODY.values(), ids=EVERYBODY)
async def test_a_period_is_counted_without_a_look_at_any_case(db: Database, actor: Actor) -> None:
    await a_year(db)
    found, looks = await reads(db, store.count_cases(db, actor, CaseQuery.model_validate(MARCH)))
    assert dict(found.severity) == {1: 15, 2: 16}
    assert dict(found.status) == {"new": 31}
    assert documents_read(looks) == 0


async def test_what_somebody_submitted_of_a_company_is_counted_without_a_look_at_any_case(db: Database) -> None:
    await a_year(db)
    found, looks = await reads(db, store.count_cases(db, LUC, CaseQuery(view="submitted")))
    assert dict(found.severity) == {1: 45, 2: 45}
    assert documents_read(looks) == 0


# What nobody has taken


def _of_agents(n: int, template: Document) -> Document:
    mine = {"user_id": AGENT.user_id, "name": "Marek", "email": "m@example.com", "language": "en"}
    # Some have the same time, and one has none.
    since = None if n == 3 else FIRST + timedelta(hours=n // 2)
    status = ("new", "in_progress", "waiting_parts", "waiting_customer", "closed")[n % 5]
    others = {**mine, "user_id": uuid7()}
    assignee = {0: None, 1: None, 2: mine, 3: others}[n % 4]
    return {
        "status": status,
        "turn_since": since,
        "created_at": FIRST + timedelta(minutes=(n * 7) % 60),
        "assignee": assignee,
        "problem": {**template, "severity": 1 + n % 4},
    }


async def some_of_agents(db: Database, count: int) -> list[Document]:
    template = store.CASES._fields(a_case(LUC))["problem"]
    made = await put(db, *(_of_agents(n, template) for n in range(count)))
    return [
        case
        for case in made
        if case["status"] not in {"closed", "waiting_customer"}
        and (case["assignee"] is None or case["assignee"]["user_id"] == AGENT.user_id)
    ]


@pytest.mark.parametrize("limit", [1, 3, 10, 200])
@pytest.mark.parametrize("sort", ["turn", "-turn", "created_at", "-created_at", None])
async def test_mine_and_what_nobody_has_taken_are_one_list(db: Database, sort: str | None, limit: int) -> None:
    waiting = await some_of_agents(db, 60)
    found = await pages(db, AGENT, view="waiting", untaken=True, sort=sort, limit=limit)
    field = {"turn": "turn_since", "created_at": "created_at"}.get((sort or "").removeprefix("-"), "updated_at")
    waiting.sort(
        key=lambda case: (case[field] is not None, case[field], case["_id"]), reverse=sort is None or sort[0] == "-"
    )
    assert found == [case["number"] for case in waiting]


async def test_mine_and_what_nobody_has_taken_take_the_filters_of_lists(db: Database) -> None:
    waiting = await some_of_agents(db, 60)
    other = [{"status": "new", "problem": waiting[0]["problem"]}]
    await put(db, *other, of=an_actor())
    wanted: Document = {"company_id": str(COMPANY), "severity": 2, "sort": "turn", "limit": 2}
    found = await pages(db, AGENT, view="waiting", untaken=True, **wanted)
    assert sorted(found) == sorted(case["number"] for case in waiting if case["problem"]["severity"] == 2)


@pytest.mark.parametrize("sort", ["turn", "-turn", "created_at"])
async def test_of_what_nobody_has_taken_the_shown_cases_alone_are_read(db: Database, sort: str) -> None:
    await some_of_agents(db, 400)
    query = CaseQuery(view="waiting", untaken=True, sort=sort, limit=5, total=False)
    first, looks = await reads(db, store.find_cases(db, AGENT, query))
    again = query.model_copy(update={"cursor": first.next_cursor})
    _, more = await reads(db, store.find_cases(db, AGENT, again))
    for each in (looks, more):
        assert not any("hasSortStage" in look for look in each)
        # Of both parts a page, and the case that tells that there is another; a state ends with one more.
        assert documents_read(each) <= 2 * (6 + 3)


async def test_what_nobody_has_taken_is_counted_without_a_look_at_what_others_have(db: Database) -> None:
    waiting = await some_of_agents(db, 200)
    query = CaseQuery(view="waiting", untaken=True, severity=2)
    found, looks = await reads(db, store.count_cases(db, AGENT, query))
    assert dict(found.status) == dict(Counter(case["status"] for case in waiting if case["problem"]["severity"] == 2))
    assert dict(found.severity) == dict(Counter(case["problem"]["severity"] for case in waiting))
    assert [(site_id, count) for site_id, _, count in found.site] == [(None, sum(count for _, count in found.status))]
    assert documents_read(looks) == len(waiting)


# What takes too long


@pytest.mark.parametrize(
    ("query", "field"),
    [(MARCH, "created_from"), ({"created_to": "2026-03-31"}, "created_from"), ({"view": "submitted"}, "view")],
)
async def test_counts_that_take_too_long_are_refused_with_what_helps(
    db: Database, monkeypatch: pytest.MonkeyPatch, query: Document, field: str
) -> None:
    monkeypatch.setattr(counts, "_COUNTED_WITHIN_S", 0.000_01)
    with pytest.raises(Invalid) as refused:
        await store.count_cases(db, LUC, CaseQuery.model_validate(query))
    assert [(error.field, error.code) for error in refused.value.errors] == [(field, "too_many_found")]


async def test_a_search_that_takes_too_long_is_refused_with_what_helps(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "_COUNTED_WITHIN_S", 0.000_01)
    monkeypatch.setattr(searching, "_WITHIN_S", 0.000_01)
    for asked in (
        store.find_cases(db, LUC, CaseQuery(q="paper")),
        store.count_cases(db, LUC, CaseQuery(q="paper")),
        store.find_queue(db, AGENT, AgentCaseQuery(queue="open", q="paper")),
    ):
        with pytest.raises(Invalid) as refused:
            await asked
        assert [(error.field, error.code) for error in refused.value.errors] == [("q", "too_many_found")]


async def test_nobody_is_told_that_too_many_are_found_while_there_is_no_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counts, "_COUNTED_WITHIN_S", 0.1)
    monkeypatch.setattr(searching, "_WITHIN_S", 0.1)
    away = connect(f"mongodb://127.0.0.1:{free_port()}", "cases")
    try:
        for asked in (
            store.find_cases(away, LUC, CaseQuery(q="paper")),
            store.count_cases(away, LUC, CaseQuery(q="paper")),
            store.count_cases(away, LUC, CaseQuery.model_validate(MARCH)),
        ):
            with pytest.raises(DatabaseError) as failed:
                await asked
            assert is_unavailable(failed.value)
    finally:
        await away.close()
