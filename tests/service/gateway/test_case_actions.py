"""What is done with a case: each action's page, what it sends, and what comes back where it was refused."""

import re
from typing import Any

import orjson
import pytest

from tests.service.gateway.stand_ins import CSRF, Gateway, Json, a_session, refuses, says
from tests.service.gateway.test_case_page import ANA, ARNO, CASE, MIRA, an_entry, words
from tests.service.gateway.test_pages import A_CASE, a_list

SITE = {"id": "0198c0de-0000-7000-8000-0000000000aa", "name": "Lyon", "city": "Lyon"}
LUC = {
    "id": "0198c0de-0000-7000-8000-0000000000bb",
    "name": "Luc Petit",
    "first_name": "Luc",
    "last_name": "Petit",
    "email": "luc@example.com",
    "phone": "+33472000009",
}
A_CALLBACK = {
    "at": None,
    "from": "2026-12-02T09:00:00Z",
    "to": "2026-12-02T11:00:00Z",
    "phone": "+33472000000",
    "requested_by": ANA,
    "requested_at": "2026-12-01T09:00:00Z",
    "confirmed_at": None,
}
EVERYTHING = [
    "comment",
    "change_contact",
    "change_secondary_contact",
    "change_site",
    "change_parts_address",
    "change_severity",
    "request_callback",
    "change_callback",
    "cancel_callback",
    "request_escalation",
    "mark_confidential",
    "close",
    "cancel",
    "reopen",
    "follow_up",
]
OF_AGENTS = ["take", "assign", "set_status", "confirm_callback", "finish_callback", "accept_escalation"]


def with_case(
    gateway: Gateway, *, as_agent: bool = False, zone: str = "Europe/Paris", language: str = "en", **fields: Any
) -> None:
    """A case of which everything is allowed, for an administrator in Paris, or for Arno Keller of the vendor."""
    session = a_session()
    session["user"] |= {"role": "company_admin", "time_zone": zone, "id": LUC["id"], "language": language}
    if as_agent:
        session["user"] |= {"role": "agent", "id": ARNO["user_id"], "name": ARNO["name"]}
    gateway["identity"].answers("POST /session/resolve", says(session))
    gateway["identity"].answers("GET /sites", says(a_list(SITE)))
    gateway["identity"].answers("GET /submitters", says(a_list(LUC)))
    gateway["cases"].answers("GET /agent/agents", says(a_list(ARNO, MIRA)))
    case = A_CASE | {"company_id": "c1", "allowed_actions": EVERYTHING, "allowed_agent_actions": OF_AGENTS} | fields
    gateway["cases"].answers(f"GET {CASE}", says(case))


async def form_of(gateway: Gateway, action: str, *, query: str = "", status: int = 200) -> str:
    answer = await gateway.portal.get(f"{CASE}/do/{action}{query}", headers=gateway.signed_in())
    page = await answer.text()
    assert answer.status == status, words(page)
    return page


async def post(gateway: Gateway, action: str, **typed: str) -> tuple[int, str]:
    form = {"csrf_token": CSRF, "action": action, "version": "1", "idempotency_key": "the-key-of-this-form"} | typed
    path = f"{CASE}/do/{action}"
    answer = await gateway.portal.post(path, data=form, headers=gateway.signed_in(), allow_redirects=False)
    return answer.status, answer.headers.get("Location", "") or await answer.text()


async def sent(gateway: Gateway, action: str, *, side: str = "", **typed: str) -> Json:
    """The JSON that the form becomes."""
    route = f"POST {side}{CASE}/actions"
    gateway["cases"].answers(route, says(A_CASE | {"version": 2}))
    status, place = await post(gateway, action, **typed)
    assert (status, place) == (303, f"{CASE}?done={action}")
    (asked,) = gateway["cases"].asked(route)
    body: Json = orjson.loads(asked.body)
    assert (body.pop("action"), body.pop("version")) == (action, 1)
    return body


def values(page: str) -> dict[str, str]:
    """What stands in the fields of the form, and is chosen."""
    form = page.partition('<form method="post" action="' + CASE)[2].partition("</form>")[0]
    found = dict(
        re.findall(r'<input type="(?:text|email|tel|date|time)" id="[^"]*" name="([^"]+)"[^>]* value="([^"]*)"', form)
    )
    for name, options in re.findall(r'<select id="[^"]*" name="([^"]+)".*?>(.*?)</select>', form, re.DOTALL):
        found[name] = next(iter(re.findall(r'<option value="([^"]*)" selected', options)), "")
    return found | dict(re.findall(r'<input type="radio" name="(\w+)" value="(\w+)" checked', form))


