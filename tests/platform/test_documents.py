"""Entities as documents: one write, versions, intents, and events that ride along."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from pymongo import WriteConcern
from pymongo.errors import BulkWriteError
from uuid_utils.compat import uuid7

from deploy.local.waiting import until
from shared.documents import Documents
from shared.errors import IdempotencyKeyReused, NotFound, StaleVersion
from shared.events.base import Event, State
from shared.idempotency import IdempotencyKey
from shared.logging import Origin, origin
from shared.mongo import Database, Document, Driver, DuplicateKey, is_duplicate
from tests.platform.bus_helpers import a_database


class BoxChanged(State):
    """What these tests say."""

    type: ClassVar[str] = "tests.box.changed.v1"
    label: str


@dataclass(frozen=True)
class Note:
    """What is added to a box."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """What these tests keep."""

    id: UUID
    label: str
    opened_on: date | None = None
    keys: frozenset[UUID] = frozenset()
    version: int = 1
    events: tuple[Event, ...] = ()
    new_notes: tuple[Note, ...] = ()

    def relabelled(self, label: str) -> "Box":
        event = BoxChanged(at=datetime.now(UTC), version=self.version + 1, label=label)
        return replace(self, label=label, events=(*self.events, event))


BOXES = Documents("boxes", Box, appended={"new_notes": "notes"})


@pytest.fixture(scope="module")
async def db(mongo_url: str, driver: Driver) -> AsyncIterator[Database]:
    async with a_database(mongo_url, driver) as database:
        yield database


@pytest.fixture
def noticed(db: Database) -> list[tuple[str, Any, list[Document]]]:
    heard: list[tuple[str, Any, list[Document]]] = []
    db.on_pending = lambda *args: heard.append(args)
    return heard


async def raw(db: Database, box: Box) -> Document:
    document = await db["boxes"].find_one({"_id": box.id})
    assert document is not None
    return document


async def test_an_entity_comes_back_as_it_was_written(db: Database) -> None:
    box = Box(id=uuid7(), label="$label", opened_on=date(2026, 2, 28), keys=frozenset({uuid4(), uuid4()}))
    await BOXES.insert(db, box)
    assert await BOXES.get(db, {"_id": box.id}) == box


async def test_what_is_not_there_is_not_found(db: Database) -> None:
    assert await BOXES.find(db, {"_id": uuid7()}) is None
    with pytest.raises(NotFound):
        await BOXES.get(db, {"_id": uuid7()})


async def test_a_change_and_its_events_are_one_write(db: Database, noticed: list[Any]) -> None:
    box = await BOXES.insert(db, Box(id=uuid7(), label="a"))
    token = origin.set(Origin("req-12345", "user-1", "10.0.0.1", "Ana Duarte"))
    saved = await BOXES.save(db, replace(box.relabelled("b"), new_notes=(Note("first"),)))
    origin.reset(token)
    document = await raw(db, box)
    (pending,) = document["pending"]
    assert (saved.version, saved.events, saved.new_notes) == (2, (), ())
    assert (document["label"], document["version"], document["notes"]) == (
        "b",
        2,
        [{"text": "first", "version": 2}],
    )
    assert (pending["type"], pending["body"]["version"], pending["body"]["label"]) == (BoxChanged.type, 2, "b")
    assert (pending["request_id"], pending["actor"], pending["address"]) == ("req-12345", "user-1", "10.0.0.1")
    assert pending["actor_name"] == "Ana Duarte"
    assert document["relay_after"] > datetime.now(UTC)
    ((collection, document_id, carried),) = noticed
    assert (collection, document_id, carried[0]["id"]) == ("boxes", box.id, pending["id"])


async def test_a_stale_save_changes_nothing(db: Database, noticed: list[Any]) -> None:
    box = await BOXES.insert(db, Box(id=uuid7(), label="a"))
    await BOXES.save(db, box.relabelled("b"))
    noticed.clear()
    with pytest.raises(StaleVersion):
        await BOXES.save(db, box.relabelled("c"))
    document = await raw(db, box)
    assert (document["label"], document["version"], len(document["pending"])) == ("b", 2, 1)
    assert noticed == []


async def test_of_many_saves_at_once_one_wins(db: Database) -> None:
    box = await BOXES.insert(db, Box(id=uuid7(), label="a"))
    results = await asyncio.gather(*(BOXES.save(db, box.relabelled(str(n))) for n in range(20)), return_exceptions=True)
    assert sum(isinstance(result, Box) for result in results) == 1
    assert sum(isinstance(result, StaleVersion) for result in results) == 19
    assert (await raw(db, box))["version"] == 2


async def test_appends_never_conflict(db: Database) -> None:
    box = await BOXES.insert(db, Box(id=uuid7(), label="a"))

    async def append(n: int) -> bool:
        return await BOXES.append(db, {"_id": box.id}, push={"notes": {"text": f"$n{n}"}})

    assert all(await asyncio.gather(*(append(n) for n in range(100))))
    document = await raw(db, box)
    assert document["version"] == 101
    assert {note["text"] for note in document["notes"]} == {f"$n{n}" for n in range(100)}
    assert [note["version"] for note in document["notes"]] == list(range(2, 102))


async def test_an_append_whose_rule_does_not_hold_changes_nothing(db: Database) -> None:
    box = await BOXES.insert(db, Box(id=uuid7(), label="a"))
    assert await BOXES.append(db, {"_id": box.id, "label": "z"}, push={"notes": {"text": "x"}}) is False
    assert (await raw(db, box))["version"] == 1


async def test_one_intent_makes_one_document_and_another_body_is_refused(db: Database) -> None:
    key = IdempotencyKey.of(user_id=uuid7(), route="/boxes", key="k", body=b"{}")
    other = IdempotencyKey.of(user_id=uuid7(), route="/boxes", key="k", body=b"{}")
    assert key.id != other.id
    made = await asyncio.gather(*(BOXES.insert_once(db, Box(id=key.id, label=str(n)), key) for n in range(10)))
    assert len({box.label for box in made}) == 1
    assert await BOXES.find_made_with(db, key) == made[0]
    changed = replace(key, digest="another")
    with pytest.raises(IdempotencyKeyReused):
        await BOXES.insert_once(db, Box(id=key.id, label="x"), changed)
    with pytest.raises(IdempotencyKeyReused):
        await BOXES.find_made_with(db, changed)


async def test_documents_that_come_at_once_are_written_together_and_each_is_answered_for_itself(
    db: Database, noticed: list[Any]
) -> None:
    boxes = [Box(id=uuid7(), label="a").relabelled(f"{n}") for n in range(20)]
    again = [replace(boxes[3], label="again"), replace(boxes[7], label="again")]
    await db["boxes"].database.command("profile", 2)
    answers = await asyncio.gather(*(BOXES.insert(db, box) for box in [*boxes, *again]), return_exceptions=True)
    await db["boxes"].database.command("profile", 0)
    assert answers[:20] == [replace(box, events=()) for box in boxes]
    assert [isinstance(error, DuplicateKey) and is_duplicate(error, "_id") for error in answers[20:]] == [True, True]
    assert sorted(document_id for _, document_id, _ in noticed) == [box.id for box in boxes]
    assert await db["system.profile"].count_documents({"op": "insert", "ns": f"{db.name}.boxes"}) == 1
    assert await db["boxes"].count_documents({"label": "again"}) == 0


async def test_a_document_that_cannot_be_written_fails_alone(db: Database) -> None:
    boxes = [Box(id=uuid7(), label=label) for label in ("a", "b", "\ud800", "d")]
    answers = await asyncio.gather(*(BOXES.insert(db, box) for box in boxes), return_exceptions=True)
    assert [isinstance(answer, UnicodeEncodeError) for answer in answers] == [False, False, True, False]
    assert await db["boxes"].count_documents({"_id": {"$in": [box.id for box in boxes]}}) == 3


async def test_what_the_majority_did_not_acknowledge_is_answered_to_nobody_and_a_duplicate_is_told_as_such(
    db: Database, noticed: list[Any]
) -> None:
    db_of_one = db["boxes"].with_options(write_concern=WriteConcern(2))  # there is one member only
    first, *others = (Box(id=uuid7(), label="a").relabelled("b") for _ in range(4))
    await BOXES.insert(db, first)
    noticed.clear()
    kept, db._collections["boxes"] = db["boxes"], db_of_one  # no other door for it
    try:
        answers = await asyncio.gather(*(BOXES.insert(db, box) for box in (*others, first)), return_exceptions=True)
    finally:
        db._collections["boxes"] = kept
    assert [type(answer) for answer in answers] == [BulkWriteError] * 3 + [DuplicateKey]
    assert noticed == []


async def test_a_document_whose_writer_leaves_is_written_and_told_all_the_same(
    db: Database, noticed: list[Any]
) -> None:
    box = Box(id=uuid7(), label="a").relabelled("b")
    writer = asyncio.create_task(BOXES.insert(db, box))
    await asyncio.sleep(0)
    (batches,) = db.batches.values()

    async def has_begun() -> bool:
        return not batches._waiting  # no other door for it

    async def is_noticed() -> bool:
        return bool(noticed)

    assert await until(has_begun, deadline_s=45, pause_s=0)
    writer.cancel()
    assert await until(is_noticed, deadline_s=45)
    assert [document_id for _, document_id, _ in noticed] == [box.id]
    assert writer.cancelled()
    assert (await raw(db, box))["label"] == "b"


async def test_a_transaction_is_all_or_nothing_and_its_events_are_noticed_after_the_commit(
    db: Database, noticed: list[Any]
) -> None:
    box = await BOXES.insert(db, Box(id=uuid7(), label="a"))
    other = Box(id=uuid7(), label="other")

    async def fail(session: Any) -> None:
        await BOXES.save(db, box.relabelled("b"), session=session)
        await BOXES.insert(db, other, session=session)
        raise NotFound

    with pytest.raises(NotFound):
        await db.atomically(fail)
    assert ((await raw(db, box))["label"], await BOXES.find(db, {"_id": other.id})) == ("a", None)
    assert noticed == []

    async def work(session: Any) -> None:
        await BOXES.save(db, box.relabelled("b"), session=session)
        await BOXES.insert(db, other, session=session)
        assert noticed == []

    await db.atomically(work)
    assert ((await raw(db, box))["label"], (await raw(db, other))["label"]) == ("b", "other")
    assert [document_id for _, document_id, _ in noticed] == [box.id]
    assert "relay_after" in await raw(db, box)
