"""What became of a try to send, and how long to wait for the next; pure."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from services.notifications.domain.mails import Mail, MailState, Reason
from shared import text

_FIRST_WAIT_S = 5.0
_LONGEST_WAIT_S = 600.0
_ACCEPTED = range(200, 300)
_REFUSED_FOR_NOW = range(400, 500)
_REFUSED = range(500, 600)
MOST_STUMBLES = 8  # some ten minutes after the first
_LONGEST_REPLY = 500
# 5.1.7 and 5.1.8 complain about the sender's address (RFC 3463), as does Postfix by 5.1.0, which it says where the
# recipient is named: they say nothing about the recipient.
_NO_SUCH_RECIPIENT = re.compile(r"5\.1\.(?![078]\b)\d{1,3}\b")


class Stage(StrEnum):
    """How far a conversation with the mail server had come when the answer was given."""

    SENDER = "sender"
    RECIPIENT = "recipient"
    START = "start"  # of the content: the server is asked whether it wants it
    DATA = "data"  # the content is on its way


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one try. `state` QUEUED means: again later."""

    state: MailState
    reply: str
    bounced: bool = False
    is_unknown: bool = False  # the server may or may not have taken the mail
    is_stumble: bool = False  # it failed in an unforeseen way
    reason: Reason | None = None

    def without_reply(self) -> "Outcome":
        """The same, for when the text of the answer cannot be stored."""
        return replace(self, reply="", bounced=False)

    def without(self, code: str | None) -> "Outcome":
        """The same, where the server repeats a mail's code in its answer: it is kept nowhere."""
        return self if code is None else replace(self, reply=self.reply.replace(code, "…"))

    def after(self, mail: Mail) -> "Outcome":
        """The same, or final when this was one stumble too many."""
        if not self.is_stumble or self.state is not MailState.QUEUED or mail.stumbles + 1 < MOST_STUMBLES:
            return self
        return replace(self, state=MailState.FAILED, reason=Reason.UNEXPECTED)


def is_accepted(code: int) -> bool:
    """Whether a server's answer is positive."""
    return code in _ACCEPTED


def is_refusal(code: int) -> bool:
    """Whether a server's answer is a refusal, temporary or permanent."""
    return code in _REFUSED_FOR_NOW or code in _REFUSED


def _reply(code: int, text: str) -> str:
    return one_short_line(f"{code} {text}")


def one_short_line(said: str) -> str:
    """What a server said, as the ledger and the log have it."""
    # Cleaned before it is cut, so that only blanks separate words.
    return text.beginning(" ".join(text.cleaned_anyhow(said, text.clean_line).split()), _LONGEST_REPLY)


def outcome_of_success(code: int, text: str) -> Outcome:
    """The server has taken the mail over."""
    return Outcome(MailState.SENT, _reply(code, text))


def outcome_of_refusal(stage: Stage, code: int, text: str) -> Outcome:
    """The server refused the recipient or the content: permanently (5xx), or for now.

    A refused sender is a mistake in the settings, here or there: mails wait until it is corrected. What
    is neither accepted nor refused (3xx, no number) says nothing: after the content the outcome is unknown.
    """
    if code not in _REFUSED or stage is Stage.SENDER:
        is_unknown = stage is Stage.DATA and not is_refusal(code)
        return Outcome(MailState.QUEUED, _reply(code, text), is_unknown=is_unknown)
    bounced = stage is Stage.RECIPIENT and _NO_SUCH_RECIPIENT.match(text) is not None
    return Outcome(MailState.FAILED, _reply(code, text), bounced=bounced)


def outcome_of_lost_connection(stage: Stage, text: str) -> Outcome:
    """No answer at all: once the content was on its way, the outcome is unknown."""
    return Outcome(MailState.QUEUED, one_short_line(text), is_unknown=stage is Stage.DATA)


def outcome_of_stumble(stage: Stage, error: BaseException) -> Outcome:
    """An unforeseen error, by its name only: its text may hold anything."""
    return Outcome(MailState.QUEUED, type(error).__name__, is_unknown=stage is Stage.DATA, is_stumble=True)


def wait_s(tries: int, *, unknown: int = 0) -> float:
    """Seconds until the next try: 5 after the first, twice as many each time, at most 10 minutes.

    Each of `unknown` outcomes may have been one more copy, so that wait has no limit: some 15 copies in 48 hours.
    """
    wait = min(_FIRST_WAIT_S * 2.0 ** min(tries - 1, 20), _LONGEST_WAIT_S)
    return max(wait, _FIRST_WAIT_S * 2.0 ** min(unknown - 1, 20)) if unknown else wait