# The menu


@pytest.mark.parametrize(
    ("is_there", "label", "other"),
    [
        (False, "Add another contact", "Change the other contact"),
        (True, "Change the other contact", "Add another contact"),
    ],
)
async def test_another_contact_is_added_where_there_is_none_and_else_changed(
    gateway: Gateway, label: str, other: str, *, is_there: bool
) -> None:
    with_case(gateway, secondary_contact=A_CASE["contact"] if is_there else None)
    answer = await gateway.portal.get(CASE, headers=gateway.signed_in())
    page, form = await answer.text(), await form_of(gateway, "change_secondary_contact")
    assert label in page.partition("Update this case")[2].partition("</details>")[0]
    assert f"<h1>{label}</h1>" in form
    assert f'<button class="button primary">{label}</button>' in form
    assert other not in page + form


@pytest.mark.parametrize("as_agent", [False, True])
async def test_the_menu_leads_to_the_page_of_each_allowed_action(gateway: Gateway, *, as_agent: bool) -> None:
    with_case(gateway, as_agent=as_agent)
    answer = await gateway.portal.get(CASE, headers=gateway.signed_in())
    menu = (await answer.text()).partition("Update this case")[2].partition("</details>")[0]
    found = re.findall(rf'href="{CASE}/do/(\w+)\?version=1" data-act', menu)
    assert sorted(found) == sorted([*EVERYTHING[1:], *(OF_AGENTS if as_agent else [])])
    assert found[0] == ("take" if as_agent else "request_callback")
    assert found[-1] == "cancel"
    for action in found:
        assert f'action="{CASE}/do/{action}"' in await form_of(gateway, action)


@pytest.mark.parametrize("action", ["fly", "comment", "submit"])
async def test_what_has_no_form_is_not_found(gateway: Gateway, action: str) -> None:
    with_case(gateway)
    await form_of(gateway, action, status=404)


async def test_an_action_that_is_not_allowed_now_has_no_form(gateway: Gateway) -> None:
    with_case(gateway, allowed_actions=["comment"])
    page = await form_of(gateway, "close", status=409)
    assert "This cannot be done with the case as it is now." in words(page)
    assert f'action="{CASE}/do/close"' not in page


@pytest.mark.parametrize(("action", "said"), [("cancel", "Keep the case as it is"), ("close", "Cancel")])
async def test_no_way_out_of_a_form_reads_like_the_action_itself(gateway: Gateway, action: str, said: str) -> None:
    with_case(gateway)
    assert re.findall(r"data-dismiss>\s*([^<]+)</a>", await form_of(gateway, action)) == [said]


# What stands in the forms


async def test_forms_are_filled_in_with_what_the_case_says_now(gateway: Gateway) -> None:
    with_case(gateway, site_id=SITE["id"])
    assert values(await form_of(gateway, "change_contact")) == {
        "who": "typed",
        "colleague_id": "",
        "contact.first_name": "Luc",
        "contact.last_name": "Petit",
        "contact.email": "luc@example.com",
        "contact.phone": "+33 4 72 00 00 00",
    }
    place = values(await form_of(gateway, "change_site"))
    assert (place["where"], place["site_id"]) == ("site", SITE["id"])
    assert place["equipment_address.city"] == "Lyon"
    parts = values(await form_of(gateway, "change_parts_address"))
    assert (parts["parts"], parts["parts_address.country"]) == ("same", "FR")
    assert values(await form_of(gateway, "change_severity")) == {"severity": "2"}
    follow_up = await form_of(gateway, "follow_up")
    assert 'name="title"' in follow_up
    assert values(follow_up)["severity"] == "2"
    # NOW is 12:00 in UTC; the reader is in Paris.
    assert values(await form_of(gateway, "request_callback")) == {
        "when": "now",
        "date": "2026-12-01",
        "from": "",
        "to": "",
        "phone": "+33 4 72 00 00 00",
    }
    with_case(gateway, callback=A_CALLBACK)
    change = await form_of(gateway, "change_callback")
    assert values(change) == {
        "when": "window",
        "date": "2026-12-02",
        "from": "10:00",
        "to": "12:00",
        "phone": "+33 4 72 00 00 00",
    }
    assert "Times are those of Paris (Europe), the time zone of your profile." in words(change)


