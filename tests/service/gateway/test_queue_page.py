"""The agents' workspace: the queue, the case beside it, and what is written there."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from aiohttp import FormData
from yarl import URL

from deploy.local.waiting import until
from services.gateway.pages.queue_rows import pressing
from tests.service.gateway.stand_ins import CSRF, Gateway, Json, a_session, refuses, says
from tests.service.gateway.test_case_page import ARNO, CASE, an_entry, words
from tests.service.gateway.test_pages import A_CASE, a_list

NUMBER = "1000000009"
QUEUE = "/queue?queue=mine"
ACTIONS = f"POST /agent{CASE}/actions"
OPEN: Json = {"allowed_agent_actions": ["take", "assign", "reply", "note", "set_status", "close"], "history": []}
ENDED: Json = {"resolved": True, "resolution": "It works.", "closed_at": None, "reopen_until": None}


def begin(gateway: Gateway, *rows: Json, case: Json | None = None, role: str = "agent") -> None:
    """As Arno Keller, with these rows in every queue."""
    session = a_session()
    session["user"] |= {"role": role, "id": ARNO["user_id"], "name": ARNO["name"]}
    gateway["identity"].answers("POST /session/resolve", says(session))
    gateway["cases"].answers("GET /agent/cases", says(a_list(*rows)))
    counts = [
        {"queue": "mine", "count": 2, "is_lower_bound": False},
        {"queue": "open", "count": 1000, "is_lower_bound": True},
    ]
    gateway["cases"].answers("GET /agent/queues", says({"items": counts}))
    gateway["cases"].answers(f"GET {CASE}", says(A_CASE | OPEN | (case or {})))
    gateway["cases"].answers(f"PUT {CASE}/visit", says({}, status=204))
    gateway["cases"].answers("GET /cases", says(a_list()))
    gateway["notifications"].answers("GET /deliveries", says(a_list()))


async def page_at(gateway: Gateway, path: str, *, status: int = 200) -> str:
    answer = await gateway.portal.get(path, headers=gateway.signed_in())
    assert answer.status == status
    return await answer.text()


async def post(gateway: Gateway, path: str, **typed: str) -> Any:
    form = {"csrf_token": CSRF, "version": "3", **typed}
    return await gateway.portal.post(path, data=form, headers=gateway.signed_in(), allow_redirects=False)


def bodies(gateway: Gateway, name: str = ACTIONS) -> list[Json]:
    return [orjson.loads(seen.body) for seen in gateway["cases"].asked(name)]


def queries(gateway: Gateway) -> list[dict[str, str]]:
    """What was asked of the queue."""
    return [dict(URL(seen.path).query) for seen in gateway["cases"].asked("GET /agent/cases")]


# The list


async def test_the_queues_stand_in_the_navigation_with_how_many_cases_are_in_each(gateway: Gateway) -> None:
    begin(gateway, A_CASE)
    page = await page_at(gateway, QUEUE)
    navigation = words("<main>" + page.partition("<nav ")[2].partition(">")[2].partition("</nav>")[0])
    assert "Queue Unassigned Mine2 Customer replied" in navigation
    assert "All open cases1,000+ Work All cases" in navigation
    assert queries(gateway) == [{"queue": "mine", "limit": "25"}]
    assert f'href="/queue?queue=mine&amp;case={NUMBER}"' in page


async def test_the_queues_stand_on_every_page_of_an_agent_and_their_counts_come_after_it(gateway: Gateway) -> None:
    begin(gateway, A_CASE)
    for path in ("/help", CASE):
        page = await page_at(gateway, path)
        assert page.count('<a href="/queue?queue=') == 8
        assert page.count('<span class="number" data-queue="') == 8
        assert "queue_counts" in page
    assert gateway["cases"].asked("GET /agent/queues") == []


async def test_customers_have_no_queue_in_their_navigation(gateway: Gateway) -> None:
    begin(gateway, role="company_admin")
    page = await page_at(gateway, "/help")
    assert "/queue?" not in page
    assert "queue_counts" not in page


@pytest.mark.parametrize(
    ("sort", "shown", "label"),
    [
        ("", "2020-01-01T09:00:00Z", "Created:"),
        ("-created_at", "2020-01-01T09:00:00Z", "Created:"),
        ("-updated_at", "2020-01-03T09:00:00Z", "Changed:"),
        ("unanswered", "2020-01-04T09:00:00Z", "Replied:"),
        ("turn", "2020-01-02T09:00:00Z", "Waiting for:"),
        ("severity", "2020-01-02T09:00:00Z", "Waiting for:"),
    ],
)
async def test_a_row_shows_the_time_that_the_queue_is_sorted_by(
    gateway: Gateway, sort: str, shown: str, label: str
) -> None:
    names = ("created_at", "turn_since", "updated_at", "unanswered_since")
    begin(gateway, A_CASE | {name: f"2020-01-0{day}T09:00:00Z" for day, name in enumerate(names, start=1)})
    page = await page_at(gateway, f"{QUEUE}&sort={sort}" if sort else QUEUE)
    [age] = re.findall(r'<span class="age">(<span class="unseen">.*?</time>)', page)
    assert f'datetime="{shown}"' in age
    assert f">{label} <" in age


async def test_a_row_says_who_has_taken_the_case_where_cases_of_several_agents_stand(gateway: Gateway) -> None:
    begin(gateway, A_CASE | {"assignee": {"user_id": "9", "name": "Mira Lind"}})
    assert "Mira Lind" in await page_at(gateway, "/queue?queue=open")
    assert "Mira Lind" not in await page_at(gateway, QUEUE)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"unanswered_since": 30}, "replied just now"),
        ({"unanswered_since": 90}, "replied 1 min ago"),
        ({"first_answer": {"due_at": 30, "answered_at": None}}, "answer due now"),
        ({"first_answer": {"due_at": -30, "answered_at": None}}, "answer due now"),
        ({"first_answer": {"due_at": 90, "answered_at": None}}, "answer 1 min late"),
        ({"first_answer": {"due_at": -90, "answered_at": None}}, "answer in 1 min"),
    ],
)
def test_less_than_a_minute_is_now(row: Json, said: str) -> None:
    now = datetime(2026, 12, 1, 12, tzinfo=UTC)

    def ago(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: ago(each) for name, each in value.items()}
        return value and (now - timedelta(seconds=value)).isoformat()

    assert pressing({"turn": "vendor"} | ago(row), ZoneInfo("UTC"), now).text == said


async def test_a_queue_stands_without_its_counts(gateway: Gateway) -> None:
    begin(gateway, A_CASE)
    gateway["cases"].answers("GET /agent/queues", refuses(503, "unavailable"))
    assert A_CASE["title"] in await page_at(gateway, QUEUE)


async def test_a_queue_of_an_older_cases_shows_what_there_is(gateway: Gateway) -> None:
    begin(gateway)
    gateway["cases"].answers("GET /agent/queues", refuses(404, "not_found"))
    gateway["cases"].answers("GET /agent/cases", refuses(422, "invalid", "queue"), says(a_list(A_CASE)))
    page = await page_at(gateway, "/queue?queue=callbacks")
    assert A_CASE["title"] in page
    assert "<h1>Callbacks</h1>" in page


@pytest.mark.parametrize("asked", ["", "?queue=", "?queue=gone", "?queue=mine&colour=red"])
async def test_an_address_that_names_no_queue_shows_my_own(gateway: Gateway, asked: str) -> None:
    begin(gateway)
    page = await page_at(gateway, f"/queue{asked}")
    assert "You look after no case now." in page
    assert queries(gateway) == [{"queue": "mine", "limit": "25"}]
    assert ("<p>There is no such queue.</p>" in page) == (asked == "?queue=gone")
    assert '<details class="more">' in page


async def test_filters_go_on_to_the_service_and_each_can_be_taken_away(gateway: Gateway) -> None:
    begin(gateway, A_CASE)
    asked = {"severity": "1", "turn": "vendor", "pin": "GOLD", "q": "roller", "sort": "severity"}
    page = await page_at(gateway, QUEUE + "".join(f"&{name}={value}" for name, value in asked.items()))
    assert queries(gateway) == [{"queue": "mine", "limit": "25", **asked}]
    for text, kept in (("Severity: Critical", "turn=vendor"), ("Whose turn: Ours", "severity=1"), ("PIN: GOLD", "q=")):
        [address] = re.findall(
            rf'<a class="filter" href="([^"]+)"[^>]*>{re.escape(text)} ',
            page.replace("\u2068", "").replace("\u2069", ""),
        )
        assert kept in address


async def test_a_filter_that_the_service_refuses_is_said_and_left_out(gateway: Gateway) -> None:
    begin(gateway)
    gateway["cases"].answers("GET /agent/cases", refuses(422, "invalid", "pin"), says(a_list(A_CASE)))
    page = await page_at(gateway, f"{QUEUE}&pin=A+B")
    assert "This filter cannot be used" in page
    assert A_CASE["title"] in page


@pytest.mark.parametrize(
    ("row", "said", "look"),
    [
        ({"callback": {"at": "now", "from": None, "to": None}}, "call now", "late"),
        ({"callback": {"at": None, "from": "2099-01-02T09:00:00Z", "to": "2099-01-02T10:00:00Z"}}, "call at", ""),
        ({"callback": {"at": None, "from": "2020-01-02T09:00:00Z", "to": "2020-01-02T10:00:00Z"}}, "call now", "late"),
        ({"callback": {"at": None, "from": "2020-01-02T09:00:00Z", "to": "2099-01-02T10:00:00Z"}}, "call now", "soon"),
        ({"escalation": {"state": "requested"}}, "escalation", "soon"),
        ({"first_answer": {"due_at": "2020-01-02T09:00:00Z", "answered_at": None}}, "late", "late"),
        ({"first_answer": {"due_at": "2099-01-02T09:00:00Z", "answered_at": None}}, "answer in", ""),
        ({"unanswered_since": "2020-01-02T09:00:00Z"}, "replied", ""),
        ({"turn": "customer", "status": "waiting_customer"}, "their turn", ""),
    ],
)
async def test_a_row_says_what_presses(gateway: Gateway, row: Json, said: str, look: str) -> None:
    begin(gateway, A_CASE | {"turn": "vendor"} | row)
    page = await page_at(gateway, QUEUE)
    [found] = re.findall(r'<span class="age( late| soon|)">([^<]+)</span>', page)
    assert found[0].strip() == look
    assert said in found[1]


async def test_what_is_new_is_said_and_not_only_bold(gateway: Gateway) -> None:
    begin(gateway, A_CASE | {"is_new": True})
    assert re.search(r'class="fresh"><span class="unseen">New: </span>', await page_at(gateway, QUEUE))


async def test_customers_have_no_queue(gateway: Gateway) -> None:
    begin(gateway, role="company_admin")
    gateway["cases"].answers("GET /agent/cases", refuses(403, "forbidden"))
    await page_at(gateway, QUEUE, status=403)


# The case beside it


async def test_the_case_stands_beside_its_queue_and_counts_as_seen(gateway: Gateway) -> None:
    begin(gateway, A_CASE, case={"history": [an_entry("It jams.")]})
    page = await page_at(gateway, f"{QUEUE}&case={NUMBER}")
    assert re.search(r'<li class="chosen" data-number="1000000009">\s*<a [^>]*aria-current="true"', page)
    assert "It jams." in page

    async def is_told() -> bool:
        return bool(bodies(gateway, f"PUT {CASE}/visit"))

    assert await until(is_told, deadline_s=10)


async def test_a_queue_without_a_case_asks_for_none(gateway: Gateway) -> None:
    begin(gateway, A_CASE)
    page = await page_at(gateway, f"{QUEUE}&case=none")
    assert "Choose a case from the list." in page
    assert gateway["cases"].asked(f"GET {CASE}") == []


async def test_the_handling_instructions_of_a_pin_stand_above_the_conversation(gateway: Gateway) -> None:
    begin(gateway, case={"pin": "4471", "pin_instructions": "Call the night desk first."})
    for path in (f"{QUEUE}&case={NUMBER}", CASE):
        page = words(await page_at(gateway, path))
        assert page.index("Handling instructions of PIN 4471 Call the night desk first.") < page.index("Conversation")


# What is written


@pytest.mark.parametrize("place", ["", QUEUE])
@pytest.mark.parametrize(
    ("typed", "sent", "done"),
    [
        ({"kind": "reply", "then": "waiting_customer"}, {"action": "reply", "status": "waiting_customer"}, "reply"),
        ({"kind": "reply", "then": "waiting_parts"}, {"action": "reply", "status": "waiting_parts"}, "reply"),
        ({"kind": "note", "then": "waiting_customer"}, {"action": "note"}, "note"),
        ({"kind": "note", "then": "close"}, {"action": "note"}, "note"),
    ],
)
async def test_a_reply_goes_out_with_its_state_and_a_note_stays(
    gateway: Gateway, typed: dict[str, str], sent: Json, done: str, place: str
) -> None:
    begin(gateway)
    gateway["cases"].answers(ACTIONS, says(A_CASE | OPEN))
    answer = await post(gateway, f"{CASE}/answer", text="On its way.", next=place, **typed)
    assert bodies(gateway) == [{**sent, "text": "On its way."}]
    to = f"{QUEUE}&case={NUMBER}&done={done}#newest" if place else f"{CASE}?done={done}#newest"
    assert (answer.status, answer.headers["Location"]) == (303, to)
    said = "Your note is saved." if done == "note" else "Your reply is sent."
    assert said in await page_at(gateway, to.partition("#")[0])


async def test_a_case_is_closed_with_the_text_as_its_resolution(gateway: Gateway) -> None:
    begin(gateway)
    gateway["cases"].answers(ACTIONS, says(A_CASE | OPEN))
    await post(gateway, f"{CASE}/answer", text="Replaced the roller.", kind="reply", then="close")
    assert bodies(gateway) == [{"action": "close", "version": 3, "resolution": "Replaced the roller."}]


@pytest.mark.parametrize("kind", ["", "comment", "REPLY"])
async def test_what_does_not_say_whether_the_customer_reads_it_is_not_sent(gateway: Gateway, kind: str) -> None:
    begin(gateway)
    assert (await post(gateway, f"{CASE}/answer", text="Ask the depot.", kind=kind)).status == 422
    assert bodies(gateway) == []


@pytest.mark.parametrize("place", ["", QUEUE])
@pytest.mark.parametrize("kind", ["reply", "note"])
async def test_what_was_refused_comes_back_as_what_it_was(gateway: Gateway, kind: str, place: str) -> None:
    begin(gateway, A_CASE)
    gateway["cases"].answers(ACTIONS, refuses(422, "invalid", "text"))
    answer = await post(gateway, f"{CASE}/answer", text="Ask the depot.", kind=kind, then="close", next=place)
    page = await answer.text()
    assert answer.status == 422
    assert re.search(rf'value="{kind}" required checked', page)
    assert "Ask the depot.</textarea>" in page
    assert '<option value="close" selected>' in page
    assert ("Your note was not saved" if kind == "note" else "Your reply was not sent") in page
    assert ('class="queue"' in page) is bool(place)


async def test_a_closing_that_came_too_late_can_be_sent_again_with_the_version_of_now(gateway: Gateway) -> None:
    begin(gateway, case={"version": 8})
    gateway["cases"].answers(ACTIONS, refuses(409, "stale"))
    answer = await post(gateway, f"{CASE}/answer", text="Done.", kind="reply", then="close", idempotency_key="k" * 20)
    page = await answer.text()
    assert answer.status == 409
    assert "Somebody changed this case in the meantime." in page
    form = page.partition(f'action="{CASE}/answer"')[2]
    assert 'name="version" value="8"' in form
    assert "k" * 20 not in form


async def test_what_was_written_to_a_case_that_was_closed_meanwhile_is_shown(gateway: Gateway) -> None:
    begin(gateway, case={"allowed_agent_actions": [], "status": "closed", "turn": None, **ENDED})
    gateway["cases"].answers(ACTIONS, refuses(409, "case_closed"))
    for place in ("", QUEUE):
        answer = await post(gateway, f"{CASE}/answer", text="Too late.", kind="note", next=place)
        page = await answer.text()
        assert answer.status == 409
        assert "You had typed:Too late." in words(page)
        assert "<textarea" not in page.partition("<main")[2]


async def test_a_place_elsewhere_is_not_gone_to(gateway: Gateway) -> None:
    begin(gateway)
    gateway["cases"].answers(ACTIONS, says(A_CASE | OPEN))
    for place in ("https://evil.example/queue", "//evil.example/queue", "/users", "/queue/../users"):
        answer = await post(gateway, f"{CASE}/answer", text="Hi.", kind="reply", next=place)
        assert answer.headers["Location"] == f"{CASE}?done=reply#newest"


async def test_files_go_with_what_is_written(gateway: Gateway) -> None:
    begin(gateway)
    gateway["cases"].answers(ACTIONS, says(A_CASE | OPEN))
    form = FormData({"csrf_token": CSRF, "kind": "note", "text": "See the log."})
    for file in ("one", "two"):
        form.add_field("attachment_ids", file)
    await gateway.portal.post(f"{CASE}/answer", data=form, headers=gateway.signed_in(), allow_redirects=False)
    assert bodies(gateway) == [{"action": "note", "text": "See the log.", "attachment_ids": ["one", "two"]}]


async def test_the_address_of_a_form_leads_to_its_case(gateway: Gateway) -> None:
    begin(gateway)
    for form in ("answer", "take"):
        answer = await gateway.portal.get(f"{CASE}/{form}", headers=gateway.signed_in(), allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, CASE)


# Taking


async def test_an_agent_takes_a_case_and_stays_in_the_queue(gateway: Gateway) -> None:
    begin(gateway, A_CASE)
    assert f'action="{CASE}/take"' in await page_at(gateway, f"{QUEUE}&case={NUMBER}")
    gateway["cases"].answers(ACTIONS, says(A_CASE | OPEN))
    answer = await post(gateway, f"{CASE}/take", next=QUEUE)
    assert bodies(gateway) == [{"action": "take"}]
    assert answer.headers["Location"] == f"{QUEUE}&case={NUMBER}&done=take"


async def test_whoever_comes_second_is_told_who_has_the_case(gateway: Gateway) -> None:
    begin(gateway, A_CASE, case={"assignee": {"user_id": "8", "name": "Mira Lund"}})

    async def taken(request: Any) -> Any:
        answer: Any = await refuses(409, "already_taken")(request)
        answer.text = answer.text.replace("{", '{"current": {"assignee": "Mira Lund"},', 1)
        return answer

    gateway["cases"].answers(ACTIONS, taken)
    answer = await post(gateway, f"{CASE}/take", next=QUEUE)
    assert answer.status == 409
    assert "Mira Lund has taken this case in the meantime." in words(await answer.text())
