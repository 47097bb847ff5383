"""Hints on a real RabbitMQ: every replica that listens hears them at once, and nobody ever waits for them."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aio_pika import Message

from deploy.local.child import free_port
from shared.bus import Bus, Hint
from shared.logging import Origin, origin
from shared.topology import LIVE
from tests.platform.bus_helpers import TOPOLOGY, a_raw_channel, eventually

KINDS = ("tests.thing.changed", "tests.other.changed")


@asynccontextmanager
async def listening(url: str, heard: list[Hint], kinds: tuple[str, ...] = KINDS) -> AsyncIterator[Bus]:
    """A replica that listens to these kinds."""
    bus = Bus(url, app_id="tests", topology=TOPOLOGY)
    bus.listen(kinds, heard.append)
    await bus.start()
    try:
        await eventually(lambda: bus.connected and bus.hears_hints)
        yield bus
    finally:
        await bus.stop()


async def test_every_replica_that_listens_hears_a_hint(fresh_vhost_url: str) -> None:
    here: list[Hint] = []
    there: list[Hint] = []
    elsewhere: list[Hint] = []
    async with (
        listening(fresh_vhost_url, here) as bus,
        listening(fresh_vhost_url, there),
        listening(fresh_vhost_url, elsewhere, kinds=("tests.nothing.changed",)) as deaf,
    ):
        origin.set(Origin(request_id="r-1"))
        bus.hint("tests.thing.changed", 7)
        bus.hint("tests.other.changed", "a")
        told = [Hint("tests.thing.changed", "7", "r-1"), Hint("tests.other.changed", "a", "r-1")]
        await eventually(lambda: here == told and there == told)
        deaf.hint("tests.nothing.changed", 1)
        await eventually(lambda: [hint.id for hint in elsewhere] == ["1"])


async def test_who_gives_a_hint_never_waits_and_never_fails(fresh_vhost_url: str) -> None:
    unreachable = Bus(f"amqp://127.0.0.1:{free_port()}/", app_id="tests", topology=TOPOLOGY)
    unreachable.hint("tests.thing.changed", 1)
    heard: list[Hint] = []
    async with listening(fresh_vhost_url, heard) as bus:
        began = time.thread_time()
        for number in range(5000):
            bus.hint("tests.thing.changed", number)
        # Nothing was awaited: what has no room was dropped.
        assert heard == []
        assert time.thread_time() - began < 1
        await eventually(lambda: len(heard) == 1000)


async def test_what_is_no_hint_is_passed_over(fresh_vhost_url: str) -> None:
    heard: list[Hint] = []
    async with listening(fresh_vhost_url, heard) as bus, a_raw_channel(fresh_vhost_url) as channel:
        exchange = await channel.get_exchange(LIVE)
        for body in (b"", b"[]", b"{}", b"\xff", b"3"):
            await exchange.publish(Message(body), "tests.thing.changed")
        bus.hint("tests.thing.changed", 1)
        await eventually(lambda: [hint.id for hint in heard] == ["1"])


async def test_what_a_hint_says_comes_with_it_whether_it_goes_out_alone_or_with_others(fresh_vhost_url: str) -> None:
    heard: list[Hint] = []
    async with listening(fresh_vhost_url, heard) as bus:
        origin.set(Origin(request_id="r-1"))
        given = [
            Hint(kind, str(number), "r-1", {"number": number} if says_more else {})
            for number in range(300)
            for kind, says_more in (("tests.thing.changed", number % 7 > 0), ("tests.other.changed", True))
        ]
        for hint in given:
            bus.hint(hint.kind, hint.id, hint.about)
        await eventually(lambda: len(heard) == len(given))
        assert [hint for hint in heard if hint.kind == KINDS[0]] == [hint for hint in given if hint.kind == KINDS[0]]
        assert [hint for hint in heard if hint.kind == KINDS[1]] == [hint for hint in given if hint.kind == KINDS[1]]


async def test_hints_that_say_more_go_out_together(fresh_vhost_url: str) -> None:
    heard: list[Hint] = []
    async with listening(fresh_vhost_url, heard) as bus, a_raw_channel(fresh_vhost_url) as channel:
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(LIVE, "tests.thing.changed")
        for number in range(250):
            bus.hint("tests.thing.changed", number, {"number": number})
        await eventually(lambda: len(heard) == 250)
        messages = (await channel.declare_queue(queue.name, passive=True)).declaration_result.message_count
        assert messages is not None
        assert messages < 25


async def test_who_listens_is_told_when_hints_begin_to_come_in_again(fresh_vhost_url: str) -> None:
    attached: list[bool] = []
    bus = Bus(fresh_vhost_url, app_id="tests", topology=TOPOLOGY)
    bus.listen(KINDS, lambda _: None, on_attached=lambda: attached.append(bus.hears_hints))
    await bus.start()
    try:
        await eventually(lambda: attached == [True])
        await bus.stop()
        await bus.start()
        await eventually(lambda: attached == [True, True])
    finally:
        await bus.stop()
