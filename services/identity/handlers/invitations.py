"""Invitations: issuing, listing, sending again, taking back."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

from services.identity import store
from services.identity.domain.access import (
    refuse_unless_admin,
    refuse_unless_company_admin,
)
from services.identity.domain.audit import Audited
from services.identity.domain.companies import Company
from services.identity.domain.invitations import Invitation, InvitationUsed
from services.identity.domain.sites import UnknownSite
from services.identity.domain.users import AlreadyMember
from services.identity.handlers.companies import company_to_administer
from shared import audit
from shared.actor import Actor
from shared.errors import FieldError, Invalid, StaleVersion
from shared.idempotency import IdempotencyKey
from shared.mongo import Database, Session
from shared.paging import Page
from shared.quotas import Quota
from shared.schemas.base import CompanyListQuery
from shared.schemas.identity import NewInvitation, NewInvitations


def company_to_invite_into(actor: Actor, named: UUID | None) -> UUID:
    """The own company for its administrator, any customer's for a vendor admin; Forbidden for anybody else."""
    company_id = actor.company_to_change(named)
    if company_id == actor.company_id:
        refuse_unless_company_admin(actor)
    return company_id


async def invite(
    db: Database,
    actor: Actor,
    company_id: UUID,
    wanted: NewInvitations,
    *,
    quota: Quota,
    key: IdempotencyKey,
    now: datetime,
) -> list[Invitation]:
    """Invites addresses into a customer company; NotFound for one that is none."""
    company = await store.get_customer(db, company_to_invite_into(actor, company_id))
    return await _invite(db, actor, company, wanted.invitations, quota=quota, key=key, now=now)


async def list_invitations(db: Database, actor: Actor, query: CompanyListQuery) -> Page:
    """The pending invitations of a company, for its administrators and the vendor's side."""
    company_id = await company_to_administer(db, actor, query.company_id)
    return await store.find_invitations(db, company_id, query)


async def send_invitation_again(
    db: Database, actor: Actor, invitation_id: UUID, *, quota: Quota, key: IdempotencyKey, now: datetime
) -> Invitation:
    """A new code, which makes the older ones worthless; ResentJustNow, ResentTooOften, TooManyInvitations."""
    refuse_unless_admin(actor)
    invitation = await store.get_invitation(db, actor, invitation_id)
    again = invitation.sent_again(asked_by=key.id, by=actor, now=now)
    if again == invitation:
        return invitation
    async with quota.taken(db, actor, now=now):
        return await store.INVITATIONS.save(db, again)


async def revoke_invitation(db: Database, actor: Actor, invitation_id: UUID, now: datetime) -> None:
    """No code of it works any more, neither the link nor the 6 digits of somebody who accepted it.

    Whoever has accepted the invitation of another company as well still types the digits, for that one.
    """
    refuse_unless_admin(actor)

    async def write(session: Session) -> None:
        invitation = await store.get_invitation(db, actor, invitation_id, session=session)
        revoked = invitation.revoked()
        if revoked == invitation:
            return
        await store.INVITATIONS.save(db, revoked, session=session)
        body = {"invitation_id": str(revoked.id), "email": revoked.email, "role": revoked.role.value}
        await audit.record(
            db, Audited.INVITATION_REVOKED, company_id=revoked.company_id, at=now, body=body, session=session
        )
        waiting = await store.find_open_verification(db, invitation.email, session=session)
        if waiting is not None and waiting.invitation_id == invitation.id:
            others = await store.find_accepted_invitations(db, waiting, now, session=session)
            changed = waiting.about(others[0]) if others else waiting.replaced()
            await store.VERIFICATIONS.save(db, changed, session=session)

    await db.atomically(write)


async def _invite(
    db: Database,
    actor: Actor,
    company: Company,
    wanted: Sequence[NewInvitation],
    *,
    quota: Quota,
    key: IdempotencyKey,
    now: datetime,
) -> list[Invitation]:
    ids = [uuid5(key.id, str(index)) for index in range(len(wanted))]
    begun = await store.find_batch(db, key)
    made = {
        made_by: invitation
        for invitation in await store.find_invitations_asked(db, company.id, ids)
        for made_by in (invitation.id, invitation.asked_by)
    }
    new = {index: one for index, one in enumerate(wanted) if ids[index] not in made}
    await _refuse_uninvitable(db, company, new)
    async with quota.taken(db, actor, len(new), now=now):
        if not begun:
            # Not before: whoever was refused corrects the form, and sends it with the key it was shown with.
            await store.claim_batch(db, key, now)
    # Counted whatever becomes of one of them: others may have gone out by then.
    for index, one in new.items():
        made[ids[index]] = await _issue(db, actor, company, one, invitation_id=ids[index], now=now)
    return [made[invitation_id] for invitation_id in ids]


async def _refuse_uninvitable(db: Database, company: Company, wanted: dict[int, NewInvitation]) -> None:
    """Every problem of the batch at once, before anything is written."""
    members = await store.find_members_addresses(db, company.id, [one.email for one in wanted.values()])
    asked_sites = [one.site_id for one in wanted.values() if one.site_id is not None]
    sites = await store.find_open_site_ids(db, company.id, asked_sites)
    seen: set[str] = set()
    problems: list[FieldError] = []
    for index, one in wanted.items():
        if one.email in members:
            problems.append(AlreadyMember.of_field(f"invitations.{index}.email"))
        if one.email in seen:
            problems.append(FieldError(f"invitations.{index}.email", "duplicate", "This address is listed twice."))
        if one.site_id is not None and one.site_id not in sites:
            problems.append(UnknownSite.of_field(f"invitations.{index}.site_id"))
        seen.add(one.email)
    if problems:
        raise Invalid(errors=tuple(problems))


async def _issue(
    db: Database, actor: Actor, company: Company, wanted: NewInvitation, *, invitation_id: UUID, now: datetime
) -> Invitation:
    invitation = Invitation.issue(
        invitation_id,
        company_id=company.id,
        company_name=company.name,
        email=wanted.email,
        role=wanted.role,
        site_id=wanted.site_id,
        by=actor,
        now=now,
    )
    inserted = await store.insert_invitation(db, invitation)
    return inserted or await _send_pending_again(db, actor, company, wanted, asked_by=invitation_id, now=now)


async def _send_pending_again(
    db: Database, actor: Actor, company: Company, wanted: NewInvitation, *, asked_by: UUID, now: datetime
) -> Invitation:
    pending = await store.find_pending_invitation(db, company.id, wanted.email)
    if pending is None:  # accepted or revoked within these milliseconds
        raise InvitationUsed
    again = pending.changed_and_sent_again(
        role=wanted.role, site_id=wanted.site_id, asked_by=asked_by, by=actor, now=now
    )
    try:
        return await store.INVITATIONS.save(db, again)
    except StaleVersion:
        # Somebody else has invited the same address at the same moment: one mail is enough.
        return await store.find_pending_invitation(db, company.id, wanted.email) or pending
