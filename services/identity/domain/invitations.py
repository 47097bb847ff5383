"""Invitations: an address may join a company, by a link that is valid for seven days and makes one membership."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.identity.domain.resends import HOUR, MOST_RESENDS_AN_HOUR, RESEND_AFTER, within_the_hour
from shared.actor import Actor, Role
from shared.errors import Conflict, Forbidden, TooManyRequests, seconds_until
from shared.events.identity import InvitationIssued

VALID_FOR = timedelta(days=7)


class State(StrEnum):
    """How far an invitation has come; expiry is told by the clock."""

    PENDING = "pending"  # also while somebody who has accepted still has to prove the address
    ACCEPTED = "accepted"  # and the address is proven: a membership stands
    REVOKED = "revoked"


class InvitationUsed(Conflict):
    """It has made its one membership."""

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

    reason = "invitations"
    title = "More invitations were sent than is allowed. Please try again later."


class ResentJustNow(TooManyRequests):
    """Not within a minute: one click too many is no second mail."""

    reason = "resent_just_now"
    title = "An invitation can be sent again once a minute. Please wait a minute, then try again."


class ResentTooOften(TooManyRequests):
    """Not more than five times an hour: the invited person may be no user, and cannot make it stop."""

    reason = "resent_too_often"
    title = "An invitation can be sent again five times an hour. Please try again in an hour."


class AcceptedJustNow(TooManyRequests):
    """Not again within a minute: each time a new 6-digit code goes out, and the older one is worth nothing."""

    reason = "accepted_just_now"
    title = "This invitation was accepted a moment ago. Please wait a minute, then try again."


class AcceptedTooOften(TooManyRequests):
    """Not more than five times an hour: whoever holds the link could fill the mailbox of the invited person."""

    reason = "accepted_too_often"
    title = "Too many tries for this invitation. Please try again in an hour."


@dataclass(frozen=True, slots=True)
class Invitation:
    """One address in one company. `generation` counts the codes; `asked_by` is what its newest code was asked with.

    `accepted_at` says when newcomers accepted it who have not proven the address: within the hour before the newest.
    """

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
    accepted_at: tuple[datetime, ...] = ()
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
        return invitation._with_event(now)

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
            resent_at=(*within_the_hour(self.resent_at, now), now),
            expires_at=now + VALID_FOR,
            inviter_id=by.user_id,
            inviter_name=by.name,
            language=by.language,
        )
        return renewed._with_event(now)

    def revoked(self) -> "Invitation":
        """Taken back; again is the same."""
        if self.state is State.ACCEPTED:
            raise InvitationUsed
        return replace(self, state=State.REVOKED)

    def refuse_unless_acceptable(self, generation: int, now: datetime) -> None:
        """Only the newest code counts, until it is used or seven days old."""
        self._refuse_unless_pending()
        if generation != self.generation:
            raise InvitationReplaced
        if now >= self.expires_at:
            raise InvitationExpired

    def accepted_by_newcomer(self, generation: int, now: datetime) -> "Invitation":
        """It stays pending until the address is proven; accepted again as seldom as it is sent again."""
        self.refuse_unless_acceptable(generation, now)
        before = within_the_hour(self.accepted_at, now)
        if (wait_s := _too_soon_for(before, now)) is not None:
            raise (AcceptedTooOften if len(before) >= MOST_RESENDS_AN_HOUR else AcceptedJustNow)(retry_after_s=wait_s)
        return replace(self, accepted_at=(*before, now))

    def accepted(self, generation: int, now: datetime) -> "Invitation":
        """Used up, by a login whose address is proven."""
        self.refuse_unless_acceptable(generation, now)
        return self.used()

    def used(self) -> "Invitation":
        """The address of whoever accepted is proven."""
        return replace(self, state=State.ACCEPTED)

    def was_used_with(self, generation: int) -> bool:
        """By this code, not by an older one."""
        return self.state is State.ACCEPTED and generation == self.generation

    def shown_state(self, now: datetime) -> str:
        """As lists show it."""
        if self.state is State.PENDING and now >= self.expires_at:
            return "expired"
        return self.state.value

    def _sent_too_often(self, now: datetime) -> TooManyRequests | None:
        before = within_the_hour(self.resent_at, now)
        if (wait_s := _too_soon_for(before, now)) is None:
            return None
        return (ResentTooOften if len(before) >= MOST_RESENDS_AN_HOUR else ResentJustNow)(retry_after_s=wait_s)

    def _refuse_unless_pending(self) -> None:
        if self.state is State.ACCEPTED:
            raise InvitationUsed
        if self.state is State.REVOKED:
            raise InvitationRevoked

    def _with_event(self, now: datetime) -> "Invitation":
        event = InvitationIssued(
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
        return replace(self, events=(*self.events, event))


def _too_soon_for(before: tuple[datetime, ...], now: datetime) -> int | None:
    """In how many seconds the next may follow these of the last hour; None for now."""
    if len(before) >= MOST_RESENDS_AN_HOUR:
        return seconds_until(before[-MOST_RESENDS_AN_HOUR] + HOUR, now=now)
    if before and now - before[-1] < RESEND_AFTER:
        return seconds_until(before[-1] + RESEND_AFTER, now=now)
    return None
