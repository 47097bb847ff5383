"""Creating a case for somebody else: who is offered to choose, how, and what becomes of a form meanwhile."""

import html
import re
from typing import Any

import orjson
import pytest
from yarl import URL

from shared.coverage import Verdict
from shared.schemas.contracts import CoverageAnswer
from tests.service.gateway.stand_ins import CSRF, Gateway, a_session, hangs_up, refuses, says

ACME, LUC = "0198c0de-0000-7000-8000-00000000ac3e", "0198c0de-0000-7000-8000-000000000001"
HERE, THERE = "0198c0de-0000-7000-8000-0000000000aa", "0198c0de-0000-7000-8000-0000000000bb"
OTHERS = ("case_manager", "company_admin")
VENDORS = ("agent", "vendor_admin")
NOTHING: dict[str, Any] = {"items": [], "next_cursor": None, "total": 0, "total_is_lower_bound": False}
PERSON = {
    "id": LUC,
    "name": "Luc Petit",
    "first_name": "Luc",
    "last_name": "Petit",
    "email": "luc@work.example",
    "phone": "+33472000007",
    "site_id": HERE,
    "pin": "4711",
    "company_id": ACME,
    "company_name": "Acme SA",
    "company_suspended": False,
}
COMPANY = {"id": ACME, "name": "Acme SA", "suspended": False}
TYPED = {
    "csrf_token": CSRF,
    "idempotency_key": "the-key-of-this-form",
    "serial": "CNB7K2041X",
    "title": "Paper jam in tray 3",
    "description": "The printer jams on every second page.",
    "severity": "2",
    "where": "address",
    "parts": "same",
    "contact.first_name": "Luc",
    "contact.email": "luc@work.example",
}
ON_BEHALF = {**TYPED, "submitter_id": LUC, "submitter_name": "Luc Petit", "company_id": ACME}


def listing(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**NOTHING, "items": list(items), "total": len(items), **more}


def a_site(site_id: str, name: str) -> dict[str, str]:
    return {"id": site_id, "name": name, "city": name}


@pytest.fixture
async def portal(gateway: Gateway) -> Gateway:
    identity = gateway["identity"]
    identity.answers("GET /profile", says({"first_name": "Ana", "email": "ana@example.com"}))
    identity.answers("GET /sites", says(listing(a_site(HERE, "Lyon"), a_site(THERE, "Paris"))))
    identity.answers("GET /pins", says(listing({"pin": "4711", "label": "Gold"})))
    identity.answers("GET /submitters", says(listing(PERSON)))
    identity.answers(f"GET /submitters/{LUC}", says(PERSON))
    identity.answers("GET /vendor/companies", says(listing(COMPANY)))
    identity.answers(f"GET /vendor/companies/{ACME}", says(COMPANY))
    coverage = CoverageAnswer(verdict=Verdict.UNVERIFIED)
    gateway["contracts"].answers("GET /coverage", says(coverage.model_dump(mode="json")))
    gateway["contracts"].answers("GET /products", says(NOTHING))
    gateway["cases"].answers("GET /cases", says(NOTHING))
    gateway["cases"].answers("GET /attachment-limits", refuses(404, "not_found"))
    gateway["cases"].answers("POST /cases", says({"number": "1000000009"}, status=201))
    return gateway


def be(gateway: Gateway, role: str, **user: Any) -> dict[str, Any]:
    """The visitor has this role from now on."""
    session = a_session()
    session["user"] |= {"role": role, **user}
    gateway["identity"].answers("POST /session/resolve", says(session))
    return session


async def see(gateway: Gateway, path: str) -> tuple[int, str, str]:
    """Status, text, and where it leads."""
    answer = await gateway.portal.get(path, headers=gateway.signed_in(), allow_redirects=False)
    return answer.status, html.unescape(await answer.text()), answer.headers.get("Location", "")


async def post(gateway: Gateway, typed: dict[str, str]) -> tuple[int, str, str]:
    headers = {"Cookie": gateway.signed_in()["Cookie"]}
    answer = await gateway.portal.post("/cases", data=typed, headers=headers, allow_redirects=False)
    return answer.status, html.unescape(await answer.text()), answer.headers.get("Location", "")


def value_of(text: str, name: str) -> str:
    found = re.search(rf'<input[^>]* name="{re.escape(name)}"[^>]* value="([^"]*)"', text)
    assert found is not None, name
    return found[1]


