"""Lists whose addresses ask for what there is not: the page says so at the filter, and lists by all the rest."""

import html
import re

import pytest
from aiohttp import web
from yarl import URL

from services.cases.cases.store.lists import order_of, read_order
from shared.errors import Refusal
from shared.schemas.cases import CaseQuery
from shared.web.problems import problem_answer
from shared.web.requests import read_query
from tests.builders import an_actor
from tests.service.gateway.stand_ins import Gateway, Json, Script, a_session, refuses, says

LYON = "11111111-1111-4111-8111-111111111111"
FACETS: Json = {
    "status": [{"value": "closed", "label": "closed", "count": 1200}, {"value": "new", "label": "new", "count": 7}],
    "severity": [{"value": "3", "label": "3", "count": 5}, {"value": "1", "label": "1", "count": 2}],
    "site": [
        {"value": "22222222-2222-4222-8222-222222222222", "label": "zebra", "count": 9},
        {"value": LYON, "label": "Lyon", "count": 2},
        {"value": "33333333-3333-4333-8333-333333333333", "label": "Édouard", "count": 1},
        {"value": "", "label": "", "count": 1},
    ],
}


def like_cases(content: Json) -> Script:
    """Refuses as the service does, and answers everything else with the same."""

    async def script(request: web.Request) -> web.StreamResponse:
        try:
            query = read_query(request, CaseQuery)
            if query.cursor is not None:
                order_of(an_actor(), query).after(query.cursor, of="this list")
            read_order(query.sort)
        except Refusal as refusal:
            return problem_answer(refusal)
        return await says(content)(request)

    return script


@pytest.fixture
def portal(gateway: Gateway) -> Gateway:
    nothing: Json = {"items": [], "next_cursor": None, "total": 0, "total_is_lower_bound": False}
    gateway["cases"].answers("GET /cases", like_cases(nothing))
    gateway["cases"].answers("GET /cases/facets", like_cases(FACETS))
    return gateway


async def page(portal: Gateway, path: str, **query: str) -> tuple[int, str]:
    status, content = await page_as_sent(portal, path, **query)
    return status, html.unescape(content)


async def page_as_sent(portal: Gateway, path: str, **query: str) -> tuple[int, str]:
    answer = await portal.portal.get(path, params=query, headers=portal.signed_in())
    return answer.status, await answer.text()


def searched_for(content: str) -> str:
    """What stands in the field of the search."""
    found = re.search(r'<input [^>]*id="filter-q" [^>]*value="([^"]*)"', content, re.DOTALL)
    return html.unescape(found[1]) if found else ""


DATE = "Enter a date, such as 2026-11-22."


@pytest.mark.parametrize(
    ("query", "name", "sentence"),
    [
        ({"created_from": "2026-13-01"}, "created_from", DATE),
        ({"created_from": "foo"}, "created_from", DATE),
        ({"created_to": "22.11.2026"}, "created_to", DATE),
        ({"created_from": "1899-12-31"}, "created_from", "Enter 1 Jan 1900 or a later day."),
        ({"created_to": "3000-01-01"}, "created_to", "Enter 31 Dec 2999 or an earlier day."),
        ({"created_from": "2026-11-22", "created_to": "2026-11-21"}, "created_to", "The end is before the start."),
        ({"site_id": "foo"}, "site_id", "Choose one from the list."),
        ({"severity": "9"}, "severity", "Enter 4 or less."),
        ({"severity": "high"}, "severity", "Enter a whole number."),
        ({"severity": "1" * 600}, "severity", "Enter 4 or less."),
    ],
    ids=str,
)
async def test_a_wrong_filter_is_named_at_its_field_and_the_rest_is_listed(
    portal: Gateway, query: dict[str, str], name: str, sentence: str
) -> None:
    kept = {"q": "tray jam", "severity": "3", "sort": "title", "status": "open"} | query
    status, content = await page(portal, "/cases", **kept)
    assert status == 200
    assert "<title>Error: Results for “tray jam”" in content
    assert "This filter cannot be used; all others apply" in content
    assert f'<a href="#filter-{name}">' in content
    assert f'<p class="error" id="filter-{name}-error">{sentence}</p>' in content
    assert f'aria-describedby="filter-{name}-error"' in content
    assert searched_for(content) == kept["q"]
    assert '<input type="hidden" name="status" value="open">' in content
    # The choices of the other filters are there, counted without what is wrong.
    assert '">Lyon (2)</option>' in content
    # What was typed stands in its field; the list, and every way on from it, goes without.
    if name.startswith("created"):
        assert f'name="{name}" value="{query[name]}"' in content
    without = {each: text for each, text in kept.items() if each != name}
    asked = URL(portal["cases"].asked("GET /cases")[-1].path).query
    assert {**asked} == {**without, "view": "recent", "limit": "50"}
    links = [URL(link).query for link in re.findall(r'href="(/cases\?[^"]*)"', content)]
    assert links
    assert all(link.get(name) in {None, without.get(name)} for link in links)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"status": "exploded"}, "<li>Status: Choose one from the list.</li>"),
        ({"serial": "---"}, "<li>Serial number: Enter the serial number as it is written on the device.</li>"),
        ({"mine": "perhaps"}, "<li>Only created by me: Choose yes or no.</li>"),
        ({"sort": "password"}, "<p>The list cannot be sorted by that.</p>"),
        ({"cursor": "x"}, "<p>That part of the list is not available any more: this is the first page.</p>"),
        ({"cursor": "x" * 2000}, "<p>That part of the list is not available any more: this is the first page.</p>"),
    ],
    ids=str,
)
async def test_what_is_wrong_beside_the_form_is_said_above_it(
    portal: Gateway, query: dict[str, str], sentence: str
) -> None:
    status, content = await page(portal, "/cases", severity="3", **query)
    assert status == 200
    assert sentence in content
    asked = URL(portal["cases"].asked("GET /cases")[-1].path).query
    assert {**asked} == {"severity": "3", "view": "recent", "limit": "50"}


