"""Renders a row of the ledger as an e-mail; codes are derived here, and nowhere kept."""

from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.notifications.domain import Mail, MailKind, UnusableAddress
from shared.codes import Purpose, digit_code, link_code
from shared.mongo import Document

_TEMPLATES = Path(__file__).parent / "templates"


class Mailer:
    """Knows who sends, where the portal is, and the key that codes are derived from."""

    def __init__(self, *, mail_from: str, base_url: str, secret_key: str) -> None:
        """`mail_from` as in `Portico <portico@example.com>`; `base_url` without a path."""
        name, address = parseaddr(mail_from)
        self.sender = address
        self.host = urlsplit(base_url).hostname or "localhost"
        self._from = Address(_one_line(name), addr_spec=address)
        self._base_url = base_url
        self._secret_key = secret_key
        self._templates = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            undefined=StrictUndefined,
            autoescape=False,  # noqa: S701  # plain text: escaping would show
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, mail: Mail) -> EmailMessage:
        """The same row gives the same mail, so that sending it again can be told from another one."""
        values = {"name": mail.name, **mail.facts, **self._links(mail)}
        message = EmailMessage(policy=SMTP if mail.email.isascii() else SMTPUTF8)
        message["From"] = self._from
        message["To"] = _addressed(mail)
        message["Subject"] = _one_line(self._text(mail.kind, "subject", values))
        if mail.created_at is not None:
            message["Date"] = format_datetime(mail.created_at)
        message["Message-ID"] = f"<{mail.id}@{self.host}>"
        if mail.case_id is not None:
            message["References"] = f"<case-{mail.case_id}@{self.host}>"
        message["Auto-Submitted"] = "auto-generated"
        message["X-Request-Id"] = _one_line(mail.request_id)
        message.set_content(self._text(mail.kind, "body", values), cte="quoted-printable")
        return message

    def _text(self, kind: MailKind, part: str, values: Document) -> str:
        return self._templates.get_template(f"{kind}/{part}.txt").render(values)

    def _links(self, mail: Mail) -> dict[str, Any]:
        match mail.kind:
            case MailKind.INVITATION:
                code = link_code(self._secret_key, Purpose.INVITATION, *_request_of(mail))
                return {"link": f"{self._base_url}/invitations/{code}", "expires_on": _spoken(mail)}
            case MailKind.VERIFICATION_CODE:
                return {"code": digit_code(self._secret_key, Purpose.VERIFICATION, *_request_of(mail))}
            case MailKind.CASE_CREATED | MailKind.CASE_CLOSED:
                return {
                    "link": f"{self._base_url}/cases/{mail.case_number}",
                    "profile_link": f"{self._base_url}/profile#notices",
                }


def _request_of(mail: Mail) -> tuple[UUID, int]:
    return mail.facts["code_for"], mail.facts["generation"]


def _spoken(mail: Mail) -> str:
    return f"{mail.expires_at:%Y-%m-%d %H:%M}" if mail.expires_at else ""


def _one_line(text: str) -> str:
    # A header with a line break would be a second header.
    return " ".join(text.split())


def wire_address(email: str) -> str:
    """The address as mail servers write it: a domain with letters beyond ASCII in its IDNA form."""
    local, _, domain = email.rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError as error:
        raise UnusableAddress from error


def _addressed(mail: Mail) -> Address:
    local, _, domain = wire_address(mail.email).rpartition("@")
    try:
        return Address(_one_line(mail.name), username=local, domain=domain)
    except (ValueError, MessageError) as error:
        raise UnusableAddress from error
