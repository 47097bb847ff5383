"""Verifications: an address is proven by typing the 6-digit code that was sent to it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.errors import FieldError, Invalid
from shared.events.identity import VerificationRequested

VALID_FOR = timedelta(minutes=10)
MOST_TRIES = 5
RESEND_AFTER = timedelta(seconds=60)
MOST_RESENDS_AN_HOUR = 5
# Whoever comes back later than this is invited again.
RESENDABLE_FOR = timedelta(days=7)
_HOUR = timedelta(hours=1)


class State(StrEnum):
    """Only an open one takes codes; there is at most one open one for each address."""

    OPEN = "open"
    USED = "used"
    REPLACED = "replaced"


class WrongCode(Invalid):
    """Wrong, expired, tried too often, or never asked for: nobody is told which."""

    code = "wrong_code"
    title = "This code is wrong or has expired. Check the newest e-mail, or ask for a new code."

    def __init__(self) -> None:
        """Always the same words."""
        super().__init__(errors=(FieldError("code", self.code, self.title),))


@dataclass(frozen=True, slots=True)
class Verification:
    """Somebody who accepted an invitation and is no login yet. `generation` counts the codes, `tries` those typed."""

    id: UUID
    email: str
    first_name: str
    last_name: str
    password_hash: str
    language: str
    invitation_id: UUID
    company_id: UUID
    created_at: datetime
    sent_at: datetime
    expires_at: datetime
    resent_at: tuple[datetime, ...] = ()
    state: State = State.OPEN
    generation: int = 1
    tries: int = 0
    version: int = 1
    events: tuple[VerificationRequested, ...] = ()

    @classmethod
    def request(  # a verification has this many parts
        cls,
        verification_id: UUID,
        *,
        email: str,
        first_name: str,
        last_name: str,
        password_hash: str,
        language: str,
        invitation_id: UUID,
        company_id: UUID,
        now: datetime,
    ) -> "Verification":
        """A new one, whose code goes out by e-mail."""
        verification = cls(
            id=verification_id,
            email=email,
            first_name=first_name,
            last_name=last_name,
            password_hash=password_hash,
            language=language,
            invitation_id=invitation_id,
            company_id=company_id,
            created_at=now,
            sent_at=now,
            expires_at=now + VALID_FOR,
        )
        return verification._said(now)

    def may_be_resent(self, now: datetime) -> bool:
        """Not within a minute, not more than five times an hour, not for ever."""
        return (
            now - self.sent_at >= RESEND_AFTER
            and len(self._resent_within_the_hour(now)) < MOST_RESENDS_AN_HOUR
            and now - self.created_at < RESENDABLE_FOR
        )

    def resent(self, now: datetime) -> "Verification":
        """With a new code, new tries and ten more minutes; the older code is worth nothing from now on."""
        renewed = replace(
            self,
            generation=self.generation + 1,
            tries=0,
            sent_at=now,
            resent_at=(*self._resent_within_the_hour(now), now),
            expires_at=now + VALID_FOR,
        )
        return renewed._said(now)

    def used(self) -> "Verification":
        """Done; the password hash lives in the login now."""
        return replace(self, state=State.USED, password_hash="")

    def replaced(self) -> "Verification":
        """Another accepted invitation for the same address takes its place."""
        return replace(self, state=State.REPLACED, password_hash="")

    def _resent_within_the_hour(self, now: datetime) -> tuple[datetime, ...]:
        return tuple(at for at in self.resent_at if now - at < _HOUR)

    def _said(self, now: datetime) -> "Verification":
        said = VerificationRequested(
            at=now,
            verification_id=self.id,
            generation=self.generation,
            company_id=self.company_id,
            email=self.email,
            name=f"{self.first_name} {self.last_name}",
            language=self.language,
            expires_at=self.expires_at,
        )
        return replace(self, events=(*self.events, said))
