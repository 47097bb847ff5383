"""Waits until a run has come to rest, then reads all that there is: from the portal, else at the source."""

import asyncio
import hashlib
import time
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from deploy.local.waiting import until
from shared.mongo import Database, Document, connect
from tests.client import Answer
from tests.e2e.portal import Visitor
from tests.faults.checker import Found, FoundCase, FoundEvent, FoundFile, Row
from tests.faults.load import NOT_NOW, Record
from tests.faults.sink import read_mails
from tests.faults.world import World

REST_WITHIN_S = 150.0
_DOWNLOADS_AT_ONCE = 8
_ASKED_FOR_S = 60.0
_EMITTING = {
    "identity": ("companies", "invitations", "sites", "users", "verifications"),
    "cases": ("cases",),
    "contracts": ("products", "devices", "agreements"),
}


async def find_all(world: World, record: Record, *, rest_within_s: float = REST_WITHIN_S) -> Found:
    """What there is once nothing moves any more; `leftovers` says what still did after `rest_within_s`."""
    databases = {name: connect(world.stack.environment["MONGO_URL"], name) for name in (*_EMITTING, "notifications")}
    try:

        async def leftovers() -> dict[str, int]:
            queues = await world.stack.queues()
            waiting = {f"messages in {name}": messages for name, messages in queues.items()}
            return {**await _unsettled(databases), **waiting}

        async def at_rest() -> bool:
            # The cheaper question first.
            return not any((await _unsettled(databases)).values()) and await world.stack.is_quiet()

        await until(at_rest, deadline_s=rest_within_s, pause_s=1.0)
        return Found(
            cases=await _cases(databases["cases"]),
            listed=await _listed(world.submitter),
            files=await _files(databases["cases"], world.submitter),
            events=await _events(databases["cases"]),
            copies=[copy["_id"] async for copy in databases["contracts"]["case_copies"].find({}, {"_id": 1})],
            rows=await _rows(databases["notifications"]),
            mails=read_mails(world.stack.sink_file),
            leftovers=await leftovers(),
        )
    finally:
        await asyncio.gather(*(database.close() for database in databases.values()))


async def _unsettled(databases: Mapping[str, Database]) -> dict[str, int]:
    pending = {
        f"pending in {service}.{collection}": await databases[service][collection].count_documents(
            {"pending.0": {"$exists": True}}
        )
        for service, collections in _EMITTING.items()
        for collection in collections
    }
    unfinished = await databases["notifications"]["mails"].count_documents({"due_at": {"$type": "date"}})
    return {**pending, "unfinished mails": unfinished}


async def _cases(database: Database) -> list[FoundCase]:
    fields = {"number": 1, "problem.title": 1, "history": {"$slice": 1}}
    return [
        FoundCase(
            id=document["_id"],
            label=document["problem"]["title"],
            number=document["number"],
            file_ids=tuple(file["id"] for file in document["history"][0]["attachments"]),
        )
        async for document in database["cases"].find({}, fields)
    ]


async def _listed(visitor: Visitor) -> set[str]:
    numbers: set[str] = set()
    query = {"limit": "200"}
    while True:
        page = (await _read(visitor, "/cases", query)).body
        numbers |= {row["number"] for row in page["items"]}
        if page["next_cursor"] is None:
            return numbers
        query["cursor"] = page["next_cursor"]


async def _read(visitor: Visitor, path: str, query: Mapping[str, str]) -> Answer:
    """The portal's answer; a 503 only when it is the answer for a minute: what is lost must not be what was busy."""
    give_up_at = time.monotonic() + _ASKED_FOR_S
    while True:
        answer = await visitor.call("GET", path, params=query)
        if answer.status not in NOT_NOW or time.monotonic() > give_up_at:
            return answer
        await asyncio.sleep(1)


async def _files(database: Database, visitor: Visitor) -> list[FoundFile]:
    documents = await database["attachments"].find({}, {"content": 0}).to_list(None)
    slots = asyncio.Semaphore(_DOWNLOADS_AT_ONCE)

    async def downloaded(document: Document) -> FoundFile:
        async with slots:
            answer = await _read(visitor, f"/attachments/{document['_id']}", {})
        sha256 = hashlib.sha256(answer.body).hexdigest() if answer.status == 200 else ""
        return FoundFile(
            document["_id"], document["name"].removesuffix(".txt"), (document.get("owner") or {}).get("id"), sha256
        )

    return await asyncio.gather(*map(downloaded, documents))


async def _events(database: Database) -> list[FoundEvent]:
    entries = database["audit"].find({"type": {"$regex": "^cases.case."}}, {"type": 1, "body.case_id": 1})
    return [FoundEvent(entry["type"], UUID(entry["body"]["case_id"])) async for entry in entries]


async def _rows(database: Database) -> list[Row]:
    return [
        Row(
            number=row["case_number"],
            email=row["email"],
            state=row["state"],
            reason=row["reason"] or "",
            unknown_outcomes=row["unknown_outcomes"],
            settled_at=_seconds(row["updated_at"]),
            sending_at=_seconds(row.get("sending_at")),
        )
        async for row in database["mails"].find({"kind": "case_created"})
    ]


def _seconds(at: datetime | None) -> float:
    return at.timestamp() if at is not None else 0.0
