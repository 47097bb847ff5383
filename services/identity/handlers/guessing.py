"""Guessing passwords is slowed down, by counters that cannot be turned against whoever knows theirs.

Wrong passwords are counted for an address together with the network they come from, so that nobody locks out somebody
else. Guesses from many networks are bounded by a much larger counter of the address alone, which does not hold for
networks it signed in from lately. A network that fails with many addresses waits, but for those who signed in from it.
A browser that somebody signed in with has a counter of its own and passes all others.
"""

import asyncio
import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from services.identity import store
from services.identity.domain.devices import known_device
from services.identity.domain.sessions import (
    MOST_ADDRESSES,
    MOST_FAILURES,
    MOST_FAILURES_FROM_ANYWHERE,
    MOST_KNOWN_COUNTED,
    TooManyFailures,
)
from services.identity.fair_queue import Caller
from shared.addresses import network_of
from shared.mongo import Database


@dataclass(frozen=True, slots=True)
class Attempt:
    """A password for an address. `network` is empty where nobody says; `device` names a browser that is known."""

    email: str
    network: str
    device: str | None = None
    known_here: bool = False
    neighbours: int = 0  # addresses that signed in from the network lately

    @property
    def caller(self) -> Caller:
        """Whose turn it is to have a password looked at."""
        if self.device is not None or not self.network:
            return Caller(f"login/{self.email}", known=self.device is not None)
        return Caller(f"network/{self.network}", known=self.neighbours > 0)

    @property
    def is_counted_by_address(self) -> bool:
        """Where somebody signed in well lately, wrong passwords from elsewhere do not count."""
        return self.device is None and not self.known_here

    @property
    def is_counted_by_network(self) -> bool:
        """As by address; an unknown network would be everybody's."""
        return self.is_counted_by_address and bool(self.network)


def recognise(*, email: str, client: str, proofs: str, key: bytes, now: datetime) -> Attempt:
    """What the browser itself shows."""
    return Attempt(email, network_of(client), known_device(proofs, email, key=key, now=now))


async def look_up(db: Database, attempt: Attempt, now: datetime) -> Attempt:
    """What is known of the network beside it; TooManyFailures while that waits. A known browser passes."""
    network = attempt.network
    if not attempt.is_counted_by_network:
        return attempt
    known_here, neighbours, until = await asyncio.gather(
        store.is_known_client(db, network, _digest(attempt.email), now),
        store.count_known_clients(db, network, now, at_most=MOST_KNOWN_COUNTED),
        store.find_wait(db, _of_network(network), now),
    )
    attempt = replace(attempt, known_here=known_here, neighbours=neighbours)
    if attempt.is_counted_by_network:
        _refuse(until, now)
    return attempt


async def count(db: Database, attempt: Attempt, now: datetime) -> None:
    """Before the password is looked at, so that guesses at the same moment count too; TooManyFailures after many.

    The network may have come to its wait since it was looked up: hundreds of its guesses stood in line together.
    """
    if attempt.is_counted_by_network:
        _refuse(await store.find_wait(db, _of_network(attempt.network), now), now)
    await _count(db, _own_counter(attempt), now, most=MOST_FAILURES)
    if attempt.is_counted_by_address:
        await _count(db, _of_address(attempt.email), now, most=MOST_FAILURES_FROM_ANYWHERE)


async def failed(db: Database, attempt: Attempt, now: datetime) -> None:
    """Counts a wrong password for the network, once for each address.

    Not before it was looked at: a whole company may sign in from one network at the same moment.
    """
    if attempt.is_counted_by_network:
        most = MOST_ADDRESSES + attempt.neighbours
        await store.count_failure_with(db, _of_network(attempt.network), _digest(attempt.email), now, most=most)


async def succeeded(db: Database, attempt: Attempt, now: datetime) -> None:
    """Forgets what was counted against whoever knew the password in the end, and knows their network from now on.

    What a known browser did not do stays: somebody else in its network may be guessing.
    """
    counters = [_own_counter(attempt)]
    if attempt.is_counted_by_address:
        counters.append(_of_address(attempt.email))
    await store.forget_failures(db, *counters)
    if not attempt.network:
        return
    await store.put_known_client(db, attempt.network, _digest(attempt.email), now)
    if attempt.device is None:
        await store.forgive_failure_with(db, _of_network(attempt.network), _digest(attempt.email))


async def _count(db: Database, counter: str, now: datetime, *, most: int) -> None:
    _refuse(await store.count_failure(db, counter, now, most=most), now)


def _refuse(until: datetime | None, now: datetime) -> None:
    if until is not None:
        raise TooManyFailures.until(until, now=now)


def _own_counter(attempt: Attempt) -> str:
    return _of_pair(attempt) if attempt.device is None else f"sign_in/device/{attempt.device}"


def _of_pair(attempt: Attempt) -> str:
    return f"sign_in/pair/{attempt.network}/{attempt.email}"


def _of_address(email: str) -> str:
    return f"sign_in/address/{email}"


def _of_network(network: str) -> str:
    return f"sign_in/network/{network}"


def _digest(email: str) -> str:
    return hashlib.sha256(email.encode()).hexdigest()[:16]
