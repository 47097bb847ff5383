"""The report by site: its sums are those of the cases' own clocks, to the second, of what the reader sees."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from services.cases.cases.store import turn_times
from shared.actor import Actor, Role
from tests.builders import Json, an_actor
from tests.events import site_changed
from tests.service.cases.conftest import HANDS, CasesApi

NOW = datetime(2026, 11, 22, 12, 0, 0, 500_000, tzinfo=UTC)
SUMS = ("vendor_s", "customer_s", "ended_s")


@pytest.fixture(autouse=True)
def _now() -> None:
    HANDS.now = NOW


async def a_site(cases: CasesApi, company_id: UUID, name: str) -> str:
    event = site_changed(company_id, name=name)
    await cases.hear(event)
    return str(event.site_id)


async def report(cases: CasesApi, by: Actor, **query: str) -> Json:
    answer = await cases.call("GET", "/cases/turn-times", by, params=query)
    assert answer.status == 200, answer.body
    body: Json = answer.body
    return body


async def clocks_of(cases: CasesApi, by: Actor) -> Counter[str]:
    """Added up from the cases themselves, one by one."""
    total: Counter[str] = Counter(dict.fromkeys(SUMS, 0))
    for number in await cases.listed(by, limit=200):
        total.update((await cases.get(number, by)).body["clock"])
    return total


def sums(row: Json) -> Counter[str]:
    return Counter({name: row[name] for name in SUMS})


async def lived(cases: CasesApi, random: Random, ana: Actor, agent: Actor, **fields: Any) -> None:
    """A case that some things have happened to."""
    number = (await cases.submitted(ana, **fields))["number"]
    for _ in range(random.randint(0, 6)):
        HANDS.now += timedelta(milliseconds=random.randint(1, 200_000_000))
        case = (await cases.get(number, agent)).body
        version = {"version": case["version"]}
        if case["turn"] is None:
            await cases.act(number, ana, action="reopen", reason="Again.", **version)
        elif random.random() < 0.2:
            await cases.agent_act(number, agent, action="close", resolution="Done.", **version)
        else:
            status = random.choice(["in_progress", "waiting_customer", "waiting_parts"])
            await cases.agent_act(number, agent, action="reply", text="Please try.", status=status)


@pytest.mark.parametrize("seed", range(3))
async def test_the_rows_are_the_total_and_the_total_is_that_of_the_cases_own_clocks(
    timed: CasesApi, agent: Actor, seed: int
) -> None:
    random, ana, stranger = Random(seed), an_actor(), an_actor()
    sites = {await a_site(timed, ana.company_id, name): name for name in ("Lyon", "Paris")}
    for _ in range(4):
        for site_id in sites:
            await lived(timed, random, ana, agent, site_id=site_id)
        await lived(timed, random, ana, agent)
    await lived(timed, random, stranger, agent)
    # Of a version before there were clocks: told by its history.
    some = (await timed.listed(ana))[:5]
    await timed.db["cases"].update_many({"number": {"$in": some}}, {"$unset": {"clock": 1}})
    found = await report(timed, ana, created_from="2026-11-22", created_to="2027-02-28")
    assert {row["site_id"]: row["site_name"] for row in found["items"]} == sites | {None: ""}
    assert {row["company_id"] for row in found["items"]} == {str(ana.company_id)}
    assert sum(row["cases"] for row in found["items"]) == found["total"]["cases"] == 12
    assert sum(map(sums, found["items"]), Counter()) == +sums(found["total"])
    assert sums(found["total"]) == await clocks_of(timed, ana)
    assert found["others"] is None
    vendors = await report(
        timed, agent, company_id=str(ana.company_id), created_from="2026-11-22", created_to="2027-02-28"
    )
    assert vendors == found


async def test_a_reader_gets_only_the_times_of_the_cases_that_they_see(timed: CasesApi) -> None:
    ana = an_actor()
    lyon, paris = [await a_site(timed, ana.company_id, name) for name in ("Lyon", "Paris")]
    for site_id, confidential in ((lyon, False), (lyon, True), (paris, False)):
        await timed.submitted(ana, site_id=site_id, confidential=confidential)
    limited = an_actor(Role.MEMBER, company_id=ana.company_id, site_ids=frozenset({UUID(lyon)}))
    HANDS.now += timedelta(seconds=10)
    seen = await report(timed, limited)
    assert [(row["site_name"], row["cases"], row["vendor_s"]) for row in seen["items"]] == [("Lyon", 1, 10)]
    assert (await report(timed, ana))["total"] == {"cases": 3, "vendor_s": 30, "customer_s": 0, "ended_s": 0}
    assert (await report(timed, an_actor()))["total"]["cases"] == 0
    foreign = await timed.call("GET", "/cases/turn-times", an_actor(), params={"company_id": str(ana.company_id)})
    assert foreign.status == 404


async def test_the_vendor_gets_all_companies_each_with_its_sites(timed: CasesApi, agent: Actor) -> None:
    ana, ben = an_actor(), an_actor(company_name="Birch Ltd")
    HANDS.now = datetime(2031, 5, 1, 12, tzinfo=UTC)
    await timed.submitted(ana)
    await timed.submitted(ben)
    rows = (await report(timed, agent, created_from="2031-05-01"))["items"]
    assert [(row["company_name"], row["site_id"], row["cases"]) for row in rows] == [
        ("Acme SA", None, 1),
        ("Birch Ltd", None, 1),
    ]


async def test_the_days_are_those_of_the_reader_and_the_last_ninety_unless_told_otherwise(timed: CasesApi) -> None:
    ana = an_actor(time_zone="Pacific/Auckland")  # where it is past midnight already
    await timed.submitted(ana)
    usual = await report(timed, ana)
    assert (usual["created_from"], usual["created_to"]) == ("2026-08-26", "2026-11-23")
    assert usual["at"] == "2026-11-22T12:00:00.500Z"
    assert usual["total"]["cases"] == 1
    assert (await report(timed, ana, created_to="2026-11-22"))["total"]["cases"] == 0
    assert (await report(timed, ana, created_from="2026-11-23"))["total"]["cases"] == 1
    # As it would be for the first day of a tomorrow.
    assert (await report(timed, ana, created_from="2026-12-24"))["created_to"] == "2026-12-24"


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ({"created_from": "2025-11-21"}, "created_from", "too_many_days"),
        ({"created_from": "2026-02-02", "created_to": "2026-02-01"}, "created_to", "end_before_start"),
        ({"created_from": "yesterday"}, "created_from", "date_parsing"),
        ({"site": "1"}, "site", "extra_forbidden"),
    ],
)
async def test_a_time_that_is_none_or_too_long_is_refused(timed: CasesApi, query: Json, field: str, code: str) -> None:
    answer = await timed.call("GET", "/cases/turn-times", an_actor(), params=query)
    assert (answer.status, answer.field_codes) == (422, {field: code})


async def test_beyond_the_sites_that_there_is_room_for_the_others_are_one_sum(
    timed: CasesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_times, "_MOST_SITES", 2)
    ana = an_actor()
    for name, cases in (("Lyon", 3), ("Paris", 1), ("Nice", 2), ("Agen", 1)):
        site_id = await a_site(timed, ana.company_id, name)
        for _ in range(cases):
            await timed.submitted(ana, site_id=site_id)
    HANDS.now += timedelta(seconds=7)
    found = await report(timed, ana)
    assert [(row["site_name"], row["cases"]) for row in found["items"]] == [("Lyon", 3), ("Nice", 2)]
    assert found["others"] == {"cases": 2, "vendor_s": 14, "customer_s": 0, "ended_s": 0}
    assert found["total"] == {"cases": 7, "vendor_s": 49, "customer_s": 0, "ended_s": 0}


async def test_what_takes_too_long_to_add_up_is_refused_with_what_helps(
    timed: CasesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = an_actor()
    number = (await timed.submitted(ana))["number"]
    # The database looks at the time only between cases.
    case = await timed.db["cases"].find_one({"number": number}, {"pending": 0, "relay_after": 0})
    assert case is not None
    copies = [{**case, "_id": uuid7(), "number": f"{number}-{n}"} for n in range(1_000)]
    await timed.db["cases"].insert_many(copies)
    many = {"$range": [0, {"$multiply": ["$version", 5_000]}]}
    long = {"$reduce": {"input": many, "initialValue": 0, "in": {"$add": ["$$value", "$$this"]}}}
    monkeypatch.setattr(turn_times, "CLOCK", dict.fromkeys(SUMS, long))
    monkeypatch.setattr(turn_times, "_WITHIN_S", 0.2)
    answer = await timed.call("GET", "/cases/turn-times", ana)
    await timed.db["cases"].delete_many({"number": {"$in": [copied["number"] for copied in copies]}})
    assert (answer.status, answer.field_codes) == (422, {"created_from": "too_many_to_add"})
