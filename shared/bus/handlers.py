"""How a service hears events: one by one, or all of a type that wait at the same time together."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.events.base import Event
from shared.logging import Origin

E_co = TypeVar("E_co", bound=Event, covariant=True)

Handler = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Delivery(Generic[E_co]):
    """An event that has come, and the origin of the change that made it."""

    event: E_co
    origin: Origin


@dataclass(frozen=True, slots=True)
class Many:
    """Marks a handler of all events of a type that wait together: it is called as `handler(*args, deliveries)`.

    What it raises fails none of them: then it is called for each alone, so doing an event twice has to be harmless.
    Its context has no origin: that of each event is in its delivery.
    """

    handler: Handler


Subscriptions = Mapping[type[Event], Handler | Many]
