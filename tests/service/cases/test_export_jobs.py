"""Exports in the background: made by any replica, at one moment, for whoever asked and may still see the cases."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import openpyxl
import pytest
from pymongo import UpdateOne

from deploy.local.waiting import until
from services.cases.cases import export, export_jobs
from services.cases.cases.export_api import PLACES
from services.cases.cases.store import export_jobs as jobs
from shared.actor import Actor, Role, Visibility
from tests.builders import Json, an_actor, signed
from tests.client import Answer
from tests.events import company_changed, site_changed, user_changed
from tests.logged import Logged
from tests.service.cases.conftest import CasesApi, a_replica
from tests.service.cases.test_exports import exported, many, standing_still

WITHIN_S = 60


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at every few seconds is looked at all the time."""
    monkeypatch.setattr(export_jobs, "_TOLD_EVERY_S", 0.05)


async def ask(cases: CasesApi, by: Actor, kind: str = "xlsx", *, key: str | None = None, **query: Any) -> Answer:
    return await cases.call("POST", "/cases/exports", by, key=key, json={"format": kind, "query": query})


async def asked(cases: CasesApi, by: Actor, kind: str = "xlsx", **query: Any) -> Json:
    answer = await ask(cases, by, kind, **query)
    assert answer.status == 202, answer.body
    made: Json = answer.body
    return made


async def shown(cases: CasesApi, by: Actor, export_id: str) -> Json:
    answer = await cases.call("GET", f"/cases/exports/{export_id}", by)
    assert answer.status == 200, answer.body
    body: Json = answer.body
    return body


async def ended(cases: CasesApi, by: Actor, export_id: str) -> Json:
    """The export when nothing happens to it any more."""

    async def is_over() -> bool:
        return (await shown(cases, by, export_id))["state"] not in ("waiting", "running")

    assert await until(is_over, deadline_s=WITHIN_S, pause_s=0.02)
    return await shown(cases, by, export_id)


async def fetch(cases: CasesApi, by: Actor, export_id: str) -> Answer:
    return await cases.call("GET", f"/cases/exports/{export_id}/file", by)


async def made(cases: CasesApi, by: Actor, kind: str = "xlsx", **query: Any) -> bytes:
    """The file of an export that was asked for now."""
    export_id = (await asked(cases, by, kind, **query))["id"]
    assert (await ended(cases, by, export_id))["state"] == "done"
    content: bytes = (await fetch(cases, by, export_id)).body
    return content


@contextmanager
def idle(*replicas: CasesApi) -> Iterator[None]:
    """All places of these replicas are taken, so none of them begins an export."""
    with ExitStack() as stack:
        for each in replicas:
            places: Any = each.client.app[PLACES]
            while not places.are_taken:
                stack.enter_context(places.take())
        yield


@asynccontextmanager
async def under_way(cases: CasesApi, by: Actor, kind: str = "csv", **query: Any) -> AsyncIterator[Json]:
    """An export that has counted its rows and stands still before the first one."""
    async with standing_still(cases):
        wanted = await asked(cases, by, kind, **query)

        async def has_counted() -> bool:
            return (await shown(cases, by, wanted["id"]))["total"] is not None

        assert await until(has_counted, deadline_s=WITHIN_S, pause_s=0.02)
        yield wanted


async def job_of(cases: CasesApi, export_id: str) -> Json:
    job: Json | None = await cases.db["export_jobs"].find_one({"_id": UUID(export_id)})
    assert job is not None
    return job


async def chunks_of(cases: CasesApi, export_id: str) -> int:
    job = await job_of(cases, export_id)
    return await cases.db["export_chunks"].count_documents({"file_id": job["file_id"]})


# What is made


