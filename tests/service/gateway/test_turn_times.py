"""The page of whose turn it was, by site, and what a case says of its clock and of its first answer."""

import re

import pytest

from tests.service.gateway.stand_ins import Gateway, Json, a_session, refuses, says
from tests.service.gateway.test_case_page import page_of, words
from tests.service.gateway.test_pages import A_CASE, NO_COUNTS, a_list

PAGE = "/cases/turn-times"
TIMES = {"cases": 2, "vendor_s": 93_600, "customer_s": 12_000, "ended_s": 59}
LYON = {"company_id": "2", "company_name": "Acme SA", "site_id": "7", "site_name": "Lyon", **TIMES}
NOWHERE = LYON | {"site_id": None, "site_name": ""}


def a_report(*sites: Json, **more: object) -> Json:
    return {
        "created_from": "2026-08-25",
        "created_to": "2026-11-22",
        "at": "2026-11-22T12:00:00Z",
        "items": list(sites),
        "others": None,
        "total": TIMES | {"cases": 2 * len(sites)},
        **more,
    }


async def seen(
    gateway: Gateway, report: Json, *, query: str = "", role: str = "company_admin", lang: str = "en"
) -> str:
    session = a_session()
    session["user"] |= {"role": role, "language": lang}
    gateway["identity"].answers("POST /session/resolve", says(session))
    gateway["cases"].answers(f"GET {PAGE}", says(report))
    answer = await gateway.portal.get(f"{PAGE}{query}", headers=gateway.signed_in())
    assert answer.status == 200
    return await answer.text()


async def test_each_site_says_how_long_each_side_had_its_turn(gateway: Gateway) -> None:
    page = await seen(gateway, a_report(LYON, NOWHERE))
    said = words(page)
    assert "Cases created from 25 Aug 2026 to 22 Nov 2026, as of 22 Nov 2026, 12:00." in said
    took = "Support’s turn1 d 2 h Your company’s turn3 h 20 min Closed, then reopenedless than a minute"
    for label, cases in (("Lyon", 2), ("No site", 2), ("In all", 4)):
        assert f"{label} Cases{cases} {took}" in said
    assert '<a href="/cases?site_id=7&amp;created_from=2026-08-25&amp;created_to=2026-11-22">' in page
    assert "company_id=" not in page


async def test_the_vendor_reads_the_company_and_can_have_its_sites_alone(gateway: Gateway) -> None:
    page = await seen(gateway, a_report(LYON, others=TIMES), role="agent")
    assert f'<a href="{PAGE}?company_id=2">' in page
    assert re.search(r'<a href="/cases">All cases</a>\s+/ Whose turn it was, by site', page)
    assert "Customer’s turn" in words(page)
    assert "All other sites" in words(page)


async def test_a_single_site_is_not_summed_up_and_no_case_is_said(gateway: Gateway) -> None:
    assert "In all" not in words(await seen(gateway, a_report(LYON)))
    assert "No case was created in this time." in words(await seen(gateway, a_report()))


async def test_in_french_days_are_jours(gateway: Gateway) -> None:
    assert "1 j 2 h" in words(await seen(gateway, a_report(LYON), lang="fr"))


async def test_days_that_are_refused_are_said_and_left_out(gateway: Gateway) -> None:
    gateway["cases"].answers(
        f"GET {PAGE}", refuses(422, "too_many_days", "created_from", limit=366), says(a_report(LYON))
    )
    answer = await gateway.portal.get(f"{PAGE}?created_from=2001-01-01", headers=gateway.signed_in())
    page = await answer.text()
    assert answer.status == 200
    assert 'aria-invalid="true"' in page
    assert 'value="2001-01-01"' in page
    assert "Lyon" in words(page)


async def test_the_list_of_cases_leads_to_the_report(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /cases", says(a_list(A_CASE)))
    gateway["cases"].answers("GET /cases/facets", says(NO_COUNTS))
    answer = await gateway.portal.get("/cases", headers=gateway.signed_in())
    assert f'href="{PAGE}">Whose turn it was, by site</a>' in await answer.text()


# On the page of a case. The clock of the pages stands at 12:00 on 1 Dec 2026.


@pytest.mark.parametrize(
    ("first_answer", "role", "said"),
    [
        ({"due_at": "2026-12-01T14:30:00Z"}, "", "Support answers by 14:30, in 2 h 30 min."),
        ({"due_at": "2026-12-03T09:00:00Z"}, "", "Support answers by 3 Dec, 09:00, in 1 d 21 h."),
        (
            {"due_at": "2026-12-01T11:15:00Z"},
            "",
            "Support should have answered by 11:15: the answer is 45 min late.",
        ),
        ({"due_at": "2026-12-01T14:30:00Z"}, "agent", "The first answer is due by 14:30, in 2 h 30 min."),
        ({"due_at": "2026-12-01T11:15:00Z"}, "agent", "The first answer was due by 11:15: it is 45 min late."),
        (
            {"due_at": "2026-12-01T11:15:00Z", "answered_at": "2026-12-01T11:15:00Z"},
            "",
            "First answer 1 Dec 2026, 11:15, in time",
        ),
        (
            {"due_at": "2026-12-01T09:15:00Z", "answered_at": "2026-12-01T11:20:30Z"},
            "agent",
            "First answer 1 Dec 2026, 11:20, 2 h 5 min late",
        ),
    ],
)
async def test_a_case_says_until_when_it_is_answered_and_when_it_was(
    gateway: Gateway, first_answer: Json, role: str, said: str
) -> None:
    page = await page_of(gateway, {"first_answer": {"answered_at": None} | first_answer}, role=role)
    assert said in words(page)
    is_answered = "answered_at" in first_answer
    assert ('class="due"' in page, "First answer" in words(page)) == (not is_answered, is_answered)


async def test_a_case_without_a_promise_or_that_ended_says_nothing_of_it(gateway: Gateway) -> None:
    due = {"due_at": "2026-12-01T11:15:00Z", "answered_at": None}
    for case in ({}, {"first_answer": due, "status": "closed", "turn": None, "resolved": True}):
        page = words(await page_of(gateway, case))
        assert "nswer by" not in page
        assert "First answer" not in page


@pytest.mark.parametrize(
    ("role", "said"),
    [("", "Turns in all Support 3 h, you 2 d"), ("agent", "Turns in all Support 3 h, customer 2 d")],
)
async def test_a_case_says_how_long_each_side_had_its_turn(gateway: Gateway, role: str, said: str) -> None:
    clock = {"vendor_s": 10_800, "customer_s": 172_800, "ended_s": 0}
    assert said in words(await page_of(gateway, {"clock": clock}, role=role))
    assert "Turns in all" not in words(await page_of(gateway, {"clock": dict.fromkeys(clock, 0)}, role=role))