def asked(gateway: Gateway, service: Any, name: str) -> list[dict[str, str]]:
    """The queries that a service got."""
    return [dict(URL(seen.path).query) for seen in gateway[service].asked(name)]


# Who is offered a choice


@pytest.mark.parametrize("path", ["/cases/new", "/cases/new?serial=CNB7K2041X"])
@pytest.mark.parametrize(("role", "is_offered"), [("member", False), ("case_manager", True), ("company_admin", True)])
async def test_a_colleague_is_offered_to_whoever_may_create_for_one(
    portal: Gateway, path: str, role: str, *, is_offered: bool
) -> None:
    be(portal, role)
    status, text, _ = await see(portal, path)
    assert status == 200
    assert ("For a colleague" in text) is is_offered
    assert ("/cases/new/for" in text) is is_offered


@pytest.mark.parametrize("role", VENDORS)
@pytest.mark.parametrize("query", ["", "?serial=CNB7K2041X", "?q=LaserPress"])
async def test_the_vendors_side_is_led_to_the_company_first_and_keeps_what_it_is_about(
    portal: Gateway, role: str, query: str
) -> None:
    be(portal, role)
    status, _, location = await see(portal, f"/cases/new{query}")
    assert (status, location) == (303, f"/cases/new/for{query}")
    status, text, _ = await see(portal, location)
    assert status == 200
    assert "Which company is the case for?" in text
    (link,) = re.findall(r'href="([^"]+)">Acme SA</a>', text)
    assert dict(URL(link).query) == {**URL(location).query, "company_id": ACME}
    status, text, _ = await see(portal, link)
    assert "Whom is the case for?" in text
    (link,) = re.findall(r'href="([^"]+)">Luc Petit</a>', text)
    assert URL(link).path == "/cases/new"
    assert dict(URL(link).query) == {**URL(location).query, "submitter_id": LUC}
    assert asked(portal, "identity", "GET /submitters") == [
        {"company_id": ACME, "sort": "name", "limit": "50", "q": ""},
    ]


async def test_people_and_companies_are_found_by_words_and_listed_in_pages(portal: Gateway) -> None:
    be(portal, "agent")
    portal["identity"].answers("GET /vendor/companies", says(listing(COMPANY, next_cursor="more", total=120)))
    _, text, _ = await see(portal, "/cases/new/for?name=acme&serial=CNB7K2041X")
    assert asked(portal, "identity", "GET /vendor/companies")[0]["q"] == "acme"
    assert value_of(text, "name") == "acme"
    assert value_of(text, "serial") == "CNB7K2041X"
    (link,) = re.findall(r'href="([^"]+)" rel="next"', text)
    assert URL(link).query["cursor"] == "more"
    assert URL(link).query["name"] == "acme"
    # The words were for the company.
    (chosen,) = re.findall(r'href="([^"]+)">Acme SA', text)
    assert "name" not in URL(chosen).query
    portal["identity"].answers("GET /vendor/companies", says(NOTHING))
    _, text, _ = await see(portal, "/cases/new/for?name=nobody")
    assert "Nothing matches these words." in text


async def test_a_company_without_active_users_says_so(portal: Gateway) -> None:
    be(portal, "agent")
    portal["identity"].answers("GET /submitters", says(NOTHING))
    _, text, _ = await see(portal, f"/cases/new/for?company_id={ACME}")
    assert "Nobody in this company has an active account yet." in text
    assert "Choose another company" in text


@pytest.mark.parametrize("named", ["nonsense", ACME])
async def test_a_company_that_is_not_there_leads_back_to_the_choice(portal: Gateway, named: str) -> None:
    be(portal, "agent")
    portal["identity"].answers("GET /submitters", refuses(422 if named == "nonsense" else 404, "x", "company_id"))
    status, _, location = await see(portal, f"/cases/new/for?company_id={named}&serial=CN1")
    assert (status, location) == (303, "/cases/new/for?serial=CN1")


@pytest.mark.parametrize("role", OTHERS)
async def test_whoever_chooses_themselves_is_named_by_nothing(portal: Gateway, role: str) -> None:
    session = be(portal, role)
    own = {**PERSON, "id": session["user"]["id"], "name": "Ana Duarte"}
    portal["identity"].answers("GET /submitters", says(listing(own, PERSON)))
    _, text, _ = await see(portal, "/cases/new/for?serial=CN1")
    assert re.findall(r'href="([^"]+)">Ana Duarte</a>', text) == ["/cases/new?serial=CN1"]
    assert re.findall(r'href="([^"]+)">For yourself</a>', text) == ["/cases/new?serial=CN1"]
    status, text, _ = await see(portal, f"/cases/new?serial=CN1&submitter_id={session['user']['id']}")
    assert status == 200
    assert value_of(text, "contact.first_name") == "Ana"


