"""What is new in a case is kept beside its history, and is what the history tells, whoever has written."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.cases.cases import store
from services.cases.cases.domain.actions import ACTIONS
from services.cases.cases.store import CASES, indexes
from shared.actor import Actor, Role
from shared.coverage import Verdict
from shared.mongo import Document
from tests.builders import Json, an_actor
from tests.service.cases.conftest import CasesApi
from tests.unit.cases.acting import a_change


async def kept(cases: CasesApi, number: str) -> Document:
    document = await cases.db["cases"].find_one({"number": number})
    assert document is not None
    return document


def newest_of_others(document: Document, reader: UUID, side: str) -> Any:
    """When somebody else than the reader did the last that the side sees, found the long way."""
    seen = [entry for entry in document["history"] if side == "noted" or not entry["internal"]]
    return next((entry["at"] for entry in reversed(seen) if entry["by"]["user_id"] != reader), None)


def told_to(news: Document, reader: UUID) -> Any:
    return news["others_at"] if news["by"] == reader else news["at"]


async def is_new(cases: CasesApi, number: str, by: Actor, path: str = "/cases") -> bool:
    rows = (await cases.call("GET", path, by, params={"q": number})).body["items"]
    (found,) = [row["is_new"] for row in rows if row["number"] == number]
    return bool(found)


async def visit(cases: CasesApi, number: str, *readers: Actor) -> None:
    for reader in readers:
        assert (await cases.call("PUT", f"/cases/{number}/visit", reader, json={})).status == 204


async def something(cases: CasesApi, random: Random, number: str, customer: Actor, agent: Actor) -> None:
    """One action, by one of the two: some are saved over the version, others are appended."""
    case: Json = (await cases.get(number, agent)).body
    version = case["version"]
    doings: list[tuple[str, Json]] = [
        ("comment", {"text": "It still jams."}),
        ("change_severity", {"severity": case["severity"] % 4 + 1, "version": version}),
        ("note", {"text": "Known fault."}),
        ("reply", {"text": "Please send the log."}),
        ("take", {}),
        ("set_status", {"version": version, "status": random.choice(["in_progress", "waiting_customer"])}),
    ]
    at_one_side = random.choice([doings[:2], doings[2:]])
    action, fields = random.choice(at_one_side)
    act, by = (cases.act, customer) if at_one_side == doings[:2] else (cases.agent_act, agent)
    assert (await act(number, by, action=action, **fields)).status in (200, 409)


async def older_writes(cases: CasesApi, number: str, by: Actor) -> None:
    """As a replica does that knows of no news."""
    document = await kept(cases, number)
    entry = document["history"][0] | {"id": uuid4(), "at": document["updated_at"].replace(year=2090), "kind": "comment"}
    entry["by"] = entry["by"] | {"user_id": by.user_id}
    await cases.db["cases"].update_one({"number": number}, {"$push": {"history": entry}, "$inc": {"version": 1}})


@pytest.mark.parametrize("seed", range(8))
async def test_what_is_kept_is_what_the_history_tells(cases: CasesApi, seed: int) -> None:
    random, ana = Random(seed), an_actor()
    customers = [ana, an_actor(Role.COMPANY_ADMIN, company_id=ana.company_id)]
    agents = [an_actor(Role.AGENT), an_actor(Role.AGENT)]
    number = (await cases.submitted(ana))["number"]
    for _ in range(20):
        await something(cases, random, number, random.choice(customers), random.choice(agents))
        document = await kept(cases, number)
        news = document["news"]
        assert news["version"] == document["version"]
        for side in ("shown", "noted"):
            for reader in (*customers, *agents, an_actor()):
                assert told_to(news[side], reader.user_id) == newest_of_others(document, reader.user_id, side)


async def test_a_new_case_has_its_news_with_it(cases: CasesApi) -> None:
    ana = an_actor()
    document = await kept(cases, (await cases.submitted(ana))["number"])
    told = {"by": ana.user_id, "at": document["created_at"], "others_at": None}
    assert document["news"] == {"version": 1, "shown": told, "noted": told}


async def test_a_row_is_read_without_the_history(cases: CasesApi, agent: Actor) -> None:
    """The kept time decides: here it is one that the history does not have."""
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await visit(cases, number, agent)
    assert not await is_new(cases, number, agent)
    later = (await kept(cases, number))["news"]["noted"]["at"].replace(year=2090)
    await cases.db["cases"].update_one({"number": number}, {"$set": {"news.noted.at": later}})
    assert await is_new(cases, number, agent)
    assert await is_new(cases, number, agent, "/agent/cases")


async def test_a_note_that_comes_while_somebody_saves_stays_new_to_them(cases: CasesApi, agent: Actor) -> None:
    other = replace(agent, user_id=uuid4())
    number = (await cases.submitted(an_actor()))["number"]
    read = await store.get_case(cases.db, agent, number)
    assert (await cases.agent_act(number, other, action="note", text="Known fault.")).status == 200
    change = a_change(agent, at=datetime.now(UTC) + timedelta(seconds=1))
    await store.save_case(cases.db, ACTIONS["change_severity"].perform(read, change, severity=1), before=read)
    document = await kept(cases, number)
    assert document["news"]["version"] == document["version"]
    for side in ("shown", "noted"):
        for reader in (agent.user_id, other.user_id):
            assert told_to(document["news"][side], reader) == newest_of_others(document, reader, side)


@pytest.mark.parametrize("change", [{"$unset": {"news": 1}}, {"$set": {"news": None}}], ids=["none", "null"])
async def test_a_case_from_before_is_told_by_its_history(cases: CasesApi, agent: Actor, change: Document) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await cases.agent_act(number, agent, action="note", text="Known fault.")
    other = an_actor(Role.AGENT)
    await visit(cases, number, ana, other)
    await cases.agent_act(number, agent, action="note", text="Known fault, indeed.")
    await cases.db["cases"].update_one({"number": number}, change)
    assert [await is_new(cases, number, reader) for reader in (ana, agent, other)] == [False, True, True]
    # Also after what this version writes to it.
    await cases.act(number, ana, action="comment", text="Any news?")
    version = (await cases.get(number, agent)).body["version"]
    assert (
        await cases.agent_act(number, agent, action="set_status", version=version, status="in_progress")
    ).status == 200
    assert [await is_new(cases, number, reader) for reader in (ana, agent, other)] == [True, True, True]


async def test_what_an_older_replica_wrote_is_told_and_later_kept(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    luc = an_actor(Role.MEMBER, company_id=ana.company_id)
    number = (await cases.submitted(ana))["number"]
    await visit(cases, number, ana, agent)
    await older_writes(cases, number, luc)
    assert [await is_new(cases, number, reader) for reader in (ana, agent)] == [True, True]
    # It stays behind whatever this version writes, so that the history is asked, until it is filled in.
    for action in ({"action": "change_severity", "severity": 1, "version": 2}, {"action": "comment", "text": "More."}):
        assert (await cases.act(number, ana, **action)).status == 200
        assert await is_new(cases, number, ana)
    document = await kept(cases, number)
    assert document["news"]["version"] == document["version"] - 1
    await cases.db["upgrades"].delete_one({"_id": "numbers_filled_in"})
    while await indexes.fill_in_later(cases.db):
        pass
    document = await kept(cases, number)
    assert document["news"]["version"] == document["version"]
    assert told_to(document["news"]["shown"], ana.user_id) == document["history"][1]["at"]


async def test_a_verdict_that_comes_later_is_no_news_and_keeps_them(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    case = await CASES.get(cases.db, {"number": number})
    coverage = replace(case.equipment.coverage, verdict=Verdict.NOT_COVERED)
    await store.save_case(cases.db, case.with_coverage(replace(case.equipment, coverage=coverage), None))
    document = await kept(cases, number)
    assert (document["news"]["version"], document["version"]) == (2, 2)
    assert document["news"]["shown"]["at"] == document["created_at"]


async def test_older_cases_are_filled_in(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await cases.agent_act(number, agent, action="note", text="Known fault.")
    before = await kept(cases, number)
    # A note of an older replica leaves the version as it is.
    for change in ({"$unset": {"news": 1}}, {"$set": {"news.noted": before["news"]["shown"]}}):
        await cases.db["cases"].update_one({"number": number}, change)
        await cases.db["upgrades"].delete_one({"_id": "numbers_filled_in"})
        while await indexes.fill_in_later(cases.db):
            pass
        assert (await kept(cases, number))["news"] == before["news"]
    assert (await kept(cases, number))["words"] == before["words"]
    await cases.db["cases"].update_one({"number": number}, {"$unset": {"news": 1, "words": 1}})
    while await indexes.fill_in(cases.db):
        pass
    assert (await kept(cases, number))["news"] == before["news"]
