"""Callbacks and escalations: who asks, who answers, and when they are over."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.actor import Actor, Role
from tests.builders import Json, an_actor
from tests.client import Answer
from tests.service.cases.conftest import CasesApi

PHONE = "+33472000000"


def in_hours(hours: float) -> datetime:
    now = datetime.now(UTC) + timedelta(hours=hours)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def written(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def a_window(start_h: float = 2, end_h: float = 4) -> Json:
    return {"from": written(in_hours(start_h)), "to": written(in_hours(end_h))}


def interval(window: Json) -> str:
    return f"{window['from']}/{window['to']}"


async def request(cases: CasesApi, number: str, by: Actor, **fields: Any) -> Answer:
    return await cases.act(number, by, action="request_callback", **{"phone": PHONE} | fields)


async def test_a_call_is_asked_for_now_or_within_a_window(cases: CasesApi) -> None:
    ana = an_actor()
    now, later = [(await cases.submitted(ana))["number"] for _ in range(2)]
    asked = (await request(cases, now, ana, phone="+33 4 72 00 00 00")).body
    entry = asked["history"][-1]
    assert asked["callback"] == {
        "at": "now",
        "from": None,
        "to": None,
        "phone": PHONE,
        "requested_by": {"user_id": str(ana.user_id), "name": ana.name},
        "requested_at": entry["at"],
        "confirmed_at": None,
    }
    assert (entry["kind"], entry["changes"]) == ("callback_requested", {"to": "now"})
    window = a_window()
    asked = (await request(cases, later, ana, at=window)).body
    assert {name: asked["callback"][name] for name in ("at", "from", "to")} == {"at": None, **window}
    assert asked["history"][-1]["changes"] == {"to": interval(window)}
    rows = (await cases.call("GET", "/cases", ana)).body["items"]
    assert {row["number"]: row["callback"] for row in rows}[later] == asked["callback"]


async def test_a_window_may_be_sent_in_any_zone(cases: CasesApi) -> None:
    ana = an_actor()
    window = {"from": "2099-01-01T10:00:00+02:00", "to": "2099-01-01T11:00+02:00"}
    number = (await cases.submitted(ana))["number"]
    assert (await request(cases, number, ana, at=window)).field_codes == {"at.from": "callback_too_far"}
    start = in_hours(3)
    near = {"from": start.astimezone().isoformat(), "to": (start + timedelta(hours=1)).isoformat()}
    assert (await request(cases, number, ana, at=near)).body["callback"]["from"] == written(start)


@pytest.mark.parametrize(
    ("at", "codes"),
    [
        (a_window(4, 2), {"at.to": "end_before_start"}),
        (a_window(2, 2), {"at.to": "end_before_start"}),
        (a_window(-2, -1), {"at.from": "callback_past"}),
        (a_window(-0.1, -0.01), {"at.from": "callback_past"}),
        (a_window(-1, 1), {"at.from": "callback_past"}),
        (a_window(1, 26), {"at.to": "callback_too_long"}),
        (a_window(24 * 61, 24 * 61 + 1), {"at.from": "callback_too_far"}),
        ({"from": "2026-12-01T10:00:00", "to": "tomorrow"}, {"at.from": "date_time", "at.to": "date_time"}),
        ({"from": 1_800_000_000, "to": None}, {"at.from": "date_time", "at.to": "missing"}),
        (
            {"from": "0001-01-01T00:00:00+05:00", "to": "2026-02-30T00:00:00Z"},
            {"at.from": "date_time", "at.to": "date_time"},
        ),
        ({**a_window(), "zone": "UTC"}, {"at.zone": "extra_forbidden"}),
        ("soon", {"at": "literal_error"}),
        ([], {"at": "model_type"}),
    ],
    ids=[
        *("backwards", "of no length", "over", "just over", "begun long ago", "too long", "too far ahead"),
        *("without a zone", "a number", "no such times", "an unknown field", "another word", "no object"),
    ],
)
async def test_a_time_at_which_nobody_can_call_is_refused(cases: CasesApi, at: Any, codes: Json) -> None:
    ana = an_actor()
    case = await cases.submitted(ana)
    answer = await request(cases, case["number"], ana, at=at)
    assert (answer.status, answer.field_codes) == (422, codes)
    assert (await cases.get(case["number"], ana)).body["callback"] is None


async def test_a_window_that_has_just_begun_and_the_longest_and_farthest_are_taken(cases: CasesApi) -> None:
    ana = an_actor()
    for at in (a_window(-0.2, 1), a_window(1, 25), a_window(24 * 59.9, 24 * 60)):
        assert (await request(cases, (await cases.submitted(ana))["number"], ana, at=at)).status == 200


async def test_a_number_that_cannot_be_called_is_refused(cases: CasesApi) -> None:
    ana = an_actor()
    answer = await request(cases, (await cases.submitted(ana))["number"], ana, phone="12")
    assert (answer.status, answer.field_codes) == (422, {"phone": "phone"})


async def test_one_call_is_awaited_at_a_time(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    asked = await request(cases, number, ana, key="once")
    assert (await request(cases, number, ana, key="once")).body["version"] == asked.body["version"]
    again = await request(cases, number, ana)
    assert (again.status, again.code) == (409, "callback_exists")
    assert again.body["current"]["version"] == asked.body["version"]


async def test_of_many_who_ask_at_once_one_is_called(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    answers = await asyncio.gather(*(request(cases, number, ana, phone=f"+3347200000{n}") for n in range(8)))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 7
    assert {answer.code for answer in answers if answer.status == 409} == {"callback_exists"}
    (won,) = [answer.body for answer in answers if answer.status == 200]
    now = (await cases.get(number, ana)).body
    assert (now["callback"], len(now["history"])) == (won["callback"], 2)


async def test_a_callback_is_changed_confirmed_anew_and_cancelled(cases: CasesApi, agent: Actor) -> None:
    ana, first, second = an_actor(), a_window(), a_window(5, 6)
    number = (await cases.submitted(ana))["number"]
    await request(cases, number, ana, at=first)
    confirmed = (await cases.agent_act(number, agent, action="confirm_callback")).body
    assert confirmed["callback"]["confirmed_at"] == confirmed["history"][-1]["at"]
    assert confirmed["history"][-1]["kind"] == "callback_confirmed"
    change: Json = {"action": "change_callback", "at": second, "phone": PHONE}
    changed = (await cases.act(number, ana, version=confirmed["version"], **change)).body
    assert (changed["callback"]["from"], changed["callback"]["confirmed_at"]) == (second["from"], None)
    assert changed["history"][-1]["changes"] == {"from": interval(first), "to": interval(second)}
    same = (await cases.act(number, ana, version=changed["version"], **change)).body
    assert same["version"] == changed["version"]
    cancelled = (await cases.act(number, ana, action="cancel_callback", version=changed["version"])).body
    assert cancelled["callback"] is None
    entry = cancelled["history"][-1]
    assert (entry["kind"], entry["changes"]) == ("callback_cancelled", {"from": interval(second)})
    for action in ({"action": "cancel_callback"}, change):
        answer = await cases.act(number, ana, version=cancelled["version"], **action)
        assert (answer.status, answer.code) == (409, "no_callback")


async def test_an_agent_confirms_another_time_once_and_tells_that_the_call_was_made(
    cases: CasesApi, agent: Actor
) -> None:
    ana, offered = an_actor(), a_window(8, 9)
    number = (await cases.submitted(ana))["number"]
    assert (await cases.agent_act(number, agent, action="confirm_callback")).code == "no_callback"
    await request(cases, number, ana)
    refused = await cases.agent_act(number, agent, action="confirm_callback", at=a_window(-3, -2))
    assert refused.field_codes == {"at.from": "callback_past"}
    confirmed = (await cases.agent_act(number, agent, action="confirm_callback", at=offered)).body
    assert (confirmed["callback"]["at"], confirmed["callback"]["from"]) == (None, offered["from"])
    assert confirmed["history"][-1]["changes"] == {"from": "now", "to": interval(offered)}
    assert (confirmed["status"], confirmed["turn"]) == ("in_progress", "vendor")
    again = await cases.agent_act(number, agent, action="confirm_callback")
    assert (again.status, again.code) == (409, "callback_confirmed")
    made = (await cases.agent_act(number, agent, action="finish_callback", text="We cleaned the sensor.")).body
    assert made["callback"] is None
    entry = made["history"][-1]
    assert (entry["kind"], entry["text"]) == ("callback_done", "We cleaned the sensor.")
    assert (await cases.agent_act(number, agent, action="finish_callback")).code == "no_callback"
    assert (await request(cases, number, ana)).status == 200


async def test_an_agent_does_not_confirm_what_the_customer_has_changed_meanwhile(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    seen = (await request(cases, number, ana)).body["version"]
    changed = await cases.act(number, ana, action="change_callback", version=seen, at=a_window(), phone=PHONE)
    stale = await cases.agent_act(number, agent, action="confirm_callback", version=seen)
    assert (stale.status, stale.code) == (409, "stale")
    assert stale.body["current"]["version"] == changed.body["version"]


async def test_an_escalation_is_asked_for_and_accepted(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    assert (await cases.agent_act(number, agent, action="accept_escalation")).code == "no_escalation"
    ask: Json = {"action": "request_escalation", "reason": "Production has stood still since Monday."}
    asked = (await cases.act(number, ana, **ask)).body
    assert (asked["escalation"]["state"], asked["escalation"]["reason"]) == ("requested", ask["reason"])
    assert asked["escalation"]["decided_by"] is None
    assert (asked["history"][-1]["kind"], asked["history"][-1]["text"]) == ("escalation_requested", ask["reason"])
    refused = await cases.act(number, ana, **ask)
    assert (refused.status, refused.code) == (409, "escalation_exists")
    accepted = (await cases.agent_act(number, agent, action="accept_escalation", text="An engineer comes.")).body
    decided = accepted["escalation"]
    assert (decided["state"], decided["answer"]) == ("accepted", "An engineer comes.")
    assert (decided["decided_by"]["name"], decided["decided_at"]) == (agent.name, accepted["history"][-1]["at"])
    assert accepted["history"][-1]["kind"] == "escalation_accepted"
    assert accepted["status"] == "in_progress"
    assert (await cases.act(number, ana, **ask)).code == "escalation_exists"
    for action in ("accept_escalation", "decline_escalation"):
        answer = await cases.agent_act(number, agent, action=action, text="Once more.")
        assert (answer.status, answer.code) == (409, "no_escalation")
    (row,) = (await cases.call("GET", "/cases", ana)).body["items"]
    assert row["escalation"] == {"state": "accepted"}


async def test_after_a_refusal_one_may_ask_again(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    ask: Json = {"action": "request_escalation", "reason": "It is urgent."}
    await cases.act(number, ana, **ask)
    assert (await cases.agent_act(number, agent, action="decline_escalation")).field_codes == {"text": "missing"}
    declined = (await cases.agent_act(number, agent, action="decline_escalation", text="Parts come first.")).body
    assert (declined["escalation"]["state"], declined["escalation"]["answer"]) == ("declined", "Parts come first.")
    assert (declined["history"][-1]["text"], declined["status"]) == ("Parts come first.", "in_progress")
    again = (await cases.act(number, ana, **ask)).body["escalation"]
    assert (again["state"], again["answer"], again["decided_by"]) == ("requested", "", None)


async def test_of_two_agents_who_decide_at_once_one_does(cases: CasesApi) -> None:
    ana, one, other = an_actor(), an_actor(Role.AGENT), an_actor(Role.AGENT)
    number = (await cases.submitted(ana))["number"]
    await cases.act(number, ana, action="request_escalation", reason="It is urgent.")
    answers = await asyncio.gather(
        cases.agent_act(number, one, action="accept_escalation"),
        cases.agent_act(number, other, action="decline_escalation", text="Not now."),
    )
    assert sorted(answer.status for answer in answers) == [200, 409]
    kinds = [entry["kind"] for entry in (await cases.get(number, ana)).body["history"]]
    assert len([kind for kind in kinds if kind.startswith("escalation_")]) == 2


END: dict[str, Json] = {
    "close": {"reason": "It prints.", "resolved": True},
    "cancel": {"reason": "Wrong device."},
    "close as an agent": {"resolution": "Replaced the roller."},
}


@pytest.mark.parametrize("how", END)
async def test_when_a_case_ends_nobody_waits_for_a_call_or_a_decision_any_more(
    cases: CasesApi, agent: Actor, how: str
) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await request(cases, number, ana)
    version = (await cases.act(number, ana, action="request_escalation", reason="Urgent.")).body["version"]
    act = cases.agent_act if "agent" in how else cases.act
    ended = (await act(number, agent, action=how.split(maxsplit=1)[0], version=version, **END[how])).body
    assert (ended["callback"], ended["escalation"]) == (None, None)
    kinds = [entry["kind"] for entry in ended["history"]]
    assert kinds[1:3] == ["callback_requested", "escalation_requested"]
    for action in ("confirm_callback", "finish_callback", "accept_escalation"):
        assert (await cases.agent_act(number, agent, action=action)).code == "case_closed"
    (row,) = (await cases.call("GET", "/cases", ana)).body["items"]
    assert (row["callback"], row["escalation"]) == (None, None)
    if how == "close":
        opened = await cases.act(number, ana, action="reopen", version=ended["version"], reason="It jams again.")
        assert (opened.body["callback"], opened.body["escalation"]) == (None, None)
        assert {"request_callback", "request_escalation"} <= set(opened.body["allowed_actions"])
