"""Sign-in sessions, and how long to wait after too many failures."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.errors import Conflict, Forbidden, NotSignedIn, TooManyRequests, seconds_until

IDLE_FOR = timedelta(hours=12)
LASTS_FOR = timedelta(days=30)
SEEN_EVERY = timedelta(minutes=1)

MOST_SESSIONS = 20  # of one login
LONGEST_USER_AGENT = 300

MOST_FAILURES = 10  # with an address from one network, or from one browser
MOST_FAILURES_FROM_ANYWHERE = 100  # with an address
MOST_ADDRESSES = 30  # that one network fails with; one more for each that signed in from it lately
MOST_KNOWN_COUNTED = 300
KNOWN_FOR = timedelta(days=30)
FAILURES_WITHIN = timedelta(minutes=15)
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=15)


class WrongCredentials(NotSignedIn):
    """Unknown address or wrong password: nobody is told which."""

    code = "wrong_credentials"
    title = "The e-mail address or the password is wrong."


class AccountInactive(Forbidden):
    """The password is right, but every membership was deactivated."""

    code = "account_inactive"
    title = "Your account is not active. Please ask your administrator."


class AddressNotProven(Forbidden):
    """The password is the one that was chosen with the invitation, and the code from the e-mail is missing.

    Whoever does not know the password gets WrongCredentials, as for an address that nobody has heard of.
    """

    code = "address_not_proven"
    title = "Your e-mail address is not verified yet. Enter the code from the e-mail, or ask for a new one."


class AlreadySignedIn(Conflict):
    """The Idempotency-Key made a session before, whose secret is shown once."""

    code = "session_already_made"
    title = "This sign-in was sent before. Please sign in again."


class TooManyFailures(TooManyRequests):
    """Too many failures within fifteen minutes, then a wait that grows."""

    code = "too_many_failures"
    title = "Too many failed sign-ins. Please wait, then try again."

    @classmethod
    def until(cls, moment: datetime, *, now: datetime) -> "TooManyFailures":
        """To be tried again at `moment`."""
        return cls(retry_after_s=seconds_until(moment, now=now))


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who signed in. `key` is the hash of the token, which only the browser has.

    `public_id` names the session to its owner, and says nothing of token or key; a session from before there was
    one has none. `address` is where it was last seen, `user_agent` what the browser says of itself.
    """

    key: str
    login_id: UUID
    user_id: UUID
    created_at: datetime
    last_seen_at: datetime
    public_id: UUID | None = None
    address: str = ""
    user_agent: str = ""

    def is_over(self, now: datetime) -> bool:
        """Idle for too long, or simply old."""
        return now - self.last_seen_at >= IDLE_FOR or now - self.created_at >= LASTS_FOR

    def is_worth_a_note(self, now: datetime) -> bool:
        """Whether being seen is written down again: not with every request."""
        return now - self.last_seen_at >= SEEN_EVERY


def key_of(token: str) -> str:
    """What is stored of a session's token: a stolen database opens no session."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def csrf_token_of(token: str, user_id: UUID, *, key: bytes) -> str:
    """What a form must send along: bound to the session, told only to its pages.

    To the user as well: a form of one company must not act in another that the session has changed to meanwhile.
    """
    return hmac.digest(key, f"{user_id} {token}".encode(errors="replace"), "sha256").hex()
