"""The export: as of one moment, one at a time for each user, few in a process, and without delay for others."""

import asyncio
import io
import time
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import aiohttp
import openpyxl
import pymongo
import pytest
from pymongo import UpdateOne
from uuid_utils.compat import uuid7

from deploy.local.waiting import until
from services.cases.cases.api import PLACES
from services.cases.cases.domain.numbers import case_number
from services.cases.cases.store import CASES, exports
from shared.actor import Actor, Role
from tests.builders import an_actor, signed
from tests.events import site_changed
from tests.service.cases.conftest import CasesApi, a_replica

HALF_A_MINUTE = timedelta(seconds=30)


async def many(cases: CasesApi, ana: Actor, count: int) -> set[str]:
    """Creates so many cases of the actor. Returns their numbers."""
    first = await cases.submitted(ana)
    document = await cases.db["cases"].find_one({"number": first["number"]}, {"pending": 0, "relay_after": 0})
    assert document is not None
    numbers = [case_number(time.time_ns() // 1000 % 10**12 + n) for n in range(count - 1)]
    day = datetime(2026, 1, 1, tzinfo=UTC)
    copies = [
        {**document, "_id": uuid7(), "number": number, "updated_at": day + timedelta(minutes=n)}
        for n, number in enumerate(numbers)
    ]
    with pymongo.timeout(60):  # a machine that does something else as well takes longer than a service waits
        await cases.db["cases"].insert_many(copies)
    return {first["number"], *numbers}


def exported(content: bytes) -> list[str]:
    """The numbers in a sheet."""
    sheet = openpyxl.load_workbook(io.BytesIO(content), read_only=True).active
    assert sheet is not None
    return [str(row[0]) for row in sheet.iter_rows(min_row=2, values_only=True)]


@asynccontextmanager
async def exporting(cases: CasesApi, by: Actor, **query: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """An export that has begun: its headers have arrived."""
    async with cases.client.get("/cases.xlsx", headers=signed(by), params=query) as answer:
        yield answer


@pytest.mark.parametrize("sort", ["-updated_at", "updated_at"])
async def test_a_case_that_changes_during_an_export_is_in_it_once(cases: CasesApi, sort: str) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    numbers = await many(cases, ana, 1_500)
    oldest = sorted(numbers)[:500]
    async with exporting(cases, ana, sort=sort) as answer:
        changed = [UpdateOne({"number": number}, {"$set": {"updated_at": datetime.now(UTC)}}) for number in oldest]
        await cases.db["cases"].bulk_write(changed, ordered=False)
        rows = exported(await answer.read())
    assert len(rows) == len(set(rows)) == 1_500
    assert set(rows) == numbers


@asynccontextmanager
async def nothing_of_the_past_is_kept(cases: CasesApi) -> AsyncIterator[None]:
    """Writes meanwhile, so that the database drops its snapshots."""
    admin, setting = cases.db._client.admin, "minSnapshotHistoryWindowInSeconds"
    kept_s = (await admin.command({"getParameter": 1, setting: 1}))[setting]

    done = asyncio.Event()

    async def write() -> None:
        while not done.is_set():
            await cases.db["meanwhile"].insert_one({})

    await admin.command({"setParameter": 1, setting: 0})
    writing = asyncio.create_task(write())
    try:
        yield
    finally:
        done.set()
        await writing
        await admin.command({"setParameter": 1, setting: kept_s})


async def test_an_export_that_outlives_its_snapshot_is_cut_off_and_logged(
    cases: CasesApi, caplog: pytest.LogCaptureFixture
) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    await many(cases, ana, 6_000)
    async with nothing_of_the_past_is_kept(cases), exporting(cases, ana) as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    assert "export_cut" in caplog.text


async def what_it_says_of_itself(cases: CasesApi, by: Actor, **query: str) -> dict[str, Any]:
    """The last sheet of an export: values by their labels."""
    async with exporting(cases, by, **query) as answer:
        book = openpyxl.load_workbook(io.BytesIO(await answer.read()))
    last = book[book.sheetnames[-1]]
    return {str(label): value for label, value in last.iter_rows(values_only=True)}


async def test_a_sheet_says_when_it_was_made_of_what_filter_and_of_how_many_rows(cases: CasesApi) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    lyon = site_changed(ana.company_id, name="Lyon")
    await cases.hear(lyon)
    await cases.submitted(ana)
    await cases.submitted(ana, site_id=str(lyon.site_id))
    said = await what_it_says_of_itself(cases, ana)
    assert said.keys() == {"Number of cases", "As of"}
    assert said["Number of cases"] == 2
    assert said["As of"].endswith(f"({ana.time_zone})")
    filters = {
        "status": "open",
        "severity": "3",
        "site_id": str(lyon.site_id),
        "created_from": "2026-01-31",
        "mine": "true",
    }
    said = await what_it_says_of_itself(cases, ana, view="submitted", q="x", **filters)
    assert said.pop("As of")
    assert said == {
        "Number of cases": 0,
        "View": "Submitted by me",
        "Status": "All open",
        "Severity": "Normal",
        "Site": "Lyon",
        "Created from": "31 Jan 2026",
        "Words": "x",
        "Only created by me": "Yes",
    }


async def test_a_sheet_names_no_site_of_another_company(cases: CasesApi) -> None:
    foreign = site_changed(an_actor().company_id, name="Secret labs")
    await cases.hear(foreign)
    said = await what_it_says_of_itself(cases, an_actor(Role.COMPANY_ADMIN), site_id=str(foreign.site_id))
    assert said["Site"] == str(foreign.site_id)


async def test_the_file_of_an_export_is_named_by_its_day(cases: CasesApi) -> None:
    async with exporting(cases, an_actor()) as answer:
        today = f"{datetime.now(UTC):%Y-}"
        assert f'filename="cases-{today}' in answer.headers["Content-Disposition"]


async def test_a_user_has_one_export_at_a_time_over_all_replicas(cases: CasesApi, mongo_url: str) -> None:
    ana, ben = an_actor(), an_actor()
    await many(cases, ana, 1_500)
    async with a_replica(mongo_url) as other, exporting(cases, ana) as answer:
        second = await other.client.get("/cases.xlsx", headers=signed(ana))
        assert (second.status, int(second.headers["Retry-After"])) == (429, 10)
        assert (await second.json())["code"] == "export_is_running"
        assert (await other.call("GET", "/cases.xlsx", ben)).status == 200
        assert len(exported(await answer.read())) == 1_500

        async def is_free() -> bool:
            return (await other.call("GET", "/cases.xlsx", ana)).status == 200

        assert await until(is_free, deadline_s=30, pause_s=0.05)


async def test_an_aborted_export_can_be_started_again(cases: CasesApi) -> None:
    ana = an_actor()
    await many(cases, ana, 1_500)
    async with exporting(cases, ana) as answer:
        answer.close()

    async def is_free() -> bool:
        return (await cases.call("GET", "/cases.xlsx", ana)).status == 200

    assert await until(is_free, deadline_s=30, pause_s=0.05)


async def test_the_lease_of_a_killed_process_expires(cases: CasesApi) -> None:
    ana = an_actor()
    assert await exports.lease(cases.db, ana.user_id, within=HALF_A_MINUTE) is not None
    assert (await cases.call("GET", "/cases.xlsx", ana)).status == 429
    await cases.db["exports"].update_one({"_id": ana.user_id}, [{"$set": {"until": "$$NOW"}}])
    late = await exports.lease(cases.db, ana.user_id, within=HALF_A_MINUTE)
    assert late is not None
    await exports.end_lease(cases.db, ana.user_id, "of the one before")
    assert await exports.lease(cases.db, ana.user_id, within=HALF_A_MINUTE) is None


async def test_of_many_leases_requested_at_once_one_is_granted(cases: CasesApi) -> None:
    ana = an_actor()
    asked = [exports.lease(cases.db, ana.user_id, within=HALF_A_MINUTE) for _ in range(20)]
    assert sum(token is not None for token in await asyncio.gather(*asked)) == 1


async def test_a_process_refuses_more_exports_than_its_limit(mongo_url: str) -> None:
    async with a_replica(mongo_url, CASES_EXPORTS_AT_ONCE="2") as cases:
        places: Any = cases.client.app[PLACES]
        with places.take(), places.take() as leave:
            refused = await cases.client.get("/cases.xlsx", headers=signed(an_actor()))
            assert (refused.status, int(refused.headers["Retry-After"])) == (503, 10)
            assert (await refused.json())["code"] == "too_many_exports"
            leave()
            assert (await cases.call("GET", "/cases.xlsx", an_actor())).status == 200


@pytest.mark.usefixtures("nothing_is_collected")
async def test_an_exported_row_costs_the_event_loop_less_than_an_entity_of_it(cases: CasesApi) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    await many(cases, ana, 2_000)
    documents = await cases.db["cases"].find({"company_id": ana.company_id}).to_list(None)
    began = time.thread_time()
    for document in documents:
        CASES.load(document)
    entities_s = time.thread_time() - began
    # The fastest of five: on a busy machine the same work costs more.
    exported_s = min([await _exported_in_s(cases, ana, rows=2_000) for _ in range(5)])
    assert exported_s < entities_s


async def _exported_in_s(cases: CasesApi, actor: Actor, *, rows: int) -> float:
    async with exporting(cases, actor) as answer:
        before = time.thread_time()
        content = await answer.read()
        spent_s = time.thread_time() - before
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        # Not by `exported`, which takes seconds for so many rows; and one is the heading.
        assert book.read("xl/worksheets/sheet1.xml").count(b"<row ") == rows + 1
    return spent_s


async def test_an_export_of_another_company_is_refused_before_it_begins(cases: CasesApi) -> None:
    answer = await cases.call("GET", "/cases.xlsx", an_actor(), params={"company_id": str(uuid4())})
    assert (answer.status, answer.code) == (404, "not_found")
