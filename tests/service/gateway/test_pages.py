"""What pages say, above all where something is missing, away or too much."""

import re
import tomllib
from pathlib import Path

import pytest
from aiohttp import web

from services.gateway.pages import static
from shared.coverage import Verdict
from shared.schemas.contracts import CoverageAnswer
from tests.service.gateway.stand_ins import (
    TOKEN,
    Gateway,
    Json,
    Script,
    a_session,
    hangs_up,
    problem_response,
    refuses,
    says,
)

NO_COUNTS: Json = {"status": [], "severity": [], "site": []}
A_CASE: Json = {
    "number": "1000000009",
    "title": "Paper jam in tray 3",
    "description": "The printer jams on every second page.",
    "troubleshooting": "",
    "status": "in_progress",
    "severity": 2,
    "turn": "vendor",
    "turn_since": "2026-11-22T09:00:00Z",
    "version": 1,
    "confidential": False,
    "coverage": {"verdict": "not_covered", "until": None, "level": None},
    "product_name": "LaserPress 600",
    "product_number": "LP600",
    "product_line": "Printers",
    "serial": "CNB7K2041X",
    "serial_label": "CNB7K-2041X",
    "said": None,
    "created_at": "2026-11-22T09:00:00Z",
    "updated_at": "2026-11-22T09:00:00Z",
    "closed_at": None,
    "resolution": None,
    "reopen_until": None,
    "company_id": "2",
    "company_name": "Acme SA",
    "submitter": {"user_id": "1", "name": "Ana Duarte"},
    "assignee": None,
    "own_reference": "",
    "problem_type": "",
    "error_code": "",
    "operating_system": "",
    "contact": {
        "first_name": "Luc",
        "last_name": "Petit",
        "email": "luc@example.com",
        "phone": "+33472000000",
        "user_id": None,
    },
    "secondary_contact": None,
    "preferred_channel": "phone",
    "preferred_hours": "",
    "site_name": "Lyon",
    "equipment_address": {
        "company_name": "Acme SA",
        "address_line_1": "1 rue de la Gare",
        "address_line_2": "",
        "postal_code": "69000",
        "city": "Lyon",
        "region": "",
        "country": "FR",
    },
    "parts_address": None,
    "allowed_actions": [],
    "history": [],
}


def a_list(*items: Json, total: int = 0, more: bool = False) -> Json:
    cursor = "behind" if more else None
    return {
        "items": list(items),
        "next_cursor": cursor,
        "total": total or len(items),
        "total_is_lower_bound": total >= 1_000,
    }


async def _page(gateway: Gateway, path: str, *, status: int = 200) -> str:
    answer = await gateway.portal.get(path, headers=gateway.signed_in())
    assert answer.status == status
    return await answer.text()


@pytest.mark.parametrize("others", [(), ({"id": "site-2", "name": "Nantes", "city": "Nantes"},)])
async def test_a_main_site_that_was_closed_stays_until_another_one_is_chosen(
    gateway: Gateway, others: tuple[Json, ...]
) -> None:
    gateway["identity"].answers("GET /profile", says({"site_id": "site-1", "version": 1}))
    gateway["identity"].answers("GET /sites", says(a_list(*others)))
    gateway["identity"].answers("GET /pins", says(a_list()))
    gateway["notifications"].answers(
        "GET /notification-preferences", says({"case_emails": True, "kinds": {}, "labels": {}})
    )
    page = await _page(gateway, "/profile")
    assert '<option value="site-1" selected>' in page
    assert "Your main site can no longer be chosen" in page