async def test_an_export_in_the_background_has_the_rows_of_the_filter_and_tells_how_far_it_is(cases: CasesApi) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    await many(cases, ana, 1_200)
    high = await cases.submitted(ana, severity=2)
    wanted = await asked(cases, ana, severity=2)
    assert (wanted["state"], wanted["rows"], wanted["format"]) == ("waiting", 0, "xlsx")
    done = await ended(cases, ana, wanted["id"])
    assert (done["state"], done["rows"], done["total"]) == ("done", 1, 1)
    assert done["filters"] == [{"label": "Severity", "value": "High"}]
    answer = await fetch(cases, ana, wanted["id"])
    assert f'filename="{done["name"]}"' in answer.headers["Content-Disposition"]
    assert len(answer.body) == done["size"]
    assert exported(answer.body) == [high["number"]]
    assert len(exported(await made(cases, ana))) == 1_201


async def test_the_rows_come_in_the_order_of_the_list(cases: CasesApi) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    for title in ("Zebra", "éclair", "Apple"):
        await cases.submitted(ana, title=title)
    rows = list(csv.reader(io.StringIO((await made(cases, ana, "csv", sort="title")).decode("utf-8-sig"), newline="")))
    assert [row[1] for row in rows[1:]] == ["Apple", "éclair", "Zebra"]


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
async def test_a_file_made_in_the_background_is_the_one_that_is_sent_directly(cases: CasesApi, kind: str) -> None:
    ana = replace(an_actor(Role.COMPANY_ADMIN), language="fr", time_zone="Asia/Tokyo")
    await cases.submitted(ana, title='=HYPERLINK("http://evil")', own_reference="+1")
    direct = (await cases.call("GET", f"/cases.{kind}", ana)).body
    later = await made(cases, ana, kind)
    if kind == "csv":
        assert later == direct
        assert later.startswith("\ufeffDossier,Titre".encode())
        assert b"\"'=HYPERLINK" in later
    else:
        assert exported(later) == exported(direct)


async def test_the_columns_say_the_product_line_whose_turn_since_and_to_both_sides_who_has_it(
    cases: CasesApi, agent: Actor
) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    case = await cases.submitted(ana)
    await cases.agent_act(case["number"], agent, action="take", version=case["version"])
    of_customer = (await cases.call("GET", "/cases.csv", ana)).body.decode("utf-8-sig")
    query = {"company_id": str(ana.company_id)}
    of_vendor = (await cases.call("GET", "/cases.csv", agent, params=query)).body.decode("utf-8-sig")
    headings, row = csv.reader(io.StringIO(of_customer, newline=""))
    assert headings[16:] == ["Product line", "Whose turn since (UTC)", "Assigned to"]
    assert datetime.now(UTC) - datetime.fromisoformat(row[17]) < timedelta(minutes=5)
    assert row[18] == agent.name
    headings, row = csv.reader(io.StringIO(of_vendor, newline=""))
    assert (headings[18], row[18]) == ("Assigned to", agent.name)


async def test_all_rows_are_of_one_moment_while_others_write(cases: CasesApi) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    numbers = await many(cases, ana, 1_500)
    oldest = sorted(numbers)[:500]
    async with under_way(cases, ana, "xlsx") as wanted:
        changed = [UpdateOne({"number": number}, {"$set": {"updated_at": datetime.now(UTC)}}) for number in oldest]
        await cases.db["cases"].bulk_write(changed, ordered=False)
        late = await cases.submitted(ana)
    done = await ended(cases, ana, wanted["id"])
    assert (done["rows"], done["total"]) == (1_500, 1_500)
    rows = exported((await fetch(cases, ana, wanted["id"])).body)
    assert len(rows) == 1_500
    assert set(rows) == numbers
    assert late["number"] not in rows


