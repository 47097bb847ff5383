"""The way to the broker, and the only code that knows AMQP: confirms, retries, dead letters, reconnects."""

from shared.bus.bus import Bus
from shared.bus.errors import BrokerUnavailable, Unroutable
from shared.bus.handlers import Delivery, Handler, Many, Subscriptions
from shared.bus.live import Attached, Hint, Listening
from shared.bus.messages import Envelope

__all__ = [
    "Attached",
    "BrokerUnavailable",
    "Bus",
    "Delivery",
    "Envelope",
    "Handler",
    "Hint",
    "Listening",
    "Many",
    "Subscriptions",
    "Unroutable",
]
