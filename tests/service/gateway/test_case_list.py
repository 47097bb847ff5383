"""The list of cases: its groups, the filters in use, the columns that a person chooses, stars, and what is new."""

import re
from typing import Any

import pytest
from yarl import URL

from tests.service.gateway.stand_ins import CSRF, Gateway, Json, a_session, refuses, says

pytestmark = pytest.mark.usefixtures("portal")
ME, TOM = "0198c0de-0000-7000-8000-0000000000a0", "0198c0de-0000-7000-8000-0000000000aa"
A_ROW: Json = {
    "number": "1000000009",
    "title": "Paper jam",
    "status": "in_progress",
    "severity": 2,
    "turn": "vendor",
    "turn_since": "2026-11-20T08:00:00.000Z",
    "serial": "CN1",
    "serial_label": "CN-1",
    "product_name": "Laserprint 310",
    "site_name": "Lyon",
    "company_id": "0198c0de-0000-7000-8000-000000000001",
    "company_name": "Birchfield",
    "submitter": {"user_id": ME, "name": "Ana Duarte"},
    "assignee": None,
    "created_at": "2026-11-20T08:00:00.000Z",
    "updated_at": "2026-11-21T08:00:00.000Z",
    "favourite": False,
    "is_new": False,
}


@pytest.fixture
def portal(gateway: Gateway) -> Gateway:
    gateway["cases"].answers("GET /cases/facets", says({"status": [], "severity": [], "site": []}))
    gateway["cases"].answers("GET /cases", says(listing(A_ROW)))
    as_role(gateway, "company_admin")
    return gateway


def listing(*rows: Json, groups: Any = ()) -> Json:
    return {"items": rows, "next_cursor": None, "total": len(rows), "total_is_lower_bound": False, "groups": groups}


def without_isolates(text: str) -> str:
    """Without what keeps the directions of values apart."""
    return text.replace("\u2068", "").replace("\u2069", "")


async def page(gateway: Gateway, path: str = "/cases", *, cookie: str = "") -> str:
    headers = gateway.signed_in()
    headers["Cookie"] += f"; {cookie}" if cookie else ""
    answer = await gateway.portal.get(URL(path, encoded=True), headers=headers)
    assert answer.status == 200
    return without_isolates(await answer.text())


async def post(gateway: Gateway, path: str, fields: Any, cookie: str = "") -> Any:
    headers = gateway.signed_in()
    headers["Cookie"] += f"; {cookie}" if cookie else ""
    gateway.portal.session.cookie_jar.clear()
    return await gateway.portal.post(path, data=[*fields, ("csrf_token", CSRF)], headers=headers, allow_redirects=False)


def heads(content: str) -> list[str]:
    """The labels of the columns."""
    row = content.partition("<thead")[2].partition("</thead>")[0]
    return [re.sub(r"<[^>]*>|\s+", " ", head).strip() for head in re.findall(r"<th .*?</th>", row, re.DOTALL)]


def as_role(gateway: Gateway, role: str) -> None:
    session = a_session()
    session["user"] |= {"role": role, "id": ME}
    gateway["identity"].answers("POST /session/resolve", says(session))


# Groups


async def test_rows_stand_under_the_head_of_their_group_with_its_count(portal: Gateway) -> None:
    rows = [{**A_ROW, "title": title, "site_name": site} for title, site in (("a", ""), ("b", "Lyon"), ("c", "Lyon"))]
    groups = [{"rows": 1, "count": 1, "is_lower_bound": False}, {"rows": 2, "count": 1000, "is_lower_bound": True}]
    portal["cases"].answers("GET /cases", says(listing(*rows, groups=groups)))
    content = await page(portal, "/cases?view=company")
    found = re.findall(r'<th role="rowheader"[^>]*>(.*?)</th>|class="title"[^>]*>(.*?)</a>', content, re.DOTALL)
    shown = [" ".join(re.sub(r"<[^>]*>", " ", head or title).split()) for head, title in found]
    assert shown == ["Without a site 1", "a", "Lyon 1,000+", "b", "c"]
    assert 'aria-sort="ascending"' in content.partition("Site</a>")[0].rpartition("<th")[2]


