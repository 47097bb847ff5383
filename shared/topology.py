"""The one table of durable exchanges, queues and bindings; every process declares the whole of it at every start."""

from collections.abc import Mapping
from dataclasses import dataclass

EVENTS = "events"
DEAD = "dead"
# Hints, for queues that each replica has for itself: none of them is durable, so none is in this table.
LIVE = "live"
# Whoever is that user, or of that company, may be somebody else now. Hints of other kinds nobody listens to.
HINTED = ("identity.user.changed", "identity.company.changed", "identity.session.changed")
# These say who may know of it, too: whoever has streams open passes them on. Every write of a case gives one.
CASE_CHANGED = "cases.case.changed"
CASE_PRESENCE = "cases.case.presence"

_DELIVERY_LIMIT = 10
_LONGEST_WORK = 500_000
_LONGEST_RETRY = 100_000
_LONGEST_DEAD = 100_000

_HOUR_S = 3600
_MINUTE_S = 60

# Quorum queues on one node too: only they have a delivery limit, and dead letters that are confirmed at their target.
# That needs reject-publish: a full queue refuses its publishers, and its sources keep what they have.
_SAFE = {
    "x-queue-type": "quorum",
    "x-overflow": "reject-publish",
}


def _in_words(delay_s: float) -> str:
    """5 -> "5s", 120 -> "2m", 3600 -> "1h", 0.2 -> "200ms": the delay is in the name, as arguments cannot change."""
    if delay_s % _HOUR_S == 0:
        return f"{delay_s // _HOUR_S:.0f}h"
    if delay_s % _MINUTE_S == 0:
        return f"{delay_s // _MINUTE_S:.0f}m"
    if delay_s % 1 == 0:
        return f"{delay_s:.0f}s"
    return f"{delay_s * 1000:.0f}ms"


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue as it is declared."""

    name: str
    arguments: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Binding:
    """A queue gets the messages of an exchange that have this routing key."""

    queue: str
    exchange: str
    key: str


@dataclass(frozen=True, slots=True)
class WorkQueue:
    """One purpose of one service, `<service>.<purpose>.v<n>`. `listens` are event types, exact routing keys."""

    name: str
    listens: tuple[str, ...]
    prefetch: int = 200

    @property
    def dead_queue(self) -> str:
        """Where messages end that could not be handled; it has no consumer."""
        return f"{self.name}.dead"

    @property
    def dead_key(self) -> str:
        """`<service>.<purpose>`: the routing key of its dead letters."""
        return self.name.rpartition(".v")[0]

    def retry_queue(self, delay_s: float) -> str:
        """Where a failed message waits for `delay_s` before it comes back to this queue."""
        return f"{self.name}.retry.{_in_words(delay_s)}"

    def declared(self, retry_delays_s: tuple[float, ...]) -> tuple[Queue, ...]:
        """The queue, its dead queue, and a retry queue per delay: a delay per message would block at the head."""
        return (
            Queue(
                self.dead_queue,
                _SAFE | {"x-max-length": _LONGEST_DEAD},
            ),
            Queue(
                self.name,
                _SAFE
                | {
                    "x-delivery-limit": _DELIVERY_LIMIT,
                    "x-dead-letter-exchange": DEAD,
                    "x-dead-letter-routing-key": self.dead_key,
                    "x-dead-letter-strategy": "at-least-once",
                    "x-max-length": _LONGEST_WORK,
                },
            ),
            *(
                Queue(
                    self.retry_queue(delay_s),
                    _SAFE
                    | {
                        "x-message-ttl": round(delay_s * 1000),
                        "x-dead-letter-exchange": "",
                        "x-dead-letter-routing-key": self.name,
                        "x-dead-letter-strategy": "at-least-once",
                        "x-max-length": _LONGEST_RETRY,
                    },
                )
                for delay_s in retry_delays_s
            ),
        )

    def bound(self) -> tuple[Binding, ...]:
        """What it listens to, and its dead letters."""
        return (
            Binding(self.dead_queue, DEAD, self.dead_key),
            *(Binding(self.name, EVENTS, event_type) for event_type in self.listens),
        )


@dataclass(frozen=True, slots=True)
class Topology:
    """All work queues. `retired` are (queue, routing key) that were bound once and are unbound at start."""

    queues: tuple[WorkQueue, ...]
    retry_delays_s: tuple[float, ...] = (5, 30, 120, 600, 3600)
    retired: tuple[tuple[str, str], ...] = ()

    def declared(self) -> tuple[Queue, ...]:
        """Every durable queue there is."""
        return tuple(queue for work in self.queues for queue in work.declared(self.retry_delays_s))

    def bound(self) -> tuple[Binding, ...]:
        """Every binding there is."""
        return tuple(binding for work in self.queues for binding in work.bound())

    def unbound(self) -> tuple[Binding, ...]:
        """Every binding that must be gone."""
        return tuple(Binding(queue, EVENTS, key) for queue, key in self.retired)


CASES = WorkQueue(
    "cases.copies.v1",
    listens=(
        "identity.user.changed.v1",
        "identity.company.changed.v1",
        "identity.site.changed.v1",
        "contracts.product.changed.v1",
        "contracts.device.changed.v1",
        "contracts.agreement.changed.v1",
    ),
)
CONTRACTS = WorkQueue(
    "contracts.copies.v1",
    listens=(
        "identity.company.changed.v1",
        "identity.site.changed.v1",
        "cases.case.changed.v1",
    ),
)
NOTIFICATIONS = WorkQueue(
    "notifications.mail.v1",
    listens=(
        "identity.user.changed.v1",
        "identity.company.changed.v1",
        "identity.invitation.issued.v1",
        "identity.verification.requested.v1",
        "cases.case.created.v1",
        "cases.case.closed.v1",
    ),
)

TOPOLOGY = Topology(queues=(CASES, CONTRACTS, NOTIFICATIONS))
