"""What the start page says to whom."""

import re
from datetime import timedelta

import pytest

from tests.service.gateway.stand_ins import NOW, Gateway, Json, a_gateway, a_session, hangs_up, says
from tests.service.gateway.test_pages import A_CASE, NO_COUNTS, a_list

ASKED: Json = {"text": "Which firmware?", "by": {"user_id": "2", "name": "Mira Lang"}, "at": "2026-11-22T09:00:00Z"}
WAITS: Json = A_CASE | {
    "number": "1000000017",
    "title": "Cannot reach the port",
    "status": "waiting_customer",
    "product_line": "Servers",
    "company_name": "Acme SA",
    "asked": ASKED,
}
OTHER: Json = A_CASE | {"product_line": "Printers", "company_name": "Acme SA"}


def counts(sites: int = 2, **statuses: int) -> Json:
    return {
        "status": [{"value": name, "label": name, "count": count} for name, count in statuses.items()],
        "severity": [{"value": "1", "label": "1", "count": 2}],
        "site": [{"value": f"site-{number}", "label": f"Site {number}", "count": 1} for number in range(sites)],
    }


def a_start(*waiting: Json, total: int = 0, recent: tuple[Json, ...] = (OTHER,), counted: Json = NO_COUNTS) -> Json:
    return {"waiting": a_list(*waiting, total=total), "recent": a_list(*recent), "counts": counted}


async def _start(gateway: Gateway, answer: Json | None, **user: object) -> str:
    session = a_session()
    session["user"] |= user
    gateway["identity"].answers("POST /session/resolve", says(session))
    gateway["cases"].answers("GET /start", says(answer) if answer is not None else hangs_up)
    found = await gateway.portal.get("/", headers=gateway.signed_in())
    assert found.status == 200
    return " ".join((await found.text()).split())


async def test_what_waits_leads_with_who_asked_what(gateway: Gateway) -> None:
    page = await _start(gateway, a_start(WAITS))
    assert "1 case is waiting for you</h2>" in page
    assert '<a class="title" href="/cases/1000000017#newest">Cannot reach the port</a>' in page
    assert "“Which firmware?”" in page
    assert '<span class="who support" aria-hidden="true">ML</span>' in page
    assert '<time datetime="2026-11-22T09:00:00Z"' in page


async def test_a_case_in_which_nobody_has_asked_anything_says_what_it_is_about(gateway: Gateway) -> None:
    page = await _start(gateway, a_start(WAITS | {"asked": None}))
    assert "<p>LaserPress 600</p>" in page
    assert "“" not in page


@pytest.mark.parametrize(("total", "link"), [(1, None), (7, "Show all 7"), (1_000, "Show all 1,000+")])
async def test_all_that_waits_is_a_link_where_more_waits_than_is_shown(
    gateway: Gateway, total: int, link: str | None
) -> None:
    page = await _start(gateway, a_start(WAITS, total=total))
    assert re.findall(r'<a href="/cases\?view=waiting">(.*?)</a>', page) == ([link] if link else [])


async def test_where_nothing_waits_one_quiet_line_says_so(gateway: Gateway) -> None:
    page = await _start(gateway, a_start())
    assert '<p class="muted">Nothing is waiting for you. </p>' in page
    assert 'class="lead"' not in page


async def test_cases_that_wait_for_colleagues_are_told_apart_from_ones_own(gateway: Gateway) -> None:
    link = '<a href="/cases?status=waiting_customer">{}</a>'
    page = await _start(gateway, a_start(WAITS, counted=counts(waiting_customer=3)))
    assert link.format("2 cases are waiting for colleagues") in page
    page = await _start(gateway, a_start(counted=counts(waiting_customer=1)))
    assert link.format("1 case is waiting for a colleague") in page
    page = await _start(gateway, a_start(WAITS, counted=counts(waiting_customer=1)))
    assert "colleague" not in page


