"""What people type reaches a mail as text: never as a header, a body, markup or a template."""

import re
from email.header import decode_header, make_header
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

import pytest

from services.notifications.kinds import CASE_MAILS, KINDS
from shared.schemas.notifications import MailKind
from tests.unit.notifications.mails import FACTS, MAILER, a_mail, a_reader, a_stranger, html_of, received, text_of

MARKUP = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</td></table><a href=https://evil.example>click</a>",
    "<!--",
    "]]><svg/onload=alert(1)>",
    "{{ 7 * 7 }}{% include 'layout.html' %}",
    "%(brand)s %s %",
    "&lt;b&gt;",
]
# `=0D=0A` and its like are how an encoded word of RFC 2047 says a line break.
HEADERS = [
    "Smoke\r\nBcc: eve@evil.example",
    "Smoke\n\n<p>A body of its own</p>",
    "=?utf-8?q?Smoke=0D=0ABcc:_eve@evil.example?=",
    "=?utf-8?b?DQpCY2M6IGV2ZUBldmlsLmV4YW1wbGUNCg0KPGI+?= and more",
    "=?utf-8?q?=0A=0Abody?=",
    "Smoke\x00\x1b[31m\x85\u2028Bcc: eve@evil.example",
    '"Smoke" <eve@evil.example>, ',
    "--=_0123456789abcdef0123456789abcdef--",
]
TYPED = {
    "invitation": ("company_name", "inviter_name"),
    "verification_code": (),
    "case_created": ("title", "product_name", "serial", "site_name", "description", "contact_name", "coverage_level"),
    "case_closed": ("title", "product_name", "serial", "site_name", "closed_by_name", "reason"),
}
LANGUAGES = ("en", "fr")


class _Markup(HTMLParser):
    """The tags and attributes of a page, without its texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, Any]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment", data))


EVERY_TYPED_FACT = [(kind, name) for kind, names in TYPED.items() for name in names]


def test_every_text_fact_is_tried_here() -> None:
    ours = {"number", "outcome", "coverage", "coverage_until"}
    texts = {kind: {name for name, fact in FACTS[kind].items() if isinstance(fact, str)} - ours for kind in KINDS}
    assert texts == {kind: set(names) for kind, names in TYPED.items()}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [kind for kind, names in TYPED.items() if names])
def test_no_text_becomes_markup(kind: MailKind, language: str) -> None:
    reader = a_reader(language=language)
    plain = _Markup(html_of(received(a_mail(kind), reader))).found
    for payload in MARKUP:
        typed = {fact: f"{payload}-{fact}" for fact in TYPED[kind]}
        hostile = received(a_mail(kind, typed), reader)
        assert _Markup(html_of(hostile)).found == plain, payload
        assert [text for text in typed.values() if text not in text_of(hostile)] == []


@pytest.mark.parametrize(("kind", "fact"), [*EVERY_TYPED_FACT, *((kind, "name") for kind in KINDS)])
def test_no_text_becomes_a_header_or_a_body(kind: MailKind, fact: str) -> None:
    plain = received(a_mail(kind))
    for payload in HEADERS:
        hostile = received(a_mail(kind, name=payload) if fact == "name" else a_mail(kind, {fact: payload}))
        assert hostile.keys() == plain.keys(), payload
        assert _types_of(hostile) == _types_of(plain), payload
        assert [address.addr_spec for address in hostile["To"].addresses] == ["ana@example.com"]


def _types_of(message: EmailMessage) -> list[str]:
    return [part.get_content_type() for part in message.walk()]


@pytest.mark.parametrize("kind", CASE_MAILS)
def test_no_line_is_longer_than_mail_servers_take(kind: MailKind) -> None:
    long = dict.fromkeys(TYPED[kind], "a" * 2000)
    # As long as a title and a name may be, in letters that take most bytes.
    longest = [("é" * 120, "é" * 201), ("a" * 120, "n" * 201), ("🔥" * 120, f"{'🔥' * 100} {'👩‍👩‍👧' * 20}")]
    for title, name in longest:
        written = MAILER.render(a_mail(kind, long | {"title": title}, name=name), a_reader())
        assert all(len(line) <= 998 for line in written.split(b"\r\n"))
        to = re.search(rb"^To: (.*?) <ana@example.com>\r\n(?! )", written, re.MULTILINE | re.DOTALL)
        assert to is not None
        assert str(make_header(decode_header(to[1].decode()))) == name


@pytest.mark.parametrize("payload", HEADERS)
def test_the_subject_is_read_as_it_was_typed(payload: str) -> None:
    subject = received(a_mail("case_created", {"title": payload}))["Subject"]
    seen = " ".join("".join(c if c.isprintable() else " " for c in payload).split())
    assert subject == f"[1000000009] {seen}"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", TYPED)
def test_nothing_that_a_member_typed_stands_in_the_subject_of_a_mail_to_a_stranger(
    kind: MailKind, language: str
) -> None:
    typed = {fact: f"https://phish.example/{fact}" for fact in TYPED[kind]}
    for outcome in ("closed", "cancelled"):
        message = received(a_mail(kind, typed | {"outcome": outcome}), a_stranger(language=language))
        assert "phish" not in message["Subject"]
        assert len(message["Subject"]) > 10


@pytest.mark.parametrize("kind", TYPED)
def test_no_address_that_a_member_typed_is_made_a_link(kind: MailKind) -> None:
    typed = {fact: f"https://phish.example/{fact}" for fact in TYPED[kind]}
    tags = _Markup(html_of(received(a_mail(kind, typed), a_stranger()))).found
    assert "phish" not in str(tags)


def test_ids_and_links_stay_whole_however_long_the_portals_name_is() -> None:
    mailer = type(MAILER)(
        mail_from="Portico <portico@example.com>",
        base_url=f"https://{'support-portal.' * 8}example.com:8443",
        secret_key="a-secret-that-is-long-enough-for-this-0123",
    )
    written = mailer.render(a_mail("case_created"), a_reader())
    headers = written.partition(b"\r\n\r\n")[0].split(b"\r\n")
    for start in (b"References: <case-", b"List-Unsubscribe: <https://support-portal.", b"Message-ID: <0123"):
        (line,) = [line for line in headers if line.startswith(start)]
        assert line.endswith(b">")
