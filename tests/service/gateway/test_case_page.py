"""The page of a case: whose turn it is, the conversation, its files, and what may be done."""

import re
from uuid import NAMESPACE_OID, uuid5

import pytest
from aiohttp import web

from tests.service.gateway.stand_ins import CSRF, Gateway, Json, Script, a_session, hangs_up, refuses, says
from tests.service.gateway.test_pages import A_CASE, a_list

CASE = "/cases/1000000009"
ANA = {"user_id": "1", "name": "Ana Duarte"}
ARNO = {"user_id": "0198c0de-0000-7000-8000-000000000007", "name": "Arno Keller"}
MIRA = {"user_id": "8", "name": "Mira Lund"}
_TAGS = re.compile(r"<[^>]*>")


async def page_of(gateway: Gateway, case: Json | None = None, *, query: str = "", role: str = "") -> str:
    """The page of the case, for a customer, or for Arno Keller in a role of the vendor."""
    if role:
        session = a_session()
        session["user"] |= {"role": role, "id": ARNO["user_id"], "name": ARNO["name"]}
        gateway["identity"].answers("POST /session/resolve", says(session))
    if case is not None:
        gateway["cases"].answers(f"GET {CASE}", says(A_CASE | case))
    answer = await gateway.portal.get(f"{CASE}{query}", headers=gateway.signed_in())
    assert answer.status == 200
    return await answer.text()


def an_entry(text: str, kind: str = "comment", **more: object) -> Json:
    by = ARNO if more.get("by_vendor") else ANA
    its_id = str(uuid5(NAMESPACE_OID, text))
    return {"id": its_id, "kind": kind, "at": "2026-11-22T09:00:00Z", "by": by, "by_vendor": False, "text": text} | {
        "internal": False,
        "changes": {},
        "attachments": [],
        **more,
    }


def a_file(name: str, content_type: str, state: str = "ready") -> Json:
    return {"id": name, "name": name, "size": 2048, "content_type": content_type, "state": state}


def words(page: str) -> str:
    """What is read, in one line; without the marks that keep names apart."""
    text = _TAGS.sub("", page.partition("<main")[2].partition(">")[2])
    return " ".join(text.replace("\u2068", "").replace("\u2069", "").split())


def articles(page: str) -> list[str]:
    return [words(f"<main>{found}") for found in re.findall(r"<article>(.*?)</article>", page, re.DOTALL)]


# Whose turn it is


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ({"status": "new"}, "Waiting for a support agent to take it. since 22 Nov 2026, 09:00"),
        ({"assignee": ARNO}, "Arno Keller is working on it. Support’s turn since 22 Nov 2026, 09:00"),
        ({"assignee": ARNO, "status": "waiting_parts"}, "Waiting for parts. Arno Keller is looking after it."),
        ({"status": "waiting_parts"}, "Waiting for parts."),
        (
            {"assignee": ARNO, "status": "waiting_customer", "turn": "customer"},
            "Your turn: Arno Keller waits for your answer. since 22 Nov 2026, 09:00",
        ),
        ({"status": "waiting_customer", "turn": "customer"}, "Your turn: the support agent waits for your answer."),
    ],
)
async def test_a_customer_reads_who_has_the_case_and_whose_turn_it_is(gateway: Gateway, case: Json, said: str) -> None:
    assert said in words(await page_of(gateway, case))


@pytest.mark.parametrize(
    ("case", "said", "is_loud"),
    [
        ({"status": "new"}, "Nobody has taken this case yet.", True),
        ({"assignee": ARNO}, "Your turn: this case is assigned to you.", True),
        ({"assignee": MIRA}, "Mira Lund is working on it.", False),
        ({"assignee": ARNO, "status": "waiting_parts"}, "Waiting for parts. You are looking after it.", False),
        (
            {"assignee": ARNO, "status": "waiting_customer", "turn": "customer"},
            "Waiting for the customer’s answer.",
            False,
        ),
    ],
)
async def test_an_agent_reads_the_same_from_the_other_side(
    gateway: Gateway, case: Json, said: str, *, is_loud: bool
) -> None:
    page = await page_of(gateway, case, role="agent")
    assert said in words(page)
    assert ('<p class="turn">' in page) is is_loud


