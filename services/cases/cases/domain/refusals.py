"""The refusals of the rules of a case."""

from collections.abc import Mapping
from datetime import timedelta

from shared.errors import Conflict, Forbidden, TooManyRequests

REOPEN_WITHIN = timedelta(days=14)


class CaseIsClosed(Conflict):
    """Only reopening or a follow-up is possible."""

    code = "case_closed"
    title = "The case is closed."


class CaseIsCancelled(Conflict):
    """Only a closed case can be reopened."""

    code = "case_cancelled"
    title = "A cancelled case cannot be reopened. Please create a follow-up."


class CaseIsOpen(Conflict):
    """Only a closed case can be reopened."""

    code = "case_open"
    title = "The case is open."


class CaseIsNew(Conflict):
    """A new case cannot wait for the customer or for parts: work on it begins first."""

    code = "case_new"
    title = "The case is new: set it to “In progress” first."


class ReopenTooLate(Conflict):
    """The time in which a closed case can be reopened is over."""

    code = "reopen_too_late"
    title = f"The case was closed more than {REOPEN_WITHIN.days} days ago. Please create a follow-up."

    def __init__(self, *, state: Mapping[str, object] | None = None) -> None:
        """With the number of days."""
        super().__init__(params={"days": REOPEN_WITHIN.days}, state=state)


class NotForColleagues(Forbidden):
    """Members create cases for themselves only."""

    reason = "for_colleague"
    title = "Only case managers and administrators can create cases for colleagues."


class Unchanged(Conflict):
    """The case already has the value. The API answers this as a success, without an entry or a new version."""

    code = "unchanged"
    title = "The case is like that already."


class AlreadyTaken(Conflict):
    """Another agent is the assignee."""

    code = "already_taken"
    title = "Another agent has taken this case."


class CaseIsFull(Conflict):
    """1,000 history entries or 8 MiB of text."""

    code = "case_full"
    title = "The case takes no further entries. Please create a follow-up."


class TooManyFavourites(Conflict):
    """A person has as many favourites as are allowed."""

    code = "too_many_favourites"
    title = "You have as many favourites as one may have. Please remove some of them."

    def __init__(self, most: int) -> None:
        """With how many those are."""
        super().__init__(params={"limit": most})


class NeedsNoFollowUp(Conflict):
    """An open case that is not full goes on by itself."""

    code = "follow_up_not_needed"
    title = "The case is open: add a comment instead of a follow-up."


class CallbackExists(Conflict):
    """One call is awaited at a time."""

    code = "callback_exists"
    title = "A callback has been requested already: change or cancel it."


class NoCallback(Conflict):
    """Nobody waits for a call, or not any more."""

    code = "no_callback"
    title = "No callback is waiting for this case."


class CallbackIsConfirmed(Conflict):
    """Another time is a change of the callback."""

    code = "callback_confirmed"
    title = "The callback is confirmed already."


class EscalationExists(Conflict):
    """Another request is undecided, or was accepted."""

    code = "escalation_exists"
    title = "An escalation of this case has been requested already."


class NoEscalation(Conflict):
    """None was requested, or it was decided already."""

    code = "no_escalation"
    title = "No escalation is waiting for a decision."


class TooManyCases(TooManyRequests):
    """A user or company has created more cases than are allowed in an hour."""

    reason = "cases"
    title = "More cases were created than is allowed within an hour. Please try again later."


class TooManyEntries(TooManyRequests):
    """A user or company has written more comments and other entries than are allowed in a minute."""

    reason = "entries"
    title = "More was written than is allowed within a minute. Please wait a moment."