async def test_a_large_file_comes_back_whole_from_its_pieces(cases: CasesApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_CHUNK_BYTES", 5_000)
    ana = an_actor(Role.COMPANY_ADMIN)
    numbers = await many(cases, ana, 700)
    content = await made(cases, ana, "csv")
    assert content.count(b"\r\n") == 701
    assert all(number.encode() in content for number in numbers)
    assert await cases.db["export_chunks"].count_documents({}) > len(content) // 5_000


# Who makes it


async def test_of_a_process_that_was_killed_another_one_makes_the_export_anew(cases: CasesApi, mongo_url: str) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    await many(cases, ana, 10)
    async with a_replica(mongo_url) as other:
        with idle(cases, other):
            wanted = await asked(cases, ana)
            claimed = await jobs.claim(cases.db)  # by a process that does nothing more
            assert claimed is not None
            writer = jobs.FileWriter(cases.db, claimed.file_id)
            await writer.write(b"half a file")
            await writer.end()
            assert (await shown(cases, ana, wanted["id"]))["state"] == "running"
            assert await jobs.claim(cases.db) is None
            late = await cases.submitted(ana)
            await cases.db["export_jobs"].update_one({"_id": claimed.id}, [{"$set": {"due": "$$NOW"}}])
        done = await ended(other, ana, wanted["id"])
        assert done["state"] == "done"
        assert claimed.as_of is not None
        assert datetime.fromisoformat(done["as_of"]) > claimed.as_of - timedelta(milliseconds=1)
        assert late["number"] in exported((await fetch(other, ana, wanted["id"])).body)
        assert (await job_of(cases, wanted["id"]))["attempts"] == 2
        # Who was only slow, and not killed, can end nothing any more.
        assert not await jobs.keep(cases.db, claimed, rows=1, total=1)


async def test_a_process_that_stops_gives_its_export_back_and_another_one_goes_on_at_once(
    cases: CasesApi, mongo_url: str
) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    numbers = await many(cases, ana, 10)
    with idle(cases):
        async with AsyncExitStack() as stack:
            other = await stack.enter_async_context(a_replica(mongo_url))
            async with under_way(other, ana) as wanted:
                assert (await job_of(cases, wanted["id"]))["attempts"] == 1
                await asked(cases, an_actor(Role.COMPANY_ADMIN))  # waits: both replicas are busy
                await stack.aclose()
        given_back = await job_of(cases, wanted["id"])
        assert (given_back["state"], given_back["attempts"]) == ("waiting", 0)
        told = await shown(cases, ana, wanted["id"])
        assert (told["state"], told["rows"], told["total"], told["as_of"]) == ("waiting", 0, None, None)
        # Nobody has to wait for the end of a lease, and those that were asked for later come after it.
        claimed = await jobs.claim(cases.db)
        assert claimed is not None
        assert str(claimed.id) == wanted["id"]
        await jobs.give_back(cases.db, claimed)
    done = await ended(cases, ana, wanted["id"])
    assert (done["state"], done["rows"]) == ("done", len(numbers))
    assert (await job_of(cases, wanted["id"]))["attempts"] == 1


async def test_what_has_ended_or_is_somebody_elses_is_not_given_back(cases: CasesApi) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    await cases.submitted(ana)
    with idle(cases):
        wanted = await asked(cases, ana)
        slow = await jobs.claim(cases.db)
        assert slow is not None
        await cases.db["export_jobs"].update_one({"_id": slow.id}, [{"$set": {"due": "$$NOW"}}])
        second = await jobs.claim(cases.db)
        assert second is not None
        await jobs.give_back(cases.db, slow)
        held = await job_of(cases, wanted["id"])
        assert (held["state"], held["attempts"], held["file_id"]) == ("running", 2, second.file_id)
        await cases.db["export_jobs"].update_one({"_id": slow.id}, [{"$set": {"due": "$$NOW"}}])
    assert (await ended(cases, ana, wanted["id"]))["state"] == "done"
    done = await job_of(cases, wanted["id"])
    await jobs.give_back(cases.db, replace(second, file_id=done["file_id"]))
    assert await job_of(cases, wanted["id"]) == done


async def test_a_process_that_stops_gives_its_export_back_even_if_the_driver_swallows_that(
    cases: CasesApi, mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, is_keeping = an_actor(Role.COMPANY_ADMIN), asyncio.Event()
    await many(cases, ana, 10)

    async def keep(*_: Any, **_told: Any) -> bool:
        is_keeping.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return True

    with idle(cases):
        async with AsyncExitStack() as stack:
            other = await stack.enter_async_context(a_replica(mongo_url))
            async with under_way(other, ana) as wanted:
                with monkeypatch.context() as patch:
                    patch.setattr(jobs, "keep", keep)
                    async with asyncio.timeout(WITHIN_S):
                        await is_keeping.wait()
                    async with asyncio.timeout(10):
                        await stack.aclose()
        assert (await job_of(cases, wanted["id"]))["attempts"] == 0
    assert (await ended(cases, ana, wanted["id"]))["state"] == "done"


async def test_each_export_is_made_once_over_all_replicas(cases: CasesApi, mongo_url: str) -> None:
    people = [an_actor(Role.COMPANY_ADMIN) for _ in range(6)]
    async with a_replica(mongo_url) as other:
        with idle(cases, other):
            wanted = [await asked(each, by) for each, by in zip([cases, other] * 3, people, strict=True)]
        for by, one in zip(people, wanted, strict=True):
            assert (await ended(other, by, one["id"]))["state"] == "done"
    for by in people:
        assert await cases.db["audit"].count_documents({"type": "cases.export.made", "actor": str(by.user_id)}) == 1
        job = await cases.db["export_jobs"].find_one({"actor.user_id": by.user_id})
        assert job is not None
        assert job["attempts"] == 1


async def test_an_export_waits_while_all_places_of_a_process_are_taken(cases: CasesApi) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    workshop = export_jobs.Workshop(export.Places(1), disk=None)  # type: ignore[arg-type]  # it comes to no disk
    with idle(cases):
        wanted = await asked(cases, ana)
        with workshop._places.take():
            assert not await workshop.make_next(cases.db)
        assert (await shown(cases, ana, wanted["id"]))["state"] == "waiting"
    assert (await ended(cases, ana, wanted["id"]))["state"] == "done"


async def test_an_export_that_fails_three_times_is_given_up_and_another_can_be_asked_for(
    cases: CasesApi, logged: Logged
) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    case = await cases.submitted(ana)
    await cases.db["cases"].update_one({"number": case["number"]}, {"$set": {"status": "of no kind"}})
    wanted = await asked(cases, ana)
    job = {"_id": UUID(wanted["id"])}
    for attempt in (1, 2, 3):

        async def is_tried(attempt: int = attempt) -> bool:
            found = await cases.db["export_jobs"].find_one(job)
            return bool(found and found["attempts"] == attempt and len(logged.named("work_failed")) >= attempt)

        assert await until(is_tried, deadline_s=WITHIN_S, pause_s=0.05)
        await cases.db["export_jobs"].update_one(job, [{"$set": {"due": "$$NOW"}}])
    failed = await ended(cases, ana, wanted["id"])
    assert (failed["state"], failed["reason"]) == ("failed", "broken")
    # Other tests count all cases.
    await cases.db["cases"].update_one({"number": case["number"]}, {"$set": {"status": "new"}})
    assert exported(await made(cases, ana)) == [case["number"]]


async def test_an_export_that_grows_too_large_is_given_up_and_leaves_nothing(
    cases: CasesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_jobs, "_MOST_BYTES", 20_000)
    monkeypatch.setattr(jobs, "_CHUNK_BYTES", 5_000)
    ana = an_actor(Role.COMPANY_ADMIN)
    await many(cases, ana, 500)
    wanted = await asked(cases, ana, "csv")
    failed = await ended(cases, ana, wanted["id"])
    assert (failed["state"], failed["reason"]) == ("failed", "too_large")
    assert await chunks_of(cases, wanted["id"]) == 0
    refused = await fetch(cases, ana, wanted["id"])
    assert (refused.status, refused.code) == (409, "export_not_there")


async def test_no_export_is_kept_where_the_disk_has_no_room(mongo_url: str) -> None:
    async with a_replica(mongo_url, CASES_FREE_DISK_FLOOR_BYTES=str(2**60)) as full:
        refused = await ask(full, an_actor())
        assert (refused.status, refused.code) == (507, "storage_low")


# One at a time, and each once


async def test_a_user_has_one_export_under_way_at_a_time(cases: CasesApi, mongo_url: str) -> None:
    ana, ben = an_actor(), an_actor()
    async with a_replica(mongo_url) as other:
        with idle(cases, other):
            first = await asked(cases, ana)
            second = await ask(other, ana)
            assert (second.status, second.code) == (429, "export_is_running")
            assert (await ask(other, ben)).status == 202
        assert (await ended(cases, ana, first["id"]))["state"] == "done"
        assert (await ask(other, ana)).status == 202


async def test_the_list_of_exports_takes_no_parameters(cases: CasesApi) -> None:
    refused = await cases.call("GET", "/cases/exports?limit=1", an_actor())
    assert (refused.status, refused.field_codes) == (422, {"limit": "extra_forbidden"})


async def test_the_same_key_makes_one_export(cases: CasesApi) -> None:
    ana, key = an_actor(), "a-key"
    with idle(cases):
        first = await ask(cases, ana, key=key)
        again = await ask(cases, ana, key=key)
        assert (again.status, again.body["id"]) == (202, first.body["id"])
        other = await ask(cases, ana, "csv", key=key)
        assert (other.status, other.code) == (422, "idempotency_key_reused")
    await ended(cases, ana, first.body["id"])
    late = await ask(cases, ana, key=key)
    assert (late.status, late.body["id"], late.body["state"]) == (202, first.body["id"], "done")
    assert len((await cases.call("GET", "/cases/exports", ana)).body["items"]) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"format": "pdf"}, "format"),
        ({}, "format"),
        ({"format": "csv", "query": {"severity": 9}}, "query.severity"),
        ({"format": "csv", "query": {"nonsense": 1}}, "query.nonsense"),
        ({"format": "csv", "query": {"sort": "nonsense"}}, "sort"),
        ({"format": "csv", "nonsense": 1}, "nonsense"),
    ],
    ids=["format", "no_format", "filter", "unknown_filter", "sort", "unknown"],
)
async def test_what_is_wrong_with_an_export_is_said_before_it_is_begun(cases: CasesApi, body: Json, field: str) -> None:
    ana = an_actor()
    answer = await cases.call("POST", "/cases/exports", ana, json=body)
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, field)
    assert (await cases.call("GET", "/cases/exports", ana)).body["items"] == []


