"""Companies: the vendor's one record, and its customers'."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.actor import Visibility
from shared.events.identity import CompanyChanged

# Fixed, so that two commands at the same moment cannot make two vendors.
VENDOR_ID = UUID("00000000-0000-4000-8000-000000000001")


class Kind(StrEnum):
    """The vendor is a company too, but never listed."""

    VENDOR = "vendor"
    CUSTOMER = "customer"


@dataclass(frozen=True, slots=True)
class Company:
    """A tenant. `admin_ids` are its active administrators: never empty once there was one."""

    id: UUID
    kind: Kind
    name: str
    time_zone: str
    visibility: Visibility
    created_at: datetime
    suspended: bool = False
    admin_ids: tuple[UUID, ...] = ()
    version: int = 1
    events: tuple[CompanyChanged, ...] = ()

    @classmethod
    def found(
        cls, company_id: UUID, *, kind: Kind, name: str, time_zone: str, visibility: Visibility, now: datetime
    ) -> "Company":
        """A new company, which others hear of."""
        company = cls(id=company_id, kind=kind, name=name, time_zone=time_zone, visibility=visibility, created_at=now)
        return replace(company, events=(CompanyChanged(at=now, version=1, **company._payload()),))

    def _payload(self) -> dict[str, Any]:
        return {
            "company_id": self.id,
            "name": self.name,
            "is_vendor": self.kind is Kind.VENDOR,
            "time_zone": self.time_zone,
            "visibility": self.visibility,
            "suspended": self.suspended,
        }