@pytest.mark.parametrize(("status", "said"), [("closed", "Closed on 22 Nov"), ("cancelled", "Cancelled on 22 Nov")])
async def test_a_case_says_when_it_ended_and_how_under_its_title_and_in_its_details(
    gateway: Gateway, status: str, said: str
) -> None:
    ended = {"resolution": "", "resolved": True, "reopen_until": None}
    case = {"status": status, "turn": None, "closed_at": "2026-11-22T09:00:00Z", **ended}
    read = words(await page_of(gateway, case))
    assert said in read
    # In its details the label and the date are apart.
    assert read.count(said.partition(" 22")[0]) == 2


async def test_a_confirmation_read_again_names_the_files_of_the_case_and_none_of_its_replies(gateway: Gateway) -> None:
    first, later = a_file("label.txt", "text/plain"), a_file("log.txt", "text/plain")
    gateway["identity"].answers("GET /profile", refuses(503, "unavailable"))
    case = {"attachments": [first, later], "submitted_attachments": [first]}
    page = await page_of(gateway, case, query="/created")
    assert "label.txt" in page
    assert "log.txt" not in page


async def test_an_agent_reads_of_which_company_the_case_is_and_for_whom_it_waits(gateway: Gateway) -> None:
    moved = an_entry("", "status_changed", by_vendor=True, changes={"from": "in_progress", "to": "waiting_customer"})
    case = {"status": "waiting_customer", "turn": "customer", "history": [moved]}
    page = await page_of(gateway, case, role="agent")
    assert "Acme SA" in page.partition("<h1>")[2].partition("</p>")[0]
    assert "Arno Keller changed the status to Waiting for the customer" in words(page)
    assert "Waiting for you" not in page


async def test_a_customer_reads_in_the_conversation_what_the_chip_says(gateway: Gateway) -> None:
    moved = an_entry("", "status_changed", by_vendor=True, changes={"from": "in_progress", "to": "waiting_customer"})
    page = await page_of(gateway, {"status": "waiting_customer", "turn": "customer", "history": [moved]})
    assert "Arno Keller changed the status to Waiting for you" in words(page)


ENDED: Json = {
    "status": "closed",
    "turn": None,
    "turn_since": None,
    "closed_at": "2026-11-29T09:00:00Z",
    "resolution": "A new roller: https://support.example/roller.",
}


@pytest.mark.parametrize(
    ("resolved", "said"), [(True, "Closed, solved"), (False, "Closed, not solved"), (None, "Closed")]
)
async def test_an_ended_case_says_how(gateway: Gateway, *, resolved: bool | None, said: str) -> None:
    page = await page_of(gateway, ENDED | {"resolved": resolved})
    assert f'<h2 id="end">{said}</h2>' in page
    assert f"{said} 29 Nov 2026, 09:00" in words(page)
    assert "A new roller: https://support.example/roller." in words(page)
    assert "reopen" not in page


async def test_a_case_that_can_be_reopened_says_until_when_and_how(gateway: Gateway) -> None:
    until = {"allowed_actions": ["reopen"], "reopen_until": "2026-12-13T09:00:00Z", "resolved": True}
    page = await page_of(gateway, ENDED | until)
    assert "You can reopen it until 13 Dec 2026, 09:00." in words(page)
    assert f'<a class="button" href="{CASE}/do/reopen?version=1" data-act>Reopen the case</a>' in page
    assert "Update this case" not in page  # a menu of this one thing


async def test_parts_say_whether_the_case_waits_for_them_and_where_they_go(gateway: Gateway) -> None:
    assert "Parts and service Ship parts to The equipment’s address" in words(await page_of(gateway, {}))
    elsewhere = A_CASE["equipment_address"] | {"address_line_1": "2 quai Sud"}
    page = words(await page_of(gateway, {"status": "waiting_parts", "parts_address": elsewhere}))
    assert "Parts and service This case is waiting for parts. Ship parts to Acme SA2 quai Sud69000 Lyon" in page


# The header


async def test_the_header_says_everything_that_is_known_at_a_glance(gateway: Gateway) -> None:
    case = {
        "coverage": {"verdict": "covered", "until": "2027-12-31", "level": "Next business day"},
        "updated_at": "2026-11-23T10:00:00Z",
    }
    head = (await page_of(gateway, case)).partition('<div class="page-head">')[2].partition('<div class="buttons">')[0]
    assert words(f"<main>{head}") == (
        "Paper jam in tray 3 In progress High Covered until 31 Dec 2027 LaserPress 600 CNB7K-2041X "
        "Number 1000000009 Created 22 Nov 2026, 09:00 Changed 23 Nov 2026, 10:00"
    )
    ended = words(await page_of(gateway, {**ENDED, "resolved": True}))
    assert "Created 22 Nov 2026, 09:00 Closed on 29 Nov 2026, 09:00" in ended


