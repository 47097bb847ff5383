"""How long the gateway waits for the services."""

from collections.abc import Collection
from dataclasses import dataclass

_PRODUCT = "product_number"


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Each in seconds."""

    answer_s: float = 5.0
    first_byte_s: float = 10.0  # of a stream: an export's rows may have to be sorted first, for which cases has 8 s
    idle_s: float = 30.0  # between two chunks of a stream
    upload_s: float = 120.0  # for a whole body that goes through as it comes
    upload_idle_s: float = 10.0  # between two chunks of it
    not_yet_known_s: float = 3.0  # for a copy to catch up with what was just written elsewhere
    product_not_yet_known_s: float = 1.0  # the vendor loads them long before; numbers are typed, so often wrong
    told_s: float = 1.5  # who was told of a case: its page can do without
    health_s: float = 1.0

    def until_known_s(self, fields: Collection[str]) -> float:
        """How long a copy may take to know what these fields name."""
        return self.product_not_yet_known_s if _PRODUCT in fields else self.not_yet_known_s


USUAL = Deadlines()
