"""Invitations: an address may join a company, by a code that works once and for seven days."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.actor import Actor, Role
from shared.errors import Conflict, Forbidden, TooManyRequests, seconds_until
from shared.events.identity import InvitationIssued

VALID_FOR = timedelta(days=7)
RESEND_AFTER = timedelta(seconds=60)
MOST_RESENDS_AN_HOUR = 5
_HOUR = timedelta(hours=1)


class State(StrEnum):
    """How far an invitation has come; expiry is told by the clock."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REVOKED = "revoked"


class InvitationUsed(Conflict):
    """The code worked once."""

    code = "invitation_used"
    title = "This invitation was accepted already."


class InvitationRevoked(Conflict):
    """The administrator took it back."""

    code = "invitation_revoked"
    title = "This invitation was withdrawn. Please ask your administrator."


class InvitationReplaced(Conflict):
    """A newer code went out."""

    code = "invitation_replaced"
    title = "A newer invitation was sent to you. Please use the link in the newest e-mail."


class InvitationExpired(Conflict):
    """Seven days have passed."""

    code = "invitation_expired"
    title = "This invitation has expired. Please ask your administrator for a new one."


class HasLogin(Conflict):
    """The invited person can sign in, so that is how to accept."""

    code = "has_login"
    title = "There is an account with this address: sign in to accept the invitation."


class InvitedOtherAddress(Forbidden):
    """Signed in as somebody else."""

    code = "invited_other_address"
    title = "The invitation is for another address: sign out, then open its link again."


class TooManyInvitations(TooManyRequests):
    """More invitations of a user in an hour, or of a company in a day, than may be."""

    title = "More invitations were sent than is allowed. Please try again later."


class ResentJustNow(TooManyRequests):
    """Not within a minute: one click too many is no second mail."""

    title = "An invitation can be sent again once a minute. Please wait a minute, then try again."


class ResentTooOften(TooManyRequests):
    """Not more than five times an hour: the invited person may be no user, and cannot make it stop."""

    title = "An invitation can be sent again five times an hour. Please try again in an hour."


@dataclass(frozen=True, slots=True)
class Invitation:
    """One address in one company. `generation` counts the codes; `asked_by` is what its newest code was asked with."""

    id: UUID
    company_id: UUID
    company_name: str
    email: str
    role: Role
    site_id: UUID | None
    inviter_id: UUID
    inviter_name: str
    language: str
    asked_by: UUID
    created_at: datetime
    expires_at: datetime
    state: State = State.PENDING
    generation: int = 1
    resent_at: tuple[datetime, ...] = ()  # within the hour before the newest
    version: int = 1
    events: tuple[InvitationIssued, ...] = ()

    @classmethod
    def issue(  # an invitation has this many parts
        cls,
        invitation_id: UUID,
        *,
        company_id: UUID,
        company_name: str,
        email: str,
        role: Role,
        site_id: UUID | None,
        by: Actor,
        now: datetime,
    ) -> "Invitation":
        """A new invitation, whose code goes out by e-mail."""
        invitation = cls(
            id=invitation_id,
            company_id=company_id,
            company_name=company_name,
            email=email,
            role=role,
            site_id=site_id,
            inviter_id=by.user_id,
            inviter_name=by.name,
            language=by.language,
            asked_by=invitation_id,
            created_at=now,
            expires_at=now + VALID_FOR,
        )
        return invitation._said(now)

    def changed_and_sent_again(
        self, *, role: Role, site_id: UUID | None, asked_by: UUID, by: Actor, now: datetime
    ) -> "Invitation":
        """Invited once more while pending: the newest wish counts. No new code where one went out just now."""
        changed = replace(self, role=role, site_id=site_id)
        if self._sent_too_often(now) is not None:
            return replace(changed, asked_by=asked_by)
        return changed.sent_again(asked_by=asked_by, by=by, now=now)

    def sent_again(self, *, asked_by: UUID, by: Actor, now: datetime) -> "Invitation":
        """With a new code and seven more days; older codes are worth nothing from now on."""
        self._refuse_unless_pending()
        if self.asked_by == asked_by:
            return self
        if (refusal := self._sent_too_often(now)) is not None:
            raise refusal
        renewed = replace(
            self,
            generation=self.generation + 1,
            asked_by=asked_by,
            resent_at=(*self._resent_within_the_hour(now), now),
            expires_at=now + VALID_FOR,
            inviter_id=by.user_id,
            inviter_name=by.name,
            language=by.language,
        )
        return renewed._said(now)

    def revoked(self) -> "Invitation":
        """Taken back; again is the same."""
        if self.state is State.ACCEPTED:
            raise InvitationUsed
        return replace(self, state=State.REVOKED)

    def refuse_unless_acceptable(self, generation: int, now: datetime) -> None:
        """Only the newest code counts, once, and not for ever."""
        self._refuse_unless_pending()
        if generation != self.generation:
            raise InvitationReplaced
        if now >= self.expires_at:
            raise InvitationExpired

    def accepted(self, generation: int, now: datetime) -> "Invitation":
        """Used up."""
        self.refuse_unless_acceptable(generation, now)
        return replace(self, state=State.ACCEPTED)

    def was_accepted_with(self, generation: int) -> bool:
        """By this code, not by an older one."""
        return self.state is State.ACCEPTED and generation == self.generation

    def shown_state(self, now: datetime) -> str:
        """As lists show it."""
        if self.state is State.PENDING and now >= self.expires_at:
            return "expired"
        return self.state.value

    def _resent_within_the_hour(self, now: datetime) -> tuple[datetime, ...]:
        return tuple(at for at in self.resent_at if now - at < _HOUR)

    def _sent_too_often(self, now: datetime) -> TooManyRequests | None:
        resent = self._resent_within_the_hour(now)
        if len(resent) >= MOST_RESENDS_AN_HOUR:
            return ResentTooOften(retry_after_s=seconds_until(resent[-MOST_RESENDS_AN_HOUR] + _HOUR, now=now))
        if resent and now - resent[-1] < RESEND_AFTER:
            return ResentJustNow(retry_after_s=seconds_until(resent[-1] + RESEND_AFTER, now=now))
        return None

    def _refuse_unless_pending(self) -> None:
        if self.state is State.ACCEPTED:
            raise InvitationUsed
        if self.state is State.REVOKED:
            raise InvitationRevoked

    def _said(self, now: datetime) -> "Invitation":
        said = InvitationIssued(
            at=now,
            invitation_id=self.id,
            generation=self.generation,
            company_id=self.company_id,
            company_name=self.company_name,
            email=self.email,
            inviter_name=self.inviter_name,
            language=self.language,
            expires_at=self.expires_at,
        )
        return replace(self, events=(*self.events, said))
