"""Actions on a case: the rules of both sides, and many people at once."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.cases.cases.store import history
from shared.actor import Actor, Role, Visibility
from tests.builders import Json, a_contact, an_actor
from tests.events import site_changed, user_changed
from tests.service.cases.conftest import CasesApi
from tests.service.cases.files import MIB


async def test_a_case_is_taken_answered_and_closed_with_its_resolution(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    taken = (await cases.agent_act(number, agent, action="take")).body
    assert (taken["status"], taken["assignee"]["name"]) == ("in_progress", "Marek Kowal")
    await cases.agent_act(number, agent, action="reply", text="Please send the event log.")
    version = (await cases.get(number, agent)).body["version"]
    closed = (
        await cases.agent_act(number, agent, action="close", version=version, resolution="Replaced the roller.")
    ).body
    assert (closed["status"], closed["turn"], closed["resolution"]) == ("closed", None, "Replaced the roller.")
    assert closed["resolved"] is True
    assert [entry["kind"] for entry in closed["history"]] == ["created", "taken", "reply", "closed"]
    *_, fact, state = await cases.said(number)
    assert (fact["type"], fact["outcome"], fact["reason"]) == ("cases.case.closed.v1", "closed", "Replaced the roller.")
    assert fact["version"] == state["version"] == closed["version"]
    assert state["is_open"] is False
    assert {person["email"] for person in fact["people"]} >= {ana.email}


async def test_after_a_customers_comment_it_is_the_vendors_turn(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    version = (await cases.agent_act(number, agent, action="take")).body["version"]
    waiting = await cases.agent_act(number, agent, action="set_status", version=version, status="waiting_customer")
    assert waiting.body["turn"] == "customer"
    assert await cases.listed(ana, view="waiting") == [number]
    colleague = an_actor(company_id=ana.company_id)
    assert await cases.listed(colleague) == [number]
    assert await cases.listed(colleague, view="waiting") == [], "it waits for its own people"
    answered = (await cases.act(number, ana, action="comment", text="Here is the log.")).body
    assert (answered["status"], answered["turn"]) == ("in_progress", "vendor")
    assert answered["turn_since"] == answered["updated_at"]


async def test_a_new_case_cannot_wait_for_the_customer(cases: CasesApi, agent: Actor) -> None:
    number = (await cases.submitted(an_actor()))["number"]
    waiting: Json = {"action": "set_status", "version": 1, "status": "waiting_customer"}
    answer = await cases.agent_act(number, agent, **waiting)
    assert (answer.status, answer.code) == (409, "case_new")
    begun = await cases.agent_act(number, agent, **waiting | {"status": "in_progress"})
    answer = await cases.agent_act(number, agent, **waiting | {"version": begun.body["version"]})
    assert (answer.status, answer.body["status"]) == (200, "waiting_customer")


async def test_a_closed_case_refuses_comments_and_a_second_close(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    closed = await cases.act(number, ana, action="close", version=1, reason="done", resolved=True)
    comment = await cases.act(number, ana, action="comment", text="too late")
    again = await cases.act(number, ana, action="close", version=closed.body["version"], reason="done", resolved=True)
    assert (comment.status, comment.code) == (409, "case_closed")
    assert (again.status, again.code) == (409, "case_closed")


async def test_a_cancelled_case_counts_as_closed_and_cannot_be_reopened(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    cancelled = (await cases.act(number, ana, action="cancel", version=1, reason="wrong device")).body
    assert (cancelled["status"], cancelled["allowed_actions"]) == ("cancelled", ["mark_confidential", "follow_up"])
    again = await cases.act(number, ana, action="reopen", version=cancelled["version"], reason="again")
    assert (again.status, again.code) == (409, "case_cancelled")
    assert (await cases.said(number))[-2]["outcome"] == "cancelled"


async def test_who_may_reopen_a_closed_case_is_told_until_when(cases: CasesApi) -> None:
    ana = an_actor()
    case = await cases.submitted(ana)
    assert case["reopen_until"] is None
    closed = await cases.act(case["number"], ana, action="close", version=1, reason="done", resolved=True)
    until = datetime.fromisoformat(closed.body["reopen_until"])
    assert until - datetime.fromisoformat(closed.body["closed_at"]) == timedelta(days=14)
    colleague = an_actor(Role.MEMBER, company_id=ana.company_id, visibility=Visibility.COMPANY)
    assert (await cases.get(case["number"], colleague)).body["reopen_until"] is None
    await cases.db["cases"].update_one({"number": case["number"]}, {"$set": {"closed_at": until - timedelta(days=29)}})
    assert (await cases.get(case["number"], ana)).body["reopen_until"] is None


async def test_a_closed_case_can_be_reopened_and_an_open_case_cannot(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    assert (await cases.act(number, ana, action="reopen", version=1, reason="again")).code == "case_open"
    closed = (await cases.act(number, ana, action="close", version=1, reason="done", resolved=True)).body
    assert closed["allowed_actions"] == ["mark_confidential", "reopen", "follow_up"]
    opened = (await cases.act(number, ana, action="reopen", version=closed["version"], reason="again")).body
    assert (opened["status"], opened["closed_at"]) == ("in_progress", None)
    assert (opened["resolution"], opened["resolved"]) == (None, None)
    assert (await cases.said(number))[-1]["is_open"] is True


async def test_a_stale_change_answers_409_with_the_current_state(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await cases.act(number, ana, action="change_severity", version=1, severity=1)
    stale = await cases.act(number, ana, action="close", version=1, reason="done", resolved=True)
    assert (stale.status, stale.code) == (409, "stale")
    now = {"version": 2, "status": "new", "severity": 1, "assignee": None}
    assert {name: stale.body["current"][name] for name in now} == now


@pytest.mark.parametrize(
    "action", [{"action": "comment", "text": "hello"}, {"action": "cancel", "version": 1, "reason": "x"}]
)
async def test_a_repeated_action_with_the_same_key_happens_once(cases: CasesApi, action: dict[str, Any]) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    answers = [await cases.act(number, ana, key="again", **action) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert len(answers[-1].body["history"]) == 2
    other = await cases.act(number, ana, key="again", action="comment", text="something else")
    assert (other.status, other.code) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("who", ["owner", "contact", "second", "manager", "limited", "admin", "agent"])
async def test_a_repeated_action_is_known_again_whoever_sends_it_and_wherever_it_stands(
    cases: CasesApi, agent: Actor, who: str
) -> None:
    ana = an_actor(Role.MEMBER)
    company = ana.company_id
    contact, second = (an_actor(Role.MEMBER, company_id=company, visibility="own") for _ in range(2))
    place = site_changed(company)
    for event in (user_changed(contact), user_changed(second), place):
        await cases.hear(event)
    people = {
        "owner": ana,
        "contact": contact,
        "second": second,
        "manager": an_actor(Role.CASE_MANAGER, company_id=company),
        "limited": an_actor(Role.CASE_MANAGER, company_id=company, site_ids=frozenset({place.site_id})),
        "admin": an_actor(company_id=company),
        "agent": agent,
    }
    number = (
        await cases.submitted(
            ana,
            contact=a_contact(email=contact.login_email),
            secondary_contact=a_contact(email=second.login_email),
            site_id=str(place.site_id),
            equipment_address=None,
        )
    )["number"]
    for place_in_history in range(1, 5):
        action: Json = {"action": "comment", "text": f"At {place_in_history}.", "key": f"key-{place_in_history}"}
        answers = [await cases.act(number, people[who], **action) for _ in range(2)]
        assert [answer.status for answer in answers] == [200, 200]
        assert [answer.body["history_total"] for answer in answers] == [place_in_history + 1] * 2


@pytest.mark.parametrize(
    "action",
    [
        {"action": "close", "reason": "done", "resolved": True},
        {"action": "cancel", "reason": "wrong device"},
        {"action": "change_severity", "severity": 1},
    ],
    ids=lambda action: str(action["action"]),
)
async def test_equal_changes_at_once_are_one_change(cases: CasesApi, action: dict[str, Any]) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    answers = await asyncio.gather(*(cases.act(number, ana, key="twice", version=1, **action) for _ in range(8)))
    assert [answer.status for answer in answers] == [200] * 8
    now = (await cases.get(number, ana)).body
    assert (now["version"], len(now["history"])) == (2, 2)


@pytest.mark.parametrize("action", ["set_status", "assign", "close"])
async def test_equal_changes_of_an_agent_at_once_are_one_change(cases: CasesApi, agent: Actor, action: str) -> None:
    await cases.hear(user_changed(agent))
    number = (await cases.submitted(an_actor()))["number"]
    what = {
        "set_status": {"status": "in_progress"},
        "assign": {"agent_id": str(agent.user_id)},
        "close": {"resolution": "Replaced the roller."},
    }[action]
    answers = await asyncio.gather(
        *(cases.agent_act(number, agent, key="twice", action=action, version=1, **what) for _ in range(8))
    )
    assert [answer.status for answer in answers] == [200] * 8
    now = (await cases.get(number, agent)).body
    assert (now["version"], len(now["history"])) == (2, 2)


async def test_another_change_under_the_same_key_at_once_is_refused(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    answers = await asyncio.gather(
        *(cases.act(number, ana, key="which", action="change_severity", version=1, severity=n) for n in (1, 2, 4))
    )
    assert sorted(answer.status for answer in answers) == [200, 422, 422]


async def test_an_idempotency_key_counts_for_one_case_only(cases: CasesApi) -> None:
    ana = an_actor()
    entry_ids = set()
    for _ in range(2):
        number = (await cases.submitted(ana))["number"]
        answer = await cases.act(number, ana, key="two-cases", action="comment", text="Both print nothing.")
        entry_ids.add(answer.body["history"][-1]["id"])
    assert len(entry_ids) == 2


async def test_a_member_cannot_change_a_colleagues_case(cases: CasesApi) -> None:
    ana = an_actor()
    luc = an_actor(Role.MEMBER, company_id=ana.company_id)
    number = (await cases.submitted(ana))["number"]
    assert (await cases.get(number, luc)).body["allowed_actions"] == []
    for action in (
        {"action": "comment", "text": "hi"},
        {"action": "close", "version": 1, "reason": "x", "resolved": False},
        {"action": "change_severity", "version": 1, "severity": 1},
        # Not "stale" either, which would ask for another try.
        {"action": "close", "version": 7, "reason": "x", "resolved": False},
        {"action": "cancel", "version": 7, "reason": "x"},
        {"action": "reopen", "version": 7, "reason": "x"},
        {"action": "change_severity", "version": 7, "severity": 1},
    ):
        answer = await cases.act(number, luc, **action)
        assert (answer.status, answer.code) == (403, "forbidden"), action


async def test_a_case_manager_can_change_a_members_case(cases: CasesApi) -> None:
    ana = an_actor(Role.MEMBER)
    manager = an_actor(Role.CASE_MANAGER, company_id=ana.company_id)
    number = (await cases.submitted(ana))["number"]
    answer = await cases.act(number, manager, action="change_severity", version=1, severity=2)
    assert (answer.status, answer.body["severity"]) == (200, 2)


@pytest.mark.parametrize(
    "action",
    [
        {"action": "take"},
        {"action": "reply", "text": "x"},
        {"action": "note", "text": "x"},
        {"action": "set_status", "version": 1, "status": "in_progress"},
        {"action": "close", "version": 1, "resolution": "x"},
        {"action": "assign", "version": 1, "agent_id": "0195d8e0-0000-7000-8000-000000000000"},
    ],
    ids=lambda action: str(action["action"]),
)
async def test_customers_cannot_do_what_agents_do(cases: CasesApi, action: dict[str, Any]) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    assert (await cases.agent_act(number, ana, **action)).status == 403
    assert len((await cases.get(number, ana)).body["history"]) == 1


async def test_a_case_is_assigned_to_agents_only(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await cases.hear(user_changed(agent))
    await cases.hear(user_changed(ana))
    assigned = await cases.agent_act(number, agent, action="assign", version=1, agent_id=str(agent.user_id))
    assert assigned.body["assignee"]["name"] == agent.name
    wrong = await cases.agent_act(
        number, agent, action="assign", version=assigned.body["version"], agent_id=str(ana.user_id)
    )
    assert (wrong.status, wrong.code) == (409, "not_yet_known")
    left = an_actor(Role.AGENT)
    await cases.hear(user_changed(left, active=False))
    wrong = await cases.agent_act(
        number, agent, action="assign", version=assigned.body["version"], agent_id=str(left.user_id)
    )
    assert (wrong.status, wrong.code) == (409, "not_yet_known")


async def test_setting_the_current_value_changes_nothing(cases: CasesApi, agent: Actor) -> None:
    await cases.hear(user_changed(agent))
    number = (await cases.submitted(an_actor()))["number"]
    taken = (await cases.agent_act(number, agent, action="take")).body
    same: list[Json] = [
        {"action": "take"},
        {"action": "assign", "agent_id": str(agent.user_id)},
        {"action": "set_status", "status": "in_progress"},
    ]
    answers = [await cases.agent_act(number, agent, version=taken["version"], **action) for action in same]
    severity: Json = {"action": "change_severity", "severity": taken["severity"]}
    answers.append(await cases.act(number, agent, version=taken["version"], **severity))
    for answer in answers:
        assert (answer.status, answer.body["version"]) == (200, taken["version"])
        assert answer.body["history"] == taken["history"]
    # It is judged by the version all the same.
    stale = await cases.act(number, agent, version=1, **severity)
    assert (stale.status, stale.code) == (409, "stale")


async def test_actions_of_agents_are_listed_apart(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    for_both = [
        *("comment", "attach", "change_contact", "change_secondary_contact", "change_site", "change_parts_address"),
        *("change_severity", "request_callback", "request_escalation", "mark_confidential", "close", "cancel"),
    ]
    for_agents = ["take", "assign", "reply", "note", "set_status", "close"]
    seen = (await cases.get(number, ana)).body
    assert (seen["allowed_actions"], seen["allowed_agent_actions"]) == (for_both, [])
    seen = (await cases.get(number, agent)).body
    # An agent's names stand with the others too, as they always did: only the two of `close` have to be told apart.
    assert (seen["allowed_actions"], seen["allowed_agent_actions"]) == ([*for_both, *for_agents[:-1]], for_agents)
    taken = (await cases.agent_act(number, agent, action="take")).body
    assert taken["allowed_agent_actions"] == for_agents[1:]


async def test_a_version_is_accepted_beside_every_action(cases: CasesApi, agent: Actor) -> None:
    number = (await cases.submitted(an_actor()))["number"]
    assert (await cases.act(number, agent, action="comment", text="Hello.", version=7)).status == 200
    for action in ({"action": "take"}, {"action": "reply", "text": "Hello."}, {"action": "note", "text": "Hello."}):
        assert (await cases.agent_act(number, agent, version=7, **action)).status == 200, action


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "explode"},
        {"action": "comment"},
        {"action": "comment", "text": ""},
        {"action": "comment", "text": {"$ne": None}},
        {"action": "comment", "text": "x" * 10_001},
        {"action": "comment", "text": "x", "internal": True},
        {"action": "close", "reason": "x", "resolved": True},
        {"action": "close", "version": "1", "reason": "x", "resolved": True},
        {"action": "close", "version": 2**63, "reason": "x", "resolved": True},
        {"action": "change_severity", "version": 1, "severity": 0},
    ],
    ids=str,
)
async def test_an_invalid_action_is_refused(cases: CasesApi, body: dict[str, Any]) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    answer = await cases.act(number, ana, **body)
    assert answer.status == 422
    assert answer.body["errors"][0]["code"]


# Many at once


async def test_twenty_people_comment_at_once_and_nothing_is_lost(cases: CasesApi) -> None:
    ana = an_actor()
    people = [an_actor(company_id=ana.company_id, name=f"Person {n}") for n in range(20)]
    number = (await cases.submitted(ana))["number"]
    answers = await asyncio.gather(
        *(cases.act(number, person, action="comment", text=f"from {person.name}") for person in people)
    )
    assert {answer.status for answer in answers} == {200}
    now = (await cases.get(number, ana)).body
    assert {entry["text"] for entry in now["history"][1:]} == {f"from Person {n}" for n in range(20)}
    assert now["version"] == 21


async def test_when_twenty_agents_take_one_case_one_gets_it(cases: CasesApi) -> None:
    ana = an_actor()
    agents = [an_actor(Role.AGENT, name=f"Agent {n}") for n in range(20)]
    number = (await cases.submitted(ana))["number"]
    answers = await asyncio.gather(*(cases.agent_act(number, one, action="take") for one in agents))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 19
    assert {answer.code for answer in answers if answer.status == 409} == {"already_taken"}
    winner = next(answer.body["assignee"]["name"] for answer in answers if answer.status == 200)
    now = (await cases.get(number, ana)).body
    assert now["assignee"]["name"] == winner
    assert [entry["kind"] for entry in now["history"]] == ["created", "taken"]


async def test_when_twenty_people_close_and_comment_at_once_one_closes(cases: CasesApi) -> None:
    ana = an_actor()
    people = [an_actor(company_id=ana.company_id) for _ in range(20)]
    number = (await cases.submitted(ana))["number"]
    closing = [cases.act(number, p, action="close", version=1, reason="done", resolved=True) for p in people[:10]]
    commenting = [cases.act(number, p, action="comment", text="wait") for p in people[10:]]
    answers = await asyncio.gather(*closing, *commenting)
    winners = [answer for answer in answers[:10] if answer.status == 200]
    assert len(winners) <= 1
    assert all(answer.status == 409 for answer in answers[:10] if answer not in winners)
    assert all(answer.status in (200, 409) for answer in answers[10:])
    history = (await cases.get(number, ana)).body["history"]
    accepted = sum(answer.status == 200 for answer in answers)
    assert len(history) == 1 + accepted
    closed_facts = [said for said in await cases.said(number) if said["type"] == "cases.case.closed.v1"]
    assert len(closed_facts) == len(winners)


async def test_a_full_case_refuses_comments_but_can_be_taken_and_closed(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    document = await cases.db["cases"].find_one({"number": number})
    assert document is not None
    entry = document["history"][0]
    await cases.db["cases"].update_one({"number": number}, {"$set": {"history": [entry] * 1000}})
    comment = await cases.act(number, ana, action="comment", text="one more")
    assert (comment.status, comment.code) == (409, "case_full")
    allowed = (await cases.get(number, ana)).body["allowed_actions"]
    assert {"comment", "attach"} & set(allowed) == set()
    assert {"change_severity", "close", "cancel", "follow_up"} <= set(allowed)
    taken = await cases.agent_act(number, agent, action="take")
    assert (taken.status, taken.body["assignee"]["name"], taken.body["status"]) == (200, agent.name, "in_progress")
    reply = await cases.agent_act(number, agent, action="reply", text="one more")
    assert (reply.status, reply.code) == (409, "case_full")
    closed = await cases.act(number, ana, action="close", version=2, reason="done", resolved=True)
    assert closed.status == 200


async def test_a_case_of_8_mib_refuses_comments_but_can_be_taken_and_closed(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    case = await cases.submitted(ana)
    number, long = case["number"], "x" * (8 * MIB - 100_000)
    await cases.db["cases"].update_one({"number": number}, {"$set": {"history.0.text": long}})
    while (comment := await cases.act(number, ana, action="comment", text="x" * 10_000)).status == 200:
        pass
    assert comment.code == "case_full"
    version = (await cases.get(number, ana)).body["version"]
    assert 5 < version < 12
    taken = await cases.agent_act(number, agent, action="take")
    assert (taken.status, taken.body["version"]) == (200, version + 1)
    closed = await cases.act(number, ana, action="close", version=version + 1, reason="Full", resolved=True)
    assert closed.status == 200


async def test_twenty_comments_at_once_all_fit_into_a_nearly_full_case(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await cases.db["cases"].update_one({"number": number}, {"$set": {"history.0.text": "x" * (8 * MIB - 100_000)}})
    asked = [cases.act(number, ana, action="comment", text=f"{n}") for n in range(20)]
    assert {answer.status for answer in await asyncio.gather(*asked)} == {200}
    document = await cases.db["cases"].find_one({"number": number})
    assert document is not None
    assert {entry["text"] for entry in document["history"][1:]} == {f"{n}" for n in range(20)}


async def test_writing_to_one_case_does_not_wait_for_another(cases: CasesApi) -> None:
    ana = an_actor()
    held, free = [(await cases.submitted(ana))["number"] for _ in range(2)]
    async with history.turn_at(held):
        waiting = asyncio.ensure_future(cases.act(held, ana, action="comment", text="after"))
        assert (await cases.act(free, ana, action="comment", text="meanwhile")).status == 200
        assert not waiting.done()
    assert (await waiting).status == 200


async def test_an_internal_note_does_not_make_a_customers_change_stale(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    case = await cases.submitted(ana)
    number, version = case["number"], case["version"]
    noted = await cases.agent_act(number, agent, action="note", text="They threatened to leave.")
    assert noted.status == 200
    seen = (await cases.get(number, ana)).body
    assert (seen["version"], seen["updated_at"]) == (version, case["updated_at"])
    closing = cases.act(number, ana, action="close", version=version, reason="It prints.", resolved=True)
    noting = [cases.agent_act(number, agent, action="note", text=f"{n}") for n in range(10)]
    closed, *notes = await asyncio.gather(closing, *noting)
    assert closed.status == 200
    written = [note for note in notes if note.status == 200]
    kept = (await cases.get(number, agent)).body["history"]
    assert [entry["kind"] for entry in kept].count("note") == 1 + len(written)
    assert [entry["kind"] for entry in kept].count("closed") == 1
    assert all(note.code == "case_closed" for note in notes if note not in written)


async def test_a_text_that_looks_like_a_database_expression_stays_text(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana, title="$problem.severity"))["number"]
    commented = (await cases.act(number, ana, action="comment", text="$$ROOT")).body
    closed = (
        await cases.act(number, ana, action="close", version=commented["version"], reason="$version", resolved=True)
    ).body
    assert (closed["title"], closed["resolution"]) == ("$problem.severity", "$version")
    assert [entry["text"] for entry in closed["history"]] == ["", "$$ROOT", "$version"]
