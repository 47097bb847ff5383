"""Events that come in numbers are handled together, and each keeps its own fate."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import aio_pika
import orjson
import pytest

from deploy.local.parts import RabbitMQ
from shared.bus import BrokerUnavailable, Bus, Delivery, Many, Unroutable
from shared.bus.messages import together
from shared.logging import Origin
from tests.platform.bus_helpers import (
    ATTEMPTS,
    NEWER,
    QUEUE,
    TOPOLOGY,
    RecordingHandler,
    ThingHappened,
    a_raw_channel,
    a_thing,
    dead_letters,
    eventually,
    put_by_hand,
    running,
    taken_out,
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


# Publishing


async def test_events_published_together_are_one_message_with_the_attributes_of_each(fresh_vhost_url: str) -> None:
    sent = [replace(a_thing(number), request_id=f"r-{number}", actor="u", address="192.0.2.1") for number in (1, 2)]
    async with running(fresh_vhost_url) as bus:
        assert await bus.publish_many(sent) == [None, None]
    [message] = await taken_out(fresh_vhost_url, QUEUE.name, 1)
    assert (message.type, message.content_type) == (f"{ThingHappened.type}.batch", "application/json")
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert orjson.loads(message.body) == [
        {
            "specversion": "1.0",
            "id": str(each.id),
            "type": each.type,
            "source": "tests",
            "time": each.at.isoformat(),
            "request_id": each.request_id,
            "actor": "u",
            "address": "192.0.2.1",
            "data": orjson.loads(each.body),
        }
        for each in sent
    ]


async def test_events_of_two_types_are_two_messages_and_one_that_nobody_wants_fails_alone(
    fresh_vhost_url: str,
) -> None:
    wanted, unwanted = [a_thing(), a_thing()], a_thing(type_="tests.nobody.listens.v1")
    async with running(fresh_vhost_url) as bus:
        failures = await bus.publish_many([wanted[0], unwanted, wanted[1]])
    assert [type(failure) for failure in failures] == [type(None), Unroutable, type(None)]
    await taken_out(fresh_vhost_url, QUEUE.name, 1)


@pytest.mark.parametrize(
    ("sizes", "together_"),
    [([1] * 250, [100, 100, 50]), ([100_000] * 5, [2, 2, 1]), ([300_000, 1, 300_000], [1, 1, 1]), ([1], [1]), ([], [])],
)
def test_a_message_holds_at_most_100_events_and_256_kb(sizes: list[int], together_: list[int]) -> None:
    assert [len(batch) for batch in together(a_thing(body=b"x" * size) for size in sizes)] == together_


async def test_a_refused_message_is_refused_for_all_its_events(fresh_vhost_url: str, rabbitmq: RabbitMQ) -> None:
    vhost = fresh_vhost_url.rpartition("/")[2]
    async with running(fresh_vhost_url) as bus:
        await rabbitmq.control(
            *("set_policy", "-p", vhost, "small", "^tests.things.v1$", '{"max-length": 1}', "--apply-to", "queues")
        )
        kinds: list[set[type]] = []
        async with asyncio.timeout(60):
            while kinds.count({BrokerUnavailable}) < 10:  # the queue may learn of its limit a while after
                things = [a_thing(len(kinds)), a_thing(len(kinds))]
                kinds.append({type(outcome) for outcome in await bus.publish_many(things)})
    assert all(len(each) == 1 for each in kinds)
    await taken_out(fresh_vhost_url, QUEUE.name, kinds.count({type(None)}))


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
        await eventually(lambda: in_hand(bus) == 30)
        handler.may_go_on.set()
        await eventually(lambda: len(handler.origins) == 30)
    assert len(handler.batches) < 5
    assert all(handler.times(number) == 1 for number in range(30))
    assert {number: each.request_id for number, each in handler.origins.items()} == {n: f"r-{n}" for n in range(30)}


def in_hand(bus: Bus) -> int:
    """How many messages have come and are not acknowledged."""
    return sum(len(consumer._running) for consumer in bus._consumers)


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


# Messages that hold many events


async def test_a_handler_of_single_events_gets_each_of_a_message_with_its_origin(fresh_vhost_url: str) -> None:
    handler = RecordingHandler()
    async with running(fresh_vhost_url, handler.handle) as bus:
        await bus.publish_many([replace(a_thing(number), request_id=f"r-{number}") for number in range(50)])
        await eventually(lambda: len(handler.handled) == 50)
    origins = {event.number: each.request_id for event, each in zip(handler.handled, handler.origins, strict=True)}
    assert origins == {number: f"r-{number}" for number in range(50)}
    assert await taken_out(fresh_vhost_url, QUEUE.name, 0) == []


async def test_a_failing_event_of_a_message_waits_and_dies_alone_with_its_own_attempts(fresh_vhost_url: str) -> None:
    handler = RecordingMany(poison=13)
    async with running(fresh_vhost_url, Many(handler.handle)) as bus:
        sent = [replace(a_thing(number), request_id=f"r-{number}") for number in range(20)]
        await bus.publish_many(sent)
        [letter] = await dead_letters(fresh_vhost_url, 1)
    assert (letter.type, letter.message_id, letter.body) == (ThingHappened.type, str(sent[13].id), sent[13].body)
    expected = {
        "attempt": ATTEMPTS,
        "reason": "LookupError: ",
        "request_id": "r-13",
        "cloudEvents:id": str(sent[13].id),
    }
    assert expected.items() <= letter.headers.items()
    assert handler.batches.count([13]) == ATTEMPTS
    assert all(handler.times(number) == 2 for number in range(20) if number != 13)
    assert await taken_out(fresh_vhost_url, QUEUE.name, 0) == []


async def test_what_cannot_be_read_in_a_message_dies_alone_with_its_reason(fresh_vhost_url: str) -> None:
    handler = RecordingHandler()
    items = [
        {"id": "x" * 300, "data": {"number": 1}},
        17,
        {"data": orjson.loads(a_thing(5).body)},
    ]
    async with running(fresh_vhost_url, handler.handle):
        await put_by_hand(fresh_vhost_url, a_batch(orjson.dumps(items)))
        letters = await dead_letters(fresh_vhost_url, 2)
        await eventually(lambda: handler.times(5) == 1)
    assert {(letter.body, letter.headers["reason"]) for letter in letters} == {
        (b'{"number":1}', "invalid: at missing"),
        (b"17", "invalid: model_type"),
    }


@pytest.mark.parametrize("body", [b"not JSON", b"{}", b"17"])
async def test_a_message_that_is_no_list_dies_as_a_whole(fresh_vhost_url: str, body: bytes) -> None:
    async with running(fresh_vhost_url, RecordingHandler().handle):
        await put_by_hand(fresh_vhost_url, a_batch(body))
        [letter] = await dead_letters(fresh_vhost_url, 1)
    assert (letter.body, letter.headers["reason"]) == (body, "invalid: not a list of events")


async def test_events_of_a_newer_type_wait_for_an_upgrade_one_by_one(fresh_vhost_url: str) -> None:
    newer = [a_thing(type_=NEWER), a_thing(type_=NEWER)]
    async with running(fresh_vhost_url, RecordingHandler().handle) as bus:
        await bus.publish_many(newer)
        letters = await dead_letters(fresh_vhost_url, 2)
    assert {letter.message_id for letter in letters} == {str(each.id) for each in newer}
    assert {(letter.type, letter.headers["attempt"]) for letter in letters} == {(NEWER, ATTEMPTS)}


def a_batch(body: bytes) -> aio_pika.Message:
    return aio_pika.Message(body, content_type="application/json", type=f"{ThingHappened.type}.batch")


async def bring_again(url: str, times: int, *, messages: int = 1) -> None:
    """As if processes had died with so many messages in hand."""
    async with a_raw_channel(url) as channel:
        queue = await channel.declare_queue(QUEUE.name, passive=True)
        for _ in range(times):
            for message in [await queue.get() for _ in range(messages)]:
                await message.reject(requeue=True)


async def test_a_message_that_came_again_after_a_restart_is_still_handled_as_one(fresh_vhost_url: str) -> None:
    handler = RecordingMany()
    async with running(fresh_vhost_url) as bus:
        await bus.publish_many([a_thing(number) for number in range(10)])
        await bring_again(fresh_vhost_url, 1)
    async with running(fresh_vhost_url, Many(handler.handle)):
        await eventually(lambda: len(handler.origins) == 10)
    assert handler.batches == [list(range(10))]


async def test_a_message_that_comes_again_and_again_is_taken_apart_into_messages_of_their_own(
    fresh_vhost_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.bus.consumer._STOP_GRACE_S", 0.2)  # what it has in hand by then comes again, unacked
    sent = [replace(a_thing(number), request_id=f"r-{number}") for number in range(10)]
    seen: list[int] = []

    async def never(event: ThingHappened) -> None:
        seen.append(event.number)
        await asyncio.Event().wait()

    async with running(fresh_vhost_url) as bus:
        await bus.publish_many(sent)
        await bring_again(fresh_vhost_url, 2)
    async with running(fresh_vhost_url, never):
        await eventually(lambda: sorted(seen) == list(range(10)))
    messages = await taken_out(fresh_vhost_url, QUEUE.name, 10)
    assert {(each.message_id, each.type, each.headers["request_id"]) for each in messages} == {
        (str(each.id), each.type, each.request_id) for each in sent
    }
    assert {each.body for each in messages} == {each.body for each in sent}


async def test_what_comes_again_and_again_is_handled_alone_one_after_the_other(fresh_vhost_url: str) -> None:
    handler = RecordingMany()
    async with running(fresh_vhost_url) as bus:
        for number in range(3):
            await bus.publish(a_thing(number))
        await bring_again(fresh_vhost_url, 2, messages=3)
    async with running(fresh_vhost_url, Many(handler.handle)):
        await eventually(lambda: len(handler.origins) == 3)
    assert handler.batches == [[0], [1], [2]]


async def test_what_came_with_one_that_ends_the_process_does_not_die_with_it(
    fresh_vhost_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.bus.consumer._STOP_GRACE_S", 0.2)  # what it has in hand by then comes again, unacked
    handled: list[int] = []

    async def handle(things: Things) -> None:
        if [thing.event.number for thing in things] == [0]:
            await asyncio.Event().wait()
        handled.extend(thing.event.number for thing in things)

    async with running(fresh_vhost_url) as bus:
        for number in range(5):
            await bus.publish(a_thing(number))
        await bring_again(fresh_vhost_url, 5, messages=5)
    async with running(fresh_vhost_url, Many(handle)):
        await eventually(lambda: sorted(handled) == [1, 2, 3, 4])
    [left] = await taken_out(fresh_vhost_url, QUEUE.name, 1)
    assert (orjson.loads(left.body)["number"], left.headers["x-delivery-count"]) == (0, 6)


async def test_beside_a_release_that_knows_no_batches_nothing_is_lost_or_doubled(fresh_vhost_url: str) -> None:
    # Enough of them for a machine on which it takes long to start the new one and to stop the old one.
    topology = replace(TOPOLOGY, retry_delays_s=(2, 3, 5, 10))
    old, new = RecordingHandler(), RecordingHandler()
    async with running(fresh_vhost_url, old.handle, topology=topology) as old_bus:
        takes_each_message_for_an_event(old_bus)
        await old_bus.publish_many([a_thing(number) for number in range(10)])
        await old_bus.publish(a_thing(10))
        await eventually(lambda: old.times(10) == 1)
        async with running(fresh_vhost_url, new.handle, topology=topology) as new_bus:
            await old_bus.stop()
            await new_bus.publish_many([a_thing(number) for number in range(11, 20)])
            await eventually(lambda: len(old.handled) + len(new.handled) >= 20)
            assert await dead_letters(fresh_vhost_url, 0) == []
    assert [event.number for event in old.handled] == [10]
    assert all(new.times(number) == 1 for number in range(20) if number != 10)


def takes_each_message_for_an_event(bus: Bus) -> None:
    """As the consumer did before there were batches."""
    for consumer in bus._consumers:
        consumer._work_on = consumer._handle_or_move  # type: ignore[method-assign]
