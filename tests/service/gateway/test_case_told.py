"""Who was told of a case, on its page and on its confirmation."""

import re
from itertools import product

import pytest

from tests.service.gateway.stand_ins import (
    Gateway,
    Json,
    Script,
    hangs_up,
    never_answers,
    refuses,
    says,
    with_deadlines,
)
from tests.service.gateway.test_case_page import CASE, page_of, words
from tests.service.gateway.test_pages import A_CASE, a_list

DELIVERIES, PASS = f"GET {CASE}/deliveries", f"GET {CASE}/pass"


def a_row(name: str, state: str = "sent", *, event: str = "1", **more: object) -> Json:
    at = "2026-12-01T10:12:00Z"
    times = {"created_at": at, "updated_at": at, "sent_at": at if state == "sent" else None}
    row = {"event_id": event, "kind": "case_created", "name": name, "email": None, "state": state, "reason": None}
    return row | {"smtp_reply": None, **times, **more}


def the_ledger_has(gateway: Gateway, *rows: Json, more: bool = False) -> None:
    gateway["cases"].answers(PASS, says({"token": "signed by cases"}))
    gateway["notifications"].answers(DELIVERIES, says(a_list(*rows, more=more)))


def told(page: str) -> str:
    """The line and what it opens, as it is read."""
    found = re.search(r'<details class="told".*?</details>', page, re.DOTALL)
    return words(f"<main>{found[0]}") if found else ""


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ((a_row("Ana Duarte"),), "Ana Duarte was e-mailed · 10:12"),
        ((a_row("Ana Duarte"), a_row("Tom Roy")), "Ana Duarte, Tom Roy were e-mailed · 10:12"),
        ((a_row("Ana Duarte"), a_row("Ana Duarte", "suppressed", reason="same_person")), "Ana Duarte was e-mailed"),
        ((a_row("Ana Duarte"), a_row("Tom Roy", "failed")), "Ana Duarte was e-mailed; none reached Tom Roy ·"),
        ((a_row("Ana Duarte", "claimed"), a_row("Tom Roy", "suppressed")), "An e-mail to Ana Duarte is on its way ·"),
        ((a_row("Ana Duarte", "failed"),), "No e-mail reached Ana Duarte ·"),
        ((a_row("Ana Duarte", "suppressed", reason="opted_out"),), "Nobody was e-mailed ·"),
        ((a_row("Luc Petit", event="2"), a_row("Ana Duarte")), "Luc Petit was e-mailed ·"),
    ],
    ids=["one", "two", "twice the same", "one failed", "waiting", "failed", "nobody", "the newest"],
)
async def test_a_line_says_who_was_told_last(gateway: Gateway, rows: tuple[Json, ...], line: str) -> None:
    the_ledger_has(gateway, *rows)
    assert told(await page_of(gateway, {})).startswith(line)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (a_row("Ana Duarte", email="ana@example.com"), "Ana Duarte ana@example.com sent 10:12"),
        (a_row("Ana Duarte", "queued", smtp_reply="451 4.3.0 Later"), "Ana Duarte waiting to be sent: 451 4.3.0 Later"),
        (a_row("Ana Duarte", "sending"), "Ana Duarte waiting to be sent"),
        (
            a_row("Ana Duarte", "failed", smtp_reply="550 5.1.1 <…>: No"),
            "Ana Duarte could not be delivered: 550 5.1.1 &lt;…&gt;: No",
        ),
        *(
            (a_row("Ana Duarte", "suppressed", reason=reason), f"Ana Duarte not sent: {words_of_it}")
            for reason, words_of_it in {
                "opted_out": "declined such e-mails",
                "deactivated": "the account is deactivated",
                "company_suspended": "the company is suspended",
                "bouncing": "a mail server has refused this address for good",
                "same_person": "the same person was told at another address",
                "expired": "it could not be sent within 48 hours",
                "too_many": "too many e-mails to people without an account",
                "unexpected": "an unexpected fault",
                "of_a_newer_version": "of_a_newer_version",
            }.items()
        ),
    ],
    ids=lambda value: value["reason"] or value["state"] if isinstance(value, dict) else "",
)
async def test_each_outcome_is_said_in_words(gateway: Gateway, row: Json, said: str) -> None:
    the_ledger_has(gateway, row)
    assert told(await page_of(gateway, {})).endswith(said)


async def test_mails_stand_under_what_they_tell_the_newest_first_and_what_failed_before_the_rest(
    gateway: Gateway,
) -> None:
    closed = {"event": "2", "kind": "case_closed"}
    rows = (
        a_row("Ana Duarte", **closed),
        a_row("Luc Petit", "failed", **closed),
        a_row("Ana Duarte"),
        a_row("Tom Roy", event="0", kind="of_a_newer_version"),
    )
    the_ledger_has(gateway, *rows)
    _, *parts = re.split(
        "Case closed or cancelled|Case created|E-mail about the case", told(await page_of(gateway, {}))
    )
    assert [re.findall("Ana Duarte|Luc Petit|Tom Roy", part) for part in parts] == [
        ["Luc Petit", "Ana Duarte"],
        ["Ana Duarte"],
        ["Tom Roy"],
    ]


async def test_a_long_ledger_is_shown_in_pages_by_links(gateway: Gateway) -> None:
    the_ledger_has(gateway, a_row("Ana Duarte"), more=True)
    page = await page_of(gateway, {})
    assert f'href="{CASE}?told=behind#told"' in page
    assert '<details class="told" id="told">' in page
    older = await page_of(gateway, {}, query="?told=behind")
    assert '<details class="told" id="told" open>' in older
    assert "Show the newest e-mails" in older
    asked = [seen.path.partition("?")[2] for seen in gateway["notifications"].asked(DELIVERIES)]
    assert asked == ["limit=20&total=false", "limit=20&total=false&cursor=behind"]


@pytest.mark.parametrize(
    ("of", "script"),
    [
        *product((DELIVERIES, PASS), (hangs_up, refuses(500, "internal"), refuses(404, "not_found"))),
        (DELIVERIES, says(a_list())),
    ],
    ids=["away", "broken", "older", "cases-away", "cases-broken", "cases-older", "nobody"],
)
async def test_a_case_is_shown_without_what_the_ledger_does_not_tell(gateway: Gateway, of: str, script: Script) -> None:
    the_ledger_has(gateway, a_row("Ana Duarte"))
    gateway["cases" if of == PASS else "notifications"].answers(of, script)
    page = await page_of(gateway, {})
    assert told(page) == ""
    assert A_CASE["description"] in page


@with_deadlines(told_s=0.2)
async def test_a_case_does_not_wait_long_for_the_ledger(gateway: Gateway) -> None:
    the_ledger_has(gateway)
    gateway["notifications"].answers(DELIVERIES, never_answers)
    assert A_CASE["description"] in await page_of(gateway, {})


async def test_a_confirmation_says_who_was_e_mailed_and_until_then_to_whom_an_e_mail_goes(gateway: Gateway) -> None:
    gateway["identity"].answers("GET /profile", refuses(503, "unavailable"))
    page = words(await page_of(gateway, {"attachments": []}, query="/created"))
    assert "goes to these people, unless they declined such e-mails: Ana DuarteLuc Petit (luc@example.com)" in page
    the_ledger_has(gateway, a_row("Ana Duarte", email="ana@example.com"))
    page = await page_of(gateway, query="/created")
    assert told(page).startswith("Ana Duarte was e-mailed · 10:12 Case created")
    assert "goes to these people" not in page
