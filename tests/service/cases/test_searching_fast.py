"""What a search reads of the database, and what it finds while an older version runs beside this one, and after."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from services.cases.cases import store
from services.cases.cases.domain.numbers import case_number
from services.cases.cases.store import indexes, searching
from services.cases.cases.store.indexes import drop_indexes_of_older, fill_in, fill_in_later
from services.cases.cases.store.lists import SORTS
from shared.actor import Actor, Role, Visibility
from shared.mongo import Database, Document
from shared.paging import ALPHABETICAL, Page, create_alphabetical_index, create_index_for
from shared.schemas.cases import CaseQuery
from tests.builders import MONGO_DRIVER, an_actor
from tests.platform.bus_helpers import a_database
from tests.unit.cases.acting import a_case

COMPANY, HERE = uuid7(), uuid7()
LUC = an_actor(company_id=COMPANY)
VENDOR, ADMIN = an_actor(Role.AGENT), an_actor(Role.COMPANY_ADMIN, company_id=COMPANY)
EVERYBODY = {
    "vendor": VENDOR,
    "admin": ADMIN,
    "member": an_actor(Role.MEMBER, company_id=COMPANY, user_id=uuid7()),
    "of a site": an_actor(
        Role.MEMBER, company_id=COMPANY, user_id=uuid7(), visibility=Visibility.SITE, main_site_id=HERE
    ),
    "own only": replace(LUC, role=Role.MEMBER, visibility=Visibility.OWN),
}


@pytest.fixture
async def db(mongo_url: str) -> AsyncIterator[Database]:
    async with a_database(mongo_url, MONGO_DRIVER) as fresh:
        await store.create_indexes(fresh)
        yield fresh


async def put(db: Database, *titles: str, first: int = 0, **changes: Any) -> None:
    documents = []
    for place, title in enumerate(titles, start=first):
        case = a_case(LUC, number=case_number(700_000_000 + place), site_id=HERE, **changes)
        case = replace(case, id=uuid7(), problem=replace(case.problem, title=title))
        documents.append({**store.CASES._fields(case), "_id": case.id, "version": 1, "pending": []})
    await db["cases"].insert_many(documents)


def titles_of(page: Page) -> list[str]:
    return [document["problem"]["title"] for document in page.documents]


async def find(db: Database, actor: Actor, text: str, **query: Any) -> Page:
    return await store.find_cases(db, actor, CaseQuery(q=text, **query))


async def looks(db: Database, actor: Actor, text: str, **query: Any) -> tuple[Page, list[Document]]:
    """What is found, and how each look for the page went."""
    await db._database.command("profile", 2)
    page = await find(db, actor, text, **query)
    await db._database.command("profile", 0)
    profiled = await db["system.profile"].find({"ns": f"{db.name}.cases"}).to_list(None)
    assert all("COLLSCAN" not in look.get("planSummary", "") for look in profiled)
    return page, [look for look in profiled if "sort" in look["command"]]


@pytest.mark.parametrize("actor", EVERYBODY.values(), ids=EVERYBODY)
@pytest.mark.parametrize("sort", ["-updated_at", "title"])
async def test_a_search_for_what_is_in_few_cases_reads_those_alone(db: Database, actor: Actor, sort: str) -> None:
    await put(db, *[f"Paper jam {number}" for number in range(300)])
    page, (look,) = await looks(db, actor, "jam 117", sort=sort)
    assert titles_of(page) == ["Paper jam 117"]
    assert look["docsExamined"] <= 2


@pytest.mark.parametrize("actor", EVERYBODY.values(), ids=EVERYBODY)
@pytest.mark.parametrize("sort", ["-updated_at", "created_at", "number"])
async def test_a_search_for_what_is_in_many_cases_stops_when_the_page_is_full(
    db: Database, monkeypatch: pytest.MonkeyPatch, actor: Actor, sort: str
) -> None:
    monkeypatch.setattr(searching, "_FEW", 50)
    monkeypatch.setattr(searching, "_IN_ORDER_S", 60)  # also on a busy machine
    await put(db, *[f"{'Paper' if number % 2 else 'Toner'} {number}" for number in range(300)])
    page, (look,) = await looks(db, actor, "paper", sort=sort, limit=10)
    assert (len(page.documents), page.total) == (10, 150)
    assert look["docsExamined"] <= 2 * 11
    assert "hasSortStage" not in look


@pytest.mark.parametrize("actor", EVERYBODY.values(), ids=EVERYBODY)
@pytest.mark.parametrize("sort", ["-updated_at", "number"])
async def test_a_search_by_the_beginning_of_a_number_reads_those_that_begin_so_alone(
    db: Database, actor: Actor, sort: str
) -> None:
    await put(db, *[f"Paper jam {number}" for number in range(300)])
    page, (look,) = await looks(db, actor, case_number(700_000_117)[:8], sort=sort)
    assert {title[:-1] for title in titles_of(page)} == {"Paper jam 11"}
    assert len(page.documents) == 10
    assert look["docsExamined"] <= 2 * 10
    assert look["keysExamined"] <= 10 + 8  # of each way one more, where it ends


@pytest.mark.parametrize("few", [50, 1_000])
async def test_a_company_looks_at_no_number_of_another(db: Database, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(searching, "_FEW", few)
    await put(db, *[f"Of others {number}" for number in range(300)], company_id=uuid7())
    await put(db, "Own", first=300)
    page, (look,) = await looks(db, ADMIN, case_number(700_000_300)[:4])
    assert titles_of(page) == ["Own"]
    assert look["docsExamined"] <= 2
    assert look["keysExamined"] <= 10


async def test_a_beginning_that_many_numbers_have_stops_when_the_page_is_full(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "_FEW", 50)
    monkeypatch.setattr(searching, "_IN_ORDER_S", 60)  # also on a busy machine
    await put(db, *[f"Paper jam {number}" for number in range(300)])
    page, (look,) = await looks(db, VENDOR, case_number(700_000_000)[:4], sort="number", limit=10)
    assert (len(page.documents), page.total) == (10, 300)
    assert look["docsExamined"] <= 11
    assert "hasSortStage" not in look


async def test_words_that_are_in_many_cases_but_seldom_together_are_found_by_the_words(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "_FEW", 50)
    monkeypatch.setattr(searching, "_IN_ORDER_S", 0.002)
    # So many that to look through them takes long, with no more indexes than they need.
    await db["cases"].drop_indexes()
    await create_index_for(SORTS["updated_at"], db["cases"])
    await db["cases"].create_index("words", name="words")
    await put(db, "Paper", "Toner", "Toner on paper")
    [paper, toner] = await db["cases"].find({"problem.title": {"$in": ["Paper", "Toner"]}}).to_list(None)
    later = {"updated_at": datetime.now(UTC)}
    for _ in range(10):
        await db["cases"].insert_many(
            [{**each, **later, "_id": uuid7()} for each in (paper, toner) for _ in range(750)]
        )
    page, found = await looks(db, VENDOR, "paper toner")
    assert titles_of(page) == ["Toner on paper"]
    # What was given up may be noted last.
    (look,) = [look for look in found if "errCode" not in look]
    assert "words" in look["planSummary"]


async def test_a_search_goes_on_over_pages_whichever_way_it_takes(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(db, *[f"Paper {number}" for number in range(20)])
    first = await find(db, ADMIN, "paper", sort="number", limit=8)
    monkeypatch.setattr(searching, "_FEW", 5)
    second = await find(db, ADMIN, "paper", sort="number", limit=8, cursor=first.next_cursor)
    assert titles_of(first) + titles_of(second) == [f"Paper {number}" for number in range(16)]


@pytest.mark.parametrize("few", [0, 1_000])
async def test_nobody_finds_what_they_may_not_see(db: Database, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(searching, "_FEW", few)
    await put(db, "Secret of Luc", confidential=True)
    stranger = an_actor(Role.COMPANY_ADMIN)
    found = {name: len((await find(db, actor, "secret")).documents) for name, actor in EVERYBODY.items()}
    assert found == {"vendor": 1, "admin": 1, "member": 0, "of a site": 0, "own only": 1}
    for text in ("secret", case_number(700_000_000), "CN1", case_number(700_000_000)[:5]):
        assert (await find(db, stranger, text)).documents == []
        assert (await find(db, VENDOR, text, company_id=stranger.company_id)).documents == []
        assert len((await find(db, VENDOR, text, company_id=COMPANY)).documents) == 1


# While the service is upgraded


async def _as_of_the_version_before(db: Database) -> None:
    """Its indexes, and a case without words."""
    await db["cases"].create_index([("problem.title", "text"), ("problem.description", "text")], name="text")
    with_reference = {"partialFilterExpression": {"problem.own_reference": {"$gt": ""}}}
    reference = ("problem.own_reference", "company_id")
    await create_alphabetical_index(db["cases"], *reference, name="own_reference", **with_reference)
    await create_alphabetical_index(db["cases"], "equipment.serial", "company_id")
    await db["cases"].update_many({}, {"$unset": {"words": ""}})


async def _found_by_the_version_before(db: Database, text: str) -> int:
    ways = [{"number": {"$in": [text]}}, {"problem.own_reference": text}, {"equipment.serial": text}]
    wanted = {"$and": [{"$or": [*ways, {"$text": {"$search": f'"{text}"'}}]}]}
    found = db["cases"].find(wanted, collation=ALPHABETICAL).sort([("updated_at", -1), ("_id", -1)])
    return len(await found.to_list(None))


async def test_cases_of_the_version_before_are_found_once_the_service_has_started(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "_AT_ONCE", 2)
    await put(db, *[f"Paper {number}" for number in range(5)])
    before = await db["cases"].distinct("words")
    await _as_of_the_version_before(db)
    await store.create_indexes(db)
    assert await db["cases"].distinct("words") == before
    assert len((await find(db, ADMIN, "paper")).documents) == 5


async def test_both_versions_find_all_cases_while_they_run_side_by_side(db: Database) -> None:
    await put(db, "Paper jam")
    await _as_of_the_version_before(db)
    await store.create_indexes(db)
    await put(db, "Paper again", first=1, company_id=uuid7())
    assert await _found_by_the_version_before(db, "paper") == 2
    await db["cases"].update_one({"problem.title": "Paper again"}, {"$unset": {"words": ""}})
    assert await fill_in(db) == 1
    assert await fill_in(db) == 0
    assert len((await find(db, VENDOR, "paper")).documents) == 2


async def test_what_the_version_before_searched_by_goes_after_a_day(db: Database) -> None:
    wanted = set(await db["cases"].index_information())
    await _as_of_the_version_before(db)
    await store.create_indexes(db)
    for hours in (0, 23):
        await _let_pass(db, hours)
        await drop_indexes_of_older(db)
        assert set(await db["cases"].index_information()) - wanted == {"text", "own_reference_alphabetical"}
    await _let_pass(db, 2)
    await drop_indexes_of_older(db)
    assert set(await db["cases"].index_information()) == wanted
    # Another upgrade from that version has a day of its own.
    await _as_of_the_version_before(db)
    await drop_indexes_of_older(db)
    assert "text" in await db["cases"].index_information()


async def _let_pass(db: Database, hours: int) -> None:
    earlier = {"$dateSubtract": {"startDate": "$at", "unit": "hour", "amount": hours}}
    await db["upgrades"].update_many({}, [{"$set": {"at": earlier}}])


async def test_looking_for_cases_without_words_reads_none_of_the_others(db: Database) -> None:
    await put(db, *[f"Paper {number}" for number in range(20)])
    await db._database.command("profile", 2)
    assert await fill_in(db) == 0
    await db._database.command("profile", 0)
    profiled = await db["system.profile"].find({"command.find": "cases"}).to_list(None)
    assert [look["docsExamined"] for look in profiled] == [0]


async def test_a_change_of_a_case_keeps_its_words_true(db: Database) -> None:
    case = await store.CASES.insert(db, a_case(LUC, id=uuid7()))
    await store.CASES.save(db, replace(case, problem=replace(case.problem, title="Toner leaks")))
    assert len((await find(db, ADMIN, "toner")).documents) == 1
    assert (await find(db, ADMIN, "paper")).documents == []


async def test_cases_from_before_are_found_by_their_site_after_the_upgrade(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "_AT_ONCE", 2)
    await put(db, *[f"Paper {number}" for number in range(5)])
    # As a version wrote them that did not know the words of sites.
    await db["cases"].update_many({}, {"$set": {"site_name": "Main Hospital"}})
    await put(db, "Toner", first=5)
    assert (await find(db, ADMIN, "hospital")).documents == []
    while await fill_in_later(db):
        pass
    assert len((await find(db, ADMIN, "main hospital paper")).documents) == 5
    # What an older replica has written meanwhile comes a day later, and then no more.
    await db["cases"].update_many({}, {"$set": {"site_name": "Clinic"}})
    for hours, found in ((0, 0), (23, 0), (2, 6)):
        await _let_pass(db, hours)
        while await fill_in_later(db):
            pass
        assert len((await find(db, ADMIN, "clinic")).documents) == found
    await db["cases"].update_many({}, {"$set": {"site_name": "Ward"}})
    await _let_pass(db, 48)
    assert not await fill_in_later(db)
    assert (await find(db, ADMIN, "ward")).documents == []


async def test_cases_from_before_are_found_by_the_beginning_of_their_numbers_after_the_upgrade(db: Database) -> None:
    case = await store.CASES.insert(db, a_case(LUC, id=uuid7()))
    written = await db["cases"].find_one({"_id": case.id})
    assert written is not None
    # As a version wrote them that knew words alone.
    await db["cases"].update_one({"_id": case.id}, {"$pull": {"words": {"$type": "binData"}}})
    assert (await find(db, ADMIN, case.number[:5])).documents == []
    while await fill_in_later(db):
        pass
    assert len((await find(db, ADMIN, case.number[:5])).documents) == 1
    now = await db["cases"].find_one({"_id": case.id})
    assert now is not None
    assert set(now["words"]) == set(written["words"])