async def test_the_header_says_who_typed_the_case_and_for_whom(gateway: Gateway) -> None:
    said = "Submitted for Ana Duarte by Mira Lund"
    assert said in words(await page_of(gateway, {"created_by": MIRA}))
    assert "Mira Lund created the case for Ana Duarte" in words(await page_of(gateway))
    assert said not in words(await page_of(gateway, {"created_by": {"user_id": "1", "name": "Ana Duarte"}}))


# Other cases


def another(number: str, status: str = "in_progress") -> Json:
    return {"number": number, "title": f"Case {number}", "status": status}


async def test_cases_that_are_linked_lead_to_each_other(gateway: Gateway) -> None:
    page = await page_of(gateway, {"follow_up_of": "1000000017", "parent": "1000000025"})
    assert 'Follow-up of <a class="mono" href="/cases/1000000017">' in page
    assert 'Part of <a class="mono" href="/cases/1000000025">' in page
    page = await page_of(gateway, {"follow_ups": [another("1000000033", "new")]})
    assert '<a class="title" href="/cases/1000000033">Case 1000000033</a>' in page
    assert "Follow-up cases Case 1000000033New" in words(page)
    assert "ollow-up" not in words(await page_of(gateway, {"follow_ups": []}))


def of_the_device(gateway: Gateway, *rows: Json, still_open: tuple[Json, ...] = ()) -> None:
    async def script(request: web.Request) -> web.StreamResponse:
        return await says(a_list(*(still_open if "status" in request.query else rows)))(request)

    gateway["cases"].answers("GET /cases", script)


async def test_other_cases_of_the_device_are_shown_the_open_ones_first(gateway: Gateway) -> None:
    old = another("1000000017")
    closed = [another(f"10000001{place}0", "closed") for place in range(4)]
    of_the_device(gateway, another("1000000009"), *closed, still_open=(another("1000000009"), old))
    page = await page_of(gateway, {})
    shown = page.partition('id="same-device"')[2].partition("</details>")[0]
    numbers = re.findall('class="title" href="/cases/([0-9]+)"', shown)
    assert numbers == ["1000000017", "1000000100", "1000000110", "1000000120"]
    asked = [seen.path.partition("?")[2] for seen in gateway["cases"].asked("GET /cases")]
    assert sorted(asked) == [
        "serial=CNB7K2041X&limit=5&total=false",
        "serial=CNB7K2041X&limit=5&total=false&status=open",
    ]


async def test_an_agent_sees_those_of_the_same_company(gateway: Gateway) -> None:
    of_the_device(gateway, another("1000000017"))
    assert "Same device Case 1000000017In progress" in words(await page_of(gateway, {}, role="agent"))
    asked = gateway["cases"].asked("GET /cases")
    assert ["&company_id=2" in seen.path for seen in asked] == [True, True]


async def test_a_case_without_other_cases_or_without_a_device_has_no_block_for_them(gateway: Gateway) -> None:
    of_the_device(gateway, another("1000000009"), still_open=(another("1000000009"),))
    assert "Same device" not in await page_of(gateway, {})
    of_the_device(gateway, another("1000000017"))
    assert "Same device" not in await page_of(gateway, {"serial": None, "serial_label": None})


@pytest.mark.parametrize("script", [hangs_up, refuses(500, "internal"), refuses(422, "invalid")])
async def test_a_case_is_shown_without_the_others_of_its_device(gateway: Gateway, script: Script) -> None:
    gateway["cases"].answers("GET /cases", script)
    assert A_CASE["description"] in await page_of(gateway, {})


# The conversation


