"""Rows of the ledger that are the same each time, and how they look when they arrive."""

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from uuid import UUID

from services.notifications.domain.mails import Mail
from services.notifications.domain.people import Person
from services.notifications.kinds import CASE_MAILS
from services.notifications.mailer import Mailer
from shared.schemas.notifications import MailKind
from tests.builders import TEST_SECRET

Facts = dict[str, Any]

MAILER = Mailer(
    mail_from="Portico <portico@example.com>", base_url="https://portal.example:8443", secret_key=TEST_SECRET
)

CODE_FACTS: Facts = {"code_for": UUID("01920000-0000-7000-8000-000000000001"), "generation": 3}
INVITATION_FACTS: Facts = CODE_FACTS | {"company_name": "Acme SA", "inviter_name": "Eva Roy"}
CASE_FACTS: Facts = {
    "number": "1000000009",
    "title": "It smokes",
    "product_name": "LaserJet 4",
    "serial": "CNA1",
    "site_name": "Lyon",
}
CREATED_FACTS: Facts = CASE_FACTS | {
    "severity": 1,
    "at": datetime(2026, 4, 24, 12, 29, tzinfo=UTC),
    "description": "Smoke & a smell <of glue>.\nSince this morning.",
    "contact_name": "Luc Petit",
    "coverage": "covered",
    "coverage_level": "Gold 24×7",
    "coverage_until": "2028-12-31",
}
CLOSED_FACTS: Facts = CASE_FACTS | {
    "outcome": "closed",
    "closed_by_name": "Max Lang",
    "reason": "New fuser <1>\nTested & fine.",
    "resolved": True,
    "at": datetime(2026, 4, 24, 12, 29, tzinfo=UTC),
}
FACTS = {
    "invitation": INVITATION_FACTS,
    "verification_code": CODE_FACTS,
    "case_created": CREATED_FACTS,
    "case_closed": CLOSED_FACTS,
}


def a_mail(kind: MailKind, facts: Facts | None = None, **other: Any) -> Mail:
    """A row of this kind; `facts` stand in for, or beside, the usual ones."""
    values: dict[str, Any] = {
        "id": "0123456789abcdef" * 4,
        "event_id": UUID("01920000-0000-7000-8000-000000000002"),
        "kind": kind,
        "email": "ana@example.com",
        "name": "Ana Duarte",
        "language": "en",
        "company_id": UUID("01920000-0000-7000-8000-000000000003"),
        "user_id": None,
        "facts": FACTS[kind] | (facts or {}),
        "request_id": "request-1",
        "expires_at": datetime(2026, 5, 1, 12, 30, tzinfo=UTC),
        "created_at": datetime(2026, 4, 24, 12, 30, tzinfo=UTC),
    }
    if kind in CASE_MAILS:
        values |= {"case_id": UUID("01920000-0000-7000-8000-000000000004"), "case_number": "1000000009"}
    return Mail(**(values | other))


def a_reader(**other: Any) -> Person:
    """A user in Paris."""
    user_id = UUID("01920000-0000-7000-8000-000000000005")
    return Person.of_user(user_id, active=True, **({"time_zone": "Europe/Paris"} | other))


def a_stranger(**other: Any) -> Person:
    """Somebody who is named on a case and signs in nowhere."""
    company_id = UUID("01920000-0000-7000-8000-000000000003")
    person = Person.of_address("ana@example.com", company_id, time_zone="Europe/Paris")
    return replace(person, **other)


def received(mail: Mail, person: Person | None = None, *, mailer: Mailer = MAILER) -> EmailMessage:
    """The message as it comes out at the other end."""
    message = message_from_bytes(mailer.render(mail, person or a_reader()), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def text_of(message: EmailMessage) -> str:
    """Its plain text."""
    return _part(message, "plain")


def html_of(message: EmailMessage) -> str:
    """Its HTML."""
    return _part(message, "html")


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")
