"""Batches: they form under load only, and one item's failure is its own."""

import asyncio
from collections.abc import Sequence

import pytest
from pymongo.errors import NetworkTimeout

from shared.batches import Batches
from shared.logging import Origin, origin


class Work:
    """Doubles numbers; notes its batches, and waits until it may go on."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.error: Exception = ValueError("thirteen")

    async def __call__(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(numbers))
        await self.may_go_on.wait()
        if 13 in numbers:
            raise self.error
        return [ValueError("seven") if number == 7 else number * 2 for number in numbers]


async def _begin(batches: Batches[int, int], *numbers: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(batches.do(number)) for number in numbers]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_who_comes_alone_goes_alone_and_at_once() -> None:
    work = Work()
    batches = Batches(work, at_most=10, pace_s=0)
    assert [await batches.do(number) for number in (1, 2)] == [2, 4]
    assert work.batches == [[1], [2]]


async def test_what_waits_while_a_batch_is_under_way_makes_the_next() -> None:
    work = Work()
    work.may_go_on.clear()
    batches = Batches(work, at_most=3, pace_s=0)
    tasks = await _begin(batches, 1)
    tasks += await _begin(batches, 2, 3, 4, 5)
    assert work.batches == [[1]]
    work.may_go_on.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 10]
    assert work.batches == [[1], [2, 3, 4], [5]]


async def test_batches_begin_no_sooner_than_the_pace() -> None:
    work, loop = Work(), asyncio.get_running_loop()
    batches = Batches(work, at_most=10, pace_s=0.05)
    began = loop.time()
    await batches.do(1)
    assert await asyncio.gather(*(batches.do(number) for number in (2, 3))) == [4, 6]
    assert work.batches == [[1], [2, 3]]
    assert loop.time() - began > 0.04


async def test_an_exception_among_the_results_is_raised_for_its_item_alone() -> None:
    results = await asyncio.gather(*await _begin(Batches(Work(), at_most=9, pace_s=0), 1, 7, 3), return_exceptions=True)
    assert [results[0], str(results[1]), results[2]] == [2, "seven", 6]


async def test_when_the_work_fails_each_item_goes_again_alone() -> None:
    work = Work()
    batches = Batches(work, at_most=10, pace_s=0)
    results = await asyncio.gather(*(batches.do(number) for number in (1, 13, 3)), return_exceptions=True)
    assert [results[0], str(results[1]), results[2]] == [2, "thirteen", 6]
    assert work.batches == [[1, 13, 3], [1], [13], [3]]


async def test_no_more_than_a_few_items_go_again_alone_at_once() -> None:
    work = Work()
    batches = Batches(work, at_most=100, pace_s=0)
    numbers = range(13, 113)
    work.may_go_on.clear()
    tasks = await _begin(batches, *numbers)
    assert work.batches == [list(numbers)]
    work.may_go_on.set()
    while len(work.batches) == 1:
        work.may_go_on.clear()
        await asyncio.sleep(0)
    for _ in range(3):
        await asyncio.sleep(0)
    assert work.batches[1:] == [[number] for number in range(13, 33)]
    work.may_go_on.set()
    first, *others = await asyncio.gather(*tasks, return_exceptions=True)
    assert first is work.error
    assert others == [number * 2 for number in range(14, 113)]


async def test_who_gets_no_result_because_there_are_too_few_does_not_wait_for_ever() -> None:
    async def one_too_few(numbers: Sequence[int]) -> list[int]:
        return list(numbers[1:])

    batches = Batches(one_too_few, at_most=10, pace_s=0)
    outcomes = asyncio.gather(batches.do(1), batches.do(2), return_exceptions=True)
    assert [type(outcome) for outcome in await asyncio.wait_for(outcomes, 5)] == [ValueError, ValueError]


async def test_when_the_database_is_unavailable_nobody_tries_again_alone() -> None:
    work = Work()
    work.error = NetworkTimeout("too late")
    batches = Batches(work, at_most=10, pace_s=0)
    results = await asyncio.gather(*(batches.do(number) for number in (1, 13)), return_exceptions=True)
    assert [type(result) for result in results] == [NetworkTimeout, NetworkTimeout]
    assert work.batches == [[1, 13]]


async def test_when_the_database_is_unavailable_who_waits_does_not_wait_as_long_again() -> None:
    work = Work()
    work.error = NetworkTimeout("too late")
    work.may_go_on.clear()
    batches = Batches(work, at_most=10, pace_s=0)
    tasks = await _begin(batches, 13)
    tasks += await _begin(batches, 1, 2)
    work.may_go_on.set()
    assert [type(result) for result in await asyncio.gather(*tasks, return_exceptions=True)] == [NetworkTimeout] * 3
    assert work.batches == [[13]]
    assert await batches.do(3) == 6


async def test_who_leaves_while_waiting_takes_the_item_back_and_what_has_begun_is_done() -> None:
    work = Work()
    work.may_go_on.clear()
    batches = Batches(work, at_most=10, pace_s=0)
    begun = await _begin(batches, 1)
    waiting = await _begin(batches, 2, 3)
    begun[0].cancel()
    waiting[0].cancel()
    work.may_go_on.set()
    assert await waiting[1] == 6
    assert work.batches == [[1], [3]]


async def test_the_work_belongs_to_no_request() -> None:
    async def name_origin(items: Sequence[int]) -> list[str | Exception]:
        return [origin.get().request_id for _ in items]

    token = origin.set(Origin(request_id="of one caller"))
    try:
        assert await Batches(name_origin, at_most=10, pace_s=0).do(1) == ""
    finally:
        origin.reset(token)


async def test_a_batch_works_again_after_a_failure() -> None:
    batches = Batches(Work(), at_most=10, pace_s=0)
    with pytest.raises(ValueError, match="thirteen"):
        await batches.do(13)
    assert await batches.do(2) == 4


async def test_cancelling_ends_the_batch_under_way_and_whoever_waits_and_what_comes_later_is_done() -> None:
    work = Work()
    work.may_go_on.clear()
    batches = Batches(work, at_most=1, pace_s=0)
    tasks = await _begin(batches, 1, 2)
    await batches.cancel(within_s=5)
    assert all(
        isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*tasks, return_exceptions=True)
    )
    assert work.batches == [[1]]
    work.may_go_on.set()
    assert await batches.do(3) == 6
