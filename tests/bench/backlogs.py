"""How fast a backlog is worked off: events after the broker or a consumer was away, mails after the mail server was."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pymongo
from pymongo import WriteConcern
from uuid_utils.compat import uuid7

from deploy.local.waiting import until
from services.cases.cases.domain.numbers import case_number
from services.cases.cases.store import CASES
from shared.bus import Bus, Envelope
from shared.documents import pending_events
from shared.events.base import Addressee, Event
from shared.events.cases import CaseChanged, CaseCreated
from shared.mongo import Database, connect
from tests.bench.measuring import Bench

_FIRST_NUMBER = 600_000_000  # far behind those of the archive
_CHUNK = 1_000
_DELETED_WITHIN_S = 300  # far longer than a service waits: each case stands in many indexes
_WITHIN_S = 300.0
_PAUSE_S = 0.1


async def measure_backlogs(bench: Bench, *, events: int, mails: int) -> None:
    """Each from when everything is back until nothing waits."""
    await _measure_broker_away(bench, events)
    await _measure_consumer_away(bench, events)
    await _measure_mail_server_away(bench, mails)


async def _measure_broker_away(bench: Bench, count: int) -> None:
    """Cases were written while no event could be published: from the broker's return until contracts has them all."""
    cases = bench.db[CASES.collection].with_options(write_concern=WriteConcern(w=1, j=False))
    template = await cases.find_one({}, {"pending": 0, "relay_after": 0})
    assert template is not None
    written, copied = 0, await _Copied.of(bench)
    await bench.stack.parts["rabbitmq"].stop()
    while written < count:
        chunk = [_changed(template["company_id"], written + n) for n in range(min(_CHUNK, count - written))]
        documents = [
            {**template, "_id": event.case_id, "number": event.number, "pending": pending_events([event])}
            | {"relay_after": event.at}
            for event in chunk
        ]
        await cases.insert_many(documents, ordered=False)
        written += len(chunk)
    await bench.stack.parts["rabbitmq"].start()
    bench.figures.add(f"{count:,} events after the broker was away", "1/s", await copied.rate(count))
    with pymongo.timeout(_DELETED_WITHIN_S):
        await cases.delete_many({"number": {"$gte": case_number(_FIRST_NUMBER)}})


async def _measure_consumer_away(bench: Bench, count: int) -> None:
    """Events wait in the queue, each as a message of its own: from the consumer's start until it has them all."""
    copied = await _Copied.of(bench)
    await bench.stack.parts["contracts"].stop()
    company_id = uuid7()
    await _publish(bench, (_changed(company_id, count + n) for n in range(count)))
    await bench.stack.parts["contracts"].start()
    bench.figures.add(f"{count:,} events after a consumer was away", "1/s", await copied.rate(count))


async def _measure_mail_server_away(bench: Bench, count: int) -> None:
    """Mails wait in the ledger: from the first that is sent to the last."""
    notifications = connect(bench.stack.environment["MONGO_URL"], "notifications")
    cases = [_created(n) for n in range(count // 2)]
    await bench.sink.child.stop()
    try:
        began = datetime.now(UTC)
        await _publish(bench, iter(cases))
        wanted = {"created_at": {"$gte": began}}
        assert await _until_counted(notifications, "mails", wanted, 2 * len(cases))
    finally:
        await notifications.close()
        bench.sink.start()
    came = await bench.sink.mails_of([case.number for case in cases], each=2, within_s=_WITHIN_S)
    times = sorted(at for all_of_case in came.values() for at in all_of_case)
    complete = all(len(all_of_case) == 2 for all_of_case in came.values())
    rate = len(times) / (times[-1] - times[0]) if complete else 0.0
    bench.figures.add(f"{count:,} mails after the mail server was away", "1/s", rate)
    bench.figures.add(f"{count:,} mails: sent more than once", "mails", len(times) - 2 * len(cases))


class _Copied:
    """How many cases contracts knows."""

    def __init__(self, mongo_url: str) -> None:
        self._db = connect(mongo_url, "contracts")
        self._before = 0

    @classmethod
    async def of(cls, bench: Bench) -> "_Copied":
        copied = cls(bench.stack.environment["MONGO_URL"])
        copied._before = await copied._db["case_copies"].count_documents({})
        return copied

    async def rate(self, count: int) -> float:
        """So many more in a second, from now until all have come; 0 when they do not."""
        began = time.monotonic()
        try:
            came = await _until_counted(self._db, "case_copies", {}, self._before + count)
        finally:
            await self._db.close()
        return count / (time.monotonic() - began) if came else 0.0


async def _until_counted(db: Database, collection: str, wanted: dict[str, Any], count: int) -> bool:
    async def all_there() -> bool:
        return await db[collection].count_documents(wanted) >= count

    return await until(all_there, deadline_s=_WITHIN_S, pause_s=_PAUSE_S)


async def _publish(bench: Bench, events: Iterator[Event]) -> None:
    bus = Bus(bench.stack.environment["RABBITMQ_URL"], app_id="bench")
    await bus.start()
    try:

        async def connected() -> bool:
            return bus.connected

        assert await until(connected, deadline_s=_WITHIN_S)
        while chunk := [event for _, event in zip(range(_CHUNK), events, strict=False)]:
            await asyncio.gather(*(bus.publish(_envelope(event)) for event in chunk))
    finally:
        await bus.stop()


def _envelope(event: Event) -> Envelope:
    body = orjson.dumps(event.model_dump(mode="json"))
    return Envelope(id=event.id, type=event.type, body=body, at=event.at, source="cases")


def _changed(company_id: UUID, position: int) -> CaseChanged:
    number = case_number(_FIRST_NUMBER + position)
    now = datetime.now(UTC)
    return CaseChanged(at=now, case_id=uuid7(), number=number, company_id=company_id, version=1, is_open=True)


def _created(position: int) -> CaseCreated:
    number = case_number(_FIRST_NUMBER + position)
    company_id = UUID(int=position % 50)
    return CaseCreated(
        at=datetime.now(UTC),
        case_id=uuid7(),
        number=number,
        company_id=company_id,
        version=1,
        title="Paper jam in tray 3",
        product_name="Laserprint 310",
        people=(
            Addressee(relation="submitter", user_id=None, name="Ana", email=f"ana.{position}@company.example"),
            Addressee(relation="contact", user_id=None, name="Luc", email=f"luc.{position}@company.example"),
        ),
        severity=3,
        created_by=uuid7(),
        description="It takes two sheets at a time, and then stops.",
    )
