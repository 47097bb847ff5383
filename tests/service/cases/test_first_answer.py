"""A first answer is due when the level of the covering agreement says so, and comes once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.cases.cases.store.lists import UNANSWERED
from shared.actor import Actor
from shared.events.contracts import AgreementChanged
from shared.paging import ALPHABETICAL
from tests.builders import Json, a_serial, an_actor
from tests.events import agreement_changed, company_changed, device_changed
from tests.service.cases.conftest import HANDS, CasesApi

FRIDAY = datetime(2026, 3, 27, 16, 0, tzinfo=UTC)  # 17:00 in Paris, where the clocks are set forward on Sunday
DATES: Json = {"start": "2026-01-01", "end": "2026-12-31"}


@pytest.fixture(autouse=True)
def _on_friday() -> None:
    HANDS.now = FRIDAY


def promised(hours: int | None = 4, *, always: bool = False, **other: Any) -> AgreementChanged:
    return agreement_changed(**DATES | {"first_answer_hours": hours, "first_answer_always": always} | other)


async def known(cases: CasesApi, ana: Actor, serial: str, *agreements: AgreementChanged) -> None:
    await cases.hear(company_changed(ana.company_id, time_zone="Europe/Paris"))
    for agreement in agreements:
        await cases.hear(agreement)
    await cases.hear(device_changed(ana.company_id, serial, *agreements))


async def submitted(cases: CasesApi, ana: Actor, *agreements: AgreementChanged) -> Json:
    serial = a_serial()
    await known(cases, ana, serial, *agreements)
    return await cases.submitted(ana, serial=serial)


@pytest.mark.parametrize(
    ("agreement", "due"),
    [
        (promised(), "2026-03-30T09:00:00.000Z"),  # on Monday at 11:00 in Paris
        (promised(always=True), "2026-03-27T20:00:00.000Z"),
    ],
    ids=["in working hours", "around the clock"],
)
async def test_a_new_case_says_until_when_it_is_answered(
    timed: CasesApi, agreement: AgreementChanged, due: str
) -> None:
    ana = an_actor()
    case = await submitted(timed, ana, agreement)
    assert case["first_answer"] == {"due_at": due, "answered_at": None}
    shown = (await timed.get(case["number"], ana)).body
    (row,) = (await timed.call("GET", "/cases", ana)).body["items"]
    assert shown["first_answer"] == row["first_answer"] == case["first_answer"]


async def test_a_case_without_a_promise_says_none(timed: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    numbers = [
        (await submitted(timed, ana))["number"],
        (await submitted(timed, ana, promised(None)))["number"],
        (await submitted(timed, ana, promised(end="2026-03-26")))["number"],
        (await timed.submitted(ana, serial=a_serial()))["number"],
    ]
    for number in numbers:
        await timed.agent_act(number, agent, action="reply", text="Please try again.")
    rows = (await timed.call("GET", "/cases", ana)).body["items"]
    assert {row["number"]: row["first_answer"] for row in rows} == dict.fromkeys(numbers)


async def test_it_is_the_level_that_the_verdict_tells_which_promises(timed: CasesApi) -> None:
    case = await submitted(
        timed,
        an_actor(),
        promised(2, always=True, level="warranty", end="2026-06-30", agreement_kind="base_warranty"),
        promised(9, always=True, level="gold"),
        promised(1, always=True, level="later", start="2026-04-01", end="2027-12-31"),
        promised(1, always=True, level="of others", company_id=an_actor().company_id, end="2028-12-31"),
    )
    assert case["coverage"]["level"] == "gold"
    assert case["first_answer"]["due_at"] == "2026-03-28T01:00:00.000Z"


async def test_a_case_that_was_begun_with_the_number_of_an_agreement_or_a_product_is_promised_too(
    timed: CasesApi,
) -> None:
    ana, said = an_actor(), a_serial()
    await timed.hear(company_changed(ana.company_id, time_zone="Europe/Paris"))
    await timed.hear(promised(said=said, company_id=ana.company_id))
    case = await timed.submitted(ana, said=said)
    assert case["first_answer"]["due_at"] == "2026-03-30T09:00:00.000Z"


async def test_the_companys_own_working_hours_count(timed: CasesApi) -> None:
    ana, serial = an_actor(), a_serial()
    await known(timed, ana, serial, promised())
    hours = {"days": [6], "start": "22:00", "end": "24:00"}
    saturdays = company_changed(ana.company_id, version=2, time_zone="Europe/Paris", working_hours=hours)
    await timed.hear(saturdays)
    case = await timed.submitted(ana, serial=serial)
    assert case["first_answer"]["due_at"] == "2026-04-04T22:00:00.000Z"
    # As a version copied it that knew of no working hours.
    await timed.db["company_copies"].update_one({"_id": ana.company_id}, {"$unset": {"working_hours": 1}})
    case = await timed.submitted(ana, serial=serial)
    assert case["first_answer"]["due_at"] == "2026-03-30T09:00:00.000Z"


@pytest.mark.parametrize("answered", [False, True])
async def test_with_a_verdict_that_comes_later_comes_its_promise_from_when_the_case_was_created(
    timed: CasesApi, agent: Actor, *, answered: bool
) -> None:
    ana, serial = an_actor(), a_serial()
    case = await timed.submitted(ana, serial=serial)
    HANDS.now += timedelta(hours=1)
    if answered:
        await timed.agent_act(case["number"], agent, action="reply", text="Please try again.")
    await known(timed, ana, serial, promised(at=HANDS.now))
    shown = (await timed.get(case["number"], ana)).body["first_answer"]
    answered_at = "2026-03-27T17:00:00.000Z" if answered else None
    assert shown == {"due_at": "2026-03-30T09:00:00.000Z", "answered_at": answered_at}


@pytest.mark.parametrize("how", ["reply", "close"])
async def test_the_first_answer_is_kept_whatever_follows(timed: CasesApi, agent: Actor, how: str) -> None:
    ana = an_actor()
    case = await submitted(timed, ana, promised())
    number = case["number"]
    await timed.agent_act(number, agent, action="take")
    await timed.agent_act(number, agent, action="note", text="Odd.")
    await timed.act(number, ana, action="comment", text="Any news?")
    assert (await timed.get(number, ana)).body["first_answer"]["answered_at"] is None
    for _ in range(2):
        HANDS.now += timedelta(hours=1)
        version = (await timed.get(number, agent)).body["version"]
        fields: Json = {"text": "Try again."} if how == "reply" else {"resolution": "Replaced.", "version": version}
        await timed.agent_act(number, agent, action=how, **fields)
    shown = (await timed.get(number, ana)).body["first_answer"]
    assert shown == case["first_answer"] | {"answered_at": "2026-03-27T17:00:00.000Z"}


async def test_of_replies_at_once_one_is_the_first(timed: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    case = await submitted(timed, ana, promised())
    moments = [FRIDAY + timedelta(seconds=second) for second in range(8)]

    async def reply(at: datetime) -> None:
        HANDS.now = at
        await timed.agent_act(case["number"], agent, action="reply", text=f"At {at}.")

    await asyncio.gather(*map(reply, moments))
    shown = (await timed.get(case["number"], ana)).body
    first = next(entry for entry in shown["history"] if entry["kind"] == "reply")
    assert shown["first_answer"]["answered_at"] == first["at"]


async def test_what_is_unanswered_is_found_by_when_it_is_due(timed: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    late, soon, answered, closed = [
        (await submitted(timed, ana, promised(hours, always=True)))["number"] for hours in (9, 3, 2, 1)
    ]
    await submitted(timed, ana)
    await timed.agent_act(answered, agent, action="reply", text="Please try again.")
    await timed.act(closed, ana, action="close", version=1, reason="It works.", resolved=True)
    wanted = {**UNANSWERED, "company_id": ana.company_id}
    found = timed.db["cases"].find(wanted, collation=ALPHABETICAL).sort([("first_answer.due_at", 1), ("_id", 1)])
    assert [case["number"] for case in await found.to_list(None)] == [soon, late]
    in_order = timed.db["cases"].find(UNANSWERED, collation=ALPHABETICAL).sort("first_answer.due_at")
    plan = str((await in_order.explain())["queryPlanner"]["winningPlan"])
    assert "'indexName': 'unanswered_alphabetical'" in plan
    assert "'stage': 'SORT'" not in plan
