"""The catalogue."""

from dataclasses import dataclass, replace
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
        """A new product of the catalogue."""
        product = cls(
            id=product_id,
            version=1,
            product_number=product_number,
            name=name,
            line=line,
            has_serials=has_serials,
            search_text=searchable(f"{product_number} {name} {line}"),
        )
        return replace(product, events=(product.changed_event(version=1, now=now),))

    def changed_event(self, *, version: int, now: datetime) -> ProductChanged:
        """What others copy of it."""
        return ProductChanged(
            at=now,
            version=version,
            product_id=self.id,
            product_number=self.product_number,
            name=self.name,
            line=self.line,
            has_serials=self.has_serials,
            retired=self.retired,
        )


def searchable(text: str) -> str:
    """Text as the type-ahead search compares it."""
    return " ".join(text.casefold().split())
