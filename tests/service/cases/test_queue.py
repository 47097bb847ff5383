"""The agents' queues: what is in each, in which order, and how many; whom a case can be assigned to."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from services.cases.cases import views
from services.cases.cases.store import queues
from services.cases.cases.store.queues import QUEUES
from shared.actor import Actor, Role
from shared.mongo import Document
from tests.builders import Json, an_actor
from tests.events import user_changed
from tests.service.cases.conftest import CasesApi

SOON = datetime(2026, 12, 1, 14, tzinfo=UTC)
ASKING: Document = {"user_id": uuid7(), "name": "Ana Duarte", "email": "ana@example.com"}
ESCALATION: Document = {
    "state": "requested",
    "reason": "It stands still.",
    "requested_by": ASKING,
    "requested_at": SOON,
}
CALLBACK: Document = {
    "window": None,
    "due_at": SOON,
    "phone": "+33472000000",
    "requested_by": ASKING,
    "requested_at": SOON,
    "confirmed_at": None,
}


async def a_number(cases: CasesApi, by: Actor, *, kept: Mapping[str, Any] | None = None, **fields: Any) -> str:
    """The number of a new case, of which the database has these values besides."""
    number: str = (await cases.submitted(by, **fields))["number"]
    if kept:
        await cases.db["cases"].update_one({"number": number}, {"$set": kept})
    return number


async def queued(cases: CasesApi, agent: Actor, queue: str, **query: Any) -> list[str]:
    answer = await cases.call("GET", "/agent/cases", agent, params={"queue": queue, "limit": 200, **query})
    assert answer.status == 200, answer.body
    return [row["number"] for row in answer.body["items"]]


async def counted(cases: CasesApi, agent: Actor) -> dict[str, int]:
    answer = await cases.call("GET", "/agent/queues", agent)
    assert answer.status == 200, answer.body
    return {item["queue"]: item["count"] for item in answer.body["items"]}


async def test_an_agents_own_queue_and_the_unassigned_one_are_apart(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    own, others, nobodys = [await a_number(cases, ana) for _ in range(3)]
    await cases.agent_act(own, agent, action="take")
    await cases.agent_act(others, an_actor(Role.AGENT), action="take")
    of_company = {"company_id": str(ana.company_id)}
    assert await queued(cases, agent, "mine", **of_company) == [own]
    assert await queued(cases, agent, "unassigned", **of_company) == [nobodys]
    assert await queued(cases, agent, "open", **of_company) == [own, others, nobodys]


async def test_a_customers_answer_is_in_the_agents_queue_until_it_is_answered(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    number = await a_number(cases, ana)
    await cases.agent_act(number, agent, action="take")
    assert await queued(cases, agent, "replied") == []
    first = (await cases.act(number, ana, action="comment", text="Any news?")).body
    again = (await cases.act(number, ana, action="comment", text="Hello?")).body
    assert first["unanswered_since"] == again["unanswered_since"] == first["updated_at"] < again["updated_at"]
    assert await queued(cases, agent, "replied") == [number]
    assert await queued(cases, an_actor(Role.AGENT), "replied") == []
    await cases.agent_act(number, agent, action="note", text="Ask the depot.")
    assert await queued(cases, agent, "replied") == [number]
    replied = (await cases.agent_act(number, agent, action="reply", text="Tomorrow.")).body
    assert replied["unanswered_since"] is None
    assert await queued(cases, agent, "replied") == []


@pytest.mark.parametrize("end", ["waiting", "closed"])
async def test_what_waits_for_the_customer_or_has_ended_waits_for_no_answer(
    cases: CasesApi, agent: Actor, end: str
) -> None:
    ana = an_actor()
    number = await a_number(cases, ana)
    await cases.agent_act(number, agent, action="take")
    version = (await cases.act(number, ana, action="comment", text="Any news?")).body["version"]
    changes: Json = {
        "waiting": {"action": "set_status", "status": "waiting_customer"},
        "closed": {"action": "close", "resolution": "Replaced the roller."},
    }
    changed = (await cases.agent_act(number, agent, version=version, **changes[end])).body
    assert changed["unanswered_since"] is None
    if end == "closed":
        reopened = await cases.act(number, ana, action="reopen", version=changed["version"], reason="It jams again.")
        assert reopened.body["unanswered_since"] == reopened.body["updated_at"]
        assert await queued(cases, agent, "replied") == [number]


async def test_who_is_to_be_called_now_comes_before_those_with_a_time(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    later, soon, now, cancelled, _ = [await a_number(cases, ana) for _ in range(5)]
    in_hours = {later: 4, soon: 2}
    for number in (later, soon, now, cancelled):
        start = datetime.now(UTC) + timedelta(hours=in_hours.get(number, 0))
        window = {"from": start.isoformat(), "to": (start + timedelta(hours=1)).isoformat()}
        at: Any = window if number in in_hours else "now"
        await cases.act(number, ana, action="request_callback", at=at, phone="+33472000000")
    await cases.act(cancelled, ana, action="cancel_callback", version=2)
    of_company = {"company_id": str(ana.company_id)}
    assert await queued(cases, agent, "callbacks", **of_company) == [now, soon, later]
    # An agent who offers another time calls then.
    start = datetime.now(UTC) + timedelta(hours=3)
    window = {"from": start.isoformat(), "to": (start + timedelta(hours=1)).isoformat()}
    await cases.agent_act(now, agent, action="confirm_callback", at=window)
    assert await queued(cases, agent, "callbacks", **of_company) == [soon, now, later]


async def test_an_undecided_escalation_comes_before_the_accepted_and_declined_ones_are_left_out(
    cases: CasesApi, agent: Actor
) -> None:
    ana = an_actor()
    accepted, declined, requested = [
        await a_number(cases, ana, kept={"escalation": {"state": state, "requested_at": SOON}})
        for state in ("accepted", "declined", "requested")
    ]
    await a_number(cases, ana)
    found = await queued(cases, agent, "escalations", company_id=str(ana.company_id))
    assert found == [requested, accepted]
    assert declined not in found


async def test_first_answers_are_sorted_by_when_they_are_due(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    dues = [SOON + timedelta(hours=hours) for hours in (3, 1, 2)]
    third, first, second = [
        await a_number(cases, ana, kept={"first_answer": {"due_at": due, "answered_at": None}}) for due in dues
    ]
    unpromised = await a_number(cases, ana)
    of_company = {"company_id": str(ana.company_id)}
    assert await queued(cases, agent, "first_answers", **of_company) == [first, second, third]
    await cases.agent_act(first, agent, action="reply", text="We are on it.")
    assert await queued(cases, agent, "first_answers", **of_company) == [second, third]
    for number in (unpromised, second):
        await cases.agent_act(number, agent, action="take")
    assert await queued(cases, agent, "mine", sort="-first_answer", **of_company) == [second, unpromised]


async def test_what_waits_for_parts_has_a_queue(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    number, _ = await a_number(cases, ana), await a_number(cases, ana)
    await cases.agent_act(number, agent, action="reply", text="A roller is on its way.", status="waiting_parts")
    assert await queued(cases, agent, "waiting_parts", company_id=str(ana.company_id)) == [number]


async def test_a_queue_is_filtered_by_company_severity_turn_and_words(cases: CasesApi, agent: Actor) -> None:
    ana, luc = an_actor(), an_actor()
    word = f"drum{uuid7().hex[:12]}"
    jam = await a_number(cases, ana, severity=1, title=f"Paper jam {word}")
    noise = await a_number(cases, ana, severity=2, title=f"Noise {word}")
    other = await a_number(cases, luc, severity=1, title=f"Noise {word}")
    await cases.agent_act(noise, agent, action="reply", text="Which one?", status="waiting_customer")
    closed = await a_number(cases, ana, title=f"Smoke {word}")
    await cases.act(closed, ana, action="close", version=1, reason="It works.", resolved=True)
    assert await queued(cases, agent, "open", q=word) == [jam, noise, other]
    assert await queued(cases, agent, "open", q=f"{word} noise") == [noise, other]
    assert await queued(cases, agent, "open", q=word, severity=1) == [jam, other]
    assert await queued(cases, agent, "open", q=word, company_id=str(ana.company_id)) == [jam, noise]
    assert await queued(cases, agent, "open", q=word, turn="customer") == [noise]
    assert await queued(cases, agent, "open", q=word, turn="vendor", sort="-created_at") == [other, jam]
    assert await queued(cases, agent, "unassigned", q=word, sort="turn") == [jam, other, noise]


async def test_a_queue_is_paged_in_each_of_its_orders(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    kept: Document = {
        "callback": CALLBACK,
        "escalation": ESCALATION,
    }
    kept |= {"first_answer": {"due_at": SOON, "answered_at": None}, "unanswered_since": SOON}
    numbers = [await a_number(cases, ana, kept=kept) for _ in range(3)]
    for number in numbers:
        await cases.agent_act(number, agent, action="take")
    for name, queue in QUEUES.items():
        for sort in ("severity", "-updated_at", "turn", *queue.orders):
            found, query = list[str](), {"queue": name, "sort": sort, "limit": "2", "company_id": str(ana.company_id)}
            while True:
                page = (await cases.call("GET", "/agent/cases", agent, params=query)).body
                found += [row["number"] for row in page["items"]]
                if page["next_cursor"] is None:
                    break
                query["cursor"] = page["next_cursor"]
            assert sorted(found) == (sorted(numbers) if name not in ("unassigned", "waiting_parts") else []), name


@pytest.mark.parametrize("queue", ["open", "unassigned", "waiting_parts"])
async def test_an_order_that_a_queue_has_no_index_for_is_refused(cases: CasesApi, agent: Actor, queue: str) -> None:
    for sort in ("first_answer", "-callback", "unanswered", "escalation", "assignee"):
        answer = await cases.call("GET", "/agent/cases", agent, params={"queue": queue, "sort": sort})
        assert (answer.status, answer.wrong_fields) == (422, {"sort"})


async def test_each_queue_is_counted(cases: CasesApi, monkeypatch: pytest.MonkeyPatch) -> None:
    # The cases of other tests are in the agents' queues as well.
    for bounded in (queues, views):
        monkeypatch.setattr(bounded, "TOTAL_LIMIT", 1_000_000)
    agent, ana = an_actor(Role.AGENT), an_actor()
    before = await counted(cases, agent)
    assert [*before] == [*QUEUES]
    assert (before["mine"], before["replied"]) == (0, 0)
    own, _ = await a_number(cases, ana), await a_number(cases, ana)
    await cases.agent_act(own, agent, action="take")
    await cases.act(own, ana, action="comment", text="Any news?")
    callback = {"callback": CALLBACK}
    await a_number(cases, ana, kept=callback | {"escalation": ESCALATION})
    await a_number(cases, ana, kept={"first_answer": {"due_at": SOON, "answered_at": None}})
    parts = await a_number(cases, ana)
    await cases.agent_act(parts, an_actor(Role.AGENT), action="take")
    await cases.agent_act(parts, agent, action="reply", text="On its way.", status="waiting_parts")
    more = {"mine": 1, "replied": 1, "open": 5, "unassigned": 3, "callbacks": 1, "escalations": 1}
    more |= {"first_answers": 1, "waiting_parts": 1}
    after = await counted(cases, agent)
    assert {name: after[name] - before[name] for name in QUEUES} == more


async def test_the_queues_of_agents_are_closed_to_customers_and_take_no_unknown_parameters(cases: CasesApi) -> None:
    for path in ("/agent/queues", "/agent/agents"):
        assert (await cases.call("GET", path, an_actor())).status == 403
        answer = await cases.call("GET", path, an_actor(Role.AGENT), params={"queue": "mine"})
        assert (answer.status, answer.wrong_fields) == (422, {"queue"})


async def test_a_case_can_be_assigned_to_the_active_people_of_the_vendor(cases: CasesApi) -> None:
    zoe = an_actor(Role.AGENT, name="Zoé Martin")
    amir = an_actor(Role.VENDOR_ADMIN, name="amir Haddad", company_id=zoe.company_id)
    gone = an_actor(Role.AGENT, name="Bea Gone", company_id=zoe.company_id)
    customer = an_actor(Role.MEMBER, name="Cleo", company_id=zoe.company_id)
    for person in (zoe, amir, customer, an_actor(Role.AGENT)):
        await cases.hear(user_changed(person))
    await cases.hear(user_changed(gone, active=False))
    people = (await cases.call("GET", "/agent/agents", zoe)).body
    assert people["items"] == [{"user_id": str(each.user_id), "name": each.name} for each in (amir, zoe)]
    first = (await cases.call("GET", "/agent/agents", zoe, params={"limit": 1, "sort": "-name"})).body
    assert ([each["name"] for each in first["items"]], first["total"]) == (["Zoé Martin"], 2)