@pytest.mark.parametrize(
    ("view", "row", "name"),
    [
        ("company", {}, "Birchfield · Lyon"),
        ("site", {}, "Laserprint 310 · CN-1"),
        ("site", {"serial": None, "serial_label": None}, "Laserprint 310"),
        ("site", {"product_name": "", "serial": None, "serial_label": None}, "Product not known"),
    ],
    ids=str,
)
async def test_a_group_is_called_what_its_cases_have_in_common(
    portal: Gateway, view: str, row: Json, name: str
) -> None:
    as_role(portal, "agent")
    groups = [{"rows": 1, "count": 1, "is_lower_bound": False}]
    portal["cases"].answers("GET /cases", says(listing({**A_ROW, **row}, groups=groups)))
    content = await page(portal, f"/cases?view={view}")
    head = re.search(r'<th role="rowheader"[^>]*>(.*?)<span class="number">', content, re.DOTALL)
    assert head is not None
    assert " ".join(re.sub(r"<[^>]*>", "", head[1]).split()) == name


async def test_a_tab_begins_its_view_anew_but_for_the_filters(portal: Gateway) -> None:
    content = await page(portal, "/cases?view=recent&sort=title&status=open")
    tabs = content.partition('class="tabs"')[2].partition("</nav>")[0]
    assert '"/cases?view=company&amp;status=open"' in tabs
    labels = re.findall(r">([^<>]+)</a>", tabs)
    assert labels == [
        *("Recent cases", "Waiting for me", "Submitted by me", "My favourites", "By company", "By site or product")
    ]


# Filters in use


async def test_each_filter_in_use_can_be_taken_away_by_itself(portal: Gateway) -> None:
    asked = {"severity": "1", "q": "tray jam", "serial": "CN1", "created_from": "2026-11-20", "sort": "title"}
    content = await page(portal, str(URL("/cases").with_query(asked)))
    nav = content.partition('class="filters scroll"')[2].partition("</nav>")[0]
    chips = re.findall(
        r'<a class="filter" href="([^"]*)" aria-current="true" title="Take[^>]*>(.*?)<span', nav, re.DOTALL
    )
    named = {text.strip(): {**URL(href.replace("&amp;", "&")).query} for href, text in chips}
    whole = {"view": "recent", **asked}
    assert named == {
        label: {each: text for each, text in whole.items() if each != name}
        for label, name in {
            "Severity: Critical": "severity",
            "Created from: 20 Nov 2026": "created_from",
            "Serial number: CN1": "serial",
            "Words: tray jam": "q",
        }.items()
    }


async def test_an_agent_narrows_the_list_to_a_company_that_is_in_sight(portal: Gateway) -> None:
    as_role(portal, "agent")
    rows = [{**A_ROW, "company_id": name[0], "company_name": name} for name in ("lumière", "Birchfield", "lumière")]
    portal["cases"].answers("GET /cases", says(listing(*rows)))
    content = await page(portal, "/cases?company_id=l")
    for what in ("GET /cases", "GET /cases/facets"):
        assert URL(portal["cases"].asked(what)[-1].path).query["company_id"] == "l"
    choice = content.partition('<select id="filter-company_id"')[2].partition("</select>")[0]
    assert re.findall(r'<option value="(\w*)"( selected)?>([^<]+)<', choice) == [
        ("", "", "Any"),
        ("B", "", "Birchfield"),
        ("l", " selected", "lumière"),
    ]
    assert 'aria-current="true" title="Take this filter away">Company: lumière' in content
    assert "company_id=l" in content.partition('href="/cases.xlsx?')[2].partition('"')[0]
    portal["cases"].answers("GET /cases", says(listing()))
    assert "Company: Chosen" in await page(portal, "/cases?company_id=l")


async def test_a_customer_has_no_choice_of_companies(portal: Gateway) -> None:
    assert "filter-company_id" not in await page(portal, "/cases?company_id=l")
    assert "company_id" not in portal["cases"].asked("GET /cases")[-1].path


async def test_an_agent_sees_with_what_waits_also_what_nobody_has_taken_if_they_like(portal: Gateway) -> None:
    as_role(portal, "agent")
    content = await page(portal, "/cases?view=waiting&untaken=1")
    assert re.search(r'href="/cases\?view=waiting" aria-current="true">Also those that nobody has taken', content)
    assert "untaken=1" in portal["cases"].asked("GET /cases")[-1].path
    assert "nobody has taken" not in await page(portal, "/cases?view=recent")


async def test_a_customer_is_not_offered_what_nobody_has_taken(portal: Gateway) -> None:
    assert "nobody has taken" not in await page(portal, "/cases?view=waiting&untaken=1")
    assert "untaken" not in portal["cases"].asked("GET /cases")[-1].path


# Columns


USUAL = ["Case", "Title and product", "Status", "Severity", "Site", "Submitted by", "Updated", "Favourite"]


def cookies_of(answer: Any) -> dict[str, Any]:
    return dict(answer.cookies)


