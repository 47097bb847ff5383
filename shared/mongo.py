"""The only file that knows the driver, of which there are two: connecting, write and read concerns, transactions."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, Literal, TypeVar, cast

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, TypeRegistry
from pymongo import AsyncMongoClient, lock, timeout
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import ConnectionFailure, DuplicateKeyError, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from shared.topology import HINTED

Document = dict[str, Any]
Collection = AsyncCollection[Document]
Session = AsyncClientSession
DatabaseError = PyMongoError
Driver = Literal["pymongo", "motor"]
DuplicateKey = DuplicateKeyError
DUPLICATE = 11000  # the code of DuplicateKey in an answer about many writes

_T = TypeVar("_T")

_DEADLINE_S = 8
_UPGRADE_WITHIN_S = 3600
_INDEX_NOT_FOUND, _INDEX_DIFFERS, _SNAPSHOT_TOO_OLD = 27, 85, 239


async def _wait_for(wanted: Awaitable[_T], within_s: float | None) -> _T:
    async with asyncio.timeout(within_s):
        return await wanted


if sys.version_info < (3, 12):
    # What Python 3.12 made of `asyncio.wait_for`. Before that it waits in a task of its own: whoever is cancelled while
    # they wait for a server to come back then releases a lock that somebody else holds, and the client hangs for ever.
    lock.wait_for = _wait_for  # type: ignore[attr-defined, assignment]  # the driver has no other door for it

# Called after a write that left pending events: collection name, document id, the events as they stand in the document.
OnPending = Callable[[str, Any, list[Document]], None]
# Called after a write that others may want to look at: an event's type without its version, the id of what changed, and
# what there is to say about it.
OnHint = Callable[[str, object, Mapping[str, Any] | None], None]


def _encode(value: object) -> object:
    """What BSON has no type for: sets become lists, dates (not times) ISO text, which sorts the same way."""
    if isinstance(value, frozenset):
        return sorted(value, key=str)
    return value.isoformat() if isinstance(value, date) else value


_CODEC: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    uuid_representation=UuidRepresentation.STANDARD,
    type_registry=TypeRegistry(fallback_encoder=_encode),
)


class Database:
    """One service's own database. The relay listens at `on_pending`, whoever sends hints at `on_hint`."""

    def __init__(self, client: AsyncMongoClient[Document], name: str) -> None:
        """Majority on both sides: what was answered is on disk, what is read stays."""
        self._client = client
        self._database = client.get_database(
            name,
            codec_options=_CODEC,
            write_concern=WriteConcern("majority", j=True, wtimeout=5000),
            read_concern=ReadConcern("majority"),
        )
        self.name = name
        self.on_pending: OnPending | None = None
        self.on_hint: OnHint | None = None
        self.batches: dict[object, Any] = {}  # of `shared.batches`: what is under way here
        self._collections: dict[str, Collection] = {}
        self._after_commit: dict[Session, list[Callable[[], None]]] = {}

    def __getitem__(self, collection: str) -> Collection:
        """A collection of this database."""
        # The driver would make a new one each time.
        if (kept := self._collections.get(collection)) is None:
            kept = self._collections[collection] = self._database[collection]
        return kept

    def notify_pending(
        self, collection: str, document_id: object, pending: list[Document], session: Session | None = None
    ) -> None:
        """Tells the relay about pending events, and gives a hint for each that is hinted; after the commit, if any."""
        if not pending:
            return
        if session is not None:
            self._after_commit[session].append(partial(self.notify_pending, collection, document_id, pending))
            return
        if self.on_pending is not None:
            self.on_pending(collection, document_id, pending)
        for kind in {item["type"].rpartition(".v")[0] for item in pending}:
            if kind in HINTED:
                self.hint(kind, document_id)

    def hint(
        self, kind: str, changed_id: object, session: Session | None = None, about: Mapping[str, Any] | None = None
    ) -> None:
        """Gives a hint that something has changed, for what makes no event; after the commit, if any."""
        if session is not None:
            self._after_commit[session].append(partial(self.hint, kind, changed_id, about=about))
        elif self.on_hint is not None:
            self.on_hint(kind, changed_id, about)

    async def atomically(self, work: Callable[[Session], Awaitable[_T]]) -> _T:
        """Runs `work` in a transaction; it may run again, so it must not touch anything but the database.

        All its attempts together end within the deadline that any other call has.
        """

        async def attempt(session: Session) -> _T:
            self._after_commit[session] = []
            return await work(session)

        async with self._client.start_session() as session:
            try:
                # Without it the driver would try for two minutes while the database is away.
                with timeout(_DEADLINE_S):
                    result = await session.with_transaction(
                        attempt,
                        read_concern=ReadConcern("snapshot"),
                        write_concern=WriteConcern("majority", j=True, wtimeout=5000),
                    )
            finally:
                told = self._after_commit.pop(session, [])
        for tell in told:
            tell()
        return result

    @asynccontextmanager
    async def at_one_moment(self) -> AsyncIterator[Session]:
        """A session in which all reads see the database as it was at the first; for five minutes, see `is_too_old`."""
        async with self._client.start_session(snapshot=True) as session:
            yield session

    async def ping(self) -> None:
        """Raises DatabaseError when the database cannot be reached."""
        await self._client.admin.command("ping")

    async def now(self) -> datetime:
        """The time as the primary's clock has it. Raises DatabaseError."""
        told = await self._client.admin.command("hello")
        return cast("datetime", told["localTime"]).replace(tzinfo=UTC)

    async def free_bytes(self) -> int | None:
        """How much room the disk of the database's server has left; None where the server does not tell."""
        stats = await self._database.command("dbStats")
        total, used = stats.get("fsTotalSize"), stats.get("fsUsedSize")
        return None if total is None or used is None else int(total - used)

    async def drop(self) -> None:
        """Drops the whole database; for tests."""
        await self._client.drop_database(self.name)

    async def close(self) -> None:
        """Closes every connection."""
        await self._client.close()


