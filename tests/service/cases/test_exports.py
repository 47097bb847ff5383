"""The export: as of one moment, one at a time for each user, few in a process, and without delay for others."""

import asyncio
import csv
import io
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
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
from services.cases.cases import export
from services.cases.cases.domain.numbers import case_number
from services.cases.cases.export_api import PLACES
from services.cases.cases.store import exports
from shared.actor import Actor, Role
from shared.mongo import DatabaseError, is_too_old
from tests.builders import an_actor, signed
from tests.events import site_changed
from tests.logged import Logged
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
async def exporting(
    cases: CasesApi, by: Actor, kind: str = "xlsx", **query: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    """An export that has begun: its headers have arrived."""
    async with cases.client.get(f"/cases.{kind}", headers=signed(by), params=query) as answer:
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


async def test_an_export_that_outlives_its_snapshot_is_cut_off_and_logged(cases: CasesApi, logged: Logged) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    await many(cases, ana, 3_000)
    async with exporting(cases, ana) as answer:
        async with standing_still(cases), nothing_of_the_past_is_kept(cases), cases.db.at_one_moment() as moment:

            async def is_dropped() -> bool:
                try:
                    await cases.db["meanwhile"].find_one({}, session=moment)
                except DatabaseError as error:
                    return is_too_old(error)
                return False

            assert await until(is_dropped, deadline_s=30, pause_s=0.05)
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    assert logged.named("export_cut")


@asynccontextmanager
async def standing_still(cases: CasesApi) -> AsyncIterator[None]:
    """No export goes on meanwhile. One that has begun has sent its first piece, and asked for one more."""
    places: Any = cases.client.app[PLACES]
    async with places.turn:
        yield


async def is_under_way(cases: CasesApi, by: Actor) -> bool:
    return await cases.db["exports"].find_one({"_id": by.user_id}) is not None


async def is_over(cases: CasesApi, by: Actor) -> bool:
    return not await is_under_way(cases, by)


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
async def test_the_first_bytes_of_an_export_come_while_its_last_rows_are_still_to_be_written(
    cases: CasesApi, kind: str
) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    await many(cases, ana, 3_000)
    async with exporting(cases, ana, kind) as answer:
        async with standing_still(cases):
            assert await answer.content.readany()
            assert await is_under_way(cases, ana)
        assert await answer.read()


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
async def test_an_export_that_fails_in_the_middle_is_cut_off_and_one_that_fails_at_once_is_refused(
    cases: CasesApi, kind: str
) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    await many(cases, ana, 1_500)
    of_no_kind = {"$set": {"status": "of no kind"}}
    await cases.db["cases"].find_one_and_update({"company_id": ana.company_id}, of_no_kind, sort=[("updated_at", 1)])
    async with exporting(cases, ana, kind) as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    assert await until(lambda: is_over(cases, ana), deadline_s=30, pause_s=0.05)
    refused = await cases.call("GET", f"/cases.{kind}", ana, params={"sort": "updated_at"})
    assert (refused.status, refused.code) == (500, "internal")
    assert not await is_under_way(cases, ana)
    # Other tests count all cases.
    await cases.db["cases"].update_many(of_no_kind["$set"], {"$set": {"status": "new"}})


async def test_an_export_that_takes_too_long_is_cut_off_before_its_lease_ends(
    cases: CasesApi, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    assert timedelta(seconds=export._WITHIN_S) < export._LEASED_FOR
    limits: list[asyncio.Timeout] = []
    timeout = asyncio.timeout

    def kept(delay: float | None) -> asyncio.Timeout:
        limit = timeout(delay)
        if delay == export._WITHIN_S:
            limits.append(limit)
        return limit

    monkeypatch.setattr(asyncio, "timeout", kept)
    ana = an_actor(Role.COMPANY_ADMIN)
    await many(cases, ana, 3_000)
    async with exporting(cases, ana) as answer:
        async with standing_still(cases):
            (limit,) = limits
            limit.reschedule(0)  # its time is over now
            assert await until(lambda: is_over(cases, ana), deadline_s=30, pause_s=0.05)
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    assert "its reader was too slow" in str(logged.named("export_cut"))


async def test_whoever_does_not_read_holds_up_the_reading_of_rows_but_no_place(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_PATIENCE_S", 0.2)
    ana = an_actor(Role.COMPANY_ADMIN)
    async with a_replica(mongo_url, CASES_EXPORTS_AT_ONCE="1") as cases:
        await many(cases, ana, 1_000)
        of_ana = {"company_id": ana.company_id}
        with pymongo.timeout(60):
            await cases.db["cases"].update_many(of_ana, {"$set": {"problem.title": "x" * 16_000}})
        places: Any = cases.client.app[PLACES]
        async with exporting(cases, ana, "csv") as answer:

            async def is_free() -> bool:
                return not places._taken

            assert await until(is_free, deadline_s=30, pause_s=0.05)
            assert await is_under_way(cases, ana)
            assert (await cases.call("GET", "/cases.csv", an_actor())).status == 200
            assert len(await answer.read()) > 1_000 * 16_000


async def test_an_export_whose_reader_has_left_reads_nothing_more(cases: CasesApi) -> None:
    ana = an_actor(Role.COMPANY_ADMIN)
    await many(cases, ana, 3_000)
    async with standing_still(cases), exporting_unanswered(cases, ana) as asking:
        assert await until(lambda: is_under_way(cases, ana), deadline_s=30, pause_s=0.05)
        asking.cancel()

        async def is_gone() -> bool:
            return not (await is_under_way(cases, ana) or await _cursors(cases))

        assert await until(is_gone, deadline_s=30, pause_s=0.05)


@asynccontextmanager
async def exporting_unanswered(cases: CasesApi, by: Actor) -> "AsyncIterator[asyncio.Task[Any]]":
    """An export of which nothing has arrived yet."""
    asking = asyncio.ensure_future(cases.call("GET", "/cases.csv", by))
    try:
        yield asking
    finally:
        asking.cancel()
        await asyncio.wait([asking])


async def _cursors(cases: CasesApi) -> list[Any]:
    """Of exports, open in the database."""
    mine = {"type": "idleCursor", "ns": f"{cases.db.name}.cases"}
    pipeline = [{"$currentOp": {"idleCursors": True}}, {"$match": mine}]
    listed = await cases.db._client.admin.command({"aggregate": 1, "pipeline": pipeline, "cursor": {}})
    return list(listed["cursor"]["firstBatch"])


async def test_the_exports_of_a_process_take_turns_and_let_others_in_between(cases: CasesApi) -> None:
    ana, ben = an_actor(Role.COMPANY_ADMIN), an_actor(Role.COMPANY_ADMIN)
    await many(cases, ana, 1_500)
    await many(cases, ben, 1_500)
    places: Any = cases.client.app[PLACES]
    waited: list[int] = []

    async def both_wait() -> bool:
        return len(places.turn._waiters or ()) == 2

    async def count() -> None:
        while True:
            if places.turn.locked():
                waited.append(len(places.turn._waiters or ()))
            await asyncio.sleep(0)

    async with places.turn:
        both = asyncio.gather(*(cases.call("GET", "/cases.csv", by) for by in (ana, ben)))
        assert await until(both_wait, deadline_s=30, pause_s=0.01)
        counting = asyncio.ensure_future(count())
    of_both = await both
    counting.cancel()
    assert [answer.body.count(b"\r\n") for answer in of_both] == [1_501, 1_501]
    # Each slice ends with turns of the loop, and in some of them the other export waited.
    assert len(waited) >= 3_000 / export._SLICE_ROWS * export._TURNS
    assert 1 in waited


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
        "serial": "CN-B7 K2",
    }
    said = await what_it_says_of_itself(cases, ana, view="submitted", q="x", **filters)
    assert said.pop("As of")
    assert said == {
        "Number of cases": 0,
        "View": "Submitted by me",
        "Status": "All open",
        "Severity": "Normal",
        "Site": "Lyon",
        "Serial number": "CN-B7 K2",
        "Created from": "31 Jan 2026",
        "Words": "x",
        "Only created by me": "Yes",
    }


async def test_a_sheet_names_no_site_of_another_company(cases: CasesApi) -> None:
    foreign = site_changed(an_actor().company_id, name="Secret labs")
    await cases.hear(foreign)
    said = await what_it_says_of_itself(cases, an_actor(Role.COMPANY_ADMIN), site_id=str(foreign.site_id))
    assert said["Site"] == str(foreign.site_id)


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
async def test_the_file_of_an_export_is_named_by_its_day(cases: CasesApi, kind: str) -> None:
    async with exporting(cases, an_actor(), kind) as answer:
        assert re.search(
            rf'filename="cases-{datetime.now(UTC):%Y}-\d\d-\d\d-\d{{4}}\.{kind}"', answer.headers["Content-Disposition"]
        )


async def test_a_csv_has_the_filtered_rows_in_the_words_and_the_time_of_its_reader(cases: CasesApi) -> None:
    ana = replace(an_actor(Role.COMPANY_ADMIN), language="fr", time_zone="Asia/Tokyo")
    await cases.submitted(ana, title="=1+1", severity=2)
    await cases.submitted(ana, title="of another severity", severity=3)
    answer = await cases.call("GET", "/cases.csv", ana, params={"severity": "2"})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    headings, row = csv.reader(io.StringIO(answer.body.decode("utf-8-sig"), newline=""))
    assert headings[:4] == ["Dossier", "Titre", "État", "Gravité"]
    assert headings[14:16] == ["Créé (Asia/Tokyo)", "Mis à jour (Asia/Tokyo)"]
    assert row[1:4] == ["'=1+1", "Nouveau", "Haute"]
    made = datetime.fromisoformat(row[14])
    assert made.utcoffset() == timedelta(hours=9)
    assert abs(datetime.now(UTC) - made) < timedelta(minutes=5)


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
async def test_head_tells_the_name_of_an_export_and_sends_nothing_of_it(cases: CasesApi, kind: str) -> None:
    ana = an_actor()
    await cases.submitted(ana)
    reader, writer = await asyncio.open_connection("127.0.0.1", cases.client.port)
    proof = "".join(f"{name}: {value}\r\n" for name, value in signed(ana).items())
    async with asyncio.timeout(30):
        writer.write(f"HEAD /cases.{kind} HTTP/1.1\r\nHost: cases\r\n{proof}Connection: close\r\n\r\n".encode())
        headers, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert (headers.split()[1], body) == (b"200", b"")
    assert f'.{kind}"'.encode() in headers
    assert (await cases.call("GET", f"/cases.{kind}", ana)).status == 200


async def test_a_user_has_one_export_at_a_time_over_all_replicas(cases: CasesApi, mongo_url: str) -> None:
    ana, ben = an_actor(), an_actor()
    await many(cases, ana, 1_500)
    async with a_replica(mongo_url) as other, exporting(cases, ana) as answer:
        async with standing_still(cases):
            second = await other.client.get("/cases.xlsx", headers=signed(ana))
            assert (second.status, int(second.headers["Retry-After"])) == (429, 10)
            assert (await second.json())["code"] == "export_is_running"
            assert (await other.call("GET", "/cases.xlsx", ben)).status == 200
        assert len(exported(await answer.read())) == 1_500

        async def is_free() -> bool:
            return (await other.call("GET", "/cases.xlsx", ana)).status == 200

        assert await until(is_free, deadline_s=30, pause_s=0.05)


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
async def test_who_has_an_export_whole_may_begin_the_next(cases: CasesApi, kind: str) -> None:
    ana = an_actor()
    await cases.submitted(ana)
    for _ in range(5):
        assert (await cases.call("GET", f"/cases.{kind}", ana)).status == 200
        assert await is_over(cases, ana)


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


async def test_an_export_of_another_company_is_refused_before_it_begins(cases: CasesApi) -> None:
    answer = await cases.call("GET", "/cases.xlsx", an_actor(), params={"company_id": str(uuid4())})
    assert (answer.status, answer.code) == (404, "not_found")