async def test_agents_choose_from_other_agents_and_other_states(gateway: Gateway) -> None:
    with_case(gateway, as_agent=True, assignee=ARNO, callback=A_CALLBACK)
    assign = await form_of(gateway, "assign")
    assert re.findall(r'<option value="([^"]+)">', assign) == [MIRA["user_id"]]
    states = await form_of(gateway, "set_status")
    assert re.findall(r'<option value="([^"]+)">([^<]+)<', states) == [
        ("waiting_customer", "Waiting for the customer"),
        ("waiting_parts", "Waiting for parts"),
    ]
    assert values(await form_of(gateway, "confirm_callback"))["when"] == "asked"


async def test_a_new_case_can_only_be_begun(gateway: Gateway) -> None:
    with_case(gateway, as_agent=True, status="new")
    assert re.findall(r'<option value="([^"]+)">', await form_of(gateway, "set_status")) == ["in_progress"]


async def test_who_will_see_a_confidential_case_is_said_before(gateway: Gateway) -> None:
    with_case(gateway)
    said = words(await form_of(gateway, "mark_confidential"))
    assert "only the people on the case, the company’s administrators and support see it" in said


async def test_without_the_list_of_colleagues_a_member_picks_themselves_or_types(gateway: Gateway) -> None:
    with_case(gateway)
    session = a_session()
    session["user"] |= {"role": "member", "id": LUC["id"], "name": LUC["name"]}
    gateway["identity"].answers("POST /session/resolve", says(session))
    page = await form_of(gateway, "change_contact")
    assert (
        re.findall(r'<option value="([^"]+)">([^<]+)</option>', page) == [(LUC["id"], "Me: Luc Petit")] or "Me:" in page
    )
    assert gateway["identity"].asked("GET /submitters") == []


# What is sent


async def test_a_contact_is_typed_or_picked_or_nobody(gateway: Gateway) -> None:
    with_case(gateway, secondary_contact=A_CASE["contact"])
    gateway["identity"].answers(f"GET /submitters/{MIRA['user_id']}", says({**LUC, "id": "u9"}))
    typed = {
        "contact.first_name": "Eva",
        "contact.last_name": "Roy",
        "contact.email": "eva@example.com",
        "contact.phone": "+33 1",
    }
    eva = {"first_name": "Eva", "last_name": "Roy", "email": "eva@example.com", "phone": "+33 1"}
    assert await sent(gateway, "change_contact", who="typed", **typed) == {"contact": eva}
    gateway["cases"].seen.clear()
    picked = await sent(gateway, "change_contact", who="colleague", colleague_id=MIRA["user_id"], **typed)
    assert picked == {
        "contact": {name: LUC[name] for name in ("first_name", "last_name", "email", "phone")} | {"user_id": "u9"}
    }
    gateway["cases"].seen.clear()
    assert await sent(gateway, "change_secondary_contact", who="nobody", **typed) == {"contact": None}


@pytest.mark.parametrize(
    ("colleague", "said"),
    [("", "Choose a person."), ("gone", "This person is not an active user of the company any more.")],
)
async def test_a_colleague_who_is_gone_is_not_taken(gateway: Gateway, colleague: str, said: str) -> None:
    with_case(gateway)
    status, page = await post(gateway, "change_contact", who="colleague", colleague_id=colleague)
    assert status == 422
    assert said in words(page)
    assert gateway["cases"].asked(f"POST {CASE}/actions") == []


ADDRESS = {
    "company_name": "Acme SA",
    "address_line_1": "2 rue Neuve",
    "postal_code": "69001",
    "city": "Lyon",
    "country": "FR",
}