async def test_a_person_chooses_columns_and_finds_them_again(portal: Gateway) -> None:
    content = await page(portal)
    assert heads(content) == USUAL
    # Beside what else is done with the list, not on a line of its own.
    foot = content.partition('<div class="foot">')[2]
    assert foot.index('<details class="menu columns') < foot.index("</div>")
    ticked = [("column", name) for name in ("serial", "turn", "password", "title")]
    answer = await post(portal, "/cases/columns", [*ticked, ("next", "/cases?view=site")])
    assert (answer.status, answer.headers["Location"]) == (303, "/cases?view=site")
    (name, kept) = next(iter(cookies_of(answer).items()))
    assert kept.value == "customer.turn.serial"
    assert (name, kept["max-age"], kept["httponly"], kept["samesite"]) == (
        "portico_columns-8080",
        str(365 * 24 * 3600),
        True,
        "Lax",
    )
    content = await page(portal, cookie=f"{name}={kept.value}")
    assert heads(content) == ["Case", "Title and product", "Whose turn", "Serial number", "Favourite"]
    assert re.search(r"Support · \d+ days?", " ".join(re.sub(r"<[^>]*>", "", content).split()))
    assert re.findall(r'name="column" value="(\w+)" checked', content) == ["turn", "serial"]


async def test_each_side_has_columns_of_its_own(portal: Gateway) -> None:
    cookie = "portico_columns-8080=customer.turn"
    as_role(portal, "agent")
    assert heads(await page(portal, cookie=cookie)) == [*USUAL[:5], "Company", *USUAL[6:]]
    answer = await post(portal, "/cases/columns", [("column", "company_name")], cookie)
    assert cookies_of(answer)["portico_columns-8080"].value == "customer.turn~vendor.company_name"
    cookie = "portico_columns-8080=customer.turn~vendor.company_name"
    assert heads(await page(portal, cookie=cookie)) == ["Case", "Title and product", "Company", "Favourite"]
    answer = await post(portal, "/cases/columns", [("usual", "yes"), ("column", "status")], cookie)
    assert cookies_of(answer)["portico_columns-8080"].value == "customer.turn"
    answer = await post(portal, "/cases/columns", [("usual", "yes")], "portico_columns-8080=vendor.turn")
    assert cookies_of(answer)["portico_columns-8080"]["max-age"] == "0"


async def test_no_column_at_all_leaves_what_a_row_is_known_by(portal: Gateway) -> None:
    answer = await post(portal, "/cases/columns", [])
    assert cookies_of(answer)["portico_columns-8080"].value == "customer"
    assert heads(await page(portal, cookie="portico_columns-8080=customer")) == [*USUAL[:2], "Favourite"]


@pytest.mark.parametrize(
    "value", ["", "vendor.turn", "nobody.turn", "customer.turn;", "<script>", "customer." + "a." * 3000, "customer~~"]
)
async def test_whatever_else_is_in_the_cookie_the_usual_columns_are_shown(portal: Gateway, value: str) -> None:
    if value == "customer.turn;":
        assert heads(await page(portal, cookie=f"portico_columns-8080={value}")) != USUAL
        return
    assert heads(await page(portal, cookie=f"portico_columns-8080={value}")) == USUAL


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", ""])
async def test_choosing_columns_leads_nowhere_else(portal: Gateway, target: str) -> None:
    assert (await post(portal, "/cases/columns", [("next", target)])).headers["Location"] == "/"


# Stars and what is new


async def test_a_star_adds_and_removes_a_favourite_and_returns_to_it(portal: Gateway) -> None:
    portal["cases"].answers("PUT /cases/1000000009/favourite", says({}))
    portal["cases"].answers("DELETE /cases/1000000009/favourite", says({}))
    for does, method, row in (("add", "PUT", A_ROW), ("remove", "DELETE", {**A_ROW, "favourite": True})):
        portal["cases"].answers("GET /cases", says(listing(row)))
        content = await page(portal, "/cases?status=open")
        assert f'form="stars" name="{does}" value="1000000009"' in content
        assert 'name="next" value="/cases?view=recent&amp;status=open"' in content
        fields = [(does, "1000000009"), ("next", "/cases?view=recent&status=open#list")]
        answer = await post(portal, "/cases/favourites", fields)
        assert answer.headers["Location"] == "/cases?view=recent&status=open#star-1000000009"
        assert len(portal["cases"].asked(f"{method} /cases/1000000009/favourite")) == 1


async def test_why_a_favourite_is_refused_is_a_page_that_says_so(portal: Gateway) -> None:
    refused = refuses(409, "too_many_favourites", limit=500)
    portal["cases"].answers("PUT /cases/1000000009/favourite", refused)
    answer = await post(portal, "/cases/favourites", [("add", "1000000009")])
    assert answer.status == 409
    assert "You have 500 favourites already." in without_isolates(await answer.text())
    assert (await post(portal, "/cases/favourites", [("add", " - ")])).status == 404


