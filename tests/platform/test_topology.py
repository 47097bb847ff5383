"""The table of queues against the consumers, the events, and itself."""

from collections import Counter
from dataclasses import replace
from importlib import import_module

import pytest

from shared.events import registry
from shared.topology import CASES, CONTRACTS, NOTIFICATIONS, TOPOLOGY, WorkQueue


@pytest.mark.parametrize(
    ("service", "queue"), [("cases", CASES), ("contracts", CONTRACTS), ("notifications", NOTIFICATIONS)]
)
def test_every_service_subscribes_to_exactly_what_its_queue_listens_to(service: str, queue: WorkQueue) -> None:
    subscriptions = import_module(f"services.{service}.consumers").SUBSCRIPTIONS
    assert {event.type for event in subscriptions} == set(queue.listens)


def test_every_event_has_at_least_one_listener() -> None:
    heard = {event_type for queue in TOPOLOGY.queues for event_type in queue.listens}
    assert heard == set(registry.EVENTS)


@pytest.mark.parametrize("queue", TOPOLOGY.queues, ids=lambda queue: queue.name)
def test_a_queue_hears_every_type_at_most_once(queue: WorkQueue) -> None:
    assert [event_type for event_type, times in Counter(queue.listens).items() if times > 1] == []


def test_no_two_queues_share_a_name() -> None:
    names = [queue.name for queue in TOPOLOGY.declared()]
    assert len(names) == len(set(names))


def test_no_two_work_queues_share_a_key_for_their_dead() -> None:
    keys = [queue.dead_key for queue in TOPOLOGY.queues]
    assert len(keys) == len(set(keys))


def test_nothing_is_both_bound_and_retired() -> None:
    assert not set(TOPOLOGY.bound()) & set(TOPOLOGY.unbound())


def test_retry_queues_are_named_after_their_delays() -> None:
    names = [CASES.retry_queue(delay_s).removeprefix("cases.copies.v1.retry.") for delay_s in TOPOLOGY.retry_delays_s]
    assert names == ["5s", "30s", "2m", "10m", "1h"]


def test_other_delays_make_other_queues() -> None:
    """The delay of a queue that exists cannot be changed."""
    usual = {queue.name: queue.arguments for queue in TOPOLOGY.declared()}
    shorter = {queue.name: queue.arguments for queue in replace(TOPOLOGY, retry_delays_s=(0.05, 1.5, 90)).declared()}
    assert all(usual[name] == shorter[name] for name in usual.keys() & shorter.keys())
    assert {"cases.copies.v1.retry.50ms", "cases.copies.v1.retry.1500ms", "cases.copies.v1.retry.90s"} <= set(shorter)


def test_no_queue_drops_what_it_cannot_take() -> None:
    """A full queue refuses its publishers, and dead-lettering waits for the target's confirm."""
    for queue in TOPOLOGY.declared():
        assert queue.arguments["x-queue-type"] == "quorum"
        assert queue.arguments["x-overflow"] == "reject-publish"
        if "x-dead-letter-exchange" in queue.arguments:
            assert queue.arguments["x-dead-letter-strategy"] == "at-least-once"