@pytest.mark.parametrize(
    ("action", "typed", "body"),
    [
        ("change_site", {"where": "site", "site_id": "s1"}, {"site_id": "s1"}),
        ("change_site", {"where": "site"}, {"site_id": ""}),
        ("change_site", {"where": "address", "site_id": "s1"}, {"equipment_address": ADDRESS}),
        ("change_site", {"where": "site", "site_id": "s1", "pin": ""}, {"site_id": "s1", "pin": ""}),
        ("change_parts_address", {"parts": "same"}, {"parts_address": None}),
        ("change_parts_address", {"parts": "other"}, {"parts_address": ADDRESS}),
        ("request_callback", {"when": "now", "phone": "+33 1", "date": "x"}, {"at": "now", "phone": "+33 1"}),
        (
            "change_callback",
            {"when": "window", "date": "2026-12-02", "from": "10:00", "to": "12:30", "phone": "+33 1"},
            {"at": {"from": "2026-12-02T09:00:00+00:00", "to": "2026-12-02T11:30:00+00:00"}, "phone": "+33 1"},
        ),
        ("cancel_callback", {}, {}),
        ("request_escalation", {"reason": "It is down."}, {"reason": "It is down."}),
        ("mark_confidential", {}, {}),
        ("change_severity", {"severity": "1"}, {"severity": 1}),
        ("close", {"reason": "It works.", "resolved": "yes"}, {"reason": "It works.", "resolved": True}),
        ("cancel", {"reason": "Bought another."}, {"reason": "Bought another."}),
        ("reopen", {"reason": "It jams."}, {"reason": "It jams."}),
    ],
)
async def test_the_form_becomes_the_json_of_the_route(gateway: Gateway, action: str, typed: Json, body: Json) -> None:
    with_case(gateway)
    address = {
        f"{group}.{name}": text for group in ("equipment_address", "parts_address") for name, text in ADDRESS.items()
    }
    typed = (address if action in {"change_site", "change_parts_address"} else {}) | typed
    assert await sent(gateway, action, **typed) == body


@pytest.mark.parametrize(
    ("action", "typed", "body"),
    [
        ("take", {}, {}),
        ("assign", {"agent_id": "a1"}, {"agent_id": "a1"}),
        ("set_status", {"status": "waiting_parts"}, {"status": "waiting_parts"}),
        ("accept_escalation", {"text": ""}, {}),
        ("decline_escalation", {"text": "Not yet."}, {"text": "Not yet."}),
        ("confirm_callback", {"when": "asked", "date": "2026-12-02"}, {}),
        (
            "confirm_callback",
            {"when": "window", "date": "2026-12-02", "from": "10:00", "to": "12:00"},
            {"at": {"from": "2026-12-02T09:00:00+00:00", "to": "2026-12-02T11:00:00+00:00"}},
        ),
        ("finish_callback", {"text": "Nobody answered."}, {"text": "Nobody answered."}),
    ],
)
async def test_what_agents_do_goes_to_their_route(gateway: Gateway, action: str, typed: Json, body: Json) -> None:
    with_case(gateway, as_agent=True)
    assert await sent(gateway, action, side="/agent", **typed) == body


async def test_a_follow_up_leads_to_the_new_case(gateway: Gateway) -> None:
    with_case(gateway)
    gateway["cases"].answers(f"POST {CASE}/actions", says(A_CASE | {"number": "1000000018"}, status=201))
    description = "It jams again, in tray 2 this time."
    assert await post(gateway, "follow_up", title="Jam", description=description) == (
        303,
        "/cases/1000000018?done=follow_up",
    )


async def test_a_form_of_the_page_of_before_is_taken_as_well(gateway: Gateway) -> None:
    with_case(gateway)
    gateway["cases"].answers(f"POST {CASE}/actions", says(A_CASE | {"version": 2}))
    form = {"csrf_token": CSRF, "action": "change_severity", "version": "1", "severity": "1"}
    answer = await gateway.portal.post(CASE, data=form, headers=gateway.signed_in(), allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, f"{CASE}?done=change_severity")


@pytest.mark.parametrize(("version", "done"), [(1, ""), (2, "?done=change_severity")])
async def test_what_the_case_had_already_is_not_called_changed(gateway: Gateway, version: int, done: str) -> None:
    with_case(gateway)
    gateway["cases"].answers(f"POST {CASE}/actions", says(A_CASE | {"version": version}))
    assert await post(gateway, "change_severity", severity="2") == (303, f"{CASE}{done}")


@pytest.mark.parametrize(
    ("place", "back"),
    [
        ("/queue?queue=open&case=1", f"/queue?queue=open&case={A_CASE['number']}"),
        ("https://evil.example/queue", ""),
        ("//evil.example", ""),
        ("javascript:alert(1)", ""),
        ("/sign-out", ""),
    ],
)
async def test_what_was_done_beside_a_queue_leads_back_to_it_and_nowhere_else(
    gateway: Gateway, place: str, back: str
) -> None:
    with_case(gateway, as_agent=True)
    gateway["cases"].answers(f"POST {CASE}/actions", refuses(409, "stale"), says(A_CASE | {"version": 2}))
    status, page = await post(gateway, "change_severity", severity="1", next=place)
    assert status == 409
    (way_out,) = re.findall(r'<a href="([^"]*)" data-dismiss', page)
    assert way_out.replace("&amp;", "&") == (back or CASE)
    done = f"{back}&done=change_severity" if back else f"{CASE}?done=change_severity"
    assert await post(gateway, "change_severity", severity="1", next=place) == (303, done)


