"""The virus scanner: nobody gets a file before its verdict, whatever the scanner does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from services.cases.attachments.clamd import Clamd, NoVerdict
from services.cases.attachments.scanner import Scanner
from services.cases.attachments.store import files as attachments
from services.cases.attachments.sweeper import UNSCANNED_AFTER
from tests.builders import an_actor
from tests.clamd_peer import EICAR, ClamdPeer
from tests.service.cases.conftest import CasesApi, a_replica
from tests.service.cases.files import MIB, PNG, TEXT, download, stored, upload, uploaded

ANA = an_actor()
SCANNED = 60.0  # on a busy machine several tries are made before the scanner is back


@pytest.fixture
async def clamd() -> AsyncIterator[ClamdPeer]:
    peer = ClamdPeer()
    await peer.start()
    yield peer
    await peer.stop()
    peer.holding.set()


@pytest.fixture
async def guarded(mongo_url: str, clamd: ClamdPeer, cases: CasesApi) -> AsyncIterator[CasesApi]:
    """A replica with a scanner, and nothing to scan for it but this test's files."""
    await cases.db["attachments"].delete_many({"state": "scanning"})
    async with a_replica(mongo_url, CASES_CLAMD_URL=clamd.url) as api:
        yield api


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SCANNED):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)


async def until_state(api: CasesApi, file_id: str, state: str) -> None:
    async def reached() -> bool:
        document = await stored(api, file_id)
        return document is not None and document["state"] == state

    await until(reached)


async def test_a_clean_file_is_held_until_its_verdict(guarded: CasesApi, clamd: ClamdPeer) -> None:
    clamd.holding.clear()
    answer = await upload(guarded, ANA, ("scan.png", PNG * 20_000))
    (item,) = answer.body["items"]
    assert item["state"] == "scanning"
    held = await download(guarded, item["id"], ANA)
    assert (held.status, held.code) == (409, "scanning")
    clamd.holding.set()
    await until_state(guarded, item["id"], "ready")
    assert (await download(guarded, item["id"], ANA)).body == PNG * 20_000
    assert (clamd.scanned, clamd.errors) == ([PNG * 20_000], [])


async def test_an_infected_file_never_leaves_and_the_history_shows_it(guarded: CasesApi, clamd: ClamdPeer) -> None:
    clamd.holding.clear()
    file_id = await uploaded(guarded, ANA, "eicar.txt", EICAR)
    case = await guarded.submitted(ANA, attachment_ids=[file_id])
    assert case["history"][0]["attachments"][0]["state"] == "scanning"
    clamd.holding.set()
    await until_state(guarded, file_id, "infected")
    for who in (ANA, an_actor(company_id=ANA.company_id)):
        refused = await download(guarded, file_id, who)
        assert (refused.status, refused.code) == (409, "infected")
    assert (await download(guarded, file_id, an_actor())).status == 404
    shown = (await guarded.get(case["number"], ANA)).body
    assert shown["history"][0]["attachments"][0]["state"] == "infected"
    assert shown["attachments"][0]["state"] == "infected"
    document = await stored(guarded, file_id)
    assert document is not None
    assert document["virus"] == "Win.Test.EICAR_HDB-1"


async def test_while_the_scanner_is_down_files_wait_and_then_get_their_verdict(
    guarded: CasesApi, clamd: ClamdPeer
) -> None:
    await clamd.stop()
    file_id = await uploaded(guarded, ANA)

    async def tried() -> bool:
        document = await stored(guarded, file_id)
        return document is not None and document.get("scan_tries", 0) >= 1

    await until(tried)
    assert (await download(guarded, file_id, ANA)).status == 409
    await clamd.start()
    await until_state(guarded, file_id, "ready")


async def test_files_that_wait_for_a_scanner_are_released_when_there_is_none_any_more(
    guarded: CasesApi, clamd: ClamdPeer, mongo_url: str
) -> None:
    file_id = await uploaded(guarded, ANA, "eicar.txt", EICAR)
    await until_state(guarded, file_id, "infected")
    clamd.holding.clear()
    waiting, young = await uploaded(guarded, ANA), await uploaded(guarded, ANA)
    long_ago = {"$set": {"created_at": datetime.now(UTC) - UNSCANNED_AFTER - timedelta(seconds=5)}}
    await guarded.db["attachments"].update_many({"_id": {"$in": [file_id, waiting]}}, long_ago)
    async with a_replica(mongo_url) as unguarded:
        await until_state(unguarded, waiting, "ready")
        assert (await download(unguarded, waiting, ANA)).status == 200
        for held, code in ((file_id, "infected"), (young, "scanning")):
            assert (await download(unguarded, held, ANA)).code == code


@pytest.mark.parametrize(
    "answer",
    [
        b"INSTREAM size limit exceeded. ERROR",
        b"stream: Can't allocate memory ERROR",
        b"UNKNOWN COMMAND",
        b"",
        b"OK",
        b"stream: OK, probably",
        b"stream:  FOUND",
        b"x" * 10_000,
    ],
)
async def test_whatever_is_no_verdict_is_never_taken_for_one(clamd: ClamdPeer, answer: bytes) -> None:
    clamd.answers = answer
    with pytest.raises(NoVerdict):
        await Clamd("127.0.0.1", clamd.port).scan(TEXT)


async def test_a_scanner_that_refuses_long_streams_is_understood(clamd: ClamdPeer) -> None:
    clamd.max_stream_bytes = 1000
    with pytest.raises(NoVerdict):
        await Clamd("127.0.0.1", clamd.port).scan(b"x" * (2 * MIB))


async def test_the_protocol_is_spoken_to_the_letter(clamd: ClamdPeer) -> None:
    scanner = Clamd("127.0.0.1", clamd.port)
    for content in (b"x", b"\0" * 65_536, b"y" * 65_537, bytes(2 * MIB)):
        assert await scanner.scan(content) is None
        assert clamd.scanned.pop() == content
    assert await scanner.scan(b"prefix" + EICAR) == "Win.Test.EICAR_HDB-1"
    clamd.answers = b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND"
    assert await scanner.scan(TEXT) == "Heuristics.Limits.Exceeded.MaxFileSize"
    assert clamd.errors == []


async def test_of_many_scanners_one_has_a_file_in_hand(guarded: CasesApi, clamd: ClamdPeer) -> None:
    clamd.holding.clear()
    file_ids = [await uploaded(guarded, ANA, f"{n}.txt", f"{n}".encode()) for n in range(12)]
    clamd.holding.set()
    others = [asyncio.create_task(Scanner(Clamd("127.0.0.1", clamd.port)).run(guarded.db)) for _ in range(4)]
    try:
        for file_id in file_ids:
            await until_state(guarded, file_id, "ready")
    finally:
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
    assert sorted(clamd.scanned) == sorted(f"{n}".encode() for n in range(12))


async def test_a_verdict_that_came_first_stands(cases: CasesApi) -> None:
    file_id = await uploaded(cases, ANA)
    await cases.db["attachments"].update_one({"_id": file_id}, {"$set": {"state": "scanning"}})
    await attachments.write_verdict(cases.db, file_id, virus="Something")
    await attachments.write_verdict(cases.db, file_id, virus=None)
    document = await stored(cases, file_id)
    assert document is not None
    assert document["state"] == "infected"
