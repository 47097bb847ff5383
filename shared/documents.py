"""Entities as documents: each use case is one write, and the events it caused ride in the document that changed.

A document holds, beside the entity's own fields, `version` (counted up by every change), `pending` (events that the
bus has not confirmed yet) and `relay_after` (when a sweeper may take them over). `shared.relay` empties `pending`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from pydantic import TypeAdapter
from pymongo import ASCENDING
from pymongo.errors import BulkWriteError, DuplicateKeyError, WriteError

from shared.batches import DatabaseBatches
from shared.claims import ahead
from shared.errors import NotFound, StaleVersion
from shared.events.base import Event
from shared.idempotency import IdempotencyKey
from shared.logging import origin
from shared.mongo import DUPLICATE, Database, Document, Session

# The writer's own relay has this long before a sweeper may take the events over.
RELAY_GRACE = timedelta(seconds=10)


class Entity(Protocol):
    """What a frozen dataclass needs to be stored here."""

    @property
    def id(self) -> UUID: ...
    @property
    def version(self) -> int: ...
    @property
    def events(self) -> tuple[Event, ...]: ...


E = TypeVar("E", bound=Entity)


def pending_events(events: Sequence[Event]) -> list[Document]:
    """Events as they wait in a document, with the origin of the change."""
    come_from = origin.get()
    return [
        {
            "id": event.id,
            "type": event.type,
            "at": event.at,
            "request_id": come_from.request_id,
            "actor": come_from.actor,
            "actor_name": come_from.actor_name,
            "address": come_from.address,
            "body": event.model_dump(mode="json"),
        }
        for event in events
    ]


def _pushed(field: str, items: object) -> Document:
    return {"$concatArrays": [{"$ifNull": [f"${field}", []]}, items]}


def _at_version(item: Any, version: int) -> Any:
    return item | {"version": version} if isinstance(item, dict) else item


def _relay_soon(pending: list[Document]) -> Document:
    if not pending:
        return {}
    return {"relay_after": {"$min": ["$relay_after", ahead(RELAY_GRACE)]}}


def _as_of_one(failed: Document) -> Exception:
    """What the driver would have raised had this document been written alone."""
    kind = DuplicateKeyError if failed["code"] == DUPLICATE else WriteError
    return kind(failed["errmsg"], failed["code"], failed)


class Documents(Generic[E]):
    """How one kind of entity is kept in its collection.

    `appended` maps fields of the entity that hold only what a change adds to the document's growing arrays. An item
    that is a document itself gets the `version` that the whole document has with it.
    `computed` maps fields of the entity that are never written to the expressions that give them, over the whole
    document, when it is read here.
    `derived` maps fields of the document that follow from the entity, for queries: they are written with every change.
    `hint` is a kind of hint that every insert and save gives, and what it says of the entity, and of how it was before.
    """

    def __init__(
        self,
        collection: str,
        entity: type[E],
        *,
        appended: Mapping[str, str] | None = None,
        computed: Mapping[str, Document] | None = None,
        derived: Mapping[str, Callable[[E], object]] | None = None,
        hint: tuple[str, Callable[[E, E | None], Document]] | None = None,
    ) -> None:
        """One per collection, as a constant of the service's store."""
        self._hint = hint
        self.collection = collection
        self._adapter = TypeAdapter(entity)
        self._appended = dict(appended or {})
        self._computed = dict(computed or {})
        self._not_written = {"id", "version", "events", *self._appended, *self._computed}
        self._hidden = [*self._appended.values(), "pending"]
        self._derived = dict(derived or {})
        self._inserts = DatabaseBatches(self._insert_together)

    def load(self, document: Document) -> E:
        """The entity in a document."""
        return self._adapter.validate_python({"id": document["_id"], **document})

    def _fields(self, entity: E) -> Document:
        own: Document = self._adapter.dump_python(entity, exclude=self._not_written)
        return own | {field: value_of(entity) for field, value_of in self._derived.items()}

    def _additions(self, entity: E, version: int) -> dict[str, list[Any]]:
        dumped = self._adapter.dump_python(entity, include=set(self._appended))
        return {field: [_at_version(item, version) for item in dumped[name]] for name, field in self._appended.items()}

    def _settled(self, entity: E, version: int) -> E:
        empty: dict[str, Any] = dict.fromkeys(self._appended, ())
        return replace(entity, version=version, events=(), **empty)  # type: ignore[type-var]  # entities are dataclasses

    async def insert(
        self, db: Database, entity: E, *, key: IdempotencyKey | None = None, session: Session | None = None
    ) -> E:
        """Writes a new document with its events; DuplicateKey where a unique index says so.

        Documents that come at once are written together. Nothing is said of one before it is on disk by majority.
        """
        pending = pending_events(entity.events)
        document = {
            "_id": entity.id,
            "version": entity.version,
            **self._fields(entity),
            **self._additions(entity, entity.version),
        }
        document["pending"] = pending
        if key is not None:
            document["intent"] = key.digest
        if pending:
            # By this machine's clock: a wrong one makes the sweep late, or one event double. Both are harmless.
            document["relay_after"] = datetime.now(UTC) + RELAY_GRACE
        if session is None:
            await self._inserts.do(db, document)
        else:
            await db[self.collection].insert_one(document, session=session)
            db.notify_pending(self.collection, entity.id, pending, session)
        return self._told(db, self._settled(entity, entity.version), None, session)

    async def _insert_together(self, db: Database, documents: Sequence[Document]) -> list[Exception | None]:
        errors: dict[int, Exception] = {}
        try:
            await db[self.collection].insert_many(documents, ordered=False)
        except BulkWriteError as error:
            if error.details["writeConcernErrors"]:  # nobody knows whether what was written stays
                errors = dict.fromkeys(range(len(documents)), error)
            errors |= {failed["index"]: _as_of_one(failed) for failed in error.details["writeErrors"]}
        for place, document in enumerate(documents):
            if place not in errors:
                db.notify_pending(self.collection, document["_id"], document["pending"])
        return [errors.get(place) for place in range(len(documents))]

    async def insert_once(self, db: Database, entity: E, key: IdempotencyKey) -> E:
        """Writes a new document whose id is the key's; a repeat gets the document as it is now.

        Raises IdempotencyKeyReused for the same key with another body.
        """
        try:
            return await self.insert(db, entity, key=key)
        except DuplicateKeyError:
            existing = await self._find(db, {"_id": key.id})
            if existing is None:  # another unique index refused
                raise
            key.refuse_unless_same(existing.get("intent"))
            return self.load(existing)

    async def find_made_with(self, db: Database, key: IdempotencyKey) -> E | None:
        """What an earlier request with this key made, or None."""
        existing = await self._find(db, {"_id": key.id})
        if existing is None:
            return None
        key.refuse_unless_same(existing.get("intent"))
        return self.load(existing)

    async def save(
        self,
        db: Database,
        entity: E,
        *,
        before: E | None = None,
        changes: Document | None = None,
        session: Session | None = None,
    ) -> E:
        """Writes a changed entity over the version that it was read at; StaleVersion when another change came first.

        The hint is told how it was `before`, where that can make a difference. `changes` are pipeline expressions over
        the document as it was, for fields that an append changes without a version.
        """
        pending = pending_events(entity.events)
        update: Document = {name: {"$literal": value} for name, value in self._fields(entity).items()}
        update |= changes or {}
        for field, items in self._additions(entity, entity.version + 1).items():
            if items:
                update[field] = _pushed(field, {"$literal": items})
        update["version"] = entity.version + 1
        if pending:
            update |= {"pending": _pushed("pending", {"$literal": pending}), **_relay_soon(pending)}
        result = await db[self.collection].update_one(
            {"_id": entity.id, "version": entity.version}, [{"$set": update}], session=session
        )
        if result.matched_count == 0:
            raise StaleVersion
        db.notify_pending(self.collection, entity.id, pending, session)
        return self._told(db, self._settled(entity, entity.version + 1), before, session)

    def _told(self, db: Database, written: E, before: E | None, session: Session | None) -> E:
        if self._hint is not None:
            kind, about = self._hint
            db.hint(kind, written.id, session, about(written, before))
        return written

    async def append(
        self, db: Database, wanted: Document, *, push: Mapping[str, Document], changes: Document | None = None
    ) -> bool:
        """Adds entries without testing the version; False where the filter `wanted`, which holds the rules, found none.

        `changes` are pipeline expressions over the document as it was. The version is counted up, unless they say
        otherwise. It makes no event: a change with an event is saved.
        """
        version: Document = {"version": {"$add": ["$version", 1]}}
        update: Document = {
            field: _pushed(field, [{"$mergeObjects": [{"$literal": item}, version]}]) for field, item in push.items()
        }
        update |= {**version, **(changes or {})}
        return bool((await db[self.collection].update_one(wanted, [{"$set": update}])).matched_count)

    async def _find(self, db: Database, wanted: Document, session: Session | None = None) -> Document | None:
        if not self._computed:
            return await db[self.collection].find_one(wanted, dict.fromkeys(self._hidden, 0), session=session)
        stages: list[Document] = [{"$match": wanted}, {"$limit": 1}, {"$set": self._computed}, {"$unset": self._hidden}]
        found = await db[self.collection].aggregate(stages, session=session)
        return next(iter(await found.to_list(None)), None)

    async def find_after(self, db: Database, last_id: UUID | None, *, limit: int) -> list[E]:
        """The next entities in the order of their ids, without growing arrays and what is computed of them.

        From the first one on where `last_id` is None.
        """
        wanted = {} if last_id is None else {"_id": {"$gt": last_id}}
        found = db[self.collection].find(wanted, dict.fromkeys(self._hidden, 0)).sort("_id", ASCENDING).limit(limit)
        return [self.load(document) for document in await found.to_list(None)]

    async def find(self, db: Database, wanted: Document, *, session: Session | None = None) -> E | None:
        """The entity that a filter finds, without its growing arrays; None when there is none."""
        document = await self._find(db, wanted, session)
        return None if document is None else self.load(document)

    async def get(self, db: Database, wanted: Document, *, session: Session | None = None) -> E:
        """Like `find`, but NotFound when there is none."""
        entity = await self.find(db, wanted, session=session)
        if entity is None:
            raise NotFound
        return entity