@pytest.mark.parametrize(("role", "waiting"), [("company_admin", ["answer us"]), ("agent", ["untaken", "mine"])])
async def test_the_rows_that_wait_for_their_reader_are_marked(portal: Gateway, role: str, waiting: list[str]) -> None:
    as_role(portal, role)
    me, other = ({"user_id": user, "name": "Arno"} for user in (ME, "0198c0de-0000-7000-8000-00000000000f"))
    rows: dict[str, Json] = {
        "untaken": {"turn": "vendor"},
        "mine": {"turn": "vendor", "assignee": me},
        "another's": {"turn": "vendor", "assignee": other},
        "answer us": {"turn": "customer", "status": "waiting_customer", "assignee": me},
        "over": {"turn": None, "status": "closed", "assignee": me},
    }
    portal["cases"].answers(
        "GET /cases", says(listing(*({**A_ROW, "title": name} | row for name, row in rows.items())))
    )
    content = await page(portal, "/cases")
    marked = re.findall(r'<tr role="row" class="you">.*?class="title"[^>]*>(.*?)</a>', content, re.DOTALL)
    assert marked == waiting


async def test_the_title_of_a_row_is_bold_only_where_something_is_new(portal: Gateway) -> None:
    rows = [{**A_ROW, "title": title, "is_new": title == "b"} for title in "ab"]
    portal["cases"].answers("GET /cases", says(listing(*rows)))
    found = re.findall(
        r'<tr role="row"([^>]*)>.*?class="title"[^>]*>(\w)</a>(.*?)<small>', await page(portal), re.DOTALL
    )
    told = [(title, "fresh" in look, "(new since your last visit)" in rest) for look, title, rest in found]
    assert told == [("a", False, False), ("b", True, True)]


async def test_what_an_older_service_does_not_tell_is_not_new_and_no_favourite(portal: Gateway) -> None:
    row = {name: value for name, value in A_ROW.items() if name not in {"favourite", "is_new"}}
    answer = listing(row)
    del answer["groups"]
    portal["cases"].answers("GET /cases", says(answer))
    content = await page(portal, "/cases?view=company")
    assert 'name="add" value="1000000009"' in content
    assert "new since" not in content


# Whose case it is


async def test_a_colleagues_case_that_was_searched_for_by_its_number_is_said_to_be_theirs(portal: Gateway) -> None:
    theirs = {**A_ROW, "submitter": {"user_id": TOM, "name": "Tom Adeyemi"}}
    portal["cases"].answers("GET /cases/1000000009", says(theirs))
    portal["cases"].answers("GET /cases", says(listing(theirs)))
    answer = await portal.portal.get("/find?q=1000000009", headers=portal.signed_in(), allow_redirects=False)
    assert answer.headers["Location"] == "/cases?q=1000000009"
    sentence = 'Case <a href="/cases/1000000009">1000000009</a> was submitted by Tom Adeyemi.'
    assert sentence in await page(portal, "/cases?q=1000000009")
    assert sentence not in await page(portal, "/cases?q=Paper")
    portal["cases"].answers("GET /cases", says(listing(A_ROW)))
    assert "was submitted by" not in await page(portal, "/cases?q=1000000009")


@pytest.mark.parametrize("role", ["agent", "case_manager"])
async def test_ones_own_case_and_every_case_for_an_agent_is_opened_by_its_number(portal: Gateway, role: str) -> None:
    submitter = ME if role == "case_manager" else TOM
    as_role(portal, role)
    found = {**A_ROW, "submitter": {"user_id": submitter, "name": "Tom Adeyemi"}}
    portal["cases"].answers("GET /cases/1000000009", says(found))
    answer = await portal.portal.get("/find?q=1000000009", headers=portal.signed_in(), allow_redirects=False)
    assert answer.headers["Location"] == "/cases/1000000009"


# Nothing there


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("", "There are no cases yet."),
        ("?view=waiting", "Nothing is waiting for you."),
        ("?view=favourites", "You have no favourites yet. The star beside a case makes it one."),
        ("?view=submitted", "You have submitted no case yet."),
        ("?severity=1", "No case matches these filters."),
    ],
)
async def test_an_empty_list_keeps_its_head_and_says_what_would_stand_there(
    portal: Gateway, query: str, sentence: str
) -> None:
    portal["cases"].answers("GET /cases", says(listing()))
    content = await page(portal, f"/cases{query}")
    assert heads(content) == USUAL
    assert sentence in content.partition("<tbody")[2]