async def test_several_wrong_filters_are_named_together_though_the_service_finds_them_one_after_another(
    portal: Gateway,
) -> None:
    status, content = await page(portal, "/cases", severity="9", status="exploded", cursor="x", sort="password")
    assert status == 200
    assert "These filters cannot be used; all others apply" in content
    for sentence in ("Status: Choose one from the list.", "Enter 4 or less.", "The list cannot be sorted by that."):
        assert sentence in content


async def test_a_wrong_filter_is_explained_in_french_too(portal: Gateway) -> None:
    session = a_session()
    session["user"]["language"] = "fr"
    portal["identity"].answers("POST /session/resolve", says(session))
    _status, content = await page(portal, "/cases", created_from="foo")
    assert "Saisissez une date, par exemple 2026-11-22." in content
    assert "Ce filtre ne peut pas être utilisé\u00a0; tous les autres s’appliquent" in content


@pytest.mark.parametrize("query", [{"severity": ""}, {"limit": "0"}, {"other": "1"}, {"cursor": "", "sort": " "}])
async def test_what_is_empty_or_means_nothing_to_the_page_does_not_count(
    portal: Gateway, query: dict[str, str]
) -> None:
    status, content = await page(portal, "/cases", **query)
    assert (status, "There are no cases yet." in content) == (200, True)


@pytest.mark.parametrize(
    ("pasted", "kept"),
    [
        ("Error 4930: the tray is empty " * 8, "Error 4930: the tray is empty " * 8),
        ("a" * 1000, "a" * 500),
        ("line one\nline two\r\n\tline three", "line one line two line three"),
        ("nul \x00 bell \x07 \x1b[31mred\x1b[0m", "nul bell red"),
        ("Z" + "\u0337" * 40, "Z" + "\u0337" * 30),
        ('"quotes" and \\ backslashes "', '"quotes" and \\ backslashes "'),
        ("?!,;:---...", "?!,;:---..."),
        ("word " * 200, "word " * 100),
    ],
    ids=lambda text: repr(text)[:20],
)
async def test_a_pasted_message_is_searched_for_and_kept(portal: Gateway, pasted: str, kept: str) -> None:
    status, content = await page_as_sent(portal, "/cases", q=pasted)
    assert (status, "No case matches these filters." in content) == (200, True)
    assert searched_for(content).split() == kept.split()
    assert ("only its first 500 characters are searched for" in content) == (len(kept) >= 500)


@pytest.mark.parametrize("path", ["/sites", "/users"])
@pytest.mark.parametrize("name", ["cursor", "sort"])
async def test_the_companys_lists_say_so_too(portal: Gateway, path: str, name: str) -> None:
    nobody = says({"items": [], "next_cursor": None, "total": 0, "total_is_lower_bound": False})
    portal["identity"].answers(f"GET {path}", refuses(422, "invalid", name), nobody)
    portal["identity"].answers("GET /invitations", says({"items": [], "next_cursor": None}))
    if path != "/sites":
        portal["identity"].answers("GET /sites", says({"items": [], "next_cursor": None}))
    status, content = await page(portal, path, **{name: "x"})
    assert (status, 'role="alert" id="errors"' in content) == (200, True)
    assert "x" not in URL(portal["identity"].asked(f"GET {path}")[-1].path).query.values()


