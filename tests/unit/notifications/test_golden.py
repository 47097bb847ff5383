"""Every kind of mail, in both languages, as it went out when somebody last looked at it.

The files in `golden/` open in any mail program. After a change that is meant, write them anew, look at each, and commit
them:

    .venv/bin/python -c "from tests.unit.notifications.test_golden import write; write()"
"""

from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from services.notifications.kinds import CASE_MAILS, KINDS
from tests.unit.notifications.mails import MAILER, a_mail, a_reader, a_stranger

GOLDEN = Path(__file__).parent / "golden"
READERS = {
    f"{kind}{suffix}.{language}": (kind, reader(language=language))
    for language in ("en", "fr")
    for suffix, reader, kinds in (("", a_reader, KINDS), (".stranger", a_stranger, CASE_MAILS))
    for kind in kinds
}


def _rendered(name: str) -> bytes:
    kind, person = READERS[name]
    # Dates, ids and with them the boundary are the same each time: see `mails.py`.
    message = MAILER.render(a_mail(kind), person)
    return message.replace(b"\r\n", b"\n")


def _read(raw: bytes) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Headers and parts as a mail program reads them: how they are folded is Python's own affair."""
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    parts = [(part.get_content_type(), part.get_content()) for part in message.iter_parts()]
    return [(name, str(value)) for name, value in message.items()], parts


@pytest.mark.parametrize("name", READERS)
def test_a_mail_is_the_same_as_its_golden_file(name: str) -> None:
    headers, parts = _read(_rendered(name))
    golden_headers, golden_parts = _read((GOLDEN / f"{name}.eml").read_bytes())
    assert headers == golden_headers
    assert parts == golden_parts


def test_every_golden_file_belongs_to_a_mail() -> None:
    assert {file.name for file in GOLDEN.iterdir()} == {f"{name}.eml" for name in READERS}


def write() -> None:
    """Replaces every file by what is rendered now."""
    GOLDEN.mkdir(exist_ok=True)
    for name in READERS:
        (GOLDEN / f"{name}.eml").write_bytes(_rendered(name))
