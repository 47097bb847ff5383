"""What lists filter, sort and count by: each by its value, on the right side and the wrong one."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import uuid5

import openpyxl
import pytest
from uuid_utils.compat import uuid7

from shared.actor import Actor, Role
from shared.schemas.cases import CaseRow
from tests.builders import Json, a_serial, an_actor
from tests.events import site_changed
from tests.service.cases.conftest import CasesApi

DAY = datetime(2026, 11, 22, tzinfo=UTC)


async def changed(cases: CasesApi, number: str, **fields: Any) -> None:
    """The case as if all this had happened to it."""
    await cases.db["cases"].update_one({"number": number}, {"$set": fields})


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"created_from": "2026-11-22"}, "first last after"),
        ({"created_to": "2026-11-22"}, "before first last"),
        ({"created_from": "2026-11-22", "created_to": "2026-11-22"}, "first last"),
        ({"created_from": "2026-11-24"}, ""),
        ({"created_to": "2026-11-20"}, ""),
    ],
    ids=str,
)
async def test_a_period_holds_both_of_its_days_whole(cases: CasesApi, *, query: dict[str, str], found: str) -> None:
    ana = an_actor()
    moment = timedelta(milliseconds=1)
    for title, at in {
        "before": DAY - moment,
        "first": DAY,
        "last": DAY + timedelta(days=1) - moment,
        "after": DAY + timedelta(days=1),
    }.items():
        await changed(cases, (await cases.submitted(ana, title=title))["number"], created_at=at)
    listed = (await cases.call("GET", "/cases", ana, params={**query, "sort": "created_at"})).body["items"]
    assert [case["title"] for case in listed] == found.split()


HOURS = [DAY + timedelta(hours=hour) for hour in range(4)]
# Where each column stands in a case, and four values in their order. Whose turn it is follows from the status, too: its
# order stands in test_views.py.
COLUMNS: dict[str, tuple[str, Sequence[Any]]] = {
    "title": ("problem.title", "abcd"),
    "status": ("status", ["cancelled", "closed", "in_progress", "new"]),
    "severity": ("problem.severity", [1, 2, 3, 4]),
    "product_name": ("equipment.product_name", ["Notebook", "Plotter", "Printer", "Scanner"]),
    "serial": ("equipment.serial", ["CN1", "CN2", "CN3", "CN4"]),
    "site_name": ("site_name", ["Brest", "Lyon", "Nantes", "Paris"]),
    "company_name": ("company_name", ["Alpha", "Beta", "Gamma", "Omega"]),
    "submitter": ("submitter.name", ["Ana", "Luc", "Mia", "Zoe"]),
    "created_at": ("created_at", HOURS),
    "updated_at": ("updated_at", HOURS),
}


async def test_each_column_sorts_by_its_own_value(cases: CasesApi) -> None:
    ana = an_actor()
    numbers = [(await cases.submitted(ana))["number"] for _ in range(4)]
    # No two columns have the cases in the same order, and none as they were made.
    orders = dict(zip(COLUMNS, list(permutations(numbers))[1:], strict=False))
    for column, (field, values) in COLUMNS.items():
        for number, value in zip(orders[column], values, strict=True):
            await changed(cases, number, **{field: value})
    for column, order in {"number": tuple(numbers), **orders}.items():
        assert await cases.listed(ana, sort=column) == list(order), column
        assert await cases.listed(ana, sort=f"-{column}") == list(reversed(order)), column


_LATER = datetime(2026, 11, 22, 9, 30, 0, 120_000, UTC)
SHAPES: dict[str, Json] = {
    "as it was submitted": {},
    "at a site, marked confidential, with the company's own number": {
        "site_id": uuid7(),
        "site_name": "Lyon « Est »",
        "confidential": True,
        "pin": "GOLD",
        "problem.own_reference": "PO-77",
    },
    "taken": {"status": "in_progress", "assignee": {"user_id": uuid7(), "name": "Marek", "email": "m@example.com"}},
    "the customer's turn": {"status": "waiting_customer", "updated_at": _LATER, "version": 7},
    "covered": {"equipment.coverage": {"verdict": "covered", "level": "Gold", "until": "2027-03-31"}},
    "of a known device": {"equipment.product_line": "Printers", "equipment.serial_label": "CN-B7 K2041X"},
    "of a contract": {"equipment.serial": None, "equipment.product_number": "P-1", "equipment.said": "103-1"},
    "closed": {"status": "closed", "closed_at": _LATER, "turn_since": None},
}
# What has a default was not in the documents of versions that did not know it.
NOT_ALWAYS_KEPT = (
    *("assignee", "pin", "problem.own_reference"),
    *("equipment.product_line", "equipment.serial_label", "equipment.coverage.level", "equipment.coverage.until"),
)


@pytest.mark.parametrize("shape", [*SHAPES.values(), None], ids=[*SHAPES, "of an older version"])
async def test_a_row_says_what_the_case_itself_says(cases: CasesApi, shape: Json | None) -> None:
    agent, ana = an_actor(Role.AGENT), an_actor()
    number = (await cases.submitted(ana))["number"]
    if shape is None:
        await cases.db["cases"].update_one({"number": number}, {"$unset": dict.fromkeys(NOT_ALWAYS_KEPT, 1)})
    elif shape:
        await changed(cases, number, **shape)
    case = (await cases.get(number, agent)).body
    wanted = {name: case[name] for name in CaseRow.model_fields}
    company = {"company_id": str(ana.company_id)}
    for path in ("/cases", "/agent/cases"):
        rows = (await cases.call("GET", path, agent, params=company)).body["items"]
        if path == "/agent/cases" and case["status"] == "closed":
            assert rows == []
            continue
        assert rows == [wanted]
        assert list(rows[0]) == list(wanted)
        assert CaseRow.model_validate(rows[0]).model_dump(mode="json") == wanted


async def test_a_row_is_never_older_than_its_case(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    for site in ("Brest", "Lyon"):
        await changed(cases, number, site_name=site)
        (row,) = (await cases.call("GET", "/cases", ana)).body["items"]
        assert row["site_name"] == site


async def test_a_list_that_is_not_counted_says_what_it_shows_and_whether_there_is_more(cases: CasesApi) -> None:
    ana = an_actor()
    for _ in range(3):
        await cases.submitted(ana)
    for limit, told in ((2, (3, True)), (3, (3, False))):
        query = {"limit": limit, "total": "false"}
        page = (await cases.call("GET", "/cases", ana, params=query)).body
        assert (len(page["items"]), page["total"], page["total_is_lower_bound"]) == (limit, *told)


async def test_the_newest_activity_comes_first_unless_told_otherwise(cases: CasesApi) -> None:
    ana = an_actor()
    older, newer = [(await cases.submitted(ana))["number"] for _ in range(2)]
    assert await cases.listed(ana) == [newer, older]
    await cases.act(older, ana, action="comment", text="Any news?")
    assert await cases.listed(ana) == [older, newer]


async def test_counts_are_of_what_the_filters_leave(cases: CasesApi) -> None:
    ana = an_actor()
    lyon, nantes = site_changed(ana.company_id), site_changed(ana.company_id, name="Nantes")
    for site in (lyon, nantes):
        await cases.hear(site)
    for severity, site in ((1, lyon), (1, nantes), (2, lyon), (2, lyon)):
        number = (await cases.submitted(ana, severity=severity, site_id=str(site.site_id)))["number"]
        if severity == 1:
            await cases.act(number, ana, action="close", version=1, reason="works again", resolved=True)
    number = (await cases.submitted(ana, severity=2, own_reference="PO-77"))["number"]
    at_lyon, at_nantes, nowhere = (str(lyon.site_id), "Lyon"), (str(nantes.site_id), "Nantes"), ("", "")
    everything = {
        "status": {("new", "new"): 3, ("closed", "closed"): 2},
        "severity": {("2", "2"): 3, ("1", "1"): 2},
        "site": {at_lyon: 3, at_nantes: 1, nowhere: 1},
    }
    assert await counts(cases, ana) == everything
    # Each of them is counted under the other filters, so that none empties its own list.
    assert await counts(cases, ana, status="new") == {
        "status": everything["status"],
        "severity": {("2", "2"): 3},
        "site": {at_lyon: 2, nowhere: 1},
    }
    assert await counts(cases, ana, severity=1) == {
        "status": {("closed", "closed"): 2},
        "severity": everything["severity"],
        "site": {at_lyon: 1, at_nantes: 1},
    }
    assert await counts(cases, ana, site_id=str(nantes.site_id)) == {
        "status": {("closed", "closed"): 1},
        "severity": {("1", "1"): 1},
        "site": everything["site"],
    }
    both = {"status": "new", "site_id": str(lyon.site_id)}
    for way in ({}, {"created_from": "2001-01-01"}):  # by the counters, and by the cases themselves
        assert await counts(cases, ana, **both, **way) == {
            "status": {("new", "new"): 2, ("closed", "closed"): 1},
            "severity": {("2", "2"): 2},
            "site": {at_lyon: 2, nowhere: 1},
        }
    assert await cases.listed(ana, q="PO-77") == [number]
    assert (await counts(cases, ana, q="PO-77"))["site"] == {nowhere: 1}
    later = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"
    assert await counts(cases, ana, created_to=later) == everything
    assert await counts(cases, ana, created_from=later) == {"status": {}, "severity": {}, "site": {}}


async def counts(cases: CasesApi, by: Actor, **query: Any) -> dict[str, dict[tuple[str, str], int]]:
    """By status, severity and site: how many under each value and label, most first."""
    answer = await cases.call("GET", "/cases/facets", by, params=query)
    assert answer.status == 200, answer.body
    for facets in answer.body.values():
        assert [facet["count"] for facet in facets] == sorted((facet["count"] for facet in facets), reverse=True)
    return {
        name: {(facet["value"], facet["label"]): facet["count"] for facet in facets}
        for name, facets in answer.body.items()
    }


async def test_a_site_filters_the_list_by_its_cases_only(cases: CasesApi) -> None:
    ana = an_actor()
    here, there = site_changed(ana.company_id), site_changed(ana.company_id)
    for site in (here, there):
        await cases.hear(site)
    at_here = await cases.submitted(ana, site_id=str(here.site_id))
    await cases.submitted(ana, site_id=str(there.site_id))
    await cases.submitted(ana)
    assert await cases.listed(ana, site_id=str(here.site_id)) == [at_here["number"]]
    assert await cases.listed(ana, site_id=str(uuid7())) == []


async def test_the_vendors_side_lists_the_cases_of_the_company_that_it_names(cases: CasesApi) -> None:
    ana, luc = an_actor(), an_actor()
    numbers = {actor.company_id: (await cases.submitted(actor))["number"] for actor in (ana, luc)}
    for actor in (ana, luc):
        query = {"company_id": str(actor.company_id)}
        for path in ("/cases", "/cases/facets"):
            assert (await cases.call("GET", path, an_actor(Role.AGENT), params=query)).status == 200
        listed = (await cases.call("GET", "/cases", an_actor(Role.AGENT), params=query)).body["items"]
        assert [case["number"] for case in listed] == [numbers[actor.company_id]]
        own = (await cases.call("GET", "/cases", actor, params=query)).body["items"]
        assert [case["number"] for case in own] == [numbers[actor.company_id]]
    assert (await cases.call("GET", "/cases", luc, params={"company_id": str(ana.company_id)})).status == 404


# In the order of the alphabet


async def test_titles_products_sites_companies_and_people_are_listed_as_people_sort_them(cases: CasesApi) -> None:
    ana, names = an_actor(), ["zebra", "Zoo", "Édouard", "edmond", "Edwin", "Zoé"]
    numbers = {name: (await cases.submitted(ana))["number"] for name in names}
    wanted = [numbers[name] for name in ("edmond", "Édouard", "Edwin", "zebra", "Zoé", "Zoo")]
    for column in ("title", "product_name", "site_name", "company_name", "submitter"):
        for name, number in numbers.items():
            await changed(cases, number, **{COLUMNS[column][0]: name})
        assert await cases.listed(ana, sort=column) == wanted, column
        assert await cases.listed(ana, sort=f"-{column}") == wanted[::-1], column
    agent = an_actor(Role.AGENT)
    query = {"company_id": str(ana.company_id), "sort": "title"}
    queue = (await cases.call("GET", "/agent/cases", agent, params=query)).body["items"]
    assert [case["number"] for case in queue] == wanted


async def test_an_export_has_the_order_of_the_list(cases: CasesApi) -> None:
    ana = an_actor()
    for title in ("Zoo", "zebra", "Édouard", "Edwin"):
        await cases.submitted(ana, title=title)
    answer = await cases.call("GET", "/cases.xlsx", ana, params={"sort": "-title"})
    sheet = openpyxl.load_workbook(io.BytesIO(answer.body)).active
    assert sheet is not None
    assert [row[1].value for row in sheet.iter_rows(min_row=2)] == ["Zoo", "zebra", "Edwin", "Édouard"]


async def test_sites_with_as_many_cases_are_counted_in_the_order_of_their_names(cases: CasesApi) -> None:
    ana = an_actor()
    for name in ("Zoo", "zebra", "Édouard", "Edwin", "Lyon", "Lyon"):
        site = site_changed(ana.company_id, site_id=uuid5(ana.company_id, name), name=name)
        await cases.hear(site)
        await cases.submitted(ana, site_id=str(site.site_id))
    facets = (await cases.call("GET", "/cases/facets", ana)).body["site"]
    assert [facet["label"] for facet in facets] == ["Lyon", "Édouard", "Edwin", "zebra", "Zoo"]


@pytest.mark.parametrize("sort", ["title", "-title", "number", "-updated_at", "severity"])
async def test_what_a_search_finds_is_sorted_and_paged_like_any_list(cases: CasesApi, sort: str) -> None:
    ana, serial = an_actor(), a_serial()
    numbers = [
        (await cases.submitted(ana, title=title, **own))["number"]
        for title, own in (("Éclair", {"own_reference": "4930"}), ("Error 4930", {}), ("eddy", {"serial": "49-30"}))
    ]
    await cases.submitted(ana, serial=serial)
    found, cursor = list[str](), None
    while len(found) < 3:
        params = {"q": "4930", "sort": sort, "limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = (await cases.call("GET", "/cases", ana, params=params)).body
        assert page["total"] == 3
        found += [case["number"] for case in page["items"]]
        cursor = page["next_cursor"]
    assert cursor is None
    orders = {"title": [0, 2, 1], "-title": [1, 2, 0], "number": [0, 1, 2], "-updated_at": [2, 1, 0]}
    if sort in orders:
        assert found == [numbers[place] for place in orders[sort]]
    assert sorted(found) == sorted(numbers)
    assert sum((await counts(cases, ana, q="4930"))["severity"].values()) == 3


async def test_a_cursor_of_another_order_or_filter_is_refused_at_cursor(cases: CasesApi) -> None:
    ana = an_actor()
    for severity in (1, 2, 3):
        await cases.submitted(ana, severity=severity)
    first = (await cases.call("GET", "/cases", ana, params={"sort": "title", "limit": 1})).body["next_cursor"]
    assert (await cases.call("GET", "/cases", ana, params={"sort": "title", "cursor": first})).status == 200
    for other in ({"sort": "severity"}, {"sort": "-title"}, {}, {"sort": "title", "severity": 3}):
        answer = await cases.call("GET", "/cases", ana, params={**other, "cursor": first})
        assert (answer.status, answer.wrong_fields) == (422, {"cursor"}), other
        assert "same sort" in answer.body["errors"][0]["message"]