async def test_agents_are_told_what_waits_for_an_answer_whose_it_is_and_whether_it_is_taken(gateway: Gateway) -> None:
    theirs = WAITS | {"status": "in_progress", "assignee": {"user_id": "2", "name": "Mira Lang"}}
    untaken = WAITS | {"number": "1000000025", "status": "new"}
    page = await _start(
        gateway,
        a_start(theirs, untaken, counted=counts(waiting_customer=3, new=1)),
        role="agent",
        profile_complete=False,
    )
    assert "2 cases are waiting for an answer</h2>" in page
    assert page.count('<p class="muted">Acme SA</p>') == 1
    assert page.count('<p class="muted">Acme SA · Not taken yet</p>') == 1
    assert "Waiting for the customer" in page
    for words in ("for you", "colleague", "profile is not complete", "Open cases by site"):
        assert words not in page


async def test_an_agent_who_has_much_to_do_is_led_to_all_that_waits_for_them_or_for_nobody(gateway: Gateway) -> None:
    page = await _start(gateway, a_start(WAITS, total=9), role="vendor_admin")
    assert '<a href="/cases?view=waiting&amp;untaken=1&amp;sort=turn">Show all 9</a>' in page


async def test_open_cases_are_links_with_numbers_the_readers_turn_first(gateway: Gateway) -> None:
    page = await _start(gateway, a_start(counted=counts(new=5, in_progress=4, waiting_customer=3)))
    found = re.findall(r'<a href="/cases\?([^"]*)"><span class="chip \w+">([^<]*)</span><span>(\d+)</span>', page)
    assert found == [
        ("status=waiting_customer", "Waiting for you", "3"),
        ("status=in_progress", "In progress", "4"),
        ("status=new", "New", "5"),
    ]
    assert (
        '<a href="/cases?status=open&amp;severity=1"><span class="severity" data-n="1">Critical</span><span>2</span>'
        in page
    )
    widths = [float(width) for width in re.findall(r'<rect class="c-\w+" x="[\d.]+" width="([\d.]+)"', page)]
    assert widths == sorted(widths)


@pytest.mark.parametrize("sites", [1, 2, 9])
async def test_sites_are_shown_where_there_are_several_and_not_all_of_very_many(gateway: Gateway, sites: int) -> None:
    page = await _start(gateway, a_start(counted=counts(sites=sites, new=1)))
    shown = re.findall(r'href="/cases\?status=open&amp;site_id=site-\d"> <span>Site \d</span>', page)
    assert len(shown) == {1: 0, 2: 2, 9: 6}[sites]


@pytest.mark.parametrize(("role", "is_asked"), [("member", True), ("agent", False), ("vendor_admin", False)])
async def test_only_whose_profile_fills_in_forms_is_asked_to_complete_it(
    gateway: Gateway, role: str, *, is_asked: bool
) -> None:
    page = await _start(gateway, a_start(), role=role, profile_complete=False)
    assert ("Your profile is not complete yet." in page) == is_asked


@pytest.mark.parametrize("is_complete", [True, False])
async def test_whoever_sees_no_case_yet_is_shown_three_steps_of_which_one_is_next(
    gateway: Gateway, *, is_complete: bool
) -> None:
    page = await _start(gateway, a_start(recent=()), profile_complete=is_complete, first_name="Ana")
    assert "<h1>Welcome, Ana</h1>" in page
    (steps,) = re.findall(r'<ol class="todo">(.*?)</ol>', page)
    assert re.findall(r"<li([^>]*)>", steps) == (
        [' class="done"', ' class="now"', ""] if is_complete else [' class="now"', "", ""]
    )
    assert steps.count("primary") == 1
    assert ("Complete my profile</a>" in steps) != is_complete
    assert 'action="/cases/new"' in steps


@pytest.mark.parametrize(("role", "is_led"), [("member", False), ("company_admin", True)])
async def test_the_administrator_of_a_new_company_is_led_to_its_sites_and_users(
    gateway: Gateway, role: str, *, is_led: bool
) -> None:
    page = await _start(gateway, a_start(recent=()), role=role)
    assert ("invite your colleagues" in page) == is_led


