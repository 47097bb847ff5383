"""For how long each side has had its turn at a case, in whole seconds, so that the parts always make up the whole."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

Side = Literal["vendor", "customer", "ended"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


def whole_seconds(begin: datetime, end: datetime) -> int:
    """How many seconds begin in between. So the sums of spans that follow each other are that of the whole span."""
    return (end - _EPOCH) // _SECOND - (begin - _EPOCH) // _SECOND


@dataclass(frozen=True, slots=True)
class Clock:
    """Whole seconds of the vendor's turn, of the customer's, and between an end and the reopening after it."""

    vendor_s: int = 0
    customer_s: int = 0
    ended_s: int = 0

    def plus(self, side: Side, begin: datetime, end: datetime) -> "Clock":
        """With one more span."""
        seconds = whole_seconds(begin, end)
        match side:
            case "vendor":
                return replace(self, vendor_s=self.vendor_s + seconds)
            case "customer":
                return replace(self, customer_s=self.customer_s + seconds)
            case "ended":
                return replace(self, ended_s=self.ended_s + seconds)