# The form


@pytest.mark.parametrize("role", [*OTHERS, *VENDORS])
async def test_the_form_is_filled_in_with_what_is_known_of_the_other_person(portal: Gateway, role: str) -> None:
    be(portal, role)
    status, text, _ = await see(portal, f"/cases/new?serial=CN1&submitter_id={LUC}")
    assert status == 200
    assert "<b>For Luc Petit</b>" in text
    for name, value in (
        ("contact.first_name", "Luc"),
        ("contact.last_name", "Petit"),
        ("contact.email", "luc@work.example"),
        ("contact.phone", "+33 4 72 00 00 07"),
        ("submitter_id", LUC),
        ("company_id", ACME),
    ):
        assert value_of(text, name) == value
    assert f'<option value="{HERE}" selected>' in text
    assert '<option value="4711" selected>' in text
    assert portal["identity"].asked("GET /profile") == []


@pytest.mark.parametrize("role", ["member", *OTHERS, *VENDORS])
async def test_the_form_says_whose_the_sites_are_and_who_submits_or_creates(portal: Gateway, role: str) -> None:
    be(portal, role)
    theirs = (
        "The case will belong to Luc Petit. Its history shows that you created it.",
        "You remain the submitter",
    )
    if role != "member":
        _, text, _ = await see(portal, f"/cases/new?serial=CN1&submitter_id={LUC}")
        assert (theirs[0] in text, theirs[1] in text) == (True, False)
        assert ("One of the company’s sites" in text, "One of our sites" in text) == (role in VENDORS, role in OTHERS)
    if role not in VENDORS:
        _, text, _ = await see(portal, "/cases/new?serial=CN1")
        assert (theirs[0] in text, theirs[1] in text) == (False, True)
        assert "One of our sites" in text


@pytest.mark.parametrize("role", ["member", *OTHERS, *VENDORS])
async def test_the_form_asks_for_somebody_else_what_it_asks_oneself_as_you(portal: Gateway, role: str) -> None:
    be(portal, role)
    own = [
        *("How should we contact you?", "Best hours to reach you", "Your reference", "What have you tried?"),
        "If we cannot reach you this way",
        *("your reference", "what you have tried", "of your company, to find", "as agreed with your company"),
    ]
    other = [
        *("How should we contact this person?", "Best hours to reach this person", "Own reference"),
        *(
            "What has been tried?",
            "If nobody can be reached this way",
            "own reference",
            "what has been tried",
            "as agreed with the company",
        ),
    ]
    pages = []
    if role != "member":
        pages.append((f"/cases/new?serial=CN1&submitter_id={LUC}", other, own))
    if role not in VENDORS:
        pages.append(("/cases/new?serial=CN1", own, other))
    for path, said, unsaid in pages:
        _, text, _ = await see(portal, path)
        assert [words for words in said if words not in text] == []
        assert [words for words in unsaid if words in text] == []


@pytest.mark.parametrize(
    ("role", "waits"), [("agent", "Waiting for the customer"), ("company_admin", "Waiting for you")]
)
async def test_the_form_says_of_open_cases_for_whom_they_wait(portal: Gateway, role: str, waits: str) -> None:
    be(portal, role)
    case = {
        "number": "1000000009",
        "title": "Paper jam",
        "status": "waiting_customer",
        "turn_since": "2026-11-22T09:00:00Z",
    }
    portal["cases"].answers("GET /cases", says(listing(case)))
    _, text, _ = await see(portal, f"/cases/new?serial=CN1&submitter_id={LUC}")
    open_cases = text[text.index("Already open for this device") :]
    assert re.findall(r'<span class="chip[^"]*">([^<]+)</span>', open_cases) == [waits]


@pytest.mark.parametrize("role", VENDORS)
async def test_everything_about_the_equipment_is_asked_for_the_persons_company(portal: Gateway, role: str) -> None:
    be(portal, role)
    await see(portal, f"/cases/new?serial=CN1&submitter_id={LUC}")
    for service, name in (
        ("identity", "GET /sites"),
        ("identity", "GET /pins"),
        ("contracts", "GET /coverage"),
        ("cases", "GET /cases"),
    ):
        (query,) = asked(portal, service, name)
        assert query["company_id"] == ACME, name
    await see(portal, f"/cases/new?q=LaserPress&submitter_id={LUC}")
    assert {query["company_id"] for query in asked(portal, "contracts", "GET /coverage")} == {ACME}


