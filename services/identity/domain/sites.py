"""Sites: a company's locations."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.errors import Invalid
from shared.events.identity import SiteChanged

_OUR_OWN = frozenset({"id", "version", "events", "created_at"})


class UnknownSite(Invalid):
    """Not an open site of this company."""

    code = "unknown_site"
    title = "Choose one of the company’s sites."


@dataclass(frozen=True, slots=True)
class Site:
    """A location with its postal address. A closed one is no longer offered; past cases keep it."""

    id: UUID
    company_id: UUID
    name: str
    company_name: str
    address_line_1: str
    city: str
    postal_code: str
    country: str
    created_at: datetime
    address_line_2: str = ""
    region: str = ""
    closed: bool = False
    version: int = 1
    events: tuple[SiteChanged, ...] = ()

    def opened(self) -> "Site":
        """As a new one, which others hear of."""
        return replace(self, events=(self.changed_event(version=1, now=self.created_at),))

    def with_changes(self, changes: dict[str, Any], now: datetime) -> "Site":
        """With other values for some fields; the same site where nothing differs."""
        changed = replace(self, **changes)
        if changed == self:
            return self
        return replace(changed, events=(*self.events, changed.changed_event(version=self.version + 1, now=now)))

    def changed_event(self, *, version: int, now: datetime) -> SiteChanged:
        """What others copy of it."""
        values = asdict(replace(self, events=()))
        copied = {name: value for name, value in values.items() if name not in _OUR_OWN}
        return SiteChanged(at=now, version=version, site_id=self.id, **copied)