# What is refused


WINDOW = {"when": "window", "date": "2026-12-02", "from": "10:00", "to": "12:00", "phone": "+33 4 72 00 00 00"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"date": ""}, "Day: Choose a day."),
        ({"date": "0001-01-01", "from": "00:00"}, "Day: Enter a date, such as 2026-11-22."),
        ({"date": "tomorrow"}, "Day: Enter a date, such as 2026-11-22."),
        ({"from": "soon"}, "From: Enter a time of day, such as 14:30."),
        ({"to": "25:00"}, "To: Enter a time of day, such as 14:30."),
        ({"from": " "}, "From: Enter when the time begins."),
        ({"to": ""}, "To: Enter when the time ends."),
    ],
)
async def test_a_time_that_cannot_be_read_is_said_at_its_field(gateway: Gateway, wrong: Json, said: str) -> None:
    with_case(gateway)
    status, page = await post(gateway, "request_callback", **WINDOW | wrong)
    assert status == 422
    assert said in words(page)
    assert values(page)["phone"] == "+33 4 72 00 00 00"
    assert gateway["cases"].asked(f"POST {CASE}/actions") == []


# The nights in which the clocks go forward, and back.
PARIS, NEW_YORK = ("Europe/Paris", "2027-03-28", "2027-10-31"), ("America/New_York", "2027-03-14", "2027-11-07")


@pytest.mark.parametrize("as_agent", [False, True])
@pytest.mark.parametrize("night", [PARIS[:2], NEW_YORK[:2]])
@pytest.mark.parametrize(
    ("times", "skipped"),
    [(("02:00", "04:00"), ["From"]), (("01:59", "02:30"), ["To"]), (("02:10", "02:59"), ["From", "To"])],
)
async def test_a_time_that_the_clocks_skip_is_refused_at_its_field(
    gateway: Gateway, night: tuple[str, str], times: tuple[str, str], skipped: list[str], *, as_agent: bool
) -> None:
    (zone, forward), (begins, ends) = night, times
    with_case(gateway, as_agent=as_agent, zone=zone)
    action = "confirm_callback" if as_agent else "request_callback"
    status, page = await post(gateway, action, **WINDOW | {"date": forward, "from": begins, "to": ends})
    assert status == 422
    for place, at in (("From", begins), ("To", ends)):
        said = f"{place}: On this day the clocks go forward, and there is no {at}. Choose another time."
        assert (said in words(page)) is (place in skipped)
    assert values(page)["from"] == begins
    with_case(gateway, as_agent=as_agent, zone=zone, language="fr")
    _status, page = await post(gateway, action, **WINDOW | {"date": forward, "from": begins, "to": ends})
    first = begins if "From" in skipped else ends
    assert f"Ce jour-là, les horloges avancent et sautent {first}. Choisissez une autre heure." in words(page)


@pytest.mark.parametrize(
    ("night", "begins", "ends", "moments"),
    [
        (PARIS[:2], "01:59", "03:00", ("2027-03-28T00:59:00", "2027-03-28T01:00:00")),
        (NEW_YORK[:2], "01:59", "03:00", ("2027-03-14T06:59:00", "2027-03-14T07:00:00")),
        # Of a time that comes twice the first one counts.
        (PARIS[::2], "02:00", "02:30", ("2027-10-31T00:00:00", "2027-10-31T00:30:00")),
        (PARIS[::2], "02:30", "03:00", ("2027-10-31T00:30:00", "2027-10-31T02:00:00")),
        (NEW_YORK[::2], "01:00", "01:30", ("2027-11-07T05:00:00", "2027-11-07T05:30:00")),
        (NEW_YORK[::2], "01:30", "02:00", ("2027-11-07T05:30:00", "2027-11-07T07:00:00")),
    ],
)
async def test_times_around_the_change_of_the_clocks_are_those_of_the_readers_zone(
    gateway: Gateway, night: tuple[str, str], begins: str, ends: str, moments: tuple[str, str]
) -> None:
    zone, day = night
    with_case(gateway, zone=zone)
    body = await sent(gateway, "request_callback", **WINDOW | {"date": day, "from": begins, "to": ends})
    assert body["at"] == {"from": f"{moments[0]}+00:00", "to": f"{moments[1]}+00:00"}


