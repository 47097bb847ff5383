"""Batches that form by themselves under load: what waits while one batch is under way makes the next.

Whoever is alone waits for nothing: then a batch holds one item, and costs what one item costs.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from functools import partial
from typing import Generic, TypeVar

from shared.mongo import Database, DatabaseError, is_unavailable

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Each needs a connection to the database, of which a process has 50 for all that it does.
_ALONE_AT_ONCE = 20


class Batches(Generic[_Item, _Result]):
    """Does `work` for many items at once, and gives each its own result.

    `work` answers one result for each item, in their order; an exception among them is raised for its item alone. When
    `work` itself fails, each item of the batch goes again alone, a few at once, so it has to be harmless to do an item
    twice; but when the database is unavailable, all of them fail with that, and those who wait. The work belongs to no
    request: what an item needs of its origin, it has to bring.
    """

    def __init__(
        self,
        work: Callable[[Sequence[_Item]], Awaitable[Sequence[_Result | Exception]]],
        *,
        at_most: int,
        pace_s: float,
    ) -> None:
        """Batches of `at_most` items, which begin at least `pace_s` seconds apart."""
        self._work = work
        self._at_most = at_most
        self._pace_s = pace_s
        self._waiting: deque[tuple[_Item, asyncio.Future[_Result]]] = deque()
        self._running: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._turns = asyncio.Semaphore(_ALONE_AT_ONCE)

    async def do(self, item: _Item) -> _Result:
        """The result of an item. Who is cancelled while it waits takes it back; once begun, it is done all the same."""
        future: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run(), context=Context())
        return await future

    async def cancel(self, *, within_s: float) -> None:
        """Ends the batch under way; who waits is cancelled too. It can be used again afterwards."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running], timeout=within_s)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._keep_pace()
                if batch := self._next_batch():
                    await self._do_batch(batch)
        finally:
            self._running = None
            for _, future in self._waiting:  # only when this was cancelled: else none is left
                future.cancel()
            self._waiting.clear()

    async def _keep_pace(self) -> None:
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, self._not_before - now))
        self._not_before = max(now, self._not_before) + self._pace_s

    def _next_batch(self) -> list[tuple[_Item, asyncio.Future[_Result]]]:
        batch: list[tuple[_Item, asyncio.Future[_Result]]] = []
        while self._waiting and len(batch) < self._at_most:
            item, future = self._waiting.popleft()
            if not future.done():  # its caller has not gone
                batch.append((item, future))
        return batch

    async def _do_batch(self, batch: list[tuple[_Item, asyncio.Future[_Result]]]) -> None:
        try:
            results = await self._work([item for item, _ in batch])
            settled = list(zip(batch, results, strict=True))
        except Exception as error:  # noqa: BLE001  # whatever it is, it belongs to those who wait for it
            is_away = isinstance(error, DatabaseError) and is_unavailable(error)
            if is_away:
                # Who waits has waited as long: on their own they would learn the same, and twice as late.
                batch += self._waiting
                self._waiting.clear()
            if is_away or len(batch) == 1:
                for _, future in batch:
                    _settle(future, error)
            else:
                await asyncio.gather(*(self._do_alone(each) for each in batch))
        except BaseException:
            for _, future in batch:
                future.cancel()
            raise
        else:
            for (_, future), result in settled:
                _settle(future, result)

    async def _do_alone(self, waiting: tuple[_Item, asyncio.Future[_Result]]) -> None:
        async with self._turns:
            await self._do_batch([waiting])


class DatabaseBatches(Generic[_Item, _Result]):
    """`Batches` of what requests want of a database: a constant, beside the function that does it."""

    def __init__(self, work: Callable[[Database, Sequence[_Item]], Awaitable[Sequence[_Result | Exception]]]) -> None:
        """Somebody waits for each of them: so they are small, and follow each other quickly."""
        self._work = work

    async def do(self, db: Database, item: _Item) -> _Result:
        """As of `Batches`; only what is asked of the same database comes together."""
        batches: Batches[_Item, _Result] | None = db.batches.get(self)
        if batches is None:
            batches = db.batches[self] = Batches(partial(self._work, db), at_most=64, pace_s=0.006)
        return await batches.do(item)


def _settle(future: asyncio.Future[_Result], result: _Result | Exception) -> None:
    if future.done():  # its caller has gone meanwhile
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