@pytest.mark.parametrize("bouncing", [True, False])
async def test_a_profile_says_when_e_mails_to_its_address_come_back(gateway: Gateway, *, bouncing: bool) -> None:
    gateway["identity"].answers("GET /profile", says({"version": 1, "email": "desk@example.com"}))
    for path in ("/sites", "/pins"):
        gateway["identity"].answers(f"GET {path}", says(a_list()))
    found = [{"email": "desk@example.com", "smtp_reply": "550 5.1.1 No such user."}] if bouncing else []
    gateway["notifications"].answers("GET /bouncing-addresses", says({"items": found}))
    gateway["notifications"].answers("GET /notification-preferences", says({}))
    page = await _page(gateway, "/profile")
    sentence = (
        "E-mails to desk@example.com come back: 550 5.1.1 No such user. Enter another contact e-mail, "
        "or ask your vendor to unblock this address once its mailbox is there."
    )
    assert (f'<p class="notice warn">{sentence}</p>' in page) == bouncing
    (asked,) = gateway["notifications"].asked("GET /bouncing-addresses")
    assert asked.path.endswith("?email=ana@example.com&email=desk@example.com")


async def test_a_profile_shows_no_notices_of_an_older_version_that_does_not_label_them(gateway: Gateway) -> None:
    gateway["identity"].answers("GET /profile", says({"version": 1}))
    gateway["identity"].answers("GET /sites", says(a_list()))
    gateway["identity"].answers("GET /pins", says(a_list()))
    older = {"case_emails": True, "kinds": {"case_created": True, "case_closed": True}}
    gateway["notifications"].answers("GET /notification-preferences", says(older))
    page = await _page(gateway, "/profile")
    assert "Your e-mail notices cannot be shown just now." in page
    # Sent without its kinds, the form would switch them all off.
    assert 'action="/profile/notices"' not in page


@pytest.mark.parametrize(
    ("script", "said", "unsaid"),
    [
        (hangs_up, "cannot be checked just now", "None of your devices"),
        (hangs_up, "“CNB7K2041X” cannot be checked", "We did not find"),
        (says({"items": [], "verdict": "unverified"}), "None of your devices", "cannot be checked just now"),
    ],
)
async def test_what_cannot_be_looked_up_is_not_called_unknown(
    gateway: Gateway, script: object, said: str, unsaid: str
) -> None:
    for path in ("/coverage", "/products"):
        gateway["contracts"].answers(f"GET {path}", script)  # type: ignore[arg-type]  # pytest gives parameters as objects
    page = await _page(gateway, "/cases/new?q=CNB7K2041X")
    assert said in page
    assert unsaid not in page
    assert 'href="/cases/new?serial=CNB7K2041X"' in page


@pytest.mark.parametrize(("total", "said"), [(12, "12 cases"), (1_000, "1,000+ cases")])
async def test_the_form_shows_some_open_cases_of_the_device_and_leads_to_all(
    gateway: Gateway, total: int, said: str
) -> None:
    for path in ("/profile", "/pins", "/sites"):
        gateway["identity"].answers(f"GET {path}", says(a_list()))
    coverage = CoverageAnswer(verdict=Verdict.UNVERIFIED)
    gateway["contracts"].answers("GET /coverage", says(coverage.model_dump(mode="json")))
    gateway["cases"].answers("GET /cases", says(a_list(*[A_CASE] * 5, total=total, more=True)))
    page = await _page(gateway, "/cases/new?serial=CN%2B1")
    assert f'<a href="/cases?serial=CN%2B1&amp;status=open">{said}</a>' in page


async def test_numbers_of_cases_are_written_as_the_reader_does(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /cases", says(a_list(A_CASE, total=999)), says(a_list(A_CASE, total=1_000)))
    gateway["cases"].answers("GET /cases/facets", says(NO_COUNTS))
    for number in ("999", "1,000+"):
        assert f'<span class="number">{number}</span>' in await _page(gateway, "/cases")


@pytest.mark.parametrize(("status", "code"), [(422, "invalid"), (403, "forbidden"), (503, "unavailable")])
async def test_a_refused_export_is_a_page_with_the_same_status(gateway: Gateway, status: int, code: str) -> None:
    gateway["cases"].answers("GET /cases.xlsx", refuses(status, code, "status"))
    answer = await gateway.portal.get("/cases.xlsx?status=nonsense", headers=gateway.signed_in())
    assert (answer.status, answer.content_type) == (status, "text/html")
    assert "Content-Disposition" not in answer.headers


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (429, "export_is_running", "An export of yours is still being made."),
        (503, "too_many_exports", "Many exports are being made at this moment."),
    ],
)
async def test_an_export_that_has_to_wait_is_a_page_with_the_way_back_to_the_list(
    gateway: Gateway, status: int, code: str, sentence: str
) -> None:
    async def waits(_request: web.Request) -> web.Response:
        refused = problem_response(status, code, detail=sentence)
        refused.headers["Retry-After"] = "10"
        return refused

    gateway["cases"].answers("GET /cases.xlsx", waits)
    answer = await gateway.portal.get("/cases.xlsx?status=new&q=a+b", headers=gateway.signed_in())
    page = await answer.text()
    assert (answer.status, answer.headers["Retry-After"]) == (status, "10")
    assert sentence in page
    assert 'href="/cases?status=new&amp;q=a+b"' in page
    assert 'href="/cases.xlsx?status=new&amp;q=a+b"' in page


