"""The HTTP bodies of notifications: preferences and the delivery ledger."""

from typing import Annotated, ClassVar, Literal, get_args
from uuid import UUID

from pydantic import BeforeValidator, Field

from shared.schemas.base import (
    SMALL_BODY_BYTES,
    Answer,
    CompanyListQuery,
    Email,
    EmailText,
    ListQuery,
    Request,
    Utc,
)


def _listed(value: object) -> object:
    """A parameter that stands in the query once is a list of one."""
    return value if isinstance(value, list) else [value]


CaseMailKind = Literal["case_created", "case_closed"]
MailKind = Literal["invitation", "verification_code"] | CaseMailKind
UnsentReason = Literal[
    "opted_out",
    "deactivated",
    "company_suspended",
    "bouncing",
    "same_person",
    "expired",
    "too_many",
    "unexpected",
]
CASE_MAIL_KINDS: tuple[CaseMailKind, ...] = get_args(CaseMailKind)
Texts = dict[Literal["en", "fr"], str]


class PreferencesBody(Request):
    """`PUT /notification-preferences`: the main switch, and one for each kind; a kind left out stays as it is."""

    max_body_bytes: ClassVar[int] = SMALL_BODY_BYTES

    case_emails: bool
    kinds: dict[CaseMailKind, bool] = Field(default_factory=dict)


class PreferencesAnswer(Answer):
    """Opted in unless the person chose otherwise; `labels` say in each language what the switch of a kind is about."""

    case_emails: bool
    kinds: dict[CaseMailKind, bool]
    labels: dict[CaseMailKind, Texts]


class UnsubscribeBody(Request):
    """`POST /unsubscribe/{token}`: the kind of the mail that the link came with, or all mails about cases."""

    max_body_bytes: ClassVar[int] = SMALL_BODY_BYTES

    scope: Literal["kind", "case_emails"] = "kind"


class UnsubscribeAnswer(Answer):
    """`GET /unsubscribe/{token}`: what the link would stop, and for whom."""

    kind: CaseMailKind
    stop_label: Texts  # what the link stops, in each language
    email: str  # only its first letter and its host: whoever got the mail passed on learns no more
    is_wanted: bool  # whether mails of this kind still go out


class DeliveryQuery(CompanyListQuery):
    """`GET /deliveries`: of one address, of one kind, in one state."""

    email: Email | None = None
    kind: MailKind | None = None
    state: Literal["queued", "claimed", "sending", "sent", "failed", "suppressed"] | None = None


class DeliveryAnswer(Answer):
    """One row of the ledger: somebody who should have been told, and what came of it."""

    id: str
    kind: MailKind
    email: EmailText
    name: str
    state: Literal["queued", "claimed", "sending", "sent", "failed", "suppressed"]
    reason: UnsentReason | None = None  # why it was suppressed
    smtp_reply: str | None = None  # the mail server's answer
    bouncing_reply: str | None = None  # with which a mail server has refused the address for good, until it is cleared
    tries: int
    unknown_outcomes: int = 0  # tries that ended without the server's answer: each may have been one more copy
    case_number: str | None = None
    request_id: str
    created_at: Utc
    updated_at: Utc


class CaseDeliveryQuery(ListQuery):
    """`GET /cases/{number}/deliveries`: a page of the e-mails about a case."""


class CaseDeliveryAnswer(Answer):
    """Somebody who should have been told of something about a case, and what came of it."""

    event_id: UUID  # those of one event were written at once
    kind: MailKind
    name: str
    email: EmailText | None  # null where the reader does not see it on the case, nor in the company's ledger
    state: Literal["queued", "claimed", "sending", "sent", "failed", "suppressed"]
    reason: UnsentReason | None = None  # why it was suppressed
    smtp_reply: str | None = None  # the mail server's answer, without addresses where `email` is null
    sent_at: Utc | None = None
    created_at: Utc
    updated_at: Utc


class BouncingQuery(Request):
    """`GET /bouncing-addresses`: which of these addresses bounce."""

    email: Annotated[list[Email], BeforeValidator(_listed), Field(min_length=1, max_length=20)]


class BouncingAnswer(Answer):
    """An address that gets no mail: a mail server has refused it for good."""

    email: EmailText
    smtp_reply: str


class BouncingAddressesAnswer(Answer):
    """Those of the addresses asked for that bounce."""

    items: list[BouncingAnswer]
