"""Refusals: one class per kind of answer, raised where the rule is and answered once, in `shared.web.problems`.

Refusal
├── Malformed             400
│   └── EndedEarly        400
├── NotSignedIn           401
├── Forbidden             403
├── NotFound              404
├── Conflict              409
│   └── NotYetKnown       409   the gateway waits a moment and asks again
├── PreconditionFailed    412
├── TooLarge              413
├── AddressTooLong        414
├── WrongMediaType        415
├── Invalid               422
├── PreconditionRequired  428
├── TooManyRequests       429
├── HeaderTooLong         431
├── Broken                500
└── Unavailable           503
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any

# The values in a message, as JSON: `{"limit": 120}`. Names show units: `limit_bytes`. Where one code has several
# messages, `reason` tells them apart.
Params = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field; `field` is a dotted path such as `contact.email`, as the client sent it."""

    field: str
    code: str
    message: str
    params: Params = dataclasses.field(default_factory=dict)


class Refusal(Exception):
    """What a rule says no with. `code` is stable and for programs, the message is for people.

    The gateway translates by `code` and `reason`: each pair has a text in `services/gateway/messages.py`.
    """

    status: int = 400
    code: str = "refused"
    reason: str = ""  # tells apart refusals of one code
    title: str = "The request was refused."

    def __init__(
        self,
        message: str = "",
        *,
        params: Params | None = None,
        errors: tuple[FieldError, ...] = (),
        state: Mapping[str, object] | None = None,
    ) -> None:
        """`params` are the values in the message; `state` is the current state, for a stale change."""
        super().__init__(message or self.title)
        self.params: Params = self._reason() | dict(params or {})
        self.errors = errors
        self.state = state

    @classmethod
    def of_field(cls, field: str) -> FieldError:
        """The same refusal, said of one field."""
        return FieldError(field, cls.code, cls.title, cls._reason())

    @classmethod
    def _reason(cls) -> dict[str, object]:
        return {"reason": cls.reason} if cls.reason else {}


class Malformed(Refusal):
    """The request could not be read."""

    status = 400
    code = "malformed"
    title = "The request could not be read."


class EndedEarly(Malformed):
    """The connection broke, or a program wrote the body in another way than it says."""

    reason = "ended_early"
    title = "The body ended early, or is not encoded as its headers say."


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


class VendorAdminsOnly(Forbidden):
    """What only an administrator of the vendor does."""

    reason = "vendor_admins_only"
    title = "Only an administrator of the vendor may do this."


class NotFound(Refusal):
    """Not there, or not visible: the two are never told apart."""

    status = 404
    code = "not_found"
    title = "Page not found."


class Conflict(Refusal):
    """The state of things does not allow it now."""

    status = 409
    code = "conflict"
    title = "This is not possible in the current state."


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
        super().__init__(errors=errors or (self.of_field(field),))


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


class AddressTooLong(Refusal):
    """The path and query together."""

    status = 414
    code = "address_too_long"
    title = "The address is too long."


class HeaderTooLong(Refusal):
    """One header field, nearly always that of the cookies."""

    status = 431
    code = "header_too_long"
    title = "A header is too long: send fewer or smaller cookies."


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
    def at(cls, field: str, code: str, message: str, params: Params | None = None) -> "Invalid":
        """One wrong field."""
        return cls(message, params=params, errors=(FieldError(field, code, message, params or {}),))


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
    title = "A part of the portal is not reachable. Please try again in a moment."
    retry_after_s: int = 2


class TooManyStreams(Unavailable):
    """As many streams of live updates are open as there may be."""

    code = "too_many_streams"
    title = "There are no live updates at this moment. Everything else works without them."
    retry_after_s = 30


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
        "params": refusal.params,
        "errors": [dataclasses.asdict(error) for error in refusal.errors],
    }
    if refusal.state is not None:
        body["current"] = refusal.state
    return body
