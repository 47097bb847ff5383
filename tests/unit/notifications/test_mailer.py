"""What a mail looks like."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

import pytest
from jinja2 import UndefinedError
from uuid_utils.compat import uuid7

from services.notifications.domain import Mail, MailKind, UnusableAddress
from services.notifications.mailer import Mailer
from shared.codes import Purpose, digit_code, read_link_code
from tests.builders import TEST_SECRET

MAILER = Mailer(
    mail_from="Portico <portico@example.com>", base_url="https://portal.example:8443", secret_key=TEST_SECRET
)
CODE_FACTS = {"code_for": uuid7(), "generation": 3}
CASE_FACTS: dict[str, Any] = {
    "number": "1000000009",
    "title": "It smokes",
    "product_name": "LaserJet 4",
    "serial": None,
    "site_name": "",
    "severity": 1,
}


def a_mail(kind: MailKind, facts: dict[str, Any], *, email: str = "ana@example.com", name: str = "Ana Duarte") -> Mail:
    return Mail(
        id="f" * 64,
        event_id=uuid7(),
        kind=kind,
        email=email,
        name=name,
        language="en",
        company_id=uuid7(),
        user_id=None,
        facts=facts,
        request_id="request-1",
        expires_at=datetime(2026, 5, 1, 12, 30, tzinfo=UTC),
        created_at=datetime(2026, 4, 24, 12, 30, tzinfo=UTC),
        case_id=uuid7() if kind in {MailKind.CASE_CREATED, MailKind.CASE_CLOSED} else None,
        case_number="1000000009",
    )


def received(mail: Mail) -> tuple[EmailMessage, str]:
    """The message as it comes out at the other end, and its text."""
    message = message_from_bytes(MAILER.render(mail).as_bytes(), policy=policy.default)
    return message, str(message.get_content())


def test_an_invitation_ends_in_a_code_that_identity_can_read() -> None:
    facts = CODE_FACTS | {"company_name": "Acme SA", "inviter_name": "Eva Roy"}
    message, text = received(a_mail(MailKind.INVITATION, facts, name=""))
    link = next(line for line in text.splitlines() if "/invitations/" in line)
    assert link.startswith("https://portal.example:8443/invitations/")
    code = link.rpartition("/")[2]
    assert read_link_code(TEST_SECRET, Purpose.INVITATION, code) == (CODE_FACTS["code_for"], 3)
    assert "2026-05-01 12:30" in text
    assert message["Subject"] == "Eva Roy invites you to Portico for Acme SA"


def test_a_verification_mail_holds_the_six_digits() -> None:
    _, text = received(a_mail(MailKind.VERIFICATION_CODE, CODE_FACTS))
    assert digit_code(TEST_SECRET, Purpose.VERIFICATION, cast("Any", CODE_FACTS["code_for"]), 3) in text.splitlines()
    assert "10 minutes" in text
    assert "profile#notices" not in text


def test_a_case_mail_names_the_case_links_to_it_and_says_why_it_came() -> None:
    message, text = received(a_mail(MailKind.CASE_CREATED, CASE_FACTS | {"serial": "CNA1", "site_name": "Lyon"}))
    assert message["Subject"] == "[1000000009] Case created: It smokes"
    assert "https://portal.example:8443/cases/1000000009" in text
    assert "https://portal.example:8443/profile#notices" in text
    for each in ("Hello Ana Duarte,", "LaserJet 4", "CNA1", "Lyon", "1 (critical)"):
        assert each in text


def test_what_a_case_lacks_leaves_no_line() -> None:
    _, text = received(a_mail(MailKind.CASE_CREATED, CASE_FACTS))
    assert "Serial:" not in text
    assert "Site:" not in text


@pytest.mark.parametrize("outcome", ["closed", "cancelled"])
def test_a_closed_case_says_how_it_ended(outcome: str) -> None:
    facts = CASE_FACTS | {
        "outcome": outcome,
        "closed_by_name": "Max Lang",
        "reason": "New fuser <1>",
        "resolved": False,
    }
    message, text = received(a_mail(MailKind.CASE_CLOSED, facts))
    assert message["Subject"] == f"[1000000009] Case {outcome}: It smokes"
    assert f"Max Lang has {outcome} this support case." in text
    assert "New fuser <1>" in text
    assert "Resolved:  no" in text


def test_headers_say_who_when_and_which_thread() -> None:
    mail = a_mail(MailKind.CASE_CREATED, CASE_FACTS)
    message, _ = received(mail)
    assert message["From"] == "Portico <portico@example.com>"
    assert message["To"] == "Ana Duarte <ana@example.com>"
    assert message["Message-ID"] == f"<{mail.id}@portal.example>"
    assert message["References"] == f"<case-{mail.case_id}@portal.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Request-Id"] == "request-1"
    assert message["Date"] == "Fri, 24 Apr 2026 12:30:00 +0000"


def test_the_same_row_gives_the_same_bytes() -> None:
    mail = a_mail(MailKind.CASE_CREATED, CASE_FACTS)
    assert MAILER.render(mail).as_bytes() == MAILER.render(mail).as_bytes()


def test_a_line_break_makes_no_header() -> None:
    facts = CASE_FACTS | {"title": "Smoke\r\nBcc: eve@example.com"}
    message, _ = received(a_mail(MailKind.CASE_CREATED, facts, name="Ana\nBcc: eve@example.com"))
    assert message["Bcc"] is None
    assert message["Subject"] == "[1000000009] Case created: Smoke Bcc: eve@example.com"


def test_letters_of_any_script_arrive() -> None:
    facts = CASE_FACTS | {"title": "Ça fume — 煙 🔥"}
    message, text = received(a_mail(MailKind.CASE_CREATED, facts, name="Zoë Ångström"))
    assert message["Subject"] == "[1000000009] Case created: Ça fume — 煙 🔥"
    assert message["To"].addresses[0].display_name == "Zoë Ångström"
    assert "Ça fume — 煙 🔥" in text


def test_a_domain_beyond_ascii_is_written_as_servers_read_it() -> None:
    message, _ = received(a_mail(MailKind.CASE_CREATED, CASE_FACTS, email="ana@bücher.example"))
    assert message["To"].addresses[0].addr_spec == "ana@xn--bcher-kva.example"


def test_an_address_that_no_server_reads_is_refused() -> None:
    with pytest.raises(UnusableAddress):
        MAILER.render(a_mail(MailKind.CASE_CREATED, CASE_FACTS, email=f"ana@{'ü' * 80}.example"))


def test_a_fact_that_is_missing_is_no_empty_word() -> None:
    with pytest.raises(UndefinedError):
        MAILER.render(a_mail(MailKind.CASE_CREATED, {"number": "1000000009"}))