async def test_a_conversation_begins_with_the_problem_and_ends_with_the_newest(gateway: Gateway) -> None:
    history = [an_entry("", "created"), an_entry("the first"), an_entry("the answer", "reply", by_vendor=True)]
    files = [a_file("label.txt", "text/plain")]
    case = {"history": history, "troubleshooting": "Other paper.", "submitted_attachments": files}
    assert articles(await page_of(gateway, case)) == [
        f"Ana Duarte Acme SA 22 Nov, 09:00 {A_CASE['description']} What has been tried Other paper. label.txt 2 kB",
        "Ana Duarte Acme SA 22 Nov, 09:00 the first",
        "Arno Keller Support 22 Nov, 09:00 the answer",
    ]
    page = await page_of(gateway)
    assert re.findall(r'<li class="message([^"]*)"(?: data-entry="\w+")?(?: id="(\w+)")?', page) == [
        ("", "problem"),
        ("", ""),
        (" support", "newest"),
    ]


async def test_a_note_says_who_sees_it(gateway: Gateway) -> None:
    note = an_entry("The bearing is worn.", "note", by_vendor=True, internal=True)
    page = await page_of(gateway, {"history": [note]}, role="agent")
    assert "Note: only support sees it The bearing is worn." in words(page)
    assert '<li class="message note"' in page


async def test_a_long_middle_is_folded_and_a_short_one_is_not(gateway: Gateway) -> None:
    history = [an_entry("", "created"), *(an_entry(f"entry {place}") for place in range(14))]
    page = await page_of(gateway, {"history": history, "history_total": 15})
    fold, _, sight = page.partition('<li class="fold">')[2].partition("</details>")
    assert "8 earlier entries" in fold
    assert re.findall(r"entry \d+", fold) == [f"entry {place}" for place in range(8)]
    assert re.findall(r"entry \d+", sight) == [f"entry {place}" for place in range(8, 14)]
    assert "<details>" not in (await page_of(gateway, {"history": history[:9]})).partition('<ol class="talk">')[2]


async def test_messages_alone_are_shown_on_request_and_what_is_left_out_is_told(gateway: Gateway) -> None:
    history = [
        an_entry("", "created"),
        an_entry("", "taken", by_vendor=True),
        an_entry("a message"),
        an_entry("", "attached", attachments=[a_file("log.txt", "text/plain")]),
        an_entry("", "severity_changed", changes={"from": 3, "to": 1}),
        an_entry("It works.", "closed"),
    ]
    page = await page_of(gateway, {"history": history})
    assert f'<a href="{CASE}?show=messages#history">Messages only</a>' in page
    assert "Ana Duarte changed the severity from Normal to Critical" in words(page)
    page = await page_of(gateway, query="?show=messages")
    text = words(page)
    assert "2 events are not shown." in text
    assert f'<a href="{CASE}#history">Show everything</a>' in page
    assert all(kept in text for kept in ("a message", "log.txt", "closed the case", "It works."))
    assert "took the case" not in text
    assert "changed the severity" not in text


async def test_a_long_history_is_shown_in_pages_by_links(gateway: Gateway) -> None:
    newest = {"history": [an_entry("the newest")], "history_cursor": "70", "history_total": 120}
    older = a_list(an_entry("an older one"), total=120, more=True)
    gateway["cases"].answers(f"GET {CASE}/history", says(older))
    page = await page_of(gateway, newest)
    assert "120 entries" in page
    assert "the newest" in page
    assert f'href="{CASE}?before=70#history" data-earlier' in page
    assert "Show the newest entries" not in page
    messages = await page_of(gateway, query="?show=messages")
    assert f'href="{CASE}?before=70&amp;show=messages#history"' in messages
    assert "Events are not shown." in messages  # how many, this part does not know
    page = await page_of(gateway, query="?before=70")
    assert f"{CASE}/history?cursor=70" in [asked.path for asked in gateway["cases"].seen]
    assert "an older one" in page
    assert "the newest" not in page.replace("Show the newest entries", "").replace("Go to the newest entry", "")
    assert f'href="{CASE}?before=behind#history" data-earlier' in page
    assert f'href="{CASE}#newest">Show the newest entries' in page


async def test_a_short_history_has_no_other_pages(gateway: Gateway) -> None:
    page = await page_of(gateway, {"history": [an_entry("the only one")]})
    assert "1 entry" in page
    assert "?before=" not in page