async def test_whom_it_is_for_is_kept_on_every_way_to_the_form(portal: Gateway) -> None:
    be(portal, "agent")
    look_alike = CoverageAnswer(verdict=Verdict.UNVERIFIED, did_you_mean=["CN0"])
    portal["contracts"].answers("GET /coverage", says(look_alike.model_dump(mode="json")))
    product = {"name": "LaserPress", "product_number": "LP 1", "line": "Printers", "has_serials": False}
    portal["contracts"].answers("GET /products", says(listing(product)))
    _, text, _ = await see(portal, f"/cases/new?q=CNO&submitter_id={LUC}")
    ways = [URL(link) for link in re.findall(r'href="(/cases/new\?[^"]+)"', text)]
    assert {tuple(sorted(way.query)) for way in ways} == {
        ("serial", "submitter_id"),
        ("product_number", "submitter_id"),
        ("said", "submitter_id"),
    }
    assert {way.query["submitter_id"] for way in ways} == {LUC}
    assert value_of(text, "submitter_id") == LUC
    known = {"serial": "CN0", "product_number": "LP 1", "product_name": "LaserPress", "site_id": None}
    portal["contracts"].answers("GET /coverage", says({"verdict": "covered", "device": known}))
    _, _, location = await see(portal, f"/cases/new?q=cn0&submitter_id={LUC}")
    assert dict(URL(location).query) == {"serial": "CN0", "submitter_id": LUC}


@pytest.mark.parametrize(
    ("role", "for_self", "for_luc"),
    [
        ("case_manager", True, False),
        ("company_admin", True, True),
        ("agent", False, False),
        ("vendor_admin", False, False),
    ],
)
async def test_confidential_is_offered_only_where_it_is_not_refused(
    portal: Gateway, role: str, *, for_self: bool, for_luc: bool
) -> None:
    be(portal, role)
    _, text, _ = await see(portal, f"/cases/new?serial=CN1&submitter_id={LUC}")
    assert ('name="confidential"' in text) is for_luc
    assert (", confidential</span>" in text) is for_luc
    if role not in VENDORS:
        _, text, _ = await see(portal, "/cases/new?serial=CN1")
        assert ('name="confidential"' in text) is for_self


async def test_for_a_colleague_only_the_sites_are_offered_that_one_is_limited_to(portal: Gateway) -> None:
    be(portal, "case_manager", site_ids=[HERE])
    _, text, _ = await see(portal, f"/cases/new?serial=CN1&submitter_id={LUC}")
    assert f'<option value="{HERE}"' in text
    assert f'<option value="{THERE}"' not in text
    # One's own case may be about any site.
    _, text, _ = await see(portal, "/cases/new?serial=CN1")
    assert f'<option value="{THERE}"' in text


@pytest.mark.parametrize(("role", "draft"), [("agent", f"serial:CN1@{ACME}"), ("company_admin", "serial:CN1")])
async def test_a_draft_of_the_vendors_side_belongs_to_one_company(portal: Gateway, role: str, draft: str) -> None:
    be(portal, role)
    _, text, _ = await see(portal, f"/cases/new?serial=CN1&submitter_id={LUC}")
    assert f'data-draft="{draft}"' in text


async def test_a_suspended_company_is_named_and_the_vendors_side_goes_on(portal: Gateway) -> None:
    be(portal, "agent")
    portal["identity"].answers(f"GET /submitters/{LUC}", says({**PERSON, "company_suspended": True}))
    _, text, _ = await see(portal, f"/cases/new?serial=CN1&submitter_id={LUC}")
    assert "Acme SA is suspended: its users cannot sign in and get no e-mails about the case." in text
    assert (await post(portal, ON_BEHALF))[0] == 303


# Sending


@pytest.mark.parametrize("role", [*OTHERS, *VENDORS])
async def test_cases_is_told_for_whom_it_is(portal: Gateway, role: str) -> None:
    be(portal, role)
    status, _, location = await post(portal, ON_BEHALF)
    assert (status, location) == (303, "/cases/1000000009/created")
    (sent,) = portal["cases"].asked("POST /cases")
    body = orjson.loads(sent.body)
    assert body["submitter_id"] == body["contact"]["user_id"] == LUC
    assert not {"submitter_name", "company_id"} & set(body)


