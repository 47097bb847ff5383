"""The HTTP bodies of notifications: preferences and the delivery ledger."""

from typing import ClassVar, Literal

from pydantic import Field

from shared.schemas.base import SMALL_BODY_BYTES, Answer, Request, Utc

CaseMailKind = Literal["case_created", "case_closed"]
CASE_MAIL_KINDS: tuple[CaseMailKind, ...] = ("case_created", "case_closed")


class PreferencesBody(Request):
    """`PUT /notification-preferences`: the main switch, and one for each kind; a kind left out stays as it is."""

    max_body_bytes: ClassVar[int] = SMALL_BODY_BYTES

    case_emails: bool
    kinds: dict[CaseMailKind, bool] = Field(default_factory=dict)


class PreferencesAnswer(Answer):
    """Opted in unless somebody said otherwise."""

    case_emails: bool
    kinds: dict[CaseMailKind, bool]


class UnsubscribeBody(Request):
    """`POST /unsubscribe/{token}`: the kind of the mail that the link came with, or all mails about cases."""

    max_body_bytes: ClassVar[int] = SMALL_BODY_BYTES

    scope: Literal["kind", "case_emails"] = "kind"


class UnsubscribeAnswer(Answer):
    """`GET /unsubscribe/{token}`: what the link would stop, and for whom."""

    kind: CaseMailKind
    email: str  # only its first letter and its host: whoever got the mail passed on learns no more
    is_wanted: bool  # whether mails of this kind still go out


class DeliveryAnswer(Answer):
    """One row of the ledger: somebody who should have been told, and what came of it."""

    id: str
    kind: str
    email: str
    name: str
    state: Literal["queued", "claimed", "sending", "sent", "failed", "suppressed"]
    reason: str | None = None  # why it was suppressed
    smtp_reply: str | None = None  # the mail server's answer
    tries: int
    unknown_outcomes: int = 0  # tries that ended without the server's answer: each may have been one more copy
    case_number: str | None = None
    request_id: str
    created_at: Utc
    updated_at: Utc
