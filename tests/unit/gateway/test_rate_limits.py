"""How fast, and how many at once: the arithmetic of fair shares."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from services.gateway import rate_limits
from services.gateway.rate_limits import ConcurrencyLimit, RateLimit, TooManyAtOnce, wait_for_turn
from services.gateway.settings import GatewaySettings
from tests.builders import TEST_SECRET


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def turn_of(limit: RateLimit, key: str, *, requests: int = 1) -> float:
    """How long it has to wait; it is counted."""
    wait_s = limit.wait_s(key)
    limit.count(key, requests=requests)
    return wait_s


def refusal_of(limit: RateLimit, key: str) -> TooManyAtOnce | None:
    try:
        turn_of(limit, key)
    except TooManyAtOnce as refusal:
        return refusal
    return None


def test_a_quiet_client_may_send_a_burst_then_waits_then_is_refused() -> None:
    limit = RateLimit("user", 10, clock=Clock())
    waits = [turn_of(limit, "ana") for _ in range(61)]
    assert waits[:41] == [0.0] * 41  # four seconds of ten, and the one that is due
    assert waits[41:] == pytest.approx([n / 10 for n in range(1, 21)])
    assert refusal_of(limit, "ana") is not None
    assert turn_of(limit, "luc") == 0.0


def test_requests_at_the_allowed_rate_are_never_refused() -> None:
    clock = Clock()
    limit = RateLimit("user", 10, clock=clock)
    for _ in range(1000):
        clock.now += turn_of(limit, "ana")
    assert clock.now - 100 == pytest.approx((1000 - 41) / 10)


def test_a_request_after_the_announced_wait_is_accepted() -> None:
    clock = Clock()
    limit = RateLimit("user", 10, clock=clock)
    while (refusal := refusal_of(limit, "ana")) is None:
        pass
    clock.now += refusal.retry_after_s
    assert turn_of(limit, "ana") == 0.0


def test_refused_requests_do_not_make_the_wait_longer() -> None:
    limit = RateLimit("user", 10, clock=Clock())
    while (first := refusal_of(limit, "ana")) is None:
        pass
    for _ in range(1000):
        again = refusal_of(limit, "ana")
    assert again is not None
    assert again.retry_after_s == first.retry_after_s


def test_what_costs_more_counts_as_more() -> None:
    limit = RateLimit("user", 10, clock=Clock())
    waits = [turn_of(limit, "ana", requests=5) for _ in range(11)]
    assert waits == pytest.approx([0.0] * 9 + [0.5, 1.0])


async def test_who_is_refused_for_the_companys_sake_does_not_pay_from_the_own_pace() -> None:
    clock = Clock()
    users, company = RateLimit("user", 1, clock=clock), RateLimit("company", 1, clock=clock)
    while refusal_of(company, "acme") is None:
        pass
    for _ in range(20):
        with pytest.raises(TooManyAtOnce):
            await wait_for_turn([(users, "ana"), (company, "acme")])
    assert turn_of(users, "ana") == 0.0


def test_endless_keys_take_bounded_memory() -> None:
    limit = RateLimit("network", 1, size=3, clock=Clock())
    for n in range(100):
        turn_of(limit, str(n))
    assert len(limit._due) == 3


def test_without_a_bound_nothing_is_kept() -> None:
    limit = RateLimit("user", 0, clock=Clock())
    assert {turn_of(limit, "ana") for _ in range(1000)} == {0.0}
    assert not limit._due


async def test_a_waiting_request_starts_when_another_one_ends() -> None:
    concurrency = ConcurrencyLimit()
    async with AsyncExitStack() as first:
        await first.enter_async_context(concurrency.one("ana", of=2))
        async with concurrency.one("ana", of=2), concurrency.one("luc", of=2), AsyncExitStack() as third:
            waiting = asyncio.create_task(third.enter_async_context(concurrency.one("ana", of=2)))
            await asyncio.sleep(0)
            assert not waiting.done()
            await first.aclose()
            await waiting
    assert concurrency._lines == {}


async def test_a_line_is_bounded_in_length_and_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "MOST_IN_LINE", 1)
    monkeypatch.setattr(rate_limits, "LONGEST_IN_LINE_S", 0.05)
    concurrency = ConcurrencyLimit()
    async with concurrency.one("ana", of=1), AsyncExitStack() as others:
        waiting = asyncio.create_task(others.enter_async_context(concurrency.one("ana", of=1)))
        await asyncio.sleep(0)
        with pytest.raises(TooManyAtOnce):
            await others.enter_async_context(concurrency.one("ana", of=1))
        with pytest.raises(TooManyAtOnce):
            await waiting
    assert concurrency._lines == {}


async def test_who_leaves_the_line_takes_no_place() -> None:
    concurrency = ConcurrencyLimit()
    async with concurrency.one("ana", of=1), AsyncExitStack() as others:
        waiting = asyncio.create_task(others.enter_async_context(concurrency.one("ana", of=1)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with concurrency.one("ana", of=1):
        pass
    assert concurrency._lines == {}


def test_the_defaults_bound_everybody() -> None:
    settings = GatewaySettings.model_validate({"PORTICO_SECRET_KEY": TEST_SECRET})
    assert min(settings.user_requests_per_s, settings.company_requests_per_s, settings.network_requests_per_s) > 0
    assert settings.user_requests_at_once > 0
