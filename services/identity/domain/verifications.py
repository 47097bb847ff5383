"""Verifications: an address is proven by typing the 6-digit code that was sent to it."""

import hashlib
import hmac
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.identity.domain.invitations import Invitation
from services.identity.domain.resends import MOST_RESENDS_AN_HOUR, RESEND_AFTER, within_the_hour
from shared.errors import Invalid
from shared.events.identity import VerificationRequested

VALID_FOR = timedelta(minutes=10)
MOST_TRIES = 5  # of one code, by the browser that asked for it; as many by all others together
MOST_RESENDS_BY_OTHERS_AN_HOUR = 2
# What others ask for when a code in somebody's hand has less than this left brings nothing: it would come too late, and
# a new one would make that one worthless.
_WORTH_MAILING_FOR = timedelta(minutes=2)
# Whoever comes back later than this is invited again.
RESENDABLE_FOR = timedelta(days=7)
_NOBODY = UUID(int=0)
_NOBODYS_PLACES = 4096
_LENGTH_OF_A_HASH, _LENGTH_OF_A_NAME = 97, 64  # of passwords and browsers, as the database keeps them


class State(StrEnum):
    """Only an open one takes codes; there is at most one open one for each address."""

    OPEN = "open"
    USED = "used"
    REPLACED = "replaced"


class Kind(StrEnum):
    """What else is done once the address is proven. Registrations and changes of address follow."""

    INVITATION = "invitation"


class WrongCode(Invalid):
    """Wrong, expired, tried too often, or never asked for: nobody is told which."""

    code = "wrong_code"
    title = "This code is wrong or has expired. Check the newest e-mail, or ask for a new code."

    def __init__(self) -> None:
        """Always the same words."""
        super().__init__(errors=(self.of_field("code"),))


