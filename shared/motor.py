"""Motor in the shape of PyMongo Async: `shared.mongo` connects with it where the setting says so."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorClientSession,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from pymongo.errors import PyMongoError

# mypy: disable-error-code="override"
# What differs from Motor's own signatures is what this module is for: PyMongo Async's are the ones to keep to.

_T = TypeVar("_T")


class _Collection(AsyncIOMotorCollection[dict[str, Any]]):
    async def aggregate(self, *args: Any, **options: Any) -> Any:
        """The cursor, which Motor gives without `await`."""
        return super().aggregate(*args, **options)


class _Database(AsyncIOMotorDatabase[dict[str, Any]]):
    def __getitem__(self, name: str) -> _Collection:
        return _Collection(self, name)  # type: ignore[arg-type]  # Motor's types name PyMongo's database here

    async def aggregate(self, *args: Any, **options: Any) -> Any:
        """The cursor, which Motor gives without `await`."""
        return super().aggregate(*args, **options)


# Motor knows a session among the arguments by the end of its class's name.
class _MotorClientSession(AsyncIOMotorClientSession):
    def __hash__(self) -> int:
        """Motor's sessions are equal by what they wrap, and have no hash."""
        return hash(self.delegate)

    async def with_transaction(self, work: Callable[["_MotorClientSession"], Awaitable[_T]], **options: Any) -> _T:
        """Runs to its end also when it is cancelled: nothing stops a thread of Motor's in the midst of a call.

        It would go on beside the abort, and what it writes then would stand outside of the transaction.
        """
        attempts = asyncio.ensure_future(self._try_until_done(work, options))
        try:
            return await asyncio.shield(attempts)
        except asyncio.CancelledError:
            await asyncio.wait([attempts])
            raise

    async def _try_until_done(
        self, work: Callable[["_MotorClientSession"], Awaitable[_T]], options: dict[str, Any]
    ) -> _T:
        # Motor's own loop goes on for two minutes whatever the deadline, and ends where the commit meets a conflict.
        while True:
            self.start_transaction(**options)
            try:
                result = await work(self)
                await self.commit_transaction()
            except BaseException as error:
                if self.delegate.in_transaction:
                    await self.abort_transaction()
                if not _is_worth_another_try(error):
                    raise
            else:
                return result


def _is_worth_another_try(error: BaseException) -> bool:
    return isinstance(error, PyMongoError) and error.has_error_label("TransientTransactionError") and not error.timeout


class Client(AsyncIOMotorClient[dict[str, Any]]):
    """Takes the arguments of `pymongo.AsyncMongoClient`."""

    def get_database(self, *args: Any, **options: Any) -> _Database:
        """A database whose collections answer as PyMongo Async's do."""
        database = super().get_database(*args, **options)
        return _Database(self, database.name, _delegate=database.delegate)

    @asynccontextmanager
    async def start_session(self, **options: Any) -> AsyncIterator[_MotorClientSession]:
        """A session, which Motor gives with an `await` in between."""
        async with await super().start_session(**options) as session:
            yield _MotorClientSession(session.delegate, self)

    async def close(self) -> None:
        """Closes every connection; in a thread, because PyMongo says good-bye to the server first."""
        await asyncio.to_thread(self.delegate.close)