@pytest.mark.parametrize(
    ("field", "place"), [("at.from", "From"), ("at.window.to", "To"), ("at", "When?"), ("phone", "Number to call")]
)
async def test_what_the_service_says_of_a_time_is_said_at_its_field(gateway: Gateway, field: str, place: str) -> None:
    with_case(gateway)
    gateway["cases"].answers(f"POST {CASE}/actions", refuses(422, "invalid", field))
    status, page = await post(gateway, "request_callback", **WINDOW)
    assert status == 422
    assert f"{place}: " in words(page.partition('id="errors"')[2].partition("</div>")[0].join(["<main>", ""]))


@pytest.mark.parametrize("pins", [[], [{"pin": "4711", "label": "Gold"}]])
async def test_a_pin_that_is_not_valid_at_the_new_place_can_be_changed_there(
    gateway: Gateway, pins: list[Json]
) -> None:
    with_case(gateway, pin="4711", site_id="s2")
    gateway["identity"].answers("GET /pins", says(a_list(*pins)))
    assert ('name="pin"' in await form_of(gateway, "change_site")) is bool(pins)
    gateway["cases"].answers(f"POST {CASE}/actions", refuses(422, "invalid", "pin"))
    status, page = await post(gateway, "change_site", where="site", site_id=SITE["id"])
    assert status == 422
    chosen = page.partition('name="pin"')[2].partition("</select>")[0]
    assert re.findall(r'<option value="([^"]*)"', chosen) == ["", *(pin["pin"] for pin in pins)]


async def test_each_pin_says_where_it_is_valid_when_the_place_is_changed(gateway: Gateway) -> None:
    with_case(gateway, pin="4711")
    bound = {"pin": "4711", "label": "Gold", "site_id": SITE["id"]}
    gateway["identity"].answers("GET /pins", says(a_list(bound, {"pin": "4712", "label": "Night"})))
    chosen = words((await form_of(gateway, "change_site")).partition('name="pin"')[2].join(["<main>", ""]))
    assert f"4711 · Gold, at {SITE['name']}, {SITE['city']} only4712 · Night" in chosen


async def test_after_a_change_by_somebody_else_the_page_says_what_and_keeps_what_was_typed(gateway: Gateway) -> None:
    moved = an_entry("", "site_changed", by=MIRA, changes={"from": "Lyon", "to": "Paris"})
    with_case(gateway, version=2)
    gateway["cases"].answers(f"POST {CASE}/actions", refuses(409, "stale"))
    gateway["cases"].answers(f"GET {CASE}/history", says(a_list(moved)))
    status, page = await post(gateway, "request_escalation", reason="It is down.")
    assert status == 409
    assert gateway["cases"].asked(f"GET {CASE}/history")[0].path.partition("?")[2] == "since_version=1&limit=5"
    said = words(page)
    assert "The escalation was not requested Somebody changed this case in the meantime." in said
    assert "Mira Lund changed the place of the equipment from Lyon to Paris" in said
    assert "It is down.</textarea>" in page
    # To send it again is a decision about the current state, and another act.
    assert '<input type="hidden" name="version" value="2">' in page
    assert "the-key-of-this-form" not in page