@dataclass(frozen=True, slots=True)
class Verification:
    """Somebody whose address is not proven, and what their login is to be. `generation` counts the codes.

    `company_id` is the company that the e-mail with the code is about, `invitation_id` what was accepted, where that is
    the `kind`. `browser` is the hash of a secret that only the browser keeps which asked; empty where it has none, and
    then all browsers are treated alike.
    """

    id: UUID
    email: str
    first_name: str
    last_name: str
    password_hash: str
    language: str
    created_at: datetime
    sent_at: datetime
    expires_at: datetime
    kind: Kind = Kind.INVITATION
    invitation_id: UUID | None = None
    company_id: UUID | None = None
    browser: str = ""
    resent_at: tuple[datetime, ...] = ()
    resent_by_others_at: tuple[datetime, ...] = ()
    state: State = State.OPEN
    generation: int = 1
    version: int = 1
    events: tuple[VerificationRequested, ...] = ()

    @classmethod
    def of_invitation(  # a verification has this many parts
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
        browser: str,
        now: datetime,
    ) -> "Verification":
        """For a newcomer who accepts an invitation; the code goes out by e-mail."""
        verification = cls(
            id=verification_id,
            email=email,
            first_name=first_name,
            last_name=last_name,
            password_hash=password_hash,
            language=language,
            created_at=now,
            sent_at=now,
            expires_at=now + VALID_FOR,
            kind=Kind.INVITATION,
            invitation_id=invitation_id,
            company_id=company_id,
            browser=browser,
        )
        return verification._with_event(now)

    @classmethod
    def of_nobody(cls) -> "Verification":
        """What stands in where no code is waited for, so that an answer takes as long: it has long expired."""
        return cls.of_invitation(
            _NOBODY,
            email="nobody@example.com",
            first_name="Nobody",
            last_name="Nobody",
            password_hash="x" * _LENGTH_OF_A_HASH,
            language="en",
            invitation_id=_NOBODY,
            company_id=_NOBODY,
            browser="x" * _LENGTH_OF_A_NAME,
            now=datetime(2000, 1, 1, tzinfo=UTC),
        )

    @property
    def is_nobodys(self) -> bool:
        """Whether it only stands in."""
        return self.id == _NOBODY

    def is_asked_by(self, browser: str) -> bool:
        """Whether this is the browser that asked for the code."""
        return not self.browser or hmac.compare_digest(self.browser, browser)

    def is_of_another_newcomer(self, browser: str) -> bool:
        """Whether a browser that accepted something itself types the code that another browser asked for.

        A stranger with the link can accept after the owner of the mailbox did: the code in the newest e-mail is then
        for the stranger's password, and the owner types it. A browser without a name has accepted nothing.
        """
        return bool(browser) and not self.is_asked_by(browser)

    def asked_again(self, newer: "Verification", now: datetime) -> "Verification":
        """The same person in the same browser fills the form in once more: the newest name and password count.

        A new code goes out only where one may be sent again.
        """
        changed = replace(
            self,
            first_name=newer.first_name,
            last_name=newer.last_name,
            password_hash=newer.password_hash,
            language=newer.language,
        )
        return changed.resent(now) if changed.may_be_resent(now) else changed

    def takes_codes(self, now: datetime) -> bool:
        """For ten minutes after each code was first mailed."""
        return now < self.expires_at

    def is_waited_for(self, now: datetime) -> bool:
        """Whether a code can still be asked for."""
        return now - self.created_at < RESENDABLE_FOR

    def may_be_resent(self, now: datetime) -> bool:
        """Not within a minute, not more than five times an hour, not for ever."""
        return (
            now - self.sent_at >= RESEND_AFTER
            and len(within_the_hour(self.resent_at, now)) < MOST_RESENDS_AN_HOUR
            and self.is_waited_for(now)
        )

    def may_be_resent_for_others(self, now: datetime) -> bool:
        """Anybody can ask, so seldom; and it takes nothing from those who accepted.

        Whoever asks in the last minutes of a code asks again once it has expired.
        """
        asked = within_the_hour(self.resent_by_others_at, now)
        return (
            not timedelta(0) < self.expires_at - now < _WORTH_MAILING_FOR
            and all(now - at >= RESEND_AFTER for at in (self.sent_at, *asked))
            and len(asked) < MOST_RESENDS_BY_OTHERS_AN_HOUR
            and self.is_waited_for(now)
        )

    def resent(self, now: datetime) -> "Verification":
        """With a new code, new tries and ten more minutes; the older code is worth nothing from now on."""
        renewed = replace(
            self,
            generation=self.generation + 1,
            sent_at=now,
            resent_at=(*within_the_hour(self.resent_at, now), now),
            expires_at=now + VALID_FOR,
        )
        return renewed._with_event(now)

    def resent_for_others(self, now: datetime) -> "Verification":
        """The same code until the same moment: no stranger makes the one in somebody's hand worthless, or last longer.

        A new one where the last has expired.
        """
        asked = replace(self, resent_by_others_at=(*within_the_hour(self.resent_by_others_at, now), now))
        if not self.takes_codes(now):
            asked = replace(asked, generation=self.generation + 1, expires_at=now + VALID_FOR)
        return asked._with_event(now)

    def about(self, invitation: Invitation) -> "Verification":
        """The same code, in the name of another invitation that was accepted: the first was withdrawn."""
        return replace(self, invitation_id=invitation.id, company_id=invitation.company_id)

    def used(self) -> "Verification":
        """Done; the password hash lives in the login now."""
        return replace(self, state=State.USED, password_hash="")

    def replaced(self) -> "Verification":
        """Another accepted invitation for the same address takes its place."""
        return replace(self, state=State.REPLACED, password_hash="")

    def _with_event(self, now: datetime) -> "Verification":
        event = VerificationRequested(
            at=now,
            verification_id=self.id,
            generation=self.generation,
            company_id=self.company_id,
            email=self.email,
            name=f"{self.first_name} {self.last_name}",
            language=self.language,
            expires_at=self.expires_at,
        )
        return replace(self, events=(*self.events, event))


def nobodys_place(email: str) -> str:
    """Under what the work for an address is noted that needs none: of so many, however many addresses are tried."""
    return f"nobody/{int.from_bytes(hashlib.sha256(email.encode()).digest()[:4]) % _NOBODYS_PLACES}"
