"""The bus on a real RabbitMQ: what is confirmed arrives, what fails waits, what cannot be right ends dead."""

import asyncio
import sys
import time
from collections import Counter
from dataclasses import replace

import aio_pika
import pytest

from deploy.local.child import free_port
from deploy.local.parts import RabbitMQ
from shared.bus import BrokerUnavailable, Bus, Unroutable, publisher
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
    until_up,
)

# Publishing


async def test_publishing_to_no_queue_is_unroutable(fresh_vhost_url: str) -> None:
    async with running(fresh_vhost_url) as bus:
        with pytest.raises(Unroutable):
            await bus.publish(a_thing(type_="tests.nobody.listens.v1"))
        await bus.publish(a_thing())


async def test_an_event_on_the_wire_carries_the_cloudevents_attributes(fresh_vhost_url: str) -> None:
    sent = replace(a_thing(), request_id="r-1", actor="u-1", address="192.0.2.1", source="tests")
    async with running(fresh_vhost_url) as bus:
        await bus.publish(sent)
    async with a_raw_channel(fresh_vhost_url) as channel:
        message = await (await channel.declare_queue(QUEUE.name, passive=True)).get(no_ack=True)
    assert message is not None
    assert (message.message_id, message.type, message.app_id) == (str(sent.id), sent.type, "tests")
    assert (message.content_type, message.delivery_mode) == ("application/json", aio_pika.DeliveryMode.PERSISTENT)
    assert message.body == sent.body
    # The broker counts deliveries in a header of its own.
    assert {name: value for name, value in message.headers.items() if not name.startswith("x-")} == {
        "cloudEvents:specversion": "1.0",
        "cloudEvents:id": str(sent.id),
        "cloudEvents:type": sent.type,
        "cloudEvents:source": "tests",
        "cloudEvents:time": sent.at.isoformat(),
        "request_id": "r-1",
        "actor": "u-1",
        "address": "192.0.2.1",
    }


async def test_one_id_twice_in_flight_does_not_cross_the_outcomes(fresh_vhost_url: str) -> None:
    """The library matches returned messages by id; see the guard in the publisher."""
    async with running(fresh_vhost_url) as bus:
        for _ in range(20):
            routable = a_thing()
            unroutable = replace(routable, type="tests.nobody.listens.v1")
            outcomes = await asyncio.gather(bus.publish(routable), bus.publish(unroutable), return_exceptions=True)
            assert outcomes[0] is None
            assert isinstance(outcomes[1], Unroutable)


async def test_without_a_broker_the_bus_starts_and_publishing_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "_PUBLISH_DEADLINE_S", 60.0)
    bus = Bus(f"amqp://guest:guest@127.0.0.1:{free_port()}/", app_id="tests", topology=TOPOLOGY)
    bus.consume(QUEUE, {ThingHappened: RecordingHandler().handle})
    began = time.monotonic()
    await bus.start()
    try:
        with pytest.raises(BrokerUnavailable):
            await bus.publish(a_thing())
        assert bus.status() == {"connected": False, "consumers": {QUEUE.name: False}}
    finally:
        await bus.stop()
    assert time.monotonic() - began < 30


async def test_a_full_queue_refuses_and_nothing_is_lost(fresh_vhost_url: str, rabbitmq: RabbitMQ) -> None:
    vhost = fresh_vhost_url.rpartition("/")[2]
    async with running(fresh_vhost_url) as bus:
        await rabbitmq.control(
            *("set_policy", "-p", vhost, "small", "^tests.things.v1$", '{"max-length": 5}', "--apply-to", "queues")
        )
        confirmed, refused = 0, 0
        async with asyncio.timeout(60):
            while refused < 20:  # the queue may learn of its limit a while after
                try:
                    await bus.publish(a_thing(confirmed + refused))
                    confirmed += 1
                except BrokerUnavailable:
                    refused += 1
        assert bus.connected
    handler = RecordingHandler()
    async with running(fresh_vhost_url, handler.handle):
        await eventually(lambda: len(handler.handled) == confirmed)


# Consuming


async def test_an_event_reaches_its_handler_once_with_its_origin(fresh_vhost_url: str) -> None:
    handler = RecordingHandler()
    async with running(fresh_vhost_url, handler.handle) as bus:
        await bus.publish(replace(a_thing(7), request_id="r-7", actor="u-7", address="192.0.2.7"))
        await eventually(lambda: bool(handler.handled))
    async with running(fresh_vhost_url, handler.handle) as bus:
        await bus.publish(a_thing(8))
        await eventually(lambda: handler.times(8) == 1)
    assert handler.times(7) == 1
    assert handler.origins[0] == Origin(request_id="r-7", actor="u-7", address="192.0.2.7")


async def test_a_handler_gets_its_arguments_before_the_event(fresh_vhost_url: str) -> None:
    got: list[tuple[str, int]] = []

    async def note(place: str, event: ThingHappened) -> None:
        got.append((place, event.number))

    bus = Bus(fresh_vhost_url, app_id="tests", topology=TOPOLOGY)
    bus.consume(QUEUE, {ThingHappened: note}, "here")
    await bus.start()
    try:
        await until_up(bus)
        await bus.publish(a_thing(3))
        await eventually(lambda: got == [("here", 3)])
    finally:
        await bus.stop()