async def test_an_export_after_the_session_has_ended_leads_to_signing_in(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /session/resolve", refuses(401, "not_signed_in"))
    answer = await gateway.portal.get("/cases.xlsx", headers=gateway.signed_in(), allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/sign-in?next=%2Fcases")


async def test_personal_answers_are_not_cached_and_static_files_may_be(gateway: Gateway) -> None:
    gateway["cases"].answers("GET /cases.xlsx", says({}))
    for path in ("/", "/cases.xlsx", "/nowhere", "/find?q=1"):
        answer = await gateway.portal.get(path, headers=gateway.signed_in(), allow_redirects=False)
        assert answer.headers["Cache-Control"] == "no-store", path
    icon = await gateway.portal.get("/favicon.ico", allow_redirects=False)
    assert "Cache-Control" not in icon.headers
    picture = await gateway.portal.get(icon.headers["Location"])
    assert "immutable" in picture.headers["Cache-Control"]


@pytest.mark.parametrize("cookie", [{}, {"Cookie": f"portico-8080={TOKEN}"}])
async def test_the_help_is_for_anybody_and_says_whom_to_ask_for_the_role_of_administrator(
    gateway: Gateway, cookie: dict[str, str]
) -> None:
    answer = await gateway.portal.get("/help", headers=cookie)
    page = await answer.text()
    assert answer.status == 200
    assert "For the role of company administrator, ask an administrator of your company as well" in page
    assert "call your account manager at the vendor" in page


async def test_every_page_leads_to_the_help(gateway: Gateway) -> None:
    assert '<a href="/help">Help</a>' in await _page(gateway, "/nowhere", status=404)
    assert '<a href="/help">Help</a>' in await (await gateway.portal.get("/sign-in")).text()


@pytest.mark.parametrize(("role", "is_named"), [("company_admin", False), ("agent", True), ("vendor_admin", True)])
async def test_the_version_is_named_to_the_vendors_people(gateway: Gateway, role: str, *, is_named: bool) -> None:
    session = a_session()
    session["user"]["role"] = role
    gateway["identity"].answers("POST /session/resolve", says(session))
    version = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]["version"]
    assert (f"Version {version}" in await _page(gateway, "/nowhere", status=404)) is is_named
    assert f"Version {version}" not in await (await gateway.portal.get("/help")).text()


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        (says({"email": "luc@example.com"}), ["Luc Petit"]),
        (refuses(503, "unavailable"), ["Luc Petit", "Luc Petit (luc@example.com)"]),  # better than nothing
    ],
)
async def test_a_confirmation_knows_the_visitor_by_the_address_of_their_profile(
    gateway: Gateway, profile: Script, told: list[str]
) -> None:
    session = a_session()
    gateway["identity"].answers("POST /session/resolve", says(session))
    gateway["identity"].answers("GET /profile", profile)
    contact = A_CASE["contact"] | {"user_id": None}
    submitter = {"user_id": session["user"]["id"], "name": "Luc Petit"}
    case = A_CASE | {"submitter": submitter, "contact": contact, "attachments": []}
    gateway["cases"].answers("GET /cases/1000000009", says(case))
    page = await _page(gateway, "/cases/1000000009/created")
    assert re.findall(r"<li><b>(Luc Petit[^<]*)</b></li>", page) == told


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "When it is your turn, the case says “Waiting for you”."),
        ("Luc Petit", "When an answer is needed from Luc Petit, the case says so."),
    ],
)
async def test_a_confirmation_says_who_is_waited_for(gateway: Gateway, name: str, told: str) -> None:
    session = a_session()
    gateway["identity"].answers("POST /session/resolve", says(session))
    gateway["identity"].answers("GET /profile", refuses(503, "unavailable"))
    submitter = {"name": name, "user_id": None} if name else {"name": "Ana Duarte", "user_id": session["user"]["id"]}
    case = A_CASE | {"submitter": submitter, "contact": A_CASE["contact"] | {"user_id": None}, "attachments": []}
    gateway["cases"].answers("GET /cases/1000000009", says(case))
    page = await _page(gateway, "/cases/1000000009/created")
    assert re.findall(r"<div>(When[^<]+)</div>", page) == [told]


