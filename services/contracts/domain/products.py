"""The catalogue."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from shared.errors import Conflict
from shared.events.base import Event
from shared.events.contracts import ProductChanged


class ProductExists(Conflict):
    """Product numbers are unique."""

    code = "product_exists"
    title = "There is a product with this number already."


@dataclass(frozen=True, slots=True)
class Product:
    """A catalogue entry."""

    id: UUID
    version: int
    product_number: str
    name: str
    line: str
    has_serials: bool
    search_text: str
    retired: bool = False
    events: tuple[Event, ...] = ()

    @classmethod
    def new(
        cls, product_id: UUID, *, product_number: str, name: str, line: str, has_serials: bool, now: datetime
    ) -> Self:
        """A product that is offered from now on."""
        said = ProductChanged(
            at=now,
            version=1,
            product_id=product_id,
            product_number=product_number,
            name=name,
            line=line,
            has_serials=has_serials,
        )
        return cls(
            id=product_id,
            version=1,
            product_number=product_number,
            name=name,
            line=line,
            has_serials=has_serials,
            search_text=searchable(f"{product_number} {name} {line}"),
            events=(said,),
        )


def searchable(text: str) -> str:
    """Text as it is compared when somebody types ahead."""
    return " ".join(text.casefold().split())
