"""Refusals: one class per kind of answer, raised where the rule is and answered once, in `shared.web.problems`.

Refusal
├── Malformed             400
├── NotSignedIn           401
├── Forbidden             403
├── NotFound              404
├── Conflict              409
│   └── NotYetKnown       409   the gateway waits a moment and asks again
├── PreconditionFailed    412
├── TooLarge              413
├── WrongMediaType        415
├── Invalid               422
├── PreconditionRequired  428
├── TooManyRequests       429
├── Broken                500
└── Unavailable           503
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field; `field` is a dotted path such as `contact.email`."""

    field: str
    code: str
    message: str


class Refusal(Exception):
    """What a rule says no with. `code` is stable and for programs, the message is for people."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "refused"
    title: ClassVar[str] = "The request was refused."

    def __init__(
        self, message: str = "", *, errors: tuple[FieldError, ...] = (), state: Mapping[str, object] | None = None
    ) -> None:
        """`state` is what the refused one may see of how things stand now (for a stale change)."""
        super().__init__(message or self.title)
        self.errors = errors
        self.state = state


class Malformed(Refusal):
    """The request could not be read."""

    status = 400
    code = "malformed"
    title = "The request could not be read."


class NotSignedIn(Refusal):
    """Nobody, or nobody we still know."""

    status = 401
    code = "not_signed_in"
    title = "Please sign in."


class Forbidden(Refusal):
    """Visible, but not allowed."""

    status = 403
    code = "forbidden"
    title = "You may not do this."


class NotFound(Refusal):
    """Not there, or not visible: the two are never told apart."""

    status = 404
    code = "not_found"
    title = "There is nothing here."


class Conflict(Refusal):
    """The state of things does not allow it now."""

    status = 409
    code = "conflict"
    title = "This does not fit the current state."


class StaleVersion(Conflict):
    """Somebody was faster."""

    code = "stale"
    title = "Somebody changed this in the meantime."


class NotYetKnown(Conflict):
    """An id that this service's copy does not know, or that is not this actor's: the two are never told apart."""

    code = "not_yet_known"
    title = "This is not known here yet."

    def __init__(self, field: str = "body", *, errors: tuple[FieldError, ...] = ()) -> None:
        """`field` is the one that holds the id."""
        super().__init__(errors=errors or (FieldError(field, self.code, self.title),))


class PreconditionFailed(Refusal):
    """The `If-Match` is stale."""

    status = 412
    code = "precondition_failed"
    title = "Somebody changed this in the meantime."


class TooLarge(Refusal):
    """More bytes than the limit."""

    status = 413
    code = "too_large"
    title = "The request is too large."


class WrongMediaType(Refusal):
    """Not a media type this route takes."""

    status = 415
    code = "wrong_media_type"
    title = "This media type is not accepted here."


class Invalid(Refusal):
    """Well-formed, but fields break rules; `errors` names each."""

    status = 422
    code = "invalid"
    title = "Some fields are missing or wrong."

    @classmethod
    def at(cls, field: str, code: str, message: str) -> "Invalid":
        """One wrong field."""
        return cls(message, errors=(FieldError(field, code, message),))


class IdempotencyKeyReused(Invalid):
    """The key stands for another body already."""

    code = "idempotency_key_reused"
    title = "This Idempotency-Key was used for another request."


class PreconditionRequired(Refusal):
    """`If-Match` is missing."""

    status = 428
    code = "precondition_required"
    title = "Send If-Match with the ETag you read."


class TooManyRequests(Refusal):
    """Wait, then try again."""

    status = 429
    code = "too_many_requests"
    title = "Too many tries. Please wait."

    def __init__(self, message: str = "", *, retry_after_s: int, errors: tuple[FieldError, ...] = ()) -> None:
        """`retry_after_s` goes out as `Retry-After`."""
        super().__init__(message, errors=errors)
        self.retry_after_s = retry_after_s


def seconds_until(then: datetime, *, now: datetime) -> int:
    """For `Retry-After`: whoever waits so long is not too early."""
    return max(1, ceil((then - now).total_seconds()))


class Unavailable(Refusal):
    """A part that is needed is away."""

    status = 503
    code = "unavailable"
    title = "A part of Portico is not reachable. Please try again in a moment."
    retry_after_s: ClassVar[int] = 2


class Broken(Refusal):
    """Our fault."""

    status = 500
    code = "internal"
    title = "Something went wrong on our side. It has been logged under this request id."


def problem(refusal: Refusal) -> dict[str, Any]:
    """A refusal as RFC 9457 says it, without the request id."""
    body: dict[str, Any] = {
        "type": f"urn:portico:problem:{refusal.code}",
        "title": refusal.title,
        "status": refusal.status,
        "code": refusal.code,
        "detail": str(refusal),
        "errors": [{"field": e.field, "code": e.code, "message": e.message} for e in refusal.errors],
    }
    if refusal.state is not None:
        body["current"] = refusal.state
    return body
