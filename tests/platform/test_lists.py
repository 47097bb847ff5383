"""Lists as people read them: in the order of their alphabet, page by page, with cursors that are good for one list."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from bson import decode
from pymongo.collation import Collation
from uuid_utils.compat import uuid7

from shared import paging
from shared.errors import Invalid
from shared.mongo import Database, Document, Driver
from shared.paging import ALPHABETICAL, Order, Page, create_alphabetical_index, create_index_for, find_page
from shared.schemas.base import ListQuery
from tests.platform.bus_helpers import a_database

TITLE = Order("title", alphabetical=True)
# As both a reader of English and a reader of French expect them.
IN_ORDER = (
    "",
    "#1",
    "1a",
    "Angle",
    "Ångström",
    "cote",
    "coté",
    "côte",
    "côté",
    "Edmond",
    "Édouard",
    "élan",
    "Espagne",
    "Éthiopie",
    "full",
    "l’été",
    "Łódź",
    "naive",
    "naïve",
    "œuvre",
    "Oz",
    "Straße",
    "strassen",
    "zebra",
    "Zoé",
    "Zoo",
    "Zürich",
    "Москва",
    "日本",
)


@pytest.fixture
async def db(mongo_url: str, driver: Driver) -> AsyncIterator[Database]:
    async with a_database(mongo_url, driver) as database:
        yield database


async def put(db: Database, titles: Sequence[str | None]) -> None:
    await db["rows"].insert_many([{"_id": n, "title": title} for n, title in enumerate(titles)])


async def page(db: Database, order: Order, cursor: str | None = None, limit: int = 3, **wanted: Any) -> Page:
    return await find_page(db["rows"], wanted, ListQuery(limit=limit, cursor=cursor), order=order)


async def walk(db: Database, order: Order, limit: int) -> list[Document]:
    found = await page(db, order, limit=limit)
    rows = found.documents
    while found.next_cursor:
        found = await page(db, order, found.next_cursor, limit)
        rows += found.documents
    return rows


# The alphabet


async def test_texts_are_listed_as_people_sort_them_in_either_direction(db: Database) -> None:
    await put(db, Random(4).sample(IN_ORDER, len(IN_ORDER)))
    for limit in (2, 7, 100):
        assert tuple(row["title"] for row in await walk(db, TITLE, limit)) == IN_ORDER
        backwards = await walk(db, Order("title", alphabetical=True, descending=True), limit)
        assert tuple(row["title"] for row in backwards) == IN_ORDER[::-1]


async def test_english_and_french_sort_alike_so_one_order_serves_both(db: Database) -> None:
    await put(db, [form for title in IN_ORDER for form in (title.upper(), title, f"{title}s", title.lower())])
    orders = {}
    for locale in ("en", "fr", "fr_CA"):
        as_there = Collation(**{**ALPHABETICAL.document, "locale": locale})
        found = db["rows"].find({}, collation=as_there).sort(TITLE.keys)
        orders[locale] = [row["_id"] for row in await found.to_list(None)]
    assert orders["en"] == orders["fr"]
    assert orders["fr_CA"] != orders["fr"]  # which goes by the last accent first


@pytest.mark.parametrize("seed", range(6))
async def test_pages_skip_and_repeat_nothing_where_titles_differ_by_case_and_accents_only(
    db: Database, seed: int
) -> None:
    rng = Random(seed)
    forms = [
        None,
        "",
        "cote",
        "Cote",
        "COTE",
        "côte",
        "Côte",
        "coté",
        "côté",
        "cote\u0301",
        "co\xadte",
        "\uff43\uff4f\uff54\uff45",
        "coté ",
    ]
    await put(db, rng.choices(forms, k=60))
    await create_index_for(TITLE, db["rows"])
    for descending in (False, True):
        rows = await walk(db, Order("title", alphabetical=True, descending=descending), rng.randint(1, 9))
        assert sorted(row["_id"] for row in rows) == list(range(60))
        whole = await page(db, Order("title", alphabetical=True, descending=descending), limit=100)
        assert rows == whole.documents


@pytest.mark.parametrize(("filters", "name"), [((), "title_1__id_1"), (("site",), "site_1_title_1__id_1")])
async def test_each_page_of_an_alphabetical_list_is_read_from_its_index(
    db: Database, filters: tuple[str, ...], name: str
) -> None:
    await db["rows"].insert_many([{"_id": n, "title": f"Row {n}", "site": 1} for n in range(200)])
    await create_index_for(TITLE, db["rows"], *filters)
    wanted = dict.fromkeys(filters, 1)
    cursor = TITLE.cursor({"_id": 100, "title": "row 100"})
    for asked in (wanted, {"$and": [wanted, TITLE.after(cursor)]}):
        found = db["rows"].find(asked, collation=TITLE.collation).sort(TITLE.keys).limit(10)
        plan = str((await found.explain())["queryPlanner"]["winningPlan"])
        assert "'SORT'" not in plan
        assert f"{name}_alphabetical" in plan


async def test_the_index_of_an_older_version_makes_room_while_replicas_start_together(db: Database) -> None:
    await db["rows"].create_index([("title", 1), ("_id", 1)])
    await db["rows"].create_index([("title", 1)], name="by_title")
    both = [create_index_for(TITLE, db["rows"]) for _ in range(2)]
    await asyncio.gather(*both, create_alphabetical_index(db["rows"], "title", name="by_title"))
    names = set(await db["rows"].index_information())
    assert names == {"_id_", "title_1__id_1_alphabetical", "by_title_alphabetical"}


GROUPED = Order("title", alphabetical=True, then=("site", "-at"))


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("seed", range(4))
async def test_pages_of_groups_skip_and_repeat_nothing_whatever_is_missing(
    db: Database, *, seed: int, descending: bool
) -> None:
    rng = Random(seed)
    rows = [
        {"_id": n, "title": rng.choice(["Lyon", "lyon", "Oz", "", None]), "site": rng.choice([None, 1, 2]), "at": at}
        for n, at in enumerate(rng.choices([None, *range(3)], k=80))
    ]
    await db["rows"].insert_many([{name: value for name, value in row.items() if value is not None} for row in rows])
    await create_index_for(GROUPED, db["rows"])
    order = replace(GROUPED, descending=descending)
    whole = await page(db, order, limit=100)
    assert [row["_id"] for row in await walk(db, order, rng.randint(1, 9))] == [row["_id"] for row in whole.documents]

    def place(row: Document) -> tuple[Any, ...]:
        title, site, at = row.get("title"), row.get("site"), row.get("at")
        newest_first = -1 if at is None else at
        return (title is not None, (title or "").lower(), site or 0, -newest_first, row["_id"])

    assert whole.documents == sorted(whole.documents, key=place, reverse=descending)
    assert len(whole.documents) == 80


@pytest.mark.parametrize("descending", [False, True])
async def test_each_page_of_groups_is_read_from_their_index_however_large_a_group_is(
    db: Database, *, descending: bool
) -> None:
    order = replace(GROUPED, descending=descending)
    await db["rows"].insert_many([{"_id": n, "title": f"Row {n // 200}", "site": 1, "at": n} for n in range(400)])
    await create_index_for(GROUPED, db["rows"])
    await db._database.command("profile", 2)
    await walk(db, order, 50)
    await db._database.command("profile", 0)
    looks = await db["system.profile"].find({"command.find": "rows"}).to_list(None)
    assert len(looks) == 8
    for look in looks:
        assert "hasSortStage" not in look
        assert look["docsExamined"] <= 2 * 51


async def test_a_cursor_with_fewer_values_than_the_order_has_fields_is_refused(db: Database) -> None:
    await put(db, "abcdef")
    first = await page(db, TITLE)
    for cursor in (TITLE.cursor({"_id": 1}), GROUPED.cursor({"_id": 1}), str(first.next_cursor)):
        with pytest.raises(Invalid):
            await page(db, GROUPED, cursor)


# Totals


@pytest.mark.parametrize("rows", [0, 3, 1_000, 1_001])
async def test_a_total_is_exact_up_to_a_thousand(db: Database, rows: int) -> None:
    if rows:
        await db["rows"].insert_many([{"_id": number, "title": "Row"} for number in range(rows)])
    found = await page(db, TITLE)
    assert (found.total, found.total_is_lower_bound) == (min(rows, 1_000), rows > 1_000)


@pytest.mark.parametrize(("rows", "counts"), [(1_099, 3), (1_100, 1)])
async def test_a_list_that_has_far_more_rows_than_a_thousand_is_not_counted_for_each_of_its_pages(
    db: Database, rows: int, counts: int
) -> None:
    await put(db, ["Row"] * rows)
    await db._database.command("profile", 2)
    first = await page(db, TITLE)
    found = [first, await page(db, TITLE, first.next_cursor), await page(db, TITLE)]
    await db._database.command("profile", 0)
    counted = {"ns": f"{db.name}.rows", "command.aggregate": "rows"}
    assert await db["system.profile"].count_documents(counted) == counts
    assert [(page.total, page.total_is_lower_bound) for page in found] == [(1_000, True)] * 3


async def test_a_list_that_was_long_is_counted_again_later(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await put(db, ["Row"] * 1_100)
    monkeypatch.setattr(paging, "SURELY_FOR_S", 0)
    assert (await page(db, TITLE)).total_is_lower_bound
    await db["rows"].delete_many({"_id": {"$gte": 900}})
    assert ((found := await page(db, TITLE)).total, found.total_is_lower_bound) == (900, False)


async def test_where_no_total_is_wanted_nothing_is_counted(db: Database) -> None:
    await db["rows"].insert_many([{"_id": number, "title": "Row"} for number in range(9)])
    await db._database.command("profile", 2)
    first = await find_page(db["rows"], {}, ListQuery(limit=4, total=False), order=TITLE)
    last = await find_page(db["rows"], {}, ListQuery(limit=20, cursor=first.next_cursor, total=False), order=TITLE)
    whole = await find_page(db["rows"], {}, ListQuery(limit=9, total=False), order=TITLE)
    await db._database.command("profile", 0)
    assert await db["system.profile"].distinct("op", {"ns": f"{db.name}.rows"}) == ["query"]
    found = [(len(page.documents), page.total, page.total_is_lower_bound) for page in (first, last, whole)]
    # What comes before a page is not known to it.
    assert found == [(4, 5, True), (5, 5, True), (9, 9, False)]


async def test_only_what_a_row_shows_is_read_and_what_it_is_sorted_by(db: Database) -> None:
    await db["rows"].insert_many([{"_id": 1, "title": "Row", "text": "long", "of": {"name": "Ana", "email": "a@b.c"}}])
    found = await find_page(db["rows"], {}, ListQuery(), order=TITLE, shown=("of.name",))
    assert [decode(row.raw) for row in found.documents] == [{"_id": 1, "title": "Row", "of": {"name": "Ana"}}]


@pytest.mark.parametrize("field", ["at", "of", "text"])
async def test_a_cursor_leads_on_from_what_comes_as_it_is_kept(db: Database, field: str) -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    rows = [{"_id": uuid7(), "at": at + timedelta(days=n // 2), "of": uuid7(), "text": f"Row {n}"} for n in range(7)]
    await db["rows"].insert_many(rows)
    found, cursor = [], None
    for _ in range(3):
        page = await find_page(db["rows"], {}, ListQuery(limit=3, cursor=cursor), order=Order(field), shown=("text",))
        found += [row["text"] for row in page.documents]
        cursor = page.next_cursor
    assert (found, cursor) == ([row["text"] for row in rows], None)


# Cursors


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        (Order("title", alphabetical=True, descending=True), {"site": 1}),
        (Order("title"), {"site": 1}),
        (Order("severity"), {"site": 1}),
        (TITLE, {"site": 2}),
        (TITLE, {}),
    ],
    ids=["the other way round", "by code points", "by another field", "with another filter", "without a filter"],
)
async def test_a_cursor_is_good_for_the_list_that_gave_it_only(
    db: Database, order: Order, wanted: dict[str, Any]
) -> None:
    await db["rows"].insert_many([{"_id": n, "title": f"Row {n}", "severity": n, "site": 1} for n in range(9)])
    cursor = (await page(db, TITLE, site=1)).next_cursor
    assert (await page(db, TITLE, cursor, site=1)).documents
    with pytest.raises(Invalid) as refused:
        await page(db, order, cursor, **wanted)
    assert [error.field for error in refused.value.errors] == ["cursor"]
    with pytest.raises(Invalid):
        await find_page(db["others"], {"site": 1}, ListQuery(limit=3, cursor=cursor), order=TITLE)