async def test_a_serial_number_is_asked_for_as_it_was_typed(cases: CasesApi) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    case = await cases.submitted(ana, serial="CN-B7 K2041X")
    await cases.submitted(ana, serial="OTHER1")
    assert exported(await made(cases, ana, serial="cnb7k2041x", created_from="2020-01-31")) == [case["number"]]


# For whom


async def test_nobody_else_finds_an_export_not_even_an_administrator_of_the_company(cases: CasesApi) -> None:
    ana = an_actor(Role.MEMBER)
    wanted = await asked(cases, ana)
    await ended(cases, ana, wanted["id"])
    others = [an_actor(), an_actor(company_id=ana.company_id), an_actor(Role.VENDOR_ADMIN)]
    for other in others:
        for path in ("", "/file"):
            answer = await cases.call("GET", f"/cases/exports/{wanted['id']}{path}", other)
            assert (answer.status, answer.code) == (404, "not_found")
        assert (await cases.call("GET", "/cases/exports", other)).body["items"] == []
    assert (await fetch(cases, ana, str(uuid4()))).status == 404
    assert (await fetch(cases, ana, "nonsense")).status == 404


async def test_an_export_of_another_company_is_refused_before_it_is_made(cases: CasesApi) -> None:
    answer = await ask(cases, an_actor(), company_id=str(uuid4()))
    assert (answer.status, answer.code) == (404, "not_found")