async def test_poison_and_garbage_die_with_their_reasons_and_hold_nobody_up(
    fresh_vhost_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    poison, good = 0, range(1, 1001)
    attempts: Counter[int] = Counter()
    arrived_at: dict[int, float] = {}

    async def hear(event: ThingHappened) -> None:
        attempts[event.number] += 1
        if event.number == poison:
            message = "cannot be handled"
            raise LookupError(message)
        arrived_at[event.number] = time.monotonic()

    sent_at: dict[int, float] = {}
    room = asyncio.Semaphore(20)

    async with running(fresh_vhost_url, hear) as bus:

        async def publish(number: int) -> None:
            async with room:
                sent_at[number] = time.monotonic()
                await bus.publish(a_thing(number))

        await publish(poison)
        await bus.publish(a_thing(body=b"not JSON"))
        await asyncio.gather(*(publish(number) for number in good))
        await eventually(lambda: len(arrived_at) == len(good), deadline_s=60.0)
        letters = await dead_letters(fresh_vhost_url, 2)

    reasons = {letter.headers["reason"]: letter.headers["attempt"] for letter in letters}
    assert reasons == {"LookupError: cannot be handled": ATTEMPTS, "invalid: json_invalid": 1}
    assert attempts[poison] == ATTEMPTS
    assert all(attempts[number] == 1 for number in good)
    delays = sorted(arrived_at[number] - sent_at[number] for number in good)
    p50, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
    with capsys.disabled():
        sys.stdout.write(f" [1,000 events behind poison: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms] ")
    assert p50 < 2
    assert p99 < 10  # a busy machine may hold up twenty at once for a while


@pytest.mark.parametrize(
    ("body", "content_type", "type_", "reason"),
    [
        (b"\xff\x00", "application/json", ThingHappened.type, "invalid: json_invalid"),
        (b"{}", "application/json", ThingHappened.type, "invalid: at missing, number missing"),
        (b"[]", "application/json", ThingHappened.type, "invalid: model_type"),
        (b"{}", "application/x-python-pickle", ThingHappened.type, "invalid: content type"),
        (b"not JSON", "application/json", NEWER, "invalid: not JSON"),
        (b"not JSON", "application/json", None, "invalid: not JSON"),
    ],
)
async def test_garbage_dies_at_once_with_its_reason(
    fresh_vhost_url: str, body: bytes, content_type: str, type_: str | None, reason: str
) -> None:
    handler = RecordingHandler()
    async with running(fresh_vhost_url, handler.handle):
        await put_by_hand(fresh_vhost_url, aio_pika.Message(body, content_type=content_type, type=type_))
        [letter] = await dead_letters(fresh_vhost_url, 1)
    assert (letter.body, letter.headers["reason"], letter.headers["attempt"]) == (body, reason, 1)
    assert handler.handled == []


async def test_an_unknown_major_waits_for_an_upgrade_before_it_dies(fresh_vhost_url: str) -> None:
    handler = RecordingHandler()
    newer = a_thing(type_=NEWER)
    async with running(fresh_vhost_url, handler.handle) as bus:
        began = time.monotonic()
        await bus.publish(newer)
        [letter] = await dead_letters(fresh_vhost_url, 1)
    assert time.monotonic() - began > sum(TOPOLOGY.retry_delays_s)
    assert (letter.message_id, letter.type, letter.body) == (str(newer.id), NEWER, newer.body)
    assert letter.headers["attempt"] == ATTEMPTS
    assert str(letter.headers["reason"]).startswith("UnknownType")
    assert "x-death" not in letter.headers


async def test_an_event_that_fails_at_first_is_handled_later(fresh_vhost_url: str) -> None:
    handler = RecordingHandler()

    async def hear(event: ThingHappened) -> None:
        await handler.handle(event)
        if len(handler.handled) < ATTEMPTS:
            raise LookupError

    sent = replace(a_thing(4), request_id="r-4")
    async with running(fresh_vhost_url, hear) as bus:
        await bus.publish(sent)
        await eventually(lambda: len(handler.handled) == ATTEMPTS)
    assert {event.id for event in handler.handled} == {sent.id}
    assert {each.request_id for each in handler.origins} == {"r-4"}
    assert await dead_letters(fresh_vhost_url, 0) == []


async def test_a_handler_over_its_deadline_is_cancelled_and_its_event_tried_again(fresh_vhost_url: str) -> None:
    cancelled: list[int] = []

    async def hang(event: ThingHappened) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(event.number)

    async with running(fresh_vhost_url, hang, deadline_s=0.2) as bus:
        await bus.publish(a_thing(6))
        [letter] = await dead_letters(fresh_vhost_url, 1)
    assert str(letter.headers["reason"]).startswith("TimeoutError")
    assert cancelled == [6] * ATTEMPTS


async def test_a_handler_that_ends_as_cancelled_does_not_keep_its_event_for_ever(fresh_vhost_url: str) -> None:
    async def hear(_event: ThingHappened) -> None:
        raise asyncio.CancelledError

    async with running(fresh_vhost_url, hear) as bus:
        await bus.publish(a_thing())
        [letter] = await dead_letters(fresh_vhost_url, 1)
    assert letter.headers["attempt"] == ATTEMPTS