async def test_agents_without_any_case_are_not_shown_the_steps_of_customers(gateway: Gateway) -> None:
    page = await _start(gateway, a_start(recent=()), role="agent")
    assert "No case is waiting for an answer." in page
    assert "todo" not in page


DEVICE: Json = {
    "serial": "LP315501CC",
    "serial_label": "LP31-5501-CC",
    "product_number": "LP31",
    "product_name": "Laserprint 310",
    "product_line": "Printers",
    "site_id": None,
    "level": "Gold",
}


def _ends(days: int) -> str:
    return (NOW + timedelta(days=days)).date().isoformat()


async def test_devices_whose_cover_ends_soon_lead_to_their_form_and_tell_the_days_that_are_left(
    gateway: Gateway,
) -> None:
    ending = [DEVICE | {"until": _ends(days)} for days in (0, 1, 24, 30, 31, 32)]
    gateway["contracts"].answers("GET /coverage/ending", says({"items": ending}))
    page = await _start(gateway, a_start())
    assert re.findall(r'<span class="chip ending"><time [^>]*>(.*?)</time>', page) == [
        "Today", "1 day", "24 days", "30 days", "31 days",
    ]  # fmt: skip
    assert page.count('href="/cases/new?serial=LP315501CC">Laserprint 310</a>') == 5
    assert page.count('<p class="mono muted">LP31-5501-CC</p>') == 5


@pytest.mark.parametrize("role", ["agent", "vendor_admin"])
async def test_agents_are_not_told_of_cover(gateway: Gateway, role: str) -> None:
    await _start(gateway, a_start(), role=role)
    assert gateway["contracts"].asked("GET /coverage/ending") == []


async def test_where_no_cover_ends_soon_nothing_is_said_of_it(gateway: Gateway) -> None:
    gateway["contracts"].answers("GET /coverage/ending", says({"items": []}))
    page = await _start(gateway, a_start())
    assert "Coverage ending soon" not in page
    assert "cannot be shown" not in page


async def test_while_contracts_is_away_one_line_says_so_and_the_cases_stand(gateway: Gateway) -> None:
    gateway["contracts"].answers("GET /coverage/ending", hangs_up)
    page = await _start(gateway, a_start(WAITS))
    assert page.count("Coverage cannot be shown just now. Please try again in a moment.") == 1
    assert "1 case is waiting for you" in page
    page = await _start(gateway, None)
    assert page.count("Please try again in a moment.") == 1
    assert "Cases cannot be shown just now. Coverage cannot be shown just now." in page


async def test_while_cases_is_away_one_line_says_so_and_the_rest_stands(gateway: Gateway) -> None:
    page = await _start(gateway, None)
    assert page.count("Cases cannot be shown just now.") == 1
    assert 'action="/cases/new"' in page
    assert "Nothing is waiting" not in page


async def test_visitors_find_help_their_case_and_their_account_even_without_any_setting(gateway: Gateway) -> None:
    page = await (await gateway.portal.get("/")).text()
    assert "<h1>What can we help you with?</h1>" in page
    for found in ('action="/cases/new"', 'action="/find"', 'href="/sign-in"', "Have you been invited?"):
        assert found in page
    assert "Call us" not in page
    assert "Write to us" not in page


async def test_visitors_are_told_how_and_when_to_call() -> None:
    async with a_gateway(
        PORTICO_BRAND_PHONE="+442079460100", PORTICO_BRAND_HOURS="Monday to Friday, 8:00–17:00"
    ) as gateway:
        page = await (await gateway.portal.get("/")).text()
    assert '<a class="phone" href="tel:+442079460100">+44 20 7946 0100</a>' in page
    assert "Monday to Friday, 8:00–17:00" in page
    async with a_gateway(PORTICO_BRAND_EMAIL="help@vendor.example") as gateway:
        page = await (await gateway.portal.get("/")).text()
    assert "Write to us" in page
    assert '<a href="mailto:help@vendor.example">help@vendor.example</a>' in page
