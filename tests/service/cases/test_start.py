"""What the start page is told at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.actor import Actor, Role
from tests.builders import Json, a_contact, an_actor
from tests.events import site_changed, user_changed
from tests.service.cases.conftest import CasesApi


async def start(cases: CasesApi, by: Actor) -> Json:
    answer = await cases.call("GET", "/start", by)
    assert answer.status == 200, answer.body
    body: Json = answer.body
    return body


async def set_status(cases: CasesApi, number: str, agent: Actor, status: str) -> None:
    version = (await cases.get(number, agent)).body["version"]
    await cases.agent_act(number, agent, action="set_status", version=version, status=status)


async def a_question(
    cases: CasesApi, ana: Actor, agent: Actor, text: str = "Please send the event log.", **fields: Any
) -> str:
    """A case that waits for the customer."""
    number: str = (await cases.submitted(ana, **fields))["number"]
    await cases.agent_act(number, agent, action="take")
    await cases.agent_act(number, agent, action="reply", text=text)
    await set_status(cases, number, agent, "waiting_customer")
    return number


def numbers(page: Json) -> list[str]:
    return [case["number"] for case in page["items"]]


async def test_it_tells_what_waits_what_else_is_new_and_how_many_cases_are_open(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    older = [(await cases.submitted(ana))["number"] for _ in range(7)]
    await cases.act(older[0], ana, action="cancel", version=1, reason="wrong device")
    asked = await a_question(cases, ana, agent)
    told = await start(cases, ana)
    assert numbers(told["waiting"]) == [asked]
    assert numbers(told["recent"]) == [older[0], *older[:2:-1]]  # no case twice
    counted = (await cases.call("GET", "/cases/facets", ana, params={"status": "open"})).body
    counted["status"] = [facet for facet in counted["status"] if facet["value"] != "cancelled"]
    assert told["counts"] == counted
    open_ones = {facet["value"]: facet["count"] for facet in told["counts"]["status"]}
    assert open_ones == {"new": 6, "waiting_customer": 1}


async def test_recent_cases_are_five_however_many_of_them_wait(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    others = [(await cases.submitted(ana))["number"] for _ in range(6)]
    waiting = [await a_question(cases, ana, agent) for _ in range(6)]
    told = await start(cases, ana)
    assert numbers(told["waiting"]) == waiting[:0:-1]
    assert told["waiting"]["total"] == 6
    assert numbers(told["recent"]) == [waiting[0], *others[:1:-1]]


async def test_a_row_is_that_of_the_list_with_what_the_agent_asked(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    number = await a_question(cases, ana, agent)
    (row,) = (await start(cases, ana))["waiting"]["items"]
    case = (await cases.get(number, ana)).body
    reply = next(entry for entry in case["history"] if entry["kind"] == "reply")
    by = {"user_id": str(agent.user_id), "name": "Marek Kowal"}
    assert row.pop("asked") == {"text": "Please send the event log.", "by": by, "at": reply["at"]}
    assert [row] == (await cases.call("GET", "/cases", ana, params={"view": "waiting"})).body["items"]
    assert row["turn_since"] == case["turn_since"] > reply["at"]


async def test_a_customer_is_told_neither_notes_nor_their_own_words(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    number = await a_question(cases, ana, agent, "Which firmware is it?")
    await cases.act(number, ana, action="comment", text="It is 2.14.")
    await set_status(cases, number, agent, "waiting_customer")
    await cases.agent_act(number, agent, action="note", text="Internal: difficult customer.")
    (row,) = (await start(cases, ana))["waiting"]["items"]
    assert row["asked"]["text"] == "Which firmware is it?"


async def test_nothing_is_quoted_where_an_agent_has_written_nothing(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await cases.agent_act(number, agent, action="take")
    await cases.agent_act(number, agent, action="note", text="Only for us.")
    await set_status(cases, number, agent, "waiting_customer")
    (row,) = (await start(cases, ana))["waiting"]["items"]
    assert (row["number"], row["asked"]) == (number, None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Which firmware\n\n  does it have?", "Which firmware does it have?"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 200 + "…"),
        (f"{'word ' * 39}words here", "word " * 39 + "words…"),
        (f"{'word ' * 39}longer words", ("word " * 39).rstrip() + "…"),
    ],
)
async def test_a_message_is_one_line_and_ends_with_a_word(cases: CasesApi, agent: Actor, text: str, shown: str) -> None:
    ana = an_actor()
    await a_question(cases, ana, agent, text)
    (row,) = (await start(cases, ana))["waiting"]["items"]
    assert row["asked"]["text"] == shown


async def test_of_a_colleagues_case_nothing_waits_for_me(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    await a_question(cases, ana, agent)
    for other in (an_actor(Role.COMPANY_ADMIN, company_id=ana.company_id), an_actor()):
        assert numbers((await start(cases, other))["waiting"]) == []


async def test_what_a_reader_may_not_see_is_nowhere_on_the_page(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    company: Json = {"company_id": ana.company_id}
    luc = an_actor(Role.MEMBER, **company, visibility="own")
    here, there = site_changed(ana.company_id), site_changed(ana.company_id, name="Nice")
    for event in (here, there, user_changed(luc)):
        await cases.hear(event)
    places = [{"site_id": str(site.site_id)} for site in (here, there)]
    of_luc = {"contact": a_contact(user_id=str(luc.user_id), email=luc.email), "confidential": True}
    at_here, at_there, secret = [
        await a_question(cases, ana, agent, text="What only readers read.", **fields)
        for fields in (places[0], places[1], {**places[1], **of_luc})
    ]
    limited: Json = {"site_ids": frozenset({here.site_id})}
    for reader, waiting, recent in (
        (an_actor(Role.MEMBER, **company), [], [at_there, at_here]),
        (an_actor(Role.MEMBER, **company, **limited), [], [at_here]),
        (an_actor(Role.CASE_MANAGER, **company, **limited), [], [at_here]),
        (an_actor(Role.MEMBER, **company, visibility="own"), [], []),
        (an_actor(), [], []),
        (luc, [secret], []),
    ):
        told = await start(cases, reader)
        assert (numbers(told["waiting"]), numbers(told["recent"])) == (waiting, recent)
        assert sum(facet["count"] for facet in told["counts"]["status"]) == len(waiting + recent)
        assert ("What only readers read." in str(told)) is bool(waiting)


async def test_for_an_agent_what_nobody_or_they_have_taken_waits_the_longest_first(
    cases: CasesApi, agent: Actor
) -> None:
    ana = an_actor()
    untaken, mine, answered, others, asked = [(await cases.submitted(ana))["number"] for _ in range(5)]
    for number in (mine, answered, asked):
        await cases.agent_act(number, agent, action="take")
        await cases.agent_act(number, agent, action="reply", text="Please send the event log.")
    await cases.agent_act(others, an_actor(Role.AGENT), action="take")
    for number in (answered, asked):
        await set_status(cases, number, agent, "waiting_customer")
    await cases.act(answered, ana, action="comment", text="Here it is.")
    await cases.agent_act(answered, agent, action="note", text="Forwarded.")
    # Before those of all other tests.
    for day, number in enumerate((untaken, mine, answered, others, asked)):
        long_ago = datetime(2001, 1, 1, tzinfo=UTC) + timedelta(days=day)
        await cases.db["cases"].update_one({"number": number}, {"$set": {"turn_since": long_ago}})
    rows = (await start(cases, agent))["waiting"]["items"]
    description = "The printer jams on every second page since this morning."
    assert [(row["number"], row["asked"]["text"]) for row in rows[:3]] == [
        (untaken, description),
        (mine, description),
        (answered, "Here it is."),
    ]
    assert {others, asked}.isdisjoint(row["number"] for row in rows)
    submitted, _, comment = (row["asked"] for row in rows[:3])
    assert submitted["by"]["name"] == comment["by"]["name"] == ana.name
    assert submitted["at"] == rows[0]["created_at"]
