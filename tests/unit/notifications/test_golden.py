"""Every kind of mail, in both languages, as it went out when somebody last looked at it.

The files in `golden/` open in any mail program. After a change that is meant, write them anew, look at each, and commit
them:

    .venv/bin/python -c "from tests.unit.notifications.test_golden import write; write()"
"""

from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from services.notifications.domain import MailKind
from tests.unit.notifications.mails import MAILER, a_mail, a_reader

GOLDEN = Path(__file__).parent / "golden"
CASES = [(kind, language) for kind in MailKind for language in ("en", "fr")]


def _file(kind: MailKind, language: str) -> Path:
    return GOLDEN / f"{kind}.{language}.eml"


def _rendered(kind: MailKind, language: str) -> bytes:
    # Dates, ids and with them the boundary are the same each time: see `mails.py`.
    message = MAILER.render(a_mail(kind), a_reader(language=language)).as_bytes()
    return message.replace(b"\r\n", b"\n")


def _read(raw: bytes) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Headers and parts as a mail program reads them: how they are folded is Python's own affair."""
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    parts = [(part.get_content_type(), part.get_content()) for part in message.iter_parts()]
    return [(name, str(value)) for name, value in message.items()], parts


@pytest.mark.parametrize(("kind", "language"), CASES)
def test_a_mail_is_what_it_was_when_somebody_looked_at_it(kind: MailKind, language: str) -> None:
    headers, parts = _read(_rendered(kind, language))
    golden_headers, golden_parts = _read(_file(kind, language).read_bytes())
    assert headers == golden_headers
    assert parts == golden_parts


def test_there_is_no_file_without_a_mail() -> None:
    assert {file.name for file in GOLDEN.iterdir()} == {_file(*case).name for case in CASES}


def write() -> None:
    """Replaces every file by what is rendered now."""
    GOLDEN.mkdir(exist_ok=True)
    for case in CASES:
        _file(*case).write_bytes(_rendered(*case))