@pytest.mark.parametrize("place", ["description", "troubleshooting", "resolution", "text"])
async def test_addresses_in_what_people_wrote_are_links(gateway: Gateway, place: str) -> None:
    text = "<b>See</b> https://support.example/a?b=1&c=2."
    case = {"history": [an_entry(text)]} if place == "text" else ENDED | {"resolved": True, place: text}
    address = "https://support.example/a?b=1&amp;c=2"
    link = f'<a href="{address}" dir="ltr" rel="noopener noreferrer nofollow">{address}</a>'
    assert f"&lt;b&gt;See&lt;/b&gt; {link}." in await page_of(gateway, case)


async def test_pictures_are_seen_and_other_files_named(gateway: Gateway) -> None:
    files = [
        a_file("jam.png", "image/png"),
        a_file("log.txt", "text/plain"),
        a_file("drawing.svg", "image/svg+xml"),
        a_file("new.png", "image/png", "scanning"),
        a_file("bad.png", "image/png", "infected"),
    ]
    page = await page_of(gateway, {"history": [an_entry("Five files", attachments=files)]})
    shown = page.partition('<ul class="attached" aria-label="Attached files">')[2].partition("</ul>")[0]
    (picture,) = re.findall(r"<img [^>]*>", shown)
    url = f"{CASE}/files/jam.png"
    assert (
        picture == f'<img src="{url}?as=picture" alt="jam.png" width="128" height="72" loading="lazy" decoding="async">'
    )
    assert re.findall(r'href="([^"#]+)"', shown) == [
        f"{CASE}/files/{name}" for name in ("jam.png", "log.txt", "drawing.svg")
    ]
    assert words(f"<main>{shown}") == (
        "log.txt 2 kB drawing.svg 2 kB new.png being checked for viruses bad.png a virus was found"
    )


@pytest.mark.parametrize(("query", "passed_on"), [("", ""), ("?as=picture", "?as=picture"), ("?as=page&q=1", "")])
async def test_cases_is_asked_for_a_picture_where_one_is_to_be_seen(
    gateway: Gateway, query: str, passed_on: str
) -> None:
    gateway["cases"].answers("GET /attachments/jam.png", says({}))
    await gateway.portal.get(f"{CASE}/files/jam.png{query}", headers=gateway.signed_in())
    (asked,) = gateway["cases"].asked("GET /attachments/jam.png")
    assert asked.path == f"/attachments/jam.png{passed_on}"


async def test_people_on_the_case_can_be_called_and_written_to(gateway: Gateway) -> None:
    page = await page_of(gateway, {"assignee": ARNO})
    assert '<a href="tel:+33472000000">+33 4 72 00 00 00</a>' in page
    assert '<a href="mailto:luc@example.com">luc<wbr>@example.com</a>' in page
    assert "CNB7K-2041X" in page


async def test_the_sign_that_the_number_was_copied_comes_with_the_page(gateway: Gateway) -> None:
    page = await page_of(gateway, {})
    (sign,) = re.findall(r'data-copied="Copied" data-done="#([\w-]+)"', page)
    assert f'<symbol id="{sign}"' in page


# What may be done


async def test_a_message_that_is_refused_stands_above_the_field_with_the_reason(gateway: Gateway) -> None:
    gateway["cases"].answers(f"GET {CASE}", says(A_CASE | {"allowed_actions": ["close", "comment"]}))
    gateway["cases"].answers(f"POST {CASE}/actions", refuses(422, "invalid", "text"))
    form = {"csrf_token": CSRF, "action": "comment", "text": "It jams."}
    answer = await gateway.portal.post(CASE, data=form, headers=gateway.signed_in())
    page = await answer.text()
    assert answer.status == 422
    before, _, error = page.partition('role="alert" id="errors"')
    assert "Your message was not sent" in error.partition("</p>")[0]
    assert before.rpartition('<div class="talk-column"')[1]
    assert "It jams." in page


async def test_a_message_that_was_sent_is_shown_with_a_word_beside_it(gateway: Gateway) -> None:
    gateway["cases"].answers(f"POST {CASE}/actions", says(A_CASE | {"version": 2}))
    form = {"csrf_token": CSRF, "action": "comment", "version": "1", "text": "It jams."}
    sent = await gateway.portal.post(CASE, data=form, headers=gateway.signed_in(), allow_redirects=False)
    assert sent.headers["Location"] == f"{CASE}?done=comment#newest"
    page = await page_of(gateway, {"allowed_actions": ["comment"]}, query="?done=comment")
    assert '<p class="notice ok" role="status">Your message is sent.</p>' in page.partition('<div class="composer">')[2]
