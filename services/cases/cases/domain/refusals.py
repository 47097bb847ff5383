"""What the rules of a case say no with."""

from shared.errors import Conflict, TooManyRequests


class CaseIsClosed(Conflict):
    """Nothing more can be done to it but reopening or a follow-up."""

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
    """Nobody waits for anything before somebody has begun with it."""

    code = "case_new"
    title = "The case is new: it goes into progress first."


class ReopenTooLate(Conflict):
    """More than 14 days after closing."""

    code = "reopen_too_late"
    title = "The case was closed more than 14 days ago. Please create a follow-up."


class Unchanged(Conflict):
    """The case is already as the action would make it. Answered as a success, without an entry or a new version."""

    code = "unchanged"
    title = "The case is like that already."


class AlreadyTaken(Conflict):
    """Another agent has it."""

    code = "already_taken"
    title = "Another agent has taken this case."


class CaseIsFull(Conflict):
    """1,000 history entries or 2 MiB of text."""

    code = "case_full"
    title = "The case takes no further entries. Please create a follow-up."


class TooManyCases(TooManyRequests):
    """More new cases of a user or company than in an hour may be."""

    title = "More cases were created than is allowed within an hour. Please try again later."


class TooManyEntries(TooManyRequests):
    """More comments and other actions of a user or company than in a minute may be."""

    title = "More was written than is allowed within a minute. Please wait a moment."
