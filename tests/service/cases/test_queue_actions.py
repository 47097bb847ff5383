"""What agents do in their queues: answer and set the state in one write, close with files, take what somebody has."""

import asyncio

import pytest

from services.cases.cases.store import history
from shared.actor import Actor, Role
from tests.builders import Json, an_actor
from tests.events import user_changed
from tests.service.cases.conftest import CasesApi
from tests.service.cases.files import PDF, uploaded


@pytest.mark.parametrize("status", ["in_progress", "waiting_customer", "waiting_parts"])
async def test_an_answer_sets_the_state_even_of_a_new_case(cases: CasesApi, agent: Actor, status: str) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    answered = (await cases.agent_act(number, agent, action="reply", text="Which tray?", status=status)).body
    assert (answered["status"], answered["version"], answered["history_total"]) == (status, 2, 2)
    turn = "customer" if status == "waiting_customer" else "vendor"
    assert (answered["turn"], answered["turn_since"] == answered["updated_at"]) == (turn, turn == "customer")
    entry = (await cases.get(number, ana)).body["history"][-1]
    assert (entry["kind"], entry["text"], entry["changes"]) == ("reply", "Which tray?", {"to": status})


async def test_an_answer_without_a_state_leaves_the_state(cases: CasesApi, agent: Actor) -> None:
    number = (await cases.submitted(an_actor()))["number"]
    await cases.agent_act(number, agent, action="reply", text="Which tray?", status="waiting_customer")
    answered = (await cases.agent_act(number, agent, action="reply", text="And which paper?")).body
    assert (answered["status"], answered["history"][-1]["changes"]) == ("waiting_customer", {})


@pytest.mark.parametrize("status", ["new", "closed", "cancelled", "gone"])
async def test_an_answer_sets_no_state_but_that_of_an_open_case(cases: CasesApi, agent: Actor, status: str) -> None:
    number = (await cases.submitted(an_actor()))["number"]
    answer = await cases.agent_act(number, agent, action="reply", text="Which tray?", status=status)
    assert (answer.status, answer.wrong_fields) == (422, {"status"})


async def test_an_answer_to_a_case_that_was_closed_meanwhile_is_refused_and_sets_nothing(
    cases: CasesApi, agent: Actor
) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    async with history.turn_at(number):  # the answer is read, and has to wait before it is written
        answering = asyncio.create_task(
            cases.agent_act(number, agent, action="reply", text="Which tray?", status="waiting_customer")
        )
        closing = cases.act(number, ana, action="close", version=1, reason="It works.", resolved=True)
        assert (await closing).status == 200
    answer = await answering
    assert (answer.status, answer.code, answer.body["current"]["status"]) == (409, "case_closed", "closed")
    assert (await cases.get(number, ana)).body["history_total"] == 2


async def test_an_agent_closes_with_a_long_resolution_and_files(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    file_id = await uploaded(cases, agent, "report.pdf", PDF)
    closing: Json = {"action": "close", "version": 1, "resolution": "x" * 10_000, "attachment_ids": [file_id]}
    closed = (await cases.agent_act(number, agent, key="k", **closing)).body
    assert (closed["status"], len(closed["resolution"])) == ("closed", 10_000)
    entry = (await cases.get(number, ana)).body["history"][-1]
    assert [file["name"] for file in entry["attachments"]] == ["report.pdf"]
    assert (await cases.call("GET", f"/attachments/{file_id}", ana)).status == 200
    again = await cases.agent_act(number, agent, key="k", **closing)
    assert (again.status, again.body["version"]) == (200, closed["version"])
    other = (await cases.submitted(ana))["number"]
    longer = await cases.agent_act(other, agent, **closing | {"resolution": "x" * 10_001})
    assert (longer.status, longer.wrong_fields) == (422, {"resolution"})


async def test_files_of_a_closing_that_was_refused_can_be_used_again(cases: CasesApi, agent: Actor) -> None:
    number = (await cases.submitted(an_actor()))["number"]
    file_id = await uploaded(cases, agent, "report.pdf", PDF)
    closing: Json = {"action": "close", "resolution": "Replaced the roller.", "attachment_ids": [file_id]}
    stale = await cases.agent_act(number, agent, **closing, version=7)
    assert (stale.status, stale.code) == (409, "stale")
    assert (await cases.agent_act(number, agent, **closing, version=1)).status == 200


async def test_equal_closings_with_files_at_once_are_one_and_keep_their_files(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    file_id = await uploaded(cases, agent, "report.pdf", PDF)
    closing: Json = {"action": "close", "version": 1, "resolution": "Replaced it.", "attachment_ids": [file_id]}
    answers = await asyncio.gather(*(cases.agent_act(number, agent, key="k", **closing) for _ in range(8)))
    assert {answer.status for answer in answers} == {200}
    assert (await cases.get(number, ana)).body["history_total"] == 2
    assert (await cases.call("GET", f"/attachments/{file_id}", ana)).status == 200


async def test_of_two_agents_who_take_a_case_at_once_the_second_is_told_who_has_it(cases: CasesApi) -> None:
    number = (await cases.submitted(an_actor()))["number"]
    first, second = an_actor(Role.AGENT, name="Arno Keller"), an_actor(Role.AGENT, name="Marta Lind")
    async with history.turn_at(number):  # both have read the case with nobody on it before either is written
        taking = [asyncio.create_task(cases.agent_act(number, one, action="take")) for one in (first, second)]
        await asyncio.wait(taking, timeout=0.5)
        assert not any(task.done() for task in taking)
    won, lost = sorted(await asyncio.gather(*taking), key=lambda answer: answer.status)
    assert (won.status, lost.status, lost.code) == (200, 409, "already_taken")
    assert lost.body["current"]["assignee"] == won.body["assignee"]["name"]
    assert lost.body["current"]["version"] == won.body["version"] == 2


async def test_whoever_assigns_what_somebody_took_meanwhile_is_told_who_has_it(cases: CasesApi) -> None:
    number = (await cases.submitted(an_actor()))["number"]
    first, second = an_actor(Role.AGENT, name="Arno Keller"), an_actor(Role.AGENT, name="Marta Lind")
    await cases.hear(user_changed(second))
    assert (await cases.agent_act(number, first, action="take")).status == 200
    late = await cases.agent_act(number, second, action="assign", version=1, agent_id=str(second.user_id))
    assert (late.status, late.code) == (409, "stale")
    assert (late.body["current"]["assignee"], late.body["current"]["version"]) == ("Arno Keller", 2)