PLACES = {"from": "Lyon", "to": "Metz"}
FROM_ROAD = {"from": "Leeds, GB", "to": "Metz", "country_from": "GB"}
PEOPLE = {"from": "Luc Petit", "to": "Nina Roy"}
WINDOW_OF_ENTRY = "2026-12-02T09:00:00.000Z/2026-12-02T11:00:00.000Z"


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("contact_changed", PEOPLE, "changed the contact from Luc Petit to Nina Roy"),
        ("secondary_contact_changed", PEOPLE, "changed the other contact from Luc Petit to Nina Roy"),
        ("site_changed", PLACES, "changed the place of the equipment from Lyon to Metz · "),
        ("site_changed", PLACES | {"pin_from": "4711", "pin_to": "4712"}, "to Metz; PIN 4712 instead of 4711 · "),
        ("site_changed", PLACES | {"pin_from": "4711", "pin_to": None}, "to Metz; PIN 4711 no longer applies · "),
        ("parts_address_changed", PLACES, "changed the shipping address of parts from Lyon to Metz"),
        (
            "site_changed",
            {"from": "Store, FR", "to": "Metz, FR", "country_to": "FR"},
            "from Store, FR to Metz, France · ",
        ),
        (
            "parts_address_changed",
            FROM_ROAD,
            "changed the shipping address of parts from Leeds, United Kingdom to Metz",
        ),
        ("severity_changed", {"from": 3, "to": 1}, "changed the severity from Normal to Critical"),
        ("status_changed", {"from": "in_progress", "to": "waiting_parts"}, "changed the status"),
        ("marked_confidential", {}, "marked the case as confidential"),
        ("unmarked_confidential", {}, "made the case visible to colleagues again"),
        ("callback_requested", {"at": "now", "phone": "+33472000000"}, "requested a callback"),
        ("callback_changed", {"at": WINDOW_OF_ENTRY, "phone": "+33472000000"}, "changed the callback"),
        ("callback_cancelled", {}, "cancelled the callback"),
        ("callback_confirmed", {}, "confirmed the callback"),
        ("callback_done", {}, "called back"),
        ("escalation_requested", {}, "requested an escalation"),
        ("escalation_accepted", {}, "accepted the escalation"),
        ("escalation_declined", {}, "declined the escalation"),
        # Of a service that is newer than these pages.
        ("teleported", {"from": "Lyon", "to": "Metz"}, "changed the case"),
    ],
)
async def test_a_stale_change_says_who_changed_what_whatever_it_was(
    gateway: Gateway, kind: str, changes: Json, said: str
) -> None:
    with_case(gateway, version=2)
    gateway["cases"].answers(f"POST {CASE}/actions", refuses(409, "stale"))
    gateway["cases"].answers(f"GET {CASE}/history", says(a_list(an_entry("", kind, by=MIRA, changes=changes))))
    status, page = await post(gateway, "close", resolution="It works.")
    assert status == 409
    done = words(page).partition("Mira Lund changed" if said.startswith("to") else "Mira Lund")[2]
    assert said in done


async def test_whoever_comes_from_an_old_page_reads_first_what_has_happened(gateway: Gateway) -> None:
    with_case(gateway, version=3)
    moved = an_entry("", "severity_changed", by=MIRA, changes={"from": 3, "to": 1})
    gateway["cases"].answers(f"GET {CASE}/history", says(a_list(moved, more=True)))
    said = words(await form_of(gateway, "close", query="?version=2"))
    assert "Since you opened the case, this has happened: " in said
    assert "Mira Lund changed the severity from Normal to Critical" in said
    assert "More has happened: see the history." in said
    gateway["cases"].seen.clear()
    for query in ("?version=3", "", "?version=x", "?version=99999999999999999999999"):
        assert "this has happened" not in await form_of(gateway, "close", query=query)
    assert gateway["cases"].asked(f"GET {CASE}/history") == []


async def test_what_was_typed_for_a_case_that_was_closed_meanwhile_can_be_copied(gateway: Gateway) -> None:
    ended = an_entry("It works.", "closed", by=MIRA)
    with_case(gateway, version=2, status="closed", allowed_actions=["reopen"], allowed_agent_actions=[])
    gateway["cases"].answers(f"POST {CASE}/actions", refuses(409, "case_closed"))
    gateway["cases"].answers(f"GET {CASE}/history", says(a_list(ended)))
    status, page = await post(gateway, "request_callback", **WINDOW)
    assert status == 409
    said = words(page)
    assert "The callback was not requested The case is closed." in said
    assert "Mira Lund closed the case" in said
    assert "You had typed:Day2026-12-02 From10:00 To12:00 Number to call+33 4 72 00 00 00" in said
    assert "<form" not in page.partition('<div id="act"')[2].partition("</main>")[0]
    assert "Back to the case" in said


async def test_a_message_for_a_case_that_was_closed_meanwhile_can_be_copied(gateway: Gateway) -> None:
    ended: Json = {"resolution": "", "resolved": True, "reopen_until": None, "closed_at": "2026-11-22T09:00:00Z"}
    with_case(gateway, version=2, status="closed", turn=None, allowed_actions=["reopen"], **ended)
    gateway["cases"].answers(f"POST {CASE}/actions", refuses(409, "case_closed"))
    form = {"csrf_token": CSRF, "action": "comment", "text": "It is <b>down."}
    answer = await gateway.portal.post(CASE, data=form, headers=gateway.signed_in())
    page = await answer.text()
    assert answer.status == 409
    assert "Your message was not sent The case is closed. You had typed:" in words(page)
    assert '<p class="prose" dir="auto">It is &lt;b&gt;down.</p>' in page


