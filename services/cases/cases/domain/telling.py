"""What is told of a change to a case, and who may learn that there was one."""

from dataclasses import dataclass
from uuid import UUID

from services.cases.cases.domain.case import Case
from services.cases.cases.domain.visibility import Visible, sees
from shared.actor import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What decides who sees a case, as it was at one moment."""

    company_id: UUID
    own_ids: tuple[UUID, ...]
    site_id: UUID | None
    confidential: bool

    @classmethod
    def of(cls, case: Visible) -> "Sight":
        """As the case is."""
        return cls(
            company_id=case.company_id, own_ids=case.own_ids, site_id=case.site_id, confidential=case.confidential
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """A case has changed, and has this version at least. What is `internal` is for the vendor's side only."""

    number: str
    version: int
    company_id: UUID
    sights: tuple[Sight, ...]
    internal: bool = False

    @classmethod
    def of(cls, case: Case, before: Case | None = None, *, version: int, internal: bool = False) -> "Telling":
        """Of a case as it is now and as it was `before`, so that who loses sight of it is told that once."""
        seen_as = [Sight.of(case)]
        if before is not None and (earlier := Sight.of(before)) not in seen_as:
            seen_as.append(earlier)
        return cls(
            number=case.number,
            version=version,
            company_id=case.company_id,
            sights=tuple(seen_as),
            internal=internal,
        )

    def may_reach(self, actor: Actor) -> bool:
        """Whether this actor may learn of it."""
        if self.internal:
            return actor.is_vendor
        return any(sees(actor, sight) for sight in self.sights)
