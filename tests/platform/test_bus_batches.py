"""Events that come in numbers are handled together, and each keeps its own fate."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from shared.bus import Delivery, Many
from shared.logging import Origin
from tests.platform.bus_helpers import (
    ATTEMPTS,
    QUEUE,
    RecordingHandler,
    ThingHappened,
    a_thing,
    dead_letters,
    eventually,
    running,
)

Things = Sequence[Delivery[ThingHappened]]


class RecordingMany:
    """Remembers which events it was given together; waits until it may go on; fails at the poison."""

    def __init__(self, poison: int | None = None) -> None:
        self.poison = poison
        self.batches: list[list[int]] = []
        self.origins: dict[int, Origin] = {}
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def handle(self, things: Things) -> None:
        self.batches.append([thing.event.number for thing in things])
        await self.may_go_on.wait()
        self.origins |= {thing.event.number: thing.origin for thing in things}
        if any(thing.event.number == self.poison for thing in things):
            raise LookupError

    def times(self, number: int) -> int:
        return sum(batch.count(number) for batch in self.batches)


# Consuming


async def test_what_waits_while_others_are_handled_is_handled_together_each_with_its_origin(
    fresh_vhost_url: str,
) -> None:
    handler = RecordingMany()
    handler.may_go_on.clear()
    async with running(fresh_vhost_url, Many(handler.handle)) as bus:
        await bus.publish(replace(a_thing(0), request_id="r-0"))
        await eventually(lambda: handler.batches == [[0]])
        for number in range(1, 30):
            await bus.publish(replace(a_thing(number), request_id=f"r-{number}"))
        handler.may_go_on.set()
        await eventually(lambda: len(handler.origins) == 30)
    assert len(handler.batches) < 5
    assert all(handler.times(number) == 1 for number in range(30))
    assert {number: each.request_id for number, each in handler.origins.items()} == {n: f"r-{n}" for n in range(30)}


async def test_of_events_handled_together_only_the_failing_one_is_tried_again_and_dies(fresh_vhost_url: str) -> None:
    handler = RecordingMany(poison=13)
    handler.may_go_on.clear()
    async with running(fresh_vhost_url, Many(handler.handle)) as bus:
        await bus.publish(a_thing(0))
        await eventually(lambda: handler.batches == [[0]])
        await asyncio.gather(*(bus.publish(a_thing(number)) for number in range(1, 20)))
        handler.may_go_on.set()
        [letter] = await dead_letters(fresh_vhost_url, 1)
    assert (letter.headers["attempt"], letter.headers["reason"]) == (ATTEMPTS, "LookupError: ")
    assert ThingHappened.model_validate_json(letter.body).number == handler.poison
    assert [batch for batch in handler.batches if batch == [handler.poison]] == [[handler.poison]] * ATTEMPTS
    # Once together with the poison, and once alone.
    assert all(handler.times(number) <= 2 for number in range(20) if number != handler.poison)
    again = RecordingHandler()
    async with running(fresh_vhost_url, again.handle) as bus:
        await bus.publish(a_thing(99))
        await eventually(lambda: again.times(99) == 1)
    assert len(again.handled) == 1, "all others had been acknowledged"


async def test_a_handler_of_many_over_its_deadline_is_cancelled_and_each_event_tried_again(
    fresh_vhost_url: str,
) -> None:
    cancelled: list[int] = []

    async def hang(things: Things) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(len(things))

    async with running(fresh_vhost_url, Many(hang), deadline_s=0.2) as bus:
        await asyncio.gather(*(bus.publish(a_thing(number)) for number in range(3)))
        letters = await dead_letters(fresh_vhost_url, 3)
    assert {str(letter.headers["reason"]).partition(":")[0] for letter in letters} == {"TimeoutError"}
    assert cancelled.count(1) >= 3


async def test_a_handler_of_many_that_ends_as_cancelled_does_not_keep_its_events_for_ever(
    fresh_vhost_url: str,
) -> None:
    async def hear(_things: Things) -> None:
        raise asyncio.CancelledError

    async with running(fresh_vhost_url, Many(hear)) as bus:
        await asyncio.gather(*(bus.publish(a_thing(number)) for number in range(3)))
        letters = await dead_letters(fresh_vhost_url, 3)
    assert {letter.headers["attempt"] for letter in letters} == {ATTEMPTS}


async def test_stopping_lets_what_is_handled_together_finish(fresh_vhost_url: str) -> None:
    handler = RecordingMany()
    handler.may_go_on.clear()
    async with running(fresh_vhost_url, Many(handler.handle)) as bus:
        await bus.publish(a_thing(1))
        await eventually(lambda: handler.batches == [[1]])
        stopping = asyncio.create_task(bus.stop())
        await eventually(lambda: bus.status()["consumers"] == {QUEUE.name: False})
        handler.may_go_on.set()
        await stopping
    again = RecordingHandler()
    async with running(fresh_vhost_url, again.handle) as bus:
        await bus.publish(a_thing(2))
        await eventually(lambda: again.times(2) == 1)
    assert again.times(1) == 0


async def test_what_is_handled_together_when_the_channel_goes_is_cancelled_before_it_comes_again(
    fresh_vhost_url: str,
) -> None:
    at_once, most_at_once = 0, 0
    times: list[int] = []

    async def handle(things: Things) -> None:
        nonlocal at_once, most_at_once
        at_once += 1
        most_at_once = max(at_once, most_at_once)
        times.append(len(things))
        try:
            if len(times) == 1:
                await asyncio.Event().wait()
        finally:
            at_once -= 1

    async with running(fresh_vhost_url, Many(handle)) as bus:
        await bus.publish(a_thing(1))
        await eventually(lambda: times == [1])
        for consumer in bus._consumers:
            assert consumer._subscribed is not None
            await consumer._subscribed[0].channel.close()
        await eventually(lambda: times == [1, 1])
    assert most_at_once == 1