@pytest.mark.parametrize(
    ("language", "shown"), [("en", "+33 4 72 00 00 00 ext. 12"), ("fr", "+33 4 72 00 00 00 poste 12")]
)
async def test_a_phone_number_is_shown_with_its_extension(gateway: Gateway, language: str, shown: str) -> None:
    session = a_session()
    session["user"]["language"] = language
    gateway["identity"].answers("POST /session/resolve", says(session))
    contact = A_CASE["contact"] | {"user_id": None, "phone": "+33472000000;ext=12"}
    gateway["cases"].answers("GET /cases/1000000009", says(A_CASE | {"contact": contact, "attachments": []}))
    gateway["identity"].answers("GET /profile", says({"phone": "+33472000000;ext=12", "version": 1}))
    assert f">{shown}</a>" in await _page(gateway, "/cases/1000000009/created")
    for path in ("/sites", "/pins"):
        gateway["identity"].answers(f"GET {path}", says(a_list()))
    gateway["notifications"].answers("GET /notification-preferences", refuses(503, "unavailable"))
    assert f'value="{shown}"' in await _page(gateway, "/profile")


async def test_a_page_is_shown_to_whoever_has_a_time_zone_that_this_machine_does_not_know(gateway: Gateway) -> None:
    session = a_session()
    session["user"]["time_zone"] = "Mars/Olympus_Mons"
    gateway["identity"].answers("POST /session/resolve", says(session))
    gateway["cases"].answers("GET /cases/1000000009", says(A_CASE))
    assert "22 Nov 2026, 09:00" in await _page(gateway, "/cases/1000000009")


async def test_a_page_carries_the_icons_that_it_shows_and_no_others(gateway: Gateway) -> None:
    for path in ("/help", "/components"):
        page = await _page(gateway, path)
        carried = set(re.findall(r'<symbol id="(i-\w+)"', page))
        assert carried
        assert carried == set(re.findall(r'<use href="#(i-\w+)"', page)), path


_STATIC = Path(static.__file__).parents[1] / "static"


@pytest.mark.parametrize("name", sorted(path.name for path in _STATIC.iterdir()))
async def test_styles_and_scripts_come_without_what_only_people_read(gateway: Gateway, name: str) -> None:
    served = await (await gateway.portal.get(f"/static/{name}")).text()
    written = (_STATIC / name).read_text()

    def without_blanks(text: str) -> str:
        return re.sub(r"\s", "", text)

    read_by_people = re.compile(r"^[ \t]*(//.*|/\*.*\*/)$", re.MULTILINE)
    assert read_by_people.search(written)
    assert without_blanks(served) == without_blanks(read_by_people.sub("", written))
    assert not re.search(r"^[ \t]+|^//|^/\*", served, re.MULTILINE)
    if name.endswith(".css"):
        assert not re.search(r"[{};,]\s+\S", served)
    # What stands in quotes is meant as it is.
    quoted = r'"[^"]*"'
    assert set(re.findall(quoted, served)) <= set(re.findall(quoted, written))