async def test_an_export_has_what_its_user_may_see_and_no_more(cases: CasesApi) -> None:
    boss = an_actor(Role.COMPANY_ADMIN)
    ana = an_actor(Role.MEMBER, company_id=boss.company_id, visibility="own")
    await cases.submitted(boss)
    own = await cases.submitted(ana)
    await cases.submitted(an_actor())
    assert exported(await made(cases, ana)) == [own["number"]]


def _gone(ana: Actor) -> Any:
    return user_changed(ana, version=2, active=False)


def _deleted(ana: Actor) -> Any:
    return user_changed(ana, version=2, deleted=True)


def _limited(ana: Actor) -> Any:
    return user_changed(ana, version=2, site_ids=(uuid4(),))


def _demoted(ana: Actor) -> Any:
    return user_changed(ana, version=2, role=Role.MEMBER)


def _suspended(ana: Actor) -> Any:
    return company_changed(ana.company_id, version=2, suspended=True)


def _narrowed(ana: Actor) -> Any:
    return company_changed(ana.company_id, version=2, visibility=Visibility.OWN)


LOSSES = {
    "deactivated": (_gone, Role.CASE_MANAGER),
    "deleted": (_deleted, Role.CASE_MANAGER),
    "limited": (_limited, Role.CASE_MANAGER),
    "demoted": (_demoted, Role.COMPANY_ADMIN),
    "suspended": (_suspended, Role.CASE_MANAGER),
    "visibility": (_narrowed, Role.MEMBER),
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_an_export_under_way_ends_when_its_user_may_no_longer_have_it(cases: CasesApi, loss: str) -> None:
    event, role = LOSSES[loss]
    ana = an_actor(role)
    await cases.hear(user_changed(ana))
    await cases.hear(company_changed(ana.company_id))
    await cases.submitted(ana)
    async with under_way(cases, ana) as wanted:
        await cases.hear(event(ana))
        failed = await ended(cases, ana, wanted["id"])  # though it stands still
    assert (failed["state"], failed["reason"]) == ("failed", "rights_changed")
    assert await chunks_of(cases, wanted["id"]) == 0
    assert await cases.db["audit"].count_documents({"actor": str(ana.user_id)}) == 0


async def test_an_export_goes_on_when_something_else_of_its_user_changes(cases: CasesApi) -> None:
    ana = an_actor(Role.CASE_MANAGER)
    await cases.hear(user_changed(ana))
    async with under_way(cases, ana) as wanted:
        await cases.hear(user_changed(ana, version=2, name="Ana D.", language="fr"))
    assert (await ended(cases, ana, wanted["id"]))["state"] == "done"


@pytest.mark.parametrize(
    "now",
    [
        {"role": Role.MEMBER, "visibility": Visibility.OWN},
        {"site_ids": frozenset({uuid4()})},
    ],
    ids=["own", "limited"],
)
async def test_who_sees_less_than_then_does_not_get_the_file_any_more(cases: CasesApi, now: dict[str, Any]) -> None:
    ana = an_actor(Role.CASE_MANAGER)
    wanted = await asked(cases, ana)
    await ended(cases, ana, wanted["id"])
    less = replace(ana, **now)
    assert (await shown(cases, less, wanted["id"]))["state"] == "expired"
    refused = await fetch(cases, less, wanted["id"])
    assert (refused.status, refused.code) == (409, "export_not_there")
    assert (await fetch(cases, ana, wanted["id"])).status == 200


async def test_a_suspended_user_gets_no_file(cases: CasesApi) -> None:
    ana = an_actor()
    wanted = await asked(cases, ana)
    await ended(cases, ana, wanted["id"])
    assert (await fetch(cases, replace(ana, suspended=True), wanted["id"])).code == "company_suspended"


# How long


async def test_a_file_can_be_had_for_a_day_and_is_then_forgotten(cases: CasesApi, mongo_url: str) -> None:
    ana = an_actor()
    wanted = await asked(cases, ana)
    done = await ended(cases, ana, wanted["id"])
    kept_for = datetime.fromisoformat(done["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=55) < kept_for <= timedelta(hours=24)
    later = datetime.fromisoformat(done["expires_at"]) + timedelta(seconds=1)
    async with a_replica(mongo_url, lambda: later) as tomorrow:
        by = replace(ana)
        assert (await shown(tomorrow, by, wanted["id"]))["state"] == "expired"
        assert (await fetch(tomorrow, by, wanted["id"])).code == "export_not_there"
    forgets = {
        name: (await cases.db[name].index_information())["forget"]["expireAfterSeconds"]
        for name in ("export_chunks", "export_jobs")
    }
    # The pieces outlive the file's day by the time that it takes to write them.
    assert forgets == {"export_chunks": 25 * 3600, "export_jobs": 7 * 24 * 3600}
    chunk, job = await cases.db["export_chunks"].find_one({}), await cases.db["export_jobs"].find_one({})
    assert chunk is not None
    assert isinstance(chunk["at"], datetime)
    assert job is not None
    assert isinstance(job["created_at"], datetime)


async def test_a_user_keeps_the_newest_five_files_and_twenty_jobs(
    cases: CasesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_MOST_FILES", 2)
    monkeypatch.setattr(jobs, "_MOST_JOBS", 3)
    ana = an_actor()
    for _ in range(5):
        wanted = await asked(cases, ana)
        await ended(cases, ana, wanted["id"])

    async def states() -> list[str]:
        return [each["state"] for each in (await cases.call("GET", "/cases/exports", ana)).body["items"]]

    async def is_tidy() -> bool:
        # The list shows no more than that; what is beyond is gone from the database, too.
        return (
            await states() == ["done", "done", "expired"]
            and await cases.db["export_jobs"].count_documents({"actor.user_id": ana.user_id}) == 3
        )

    assert await until(is_tidy, deadline_s=WITHIN_S, pause_s=0.05)
    items = (await cases.call("GET", "/cases/exports", ana)).body["items"]
    assert [await chunks_of(cases, each["id"]) for each in items] == [1, 1, 0]


# The audit log


async def entries(cases: CasesApi, by: Actor) -> list[Json]:
    found = cases.db["audit"].find({"type": "cases.export.made", "actor": str(by.user_id)}).sort("at")
    return await found.to_list(None)


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
async def test_every_export_leaves_an_entry_of_who_what_and_how_many(cases: CasesApi, kind: str) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    await cases.submitted(ana)
    await cases.submitted(ana, severity=1)
    await cases.call("GET", f"/cases.{kind}", ana, params={"status": "open"})
    await made(cases, ana, kind, severity=1, q="paper")
    first, second = await entries(cases, ana)
    assert first["body"] == {"format": kind, "query": {"status": "open"}, "rows": 2, "is_whole": True}
    assert second["body"] == {"format": kind, "query": {"severity": 1, "q": "paper"}, "rows": 1, "is_whole": True}
    for each in (first, second):
        assert (each["actor_name"], each["company_id"]) == (ana.name, ana.company_id)
        assert each["address"] == ana.address
        assert each["request_id"]


async def test_an_export_that_breaks_off_leaves_an_entry_of_what_was_sent(cases: CasesApi) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    await many(cases, ana, 3_000)
    async with cases.client.get("/cases.csv", headers=signed(ana)) as answer, standing_still(cases):
        assert await answer.content.readany()
        answer.close()

    async def is_noted() -> bool:
        return len(await entries(cases, ana)) == 1

    assert await until(is_noted, deadline_s=WITHIN_S, pause_s=0.05)
    (entry,) = await entries(cases, ana)
    assert not entry["body"]["is_whole"]
    assert 500 <= entry["body"]["rows"] <= 3_000


async def test_an_export_that_was_refused_leaves_no_entry(cases: CasesApi) -> None:
    ana = an_actor()
    await cases.call("GET", "/cases.csv", ana, params={"company_id": str(uuid4())})
    await cases.call("GET", "/cases.csv", ana, params={"sort": "nonsense"})
    assert await entries(cases, ana) == []


async def test_the_name_of_a_site_stands_in_the_filter_of_a_job(cases: CasesApi) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    lyon = site_changed(ana.company_id, name="Lyon")
    await cases.hear(lyon)
    with idle(cases):
        wanted = await asked(cases, replace(ana, language="fr"), site_id=str(lyon.site_id), mine=True)
        assert wanted["filters"] == [
            {"label": "Site", "value": "Lyon"},
            {"label": "Afficher uniquement les dossiers créés par moi", "value": "Oui"},
        ]
    assert (await ended(cases, ana, wanted["id"]))["state"] == "done"


async def test_the_cells_of_a_sheet_have_types_and_its_words_are_the_readers(cases: CasesApi) -> None:
    ana = replace(an_actor(Role.COMPANY_ADMIN), language="fr", time_zone="Europe/Paris")
    await cases.submitted(ana, title="00123", own_reference="=1+1")
    sheet = openpyxl.load_workbook(io.BytesIO(await made(cases, ana))).active
    assert sheet is not None
    headings, row = ([*line] for line in sheet.iter_rows())
    cells = {str(heading.value): cell for heading, cell in zip(headings, row, strict=True)}
    times = {"Créé (Europe/Paris)", "Mis à jour (Europe/Paris)", "À qui d’agir depuis (Europe/Paris)"}
    for name, cell in cells.items():
        if name in times:
            assert (cell.data_type, cell.number_format) == ("d", "yyyy-mm-dd h:mm:ss")
        elif cell.value is not None:
            assert (cell.data_type, cell.number_format) == ("s", "@")
    assert times <= cells.keys()
    assert [cells[name].value for name in ("Titre", "État", "Gravité", "Votre référence")] == [
        *("00123", "Nouveau", "Normale", "=1+1")
    ]


async def test_what_an_agent_waits_for_with_what_nobody_has_taken_stands_in_the_filter(
    cases: CasesApi, agent: Actor
) -> None:
    with idle(cases):
        wanted = await asked(cases, agent, view="waiting", untaken=True, severity=1)
        assert [each["label"] for each in wanted["filters"]] == ["View", "Severity", "Also those that nobody has taken"]
    # It would stand in the way of the next one, where that is to stand still.
    assert (await ended(cases, agent, wanted["id"]))["state"] == "done"


async def test_favourites_are_those_of_the_same_moment_and_a_list_by_turn_comes_whole(
    cases: CasesApi, agent: Actor
) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    numbers = [(await cases.submitted(ana))["number"] for _ in range(3)]
    taken = await cases.agent_act(numbers[0], agent, action="take")
    await cases.agent_act(
        numbers[0], agent, action="set_status", version=taken.body["version"], status="waiting_customer"
    )
    for number in numbers[:2]:
        assert (await cases.call("PUT", f"/cases/{number}/favourite", ana)).status == 204
    async with under_way(cases, ana, "xlsx", view="favourites") as wanted:
        assert (await cases.call("PUT", f"/cases/{numbers[2]}/favourite", ana)).status == 204
        assert (await cases.call("DELETE", f"/cases/{numbers[1]}/favourite", ana)).status == 204
    done = await ended(cases, ana, wanted["id"])
    rows = exported((await fetch(cases, ana, wanted["id"])).body)
    assert (done["rows"], done["total"], set(rows)) == (2, 2, set(numbers[:2]))
    assert done["filters"] == [{"label": "View", "value": "My favourites"}]
    by_turn = exported(await made(cases, ana, sort="turn"))
    assert by_turn == await cases.listed(ana, sort="turn")
    assert len(by_turn) == 3