async def test_ones_own_case_names_nobody(portal: Gateway) -> None:
    be(portal, "company_admin")
    assert (await post(portal, {**TYPED, "submitter_id": "", "submitter_name": "", "company_id": ""}))[0] == 303
    body = orjson.loads(portal["cases"].asked("POST /cases")[0].body)
    assert "submitter_id" not in body
    assert "user_id" not in body["contact"]


@pytest.mark.parametrize("role", [*OTHERS, *VENDORS])
async def test_somebody_deactivated_meanwhile_is_named_and_another_can_be_chosen_in_the_same_form(
    portal: Gateway, role: str
) -> None:
    be(portal, role)
    lea = {**PERSON, "id": THERE, "name": "Léa Roux", "email": "lea@work.example"}
    portal["identity"].answers(f"GET /submitters/{LUC}", refuses(404, "not_found"))
    portal["identity"].answers("GET /submitters", says(listing(lea)))
    portal["cases"].answers("POST /cases", refuses(422, "not_yet_known", "submitter_id"))
    status, text, _ = await post(portal, ON_BEHALF)
    assert status == 422
    assert "Luc Petit is not an active user of the company any more. Please choose somebody else;" in text
    assert 'href="#f-submitter_id"' in text
    assert f'<option value="{THERE}">Léa Roux · lea@work.example</option>' in text
    assert 'value="Paper jam in tray 3"' in text
    assert asked(portal, "identity", "GET /submitters")[0]["company_id"] == ACME
    portal["cases"].answers("POST /cases", says({"number": "1000000009"}, status=201))
    assert (await post(portal, {**ON_BEHALF, "submitter_id": THERE}))[0] == 303


async def test_somebody_who_joined_just_now_is_worth_another_try(portal: Gateway) -> None:
    be(portal, "agent")
    portal["cases"].answers("POST /cases", refuses(422, "not_yet_known", "submitter_id"))
    _, text, _ = await post(portal, ON_BEHALF)
    assert "Luc Petit has joined only just now. Please send the form again in a moment." in text
    assert f'<option value="{LUC}" selected>Luc Petit · luc@work.example</option>' in text


@pytest.mark.parametrize("role", [*OTHERS, *VENDORS])
@pytest.mark.parametrize("nobody", [LUC, "nonsense"])
async def test_an_address_with_somebody_who_is_gone_leads_to_the_choice(
    portal: Gateway, role: str, nobody: str
) -> None:
    be(portal, role)
    portal["identity"].answers(f"GET /submitters/{LUC}", refuses(404, "not_found"))
    status, _, location = await see(portal, f"/cases/new?serial=CN1&company_id={ACME}&submitter_id={nobody}")
    assert (status, URL(location).path) == (303, "/cases/new/for")
    assert dict(URL(location).query) == {"company_id": ACME, "serial": "CN1", "gone": "1"}
    _, text, _ = await see(portal, location)
    assert "The person is not an active user of the company any more, or was never one." in text


async def test_a_refused_form_is_still_for_the_same_person_while_identity_is_away(portal: Gateway) -> None:
    be(portal, "agent")
    await see(portal, "/help")
    for name in (f"GET /submitters/{LUC}", "GET /submitters", "GET /sites", "GET /pins"):
        portal["identity"].answers(name, hangs_up)
    portal["cases"].answers("POST /cases", refuses(422, "invalid", "description"))
    status, text, _ = await post(portal, ON_BEHALF)
    assert status == 422
    assert "<b>For Luc Petit</b>" in text
    assert value_of(text, "submitter_id") == LUC


async def test_the_form_of_somebody_else_in_the_browser_is_for_nobody_but_them(portal: Gateway) -> None:
    be(portal, "company_admin")
    status, text, _ = await post(portal, {**ON_BEHALF, "csrf_token": "old", "filled_in_by": "another-user"})
    assert status == 403
    assert LUC not in text
    assert value_of(text, "submitter_id") == ""
    assert 'value="Paper jam in tray 3"' in text


async def test_a_form_that_could_not_be_sent_says_for_whom_it_is(portal: Gateway) -> None:
    headers = {"Cookie": ""}
    answer = await portal.portal.post("/cases", data=ON_BEHALF, headers=headers, allow_redirects=False)
    assert answer.status in {200, 401}
    carried = html.unescape(await answer.text())
    assert f'name="kept.submitter_id" value="{LUC}"' in carried