async def test_so_does_the_list_of_those_for_whom_a_case_is_created(portal: Gateway) -> None:
    nobody = says({"items": [], "next_cursor": None, "total": 0, "total_is_lower_bound": False})
    portal["identity"].answers("GET /submitters", refuses(422, "invalid", "cursor"), nobody)
    status, content = await page(portal, "/cases/new/for", cursor="x", serial="CN1")
    assert (status, "this is the first page" in content) == (200, True)
    assert "Nobody in this company has an active account yet." in content


async def test_a_list_that_goes_on_being_refused_is_a_page_that_says_so(portal: Gateway) -> None:
    portal["cases"].answers("GET /cases", refuses(422, "invalid", "limit"))
    status, _content = await page(portal, "/cases", severity="3")
    assert status == 422


# The choices of filters


def choices(content: str, name: str) -> list[str]:
    select = re.search(rf'<select name="{name}".*?</select>', content, re.DOTALL)
    assert select is not None
    return re.findall(r"<option[^>]*>([^<]*)</option>", select[0])


def buttons(content: str) -> list[str]:
    chips = re.search(r'<nav class="filters scroll".*?</nav>', content, re.DOTALL)
    assert chips is not None
    return [" ".join(re.sub(r"<[^>]*>", " ", each).split()) for each in re.findall(r"<a .*?</a>", chips[0], re.DOTALL)]


async def test_every_state_and_severity_stays_in_its_place_though_no_case_has_it(portal: Gateway) -> None:
    for query in ({}, {"severity": "1"}, {"status": "new"}):
        _status, content = await page(portal, "/cases", **query)
        assert buttons(content)[:9] == [
            *("All 1,207", "Open 7", "Waiting for you 0", "New 7", "In progress 0", "Waiting for parts 0"),
            *("Closed 1,200", "Cancelled 0", "Created by me"),
        ]
        assert choices(content, "severity") == ["Any", "Critical (2)", "High (0)", "Normal (5)", "Low (0)"]


@pytest.mark.parametrize("role", ["agent", "vendor_admin"])
async def test_nobody_of_the_vendor_is_offered_what_they_submitted(portal: Gateway, role: str) -> None:
    session = a_session()
    session["user"]["role"] = role
    portal["identity"].answers("POST /session/resolve", says(session))
    _status, content = await page(portal, "/cases")
    assert "Created by me" not in buttons(content)
    assert re.findall(r'href="/cases\?view=(\w+)', content.partition('class="tabs"')[2].partition("</nav>")[0]) == [
        "recent",
        "waiting",
        "favourites",
        "company",
        "site",
    ]
    # An address that was kept shows all cases, and not a list of none; and says so.
    _status, content = await page(portal, "/cases", view="submitted", mine="1")
    assert "<p>There is no such view.</p>" in content
    asked = portal["cases"].asked("GET /cases")[-1]
    assert "view=recent" in asked.path
    assert "mine" not in asked.path


async def test_sites_are_offered_in_the_order_of_their_names(portal: Gateway) -> None:
    _status, content = await page(portal, "/cases")
    assert choices(content, "site_id") == ["Any", "Édouard (1)", "Lyon (2)", "zebra (9)"]


@pytest.mark.parametrize("query", [{"q": "jam"}, {"status": "new", "severity": "1", "site_id": LYON, "view": "site"}])
async def test_cases_are_counted_once_under_all_filters(portal: Gateway, query: dict[str, str]) -> None:
    """The service leaves each filter out of its own counts."""
    await page(portal, "/cases", sort="title", **query)
    (asked,) = portal["cases"].asked("GET /cases/facets")
    assert {**URL(asked.path).query} == {"view": "recent", **query}


async def test_cases_are_counted_whatever_the_list_is_sorted_by(portal: Gateway) -> None:
    _status, content = await page(portal, "/cases", sort="password")
    assert choices(content, "site_id") == ["Any", "Édouard (1)", "Lyon (2)", "zebra (9)"]


async def test_a_list_is_shown_while_its_counts_are_away(portal: Gateway) -> None:
    portal["cases"].answers("GET /cases/facets", refuses(503, "unavailable"))
    status, content = await page(portal, "/cases", severity="1")
    assert status == 200
    assert choices(content, "severity") == ["Any", "Critical (0)"]
    assert buttons(content)[:3] == ["All", "Open", "Waiting for you"]
