"""Who sees a case: the rule itself, and the same rule as readers, which a database can search by."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from shared.actor import Actor, Role, Visibility

# Beside these words, the ids of users and of sites are readers. A case has at most six.
COMPANY, CONFIDENTIAL, NO_SITE = "company", "confidential", "no_site"
Reader = UUID | str


class Visible(Protocol):
    """What decides who sees a case."""

    @property
    def company_id(self) -> UUID: ...
    @property
    def own_ids(self) -> tuple[UUID, ...]: ...
    @property
    def site_id(self) -> UUID | None: ...
    @property
    def confidential(self) -> bool: ...


def sees(actor: Actor, case: Visible) -> bool:
    """Whether this actor sees this case."""
    if actor.is_vendor:
        return True
    if actor.company_id != case.company_id:
        return False
    if actor.is_company_admin or actor.user_id in case.own_ids:
        return True
    if case.confidential or not _sees_colleagues(actor):
        return False
    # A case without a site is the whole company's.
    sites = _sites_of(actor)
    return sites is None or case.site_id is None or case.site_id in sites


def readers_of(case: Visible) -> tuple[Reader, ...]:
    """As whom one may read this case: its own people, and those of the company who see others' cases."""
    if case.confidential:
        return (*case.own_ids, CONFIDENTIAL)
    return (*case.own_ids, COMPANY, case.site_id or NO_SITE)


def reads_as(actor: Actor) -> Sequence[Reader]:
    """As whom an actor of a company reads its cases: one of these has to be among a case's readers."""
    if actor.is_company_admin:
        return COMPANY, CONFIDENTIAL
    if not _sees_colleagues(actor):
        return (actor.user_id,)
    sites = _sites_of(actor)
    if sites is None:
        return actor.user_id, COMPANY
    return actor.user_id, NO_SITE, *sorted(sites)


def _sees_colleagues(actor: Actor) -> bool:
    return actor.role is Role.CASE_MANAGER or actor.visibility is not Visibility.OWN


def _sites_of(actor: Actor) -> frozenset[UUID] | None:
    """The sites whose cases an actor sees; None for all of them."""
    if actor.site_ids is not None:
        return actor.site_ids
    if actor.role is Role.CASE_MANAGER or actor.visibility is Visibility.COMPANY:
        return None
    return frozenset({actor.main_site_id} if actor.main_site_id else ())