@pytest.mark.parametrize(("status", "code"), [(404, "not_found"), (403, "forbidden")])
@pytest.mark.parametrize(
    ("path", "typed"),
    [
        (f"{CASE}/do/request_escalation", {"reason": "It is <b>down."}),
        (CASE, {"action": "comment", "text": "It is <b>down."}),
    ],
)
async def test_what_was_typed_for_a_case_that_is_out_of_sight_can_be_copied(
    gateway: Gateway, path: str, typed: Json, status: int, code: str
) -> None:
    with_case(gateway)
    gateway["cases"].answers(f"POST {CASE}/actions", refuses(status, code))
    form = {"csrf_token": CSRF, "version": "1"} | typed
    answer = await gateway.portal.post(path, data=form, headers=gateway.signed_in())
    page = await answer.text()
    assert answer.status == status
    assert "You had typed:" in page
    assert '<dd class="prose" dir="auto">It is &lt;b&gt;down.</dd>' in page


async def test_a_form_that_could_not_be_sent_shows_its_fields(gateway: Gateway) -> None:
    with_case(gateway)
    gateway["cases"].answers(f"POST {CASE}/actions", refuses(503, "unavailable"))
    status, page = await post(gateway, "request_escalation", reason="It is down.")
    assert status == 503
    assert "It is down." in page


# Where it stands on the page


@pytest.mark.parametrize(
    ("callback", "as_agent", "said"),
    [
        (A_CALLBACK, False, "Callback requested: Wed 2 Dec, 10:00–12:00, to +33 4 72 00 00 00 · change · cancel"),
        (A_CALLBACK, True, "Callback to be confirmed: Wed 2 Dec, 10:00–12:00, to +33 4 72 00 00 00 · confirm · done"),
        (
            A_CALLBACK | {"confirmed_at": "2026-12-01T09:00:00Z"},
            False,
            "Callback confirmed: Wed 2 Dec, 10:00–12:00, to +33 4 72 00 00 00",
        ),
        (
            A_CALLBACK | {"at": "now", "from": None, "to": None},
            False,
            "Callback requested: as soon as possible, to +33 4 72 00 00 00",
        ),
        (
            A_CALLBACK | {"from": "2026-12-31T22:00:00Z", "to": "2027-01-01T01:00:00Z"},
            False,
            "Callback requested: Thu 31 Dec, 23:00 – Fri 1 Jan 2027, 02:00, to",
        ),
    ],
)
async def test_both_sides_read_when_somebody_is_called(
    gateway: Gateway, callback: Json, said: str, *, as_agent: bool
) -> None:
    with_case(gateway, as_agent=as_agent, callback=callback)
    answer = await gateway.portal.get(CASE, headers=gateway.signed_in())
    assert said in words(await answer.text())


def an_escalation(state: str) -> Json:
    decided = {"decided_by": ARNO if state != "requested" else None}
    return {"state": state, "reason": "Down.", "requested_by": ANA, "answer": ""} | decided


@pytest.mark.parametrize(
    ("state", "as_agent", "said"),
    [
        ("requested", False, "Escalation requested: a support agent accepts or declines it."),
        ("requested", True, "Ana Duarte requests an escalation: “Down.” · accept"),
        ("accepted", False, "Escalated: Arno Keller accepted it."),
        ("declined", False, "Escalation declined by Arno Keller; the answer is in the conversation."),
    ],
)
async def test_both_sides_read_what_becomes_of_an_escalation(
    gateway: Gateway, state: str, said: str, *, as_agent: bool
) -> None:
    with_case(gateway, as_agent=as_agent, escalation=an_escalation(state))
    answer = await gateway.portal.get(CASE, headers=gateway.signed_in())
    assert said in words(await answer.text())


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        (
            "callback_changed",
            {"from": "now", "to": "2026-12-02T09:00:00.000Z/2026-12-02T11:00:00.000Z"},
            "Ana Duarte changed the callback from as soon as possible to Wed 2 Dec, 10:00–12:00",
        ),
        ("callback_requested", {"to": "now"}, "Ana Duarte requested a callback: as soon as possible"),
        ("callback_requested", {"from": None, "to": "now"}, "Ana Duarte requested a callback: as soon as possible"),
        ("callback_confirmed", {"from": None, "to": None}, "Ana Duarte confirmed the callback ·"),
        ("secondary_contact_changed", {"from": None, "to": "Eva Roy"}, "Ana Duarte added Eva Roy as other contact"),
    ],
)
async def test_an_entry_tells_its_values_in_the_readers_words_and_time(
    gateway: Gateway, kind: str, changes: Json, said: str
) -> None:
    with_case(gateway, history=[an_entry("", kind, changes=changes)])
    answer = await gateway.portal.get(CASE, headers=gateway.signed_in())
    assert said in words(await answer.text())
