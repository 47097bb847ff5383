"""Entities as the HTTP bodies show them."""

from dataclasses import asdict
from datetime import datetime

from services.identity.domain.companies import Company
from services.identity.domain.invitations import Invitation
from services.identity.domain.sessions import csrf_token_of
from services.identity.domain.sites import Site
from services.identity.domain.users import User
from services.identity.handlers.acceptances import Opened
from services.identity.handlers.sessions import SignedIn
from shared.codes import subkey
from shared.schemas.companies import CompanyAnswer, WorkingHoursAnswer
from shared.schemas.identity import (
    AssignedPin,
    AssignedPins,
    InvitationAnswer,
    InvitationView,
    MembershipAnswer,
    NewSession,
    ProfileAnswer,
    ResolvedSession,
    SessionAnswer,
    SessionUser,
    SiteAnswer,
    UserAnswer,
)
from shared.schemas.submitters import SubmitterAnswer
from shared.signing import actor_key, sign


def company_answer(company: Company) -> CompanyAnswer:
    """A company with its settings."""
    return CompanyAnswer(
        id=company.id,
        name=company.name,
        time_zone=company.time_zone,
        visibility=company.visibility,
        working_hours=WorkingHoursAnswer.model_validate(asdict(company.working_hours)),
        suspended=company.suspended,
        created_at=company.created_at,
        version=company.version,
    )


def assigned_pins(company: Company) -> AssignedPins:
    """The PINs as the vendor sees them."""
    items = [AssignedPin.model_validate(asdict(pin)) for pin in company.pins]
    return AssignedPins(items=items, total=len(items), version=company.version)


def site_answer(site: Site) -> SiteAnswer:
    """A site."""
    return SiteAnswer.model_validate(asdict(site))


def user_answer(user: User) -> UserAnswer:
    """A user in the company's list."""
    return UserAnswer(
        id=user.id,
        name=user.profile.name,
        email=user.login_email,
        role=user.role,
        active=user.active,
        site_ids=None if user.site_ids is None else list(user.site_ids),
        version=user.version,
    )


def submitter_answer(user: User, company: Company) -> SubmitterAnswer:
    """Somebody for whom a case may be created."""
    return SubmitterAnswer(
        id=user.id,
        name=user.profile.name,
        first_name=user.profile.first_name,
        last_name=user.profile.last_name,
        email=user.profile.email,
        phone=user.profile.phone,
        site_id=user.profile.site_id,
        pin=user.profile.pin,
        company_id=company.id,
        company_name=company.name,
        company_suspended=company.suspended,
    )


def profile_answer(user: User) -> ProfileAnswer:
    """What is known of a user, and what is missing."""
    return ProfileAnswer(**asdict(user.profile), missing=user.profile.missing, version=user.version)


def invitation_answer(invitation: Invitation, now: datetime) -> InvitationAnswer:
    """An invitation in lists; never its code."""
    return InvitationAnswer.model_validate(
        {
            "id": invitation.id,
            "email": invitation.email,
            "role": invitation.role,
            "site_id": invitation.site_id,
            "state": invitation.shown_state(now),
            "created_at": invitation.created_at,
            "expires_at": invitation.expires_at,
            "accepted_at": invitation.accepted_at[-1] if invitation.accepted_at else None,
        }
    )


def invitation_view(opened: Opened) -> InvitationView:
    """An invitation as the holder of its code sees it."""
    invitation = opened.invitation
    return InvitationView(
        email=invitation.email,
        company_name=invitation.company_name,
        inviter_name=invitation.inviter_name,
        has_login=opened.has_login,
        awaits_code=opened.awaits_code,
        expires_at=invitation.expires_at,
        time_zone=opened.company.time_zone,
    )


def new_session(signed_in: SignedIn, device_proofs: str, *, secret: str) -> NewSession:
    """A sign-in; the gateway puts token and proofs into cookies."""
    return NewSession(
        user=_session_user(signed_in),
        csrf_token=_csrf_token(signed_in, secret),
        memberships=_memberships(signed_in),
        session_token=signed_in.token,
        device_proofs=device_proofs,
    )


def session_answer(signed_in: SignedIn, *, secret: str) -> SessionAnswer:
    """A session as its owner sees it."""
    return SessionAnswer(
        user=_session_user(signed_in),
        csrf_token=_csrf_token(signed_in, secret),
        memberships=_memberships(signed_in),
    )


def resolved_session(signed_in: SignedIn, *, secret: str, address: str, now: datetime) -> ResolvedSession:
    """A session as the gateway needs it: with the signed actor for the services."""
    company = signed_in.company
    actor = signed_in.user.as_actor(
        company_name=company.name, visibility=company.visibility, suspended=company.suspended, address=address
    )
    return ResolvedSession(
        user=_session_user(signed_in),
        csrf_token=_csrf_token(signed_in, secret),
        memberships=_memberships(signed_in),
        actor=sign(actor, key=actor_key(secret), now=now),
    )


def _csrf_token(signed_in: SignedIn, secret: str) -> str:
    return csrf_token_of(signed_in.token, signed_in.user.id, key=subkey(secret, "csrf"))


def _memberships(signed_in: SignedIn) -> tuple[MembershipAnswer, ...]:
    return tuple(MembershipAnswer.model_validate(asdict(membership)) for membership in signed_in.memberships)


def _session_user(signed_in: SignedIn) -> SessionUser:
    user, company = signed_in.user, signed_in.company
    return SessionUser(
        id=user.id,
        name=user.profile.name,
        first_name=user.profile.first_name,
        email=user.login_email,
        role=user.role,
        company_id=company.id,
        company_name=company.name,
        language=user.profile.language,
        time_zone=user.profile.time_zone,
        profile_complete=not user.profile.missing,
        site_ids=None if user.site_ids is None else list(user.site_ids),
    )