def connect(url: str, name: str, driver: Driver = "pymongo") -> Database:
    """A database by MongoDB URL (a replica set's) and name; connects on first use: a process can start without it."""
    return Database(
        _client_class(driver)(
            url,
            appname=f"portico-{name}",
            retryWrites=True,
            retryReads=True,
            timeoutMS=_DEADLINE_S * 1000,
            serverSelectionTimeoutMS=4000,
            connectTimeoutMS=3000,
            maxPoolSize=50,
        ),
        name,
    )


def _client_class(driver: Driver) -> type[AsyncMongoClient[Document]]:
    if driver == "pymongo":
        return AsyncMongoClient
    from shared.motor import Client  # noqa: PLC0415  # only where it is wanted

    return cast("type[AsyncMongoClient[Document]]", Client)


def with_time_to_upgrade() -> AbstractContextManager[None]:
    """Within, a call may take as long as a new index of millions of documents takes."""
    return timeout(_UPGRADE_WITHIN_S)


async def drop_index(collection: Collection, name: str) -> None:
    """Takes away an index that an older version made; another replica may be faster.

    It is asked for first: even to drop what is not there, the database waits until nobody writes to the collection, and
    lets nobody begin meanwhile. A transaction whose process was killed stays open for a minute.
    """
    if name not in await collection.index_information():
        return
    try:
        await collection.drop_index(name)
    except OperationFailure as error:
        if error.code != _INDEX_NOT_FOUND:
            raise


async def put_expiry(collection: Collection, field: str, *, after_s: int) -> None:
    """An index by which the database forgets documents so long after the time in `field`; another number counts too."""
    try:
        await collection.create_index(field, name="forget", expireAfterSeconds=after_s)
    except OperationFailure as error:
        if error.code != _INDEX_DIFFERS:
            raise
        changed = {"name": "forget", "expireAfterSeconds": after_s}
        await collection.database.command("collMod", collection.name, index=changed)


def is_unavailable(error: DatabaseError) -> bool:
    """Whether the database could not be asked, or not in time; anything else it says is a mistake of ours."""
    return error.timeout or isinstance(error, ConnectionFailure) or error.has_error_label("TransientTransactionError")


def is_too_old(error: DatabaseError) -> bool:
    """Whether what the database keeps of the past no longer reaches back to the moment that is read at."""
    return isinstance(error, OperationFailure) and error.code == _SNAPSHOT_TOO_OLD


def is_duplicate(error: DuplicateKey, *fields: str) -> bool:
    """Whether it was the unique index on exactly these fields that refused."""
    pattern = (error.details or {}).get("keyPattern", {})
    return tuple(pattern) == fields


__all__ = [
    "DUPLICATE",
    "Collection",
    "Database",
    "DatabaseError",
    "Document",
    "Driver",
    "DuplicateKey",
    "Session",
    "connect",
    "drop_index",
    "is_duplicate",
    "is_too_old",
    "is_unavailable",
    "put_expiry",
    "with_time_to_upgrade",
]