async def test_the_same_key_with_another_body_shows_the_cases_of_that_company(portal: Gateway) -> None:
    be(portal, "agent")
    case = {
        "number": "1000000009",
        "title": "Paper jam",
        "created_at": "2026-11-22T09:00:00Z",
        "status": "new",
        "turn_since": None,
    }
    portal["cases"].answers("GET /cases", says(listing(case)))
    portal["cases"].answers("POST /cases", refuses(422, "idempotency_key_reused"))
    _, text, _ = await post(portal, ON_BEHALF)
    assert '<a href="/cases/1000000009">Paper jam</a>' in text
    wanted = [query for query in asked(portal, "cases", "GET /cases") if "sort" in query]
    assert wanted == [
        {"view": "recent", "sort": "-created_at", "limit": "3", "total": "false", "company_id": ACME}
        | {"serial": "CNB7K2041X"}
    ]


async def test_the_choice_speaks_french(portal: Gateway) -> None:
    be(portal, "agent", language="fr")
    _, text, _ = await see(portal, "/cases/new/for")
    assert "Pour quelle société est le dossier\u00a0?" in text
    _, text, _ = await see(portal, f"/cases/new?serial=CN1&submitter_id={LUC}")
    assert "Pour Luc Petit" in text


# The shell


@pytest.mark.parametrize(("role", "is_offered"), [("company_admin", True), ("vendor_admin", False)])
async def test_an_invitation_is_offered_only_to_whoever_may_invite(
    portal: Gateway, role: str, *, is_offered: bool
) -> None:
    be(portal, role)
    for name in ("GET /users", "GET /invitations"):
        portal["identity"].answers(name, says(NOTHING))
    status, text, _ = await see(portal, "/users")
    assert status == 200
    assert ('name="emails"' in text) is is_offered
    # A customer's people are limited to sites; the vendor's see all companies.
    assert (">Sites</th>" in text, ">Companies</th>" in text) == (is_offered, not is_offered)


@pytest.mark.parametrize("path", [f"/cases/new?serial=CN1&submitter_id={LUC}", "/cases/new/for"])
async def test_a_member_who_opens_such_an_address_is_told_who_may(portal: Gateway, path: str) -> None:
    be(portal, "member")
    for name in (f"GET /submitters/{LUC}", "GET /submitters"):
        portal["identity"].answers(name, refuses(403, "forbidden", reason="for_colleague"))
    status, text, _ = await see(portal, path)
    assert status == 403
    assert "Only case managers and administrators can create cases for colleagues." in text


async def test_whoever_lost_the_right_meanwhile_keeps_what_was_typed_and_can_send_it_for_themselves(
    portal: Gateway,
) -> None:
    be(portal, "member")
    portal["identity"].answers(f"GET /submitters/{LUC}", refuses(403, "forbidden", reason="for_colleague"))
    portal["cases"].answers("POST /cases", refuses(403, "forbidden", reason="for_colleague"))
    status, text, _ = await post(portal, ON_BEHALF)
    assert status == 403
    assert "Only case managers and administrators can create cases for colleagues." in text
    assert 'value="Paper jam in tray 3"' in text
    assert 'name="title"' in text
    assert value_of(text, "submitter_id") == ""


@pytest.mark.parametrize("nobody", ["x" * 100_000, "../users", "%00", "a b", "é\u202e"])
async def test_nonsense_in_place_of_a_person_is_nobody(portal: Gateway, nobody: str) -> None:
    be(portal, "company_admin")
    portal["cases"].answers("POST /cases", refuses(422, "uuid_parsing", "submitter_id"))
    status, text, _ = await post(portal, {**ON_BEHALF, "submitter_id": nobody, "submitter_name": "Luc Petit"})
    assert status == 422
    assert "Luc Petit is not an active user of the company any more." in text
    assert f'<option value="{LUC}">Luc Petit · luc@work.example</option>' in text


@pytest.mark.parametrize(
    ("role", "said"),
    [("company_admin", "None of your devices"), ("agent", "None of the company’s devices")],
)
async def test_that_no_device_matches_is_said_in_the_words_of_the_side_that_reads_it(
    portal: Gateway, role: str, said: str
) -> None:
    portal["contracts"].answers("GET /coverage", says({"items": [], "verdict": "unverified"}))
    for way in ("GET /products", "GET /devices"):
        portal["contracts"].answers(way, says({"items": [], "next_cursor": None, "total": 0}))
    be(portal, role)
    _, text, _ = await see(portal, f"/cases/new?q=printer&submitter_id={LUC}")
    assert said in text
