"""The views of the list of cases: what is in each, in which groups, and in which order."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid5

import pytest

from services.cases.cases.store import groups
from shared.actor import Actor, Role, Visibility
from tests.builders import Json, an_actor
from tests.events import site_changed
from tests.service.cases.conftest import CasesApi

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


async def view(cases: CasesApi, by: Actor, name: str, **query: Any) -> Json:
    answer = await cases.call("GET", "/cases", by, params={"view": name, **query})
    assert answer.status == 200, answer.body
    body: Json = answer.body
    return body


def titles(page: Json) -> list[str]:
    return [case["title"] for case in page["items"]]


def grouped(page: Json) -> list[tuple[str, int]]:
    """Of each group the titles of its rows, in one word, and how many it has."""
    rows = iter(titles(page))
    found = [("".join(next(rows) for _ in range(group["rows"])), group["count"]) for group in page["groups"]]
    assert list(rows) == []
    return found


async def at_sites(cases: CasesApi, ana: Actor, **titles_at: str) -> None:
    """A case for each letter, the oldest first, at the site of that name; "nowhere" is none."""
    for name, letters in titles_at.items():
        site = site_changed(ana.company_id, site_id=uuid5(ana.company_id, name), name=name)
        await cases.hear(site)
        for letter in letters:
            place = {} if name == "nowhere" else {"site_id": str(site.site_id)}
            await cases.submitted(ana, title=letter, **place)


async def put(cases: CasesApi, company: Actor, **fields: dict[str, Any]) -> None:
    """Fields of the cases with these titles, as if it had happened."""
    for title, changes in fields.items():
        await cases.db["cases"].update_one(
            {"company_id": company.company_id, "problem.title": title}, {"$set": changes}
        )


# By company


async def test_a_company_sees_its_cases_by_site_the_newest_first_with_the_count_of_each(cases: CasesApi) -> None:
    ana = an_actor()
    await at_sites(cases, ana, Nantes="ab", Lyon="cde", nowhere="f")
    page = await view(cases, ana, "company")
    assert grouped(page) == [("f", 1), ("edc", 3), ("ba", 2)]
    assert [case["site_name"] for case in page["items"]] == ["", "Lyon", "Lyon", "Lyon", "Nantes", "Nantes"]
    backwards = await view(cases, ana, "company", sort="-site_name")
    assert grouped(backwards) == [("ab", 2), ("cde", 3), ("f", 1)]


async def test_a_group_that_goes_on_over_pages_says_on_each_how_many_it_has(cases: CasesApi) -> None:
    ana = an_actor()
    await at_sites(cases, ana, Brest="x", Lyon="cde", Nantes="ab")
    pages, cursor = [], None
    while True:
        page = await view(cases, ana, "company", limit="2", **({"cursor": cursor} if cursor else {}))
        pages.append(grouped(page))
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == [[("x", 1), ("e", 3)], [("dc", 3)], [("ba", 2)]]


async def test_groups_count_what_the_filters_leave_and_what_the_reader_sees(cases: CasesApi) -> None:
    ana = an_actor()
    await at_sites(cases, ana, Lyon="abcd", Nantes="e")
    await put(cases, ana, a={"problem.severity": 1}, b={"problem.severity": 1, "confidential": True, "readers": []})
    page = await view(cases, ana, "company", severity="3", limit="1")
    assert grouped(page) == [("d", 2)]
    luc = an_actor(Role.MEMBER, company_id=ana.company_id)
    assert grouped(await view(cases, luc, "company", limit="1")) == [("d", 3)]
    of_own = an_actor(Role.MEMBER, company_id=ana.company_id, visibility=Visibility.OWN)
    assert grouped(await view(cases, of_own, "company")) == []


async def test_two_sites_of_one_name_stay_apart(cases: CasesApi) -> None:
    ana = an_actor()
    first, second = (site_changed(ana.company_id, name="Lyon") for _ in range(2))
    for site in (first, second):
        await cases.hear(site)
    for title, site in (("a", first), ("b", second), ("c", first), ("d", second)):
        await cases.submitted(ana, title=title, site_id=str(site.site_id))
    assert sorted(grouped(await view(cases, ana, "company"))) == [("ca", 2), ("db", 2)]


async def test_of_a_very_large_group_a_thousand_are_counted(cases: CasesApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "_COUNTED", 2)
    ana = an_actor()
    await at_sites(cases, ana, Lyon="abc")
    (group,) = (await view(cases, ana, "company", limit="1"))["groups"]
    assert group == {"rows": 1, "count": 2, "is_lower_bound": True}


async def test_the_vendor_sees_each_companys_cases_by_site(cases: CasesApi, agent: Actor) -> None:
    ana, luc = an_actor(), an_actor()
    for actor, names in ((luc, {"Lyon": "ab", "Brest": "c"}), (ana, {"Lyon": "d"})):
        await at_sites(cases, actor, **names)
    # Before those of all other tests.
    for actor, name in ((luc, "!Beta"), (ana, "!Alpha")):
        await cases.db["cases"].update_many({"company_id": actor.company_id}, {"$set": {"company_name": name}})
    assert grouped(await view(cases, agent, "company", limit="4")) == [("d", 1), ("c", 1), ("ba", 2)]
    only_lucs = await view(cases, agent, "company", company_id=str(luc.company_id))
    assert grouped(only_lucs) == [("c", 1), ("ba", 2)]


# By site or product


async def test_cases_of_a_device_stand_together_and_those_without_one_by_their_product(cases: CasesApi) -> None:
    ana = an_actor()
    for title, serial in zip("abcde", ("CN2", "CN1", "CN2", "CN3", "CN4"), strict=True):
        await cases.submitted(ana, title=title, serial=serial)
    software: Json = {"equipment.serial": None, "equipment.product_name": "Fleet Manager"}
    await put(cases, ana, d=software, e={**software, "equipment.product_name": "Archive"})
    page = await view(cases, ana, "site")
    assert grouped(page) == [("e", 1), ("d", 1), ("b", 1), ("ca", 2)]


@pytest.mark.parametrize("name", ["company", "site"])
async def test_another_order_has_no_groups(cases: CasesApi, name: str) -> None:
    ana = an_actor()
    await at_sites(cases, ana, Nantes="b", Lyon="a")
    page = await view(cases, ana, name, sort="title")
    assert (titles(page), page["groups"]) == (["a", "b"], [])


# Favourites


async def test_my_favourites_are_those_that_i_still_see(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    luc = an_actor(Role.MEMBER, company_id=ana.company_id)
    await at_sites(cases, ana, nowhere="abcd")
    numbers = {case["title"]: case["number"] for case in (await view(cases, ana, "recent"))["items"]}
    for title in "abc":
        await cases.call("PUT", f"/cases/{numbers[title]}/favourite", luc)
    await cases.call("PUT", f"/cases/{numbers['d']}/favourite", ana)
    await put(cases, ana, b={"confidential": True, "readers": ["confidential"]}, c={"problem.severity": 1})
    page = await view(cases, luc, "favourites", sort="title")
    assert (titles(page), page["total"]) == (["a", "c"], 2)
    assert all(case["favourite"] for case in page["items"])
    assert titles(await view(cases, luc, "favourites", severity="1")) == ["c"]
    assert titles(await view(cases, luc, "favourites", q=numbers["a"])) == ["a"]
    first = await view(cases, luc, "favourites", sort="-title", limit="1")
    second = await view(cases, luc, "favourites", sort="-title", limit="1", cursor=first["next_cursor"])
    assert titles(first) + titles(second) == ["c", "a"]
    counted = (await cases.call("GET", "/cases/facets", luc, params={"view": "favourites"})).body
    assert {facet["value"]: facet["count"] for facet in counted["severity"]} == {"3": 1, "1": 1}
    csv = await cases.call("GET", "/cases.csv", luc, params={"view": "favourites"})
    assert sum(numbers[title] in csv.body.decode() for title in "abcd") == 2
    assert titles(await view(cases, agent, "favourites", company_id=str(ana.company_id))) == []


# Waiting for me


async def test_an_agent_sees_what_waits_for_them_and_if_asked_what_nobody_has_taken(
    cases: CasesApi, agent: Actor
) -> None:
    ana = an_actor()
    await at_sites(cases, ana, nowhere="abcd")
    numbers = {case["title"]: case["number"] for case in (await view(cases, ana, "recent"))["items"]}
    await cases.agent_act(numbers["a"], agent, action="take")
    await cases.agent_act(numbers["b"], an_actor(Role.AGENT), action="take")
    await cases.agent_act(numbers["c"], agent, action="take")
    await put(cases, ana, c={"status": "waiting_customer"}, a={"turn_since": LONG_AGO})
    company = {"company_id": str(ana.company_id)}
    assert titles(await view(cases, agent, "waiting", **company)) == ["a"]
    assert titles(await view(cases, agent, "waiting", untaken="1", sort="turn", **company)) == ["a", "d"]
    counted = (
        await cases.call("GET", "/cases/facets", agent, params={"view": "waiting", "untaken": "1", **company})
    ).body
    assert sum(facet["count"] for facet in counted["status"]) == 2


@pytest.mark.parametrize("sort", ["turn", "created_at", "-created_at", "title"])
async def test_for_customers_nothing_waits_to_be_taken(cases: CasesApi, agent: Actor, sort: str) -> None:
    ana = an_actor()
    await at_sites(cases, ana, nowhere="abc")
    await put(cases, ana, b={"status": "waiting_customer"})
    assert titles(await view(cases, ana, "waiting", untaken="1", sort=sort)) == ["b"]
    counted = await cases.call("GET", "/cases/facets", ana, params={"view": "waiting", "untaken": "1", "sort": sort})
    assert [(facet["value"], facet["count"]) for facet in counted.body["status"]] == [("waiting_customer", 1)]


async def test_what_nobody_has_taken_goes_with_what_waits_only(cases: CasesApi, agent: Actor) -> None:
    answer = await cases.call("GET", "/cases", agent, params={"untaken": "1"})
    assert (answer.status, answer.wrong_fields) == (422, {"untaken"})


@pytest.mark.parametrize("path", ["/cases", "/cases/facets", "/cases.csv"])
async def test_a_view_that_there_is_not_is_refused(cases: CasesApi, path: str) -> None:
    answer = await cases.call("GET", path, an_actor(), params={"view": "everything"})
    assert (answer.status, answer.wrong_fields) == (422, {"view"})


# Whose turn it is


def turns(statuses: str) -> dict[str, dict[str, Any]]:
    codes = {"c": "waiting_customer", "n": "new", "p": "in_progress", "w": "waiting_parts", "e": "closed"}
    return {
        f"{place}{letter}": {
            "status": codes[letter],
            "turn_since": None if letter == "e" else LONG_AGO + timedelta(days=place),
        }
        for place, letter in enumerate(statuses)
    }


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 8, 50])
async def test_whose_turn_it_is_sorts_by_the_side_and_then_by_how_long(
    cases: CasesApi, agent: Actor, limit: int
) -> None:
    ana, kinds = an_actor(), turns("ncpwcecn")
    for title in kinds:
        await cases.submitted(ana, title=title)
    await put(cases, ana, **kinds)
    for by, query in ((ana, {}), (agent, {"company_id": str(ana.company_id)})):
        for sort, order in (("turn", "1c 4c 6c 0n 2p 3w 7n 5e"), ("-turn", "5e 7n 3w 2p 0n 6c 4c 1c")):
            found, cursor = list[str](), None
            while True:
                asked = {**query, "sort": sort, "limit": str(limit)} | ({"cursor": cursor} if cursor else {})
                page = await view(cases, by, "recent", **asked)
                assert (page["total"], page["total_is_lower_bound"]) == (8, False)
                found += titles(page)
                cursor = page["next_cursor"]
                if cursor is None:
                    break
            assert found == order.split(), sort
    csv = (await cases.call("GET", "/cases.csv", ana, params={"sort": "turn"})).body.decode()
    assert sorted(kinds, key=csv.index) == ["1c", "4c", "6c", "0n", "2p", "3w", "7n", "5e"]
    searched = await view(cases, ana, "recent", sort="turn", q="printer jams")
    assert len(titles(searched)) == 8


async def test_a_cursor_of_another_order_is_no_place_among_the_turns(cases: CasesApi) -> None:
    ana = an_actor()
    await at_sites(cases, ana, nowhere="abc")
    other = (await view(cases, ana, "recent", limit="1"))["next_cursor"]
    for cursor in (other, "7", "x.y", f"0.{other}"):
        answer = await cases.call("GET", "/cases", ana, params={"sort": "turn", "cursor": cursor})
        assert (answer.status, answer.wrong_fields) == (422, {"cursor"}), cursor
