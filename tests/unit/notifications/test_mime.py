"""How a mail is written, held against Python's own `email` package: it reads what we write as what it writes itself."""

import random
from collections.abc import Iterator
from email import message_from_bytes, message_from_string, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr

import pytest

from services.notifications import mime

BOUNDARY = "=_0123456789abcdef"
ALPHABETS = {
    "plain": "ab cd ef, gh; ij. k-l",
    "accents": "é à ü ñabc d",
    "emoji": "🔥 👩‍👩‍👧 a b",
    "right to left": "דגמ خان 3 a",
    "CJK": "煙機械、 1",
    "encoded words": "=?utf-8?q?=0D=0A?= _",
    "signs": "\"<>@,:;()[]\\%'=?_",
}
LINES = (
    ".",
    "..",
    ".hidden",
    "-- ",
    "ends in a tab\t",
    " \t ",
    "From here on",
    f"--{BOUNDARY}--",
    "=3D=",
    "a=\r",
    "x" * 2000,
    "é" * 500,
    "🔥" * 300,
    "\u2028\u2029\x85",
    *(f"a{chr(code)}b" for code in range(32)),
    "\x7f\x80\x9f",
)


def _read(written: bytes) -> EmailMessage:
    message = message_from_bytes(written, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def _contents(message: EmailMessage) -> list[tuple[str, str]]:
    return [(part.get_content_type(), part.get_content()) for part in message.iter_parts()]


def _written(*header: str, text: str = "Hello", html: str = "<p>Hello</p>") -> bytes:
    return mime.write(header, text=text, html=html, boundary=BOUNDARY)


def _by_python(text: str, html: str) -> EmailMessage:
    message = EmailMessage(policy=policy.SMTP)
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    return _read(message.as_bytes())


def _texts(alphabet: str, longest: int) -> Iterator[str]:
    chance = random.Random(4711)  # the same texts each time
    for length in range(1, longest + 1):
        yield "".join(chance.choices(alphabet, k=length))


def _names(line: str) -> list[str]:
    return message_from_string(line + "\r\nHello").keys()


def _decoded(value: str) -> str:
    # Unfolded, and by the older reader: the newer one puts blanks between the encoded words of a name, or loses them.
    return str(make_header(decode_header(value.replace("\r\n", ""))))


@pytest.mark.parametrize("alphabet", ALPHABETS.values(), ids=ALPHABETS)
def test_a_subject_of_every_length_is_read_as_it_was_written(alphabet: str) -> None:
    for text in _texts(alphabet, 250):
        line = mime.text_line("Subject", text)
        assert _names(line) == ["Subject"]
        assert _decoded(line.removeprefix("Subject: ")).strip() == mime.one_line(text)
        assert "=?" not in line or all(len(each) <= 78 for each in line.split("\r\n"))
        assert line.isascii()


@pytest.mark.parametrize("text", ["It smokes", "Ça fume — 煙 🔥", "", "é" * 120, "It smokes " * 12])
def test_a_subject_is_read_as_the_one_that_python_writes(text: str) -> None:
    message = EmailMessage(policy=policy.SMTP)
    message["Subject"] = text
    expected = _read(message.as_bytes())["Subject"]
    assert _read(_written(mime.text_line("Subject", text)))["Subject"] == expected.strip()


@pytest.mark.parametrize("address", ["ana@example.com", "jörg@example.com", "ana@xn--bcher-kva.example"])
@pytest.mark.parametrize("alphabet", ALPHABETS.values(), ids=ALPHABETS)
def test_a_name_of_every_length_stands_beside_its_address(alphabet: str, address: str) -> None:
    for name in _texts(alphabet, 201):
        line = mime.mailbox_line("To", name, address)
        assert _names(line) == ["To"]
        read_name, read_address = parseaddr(line.removeprefix("To: "))
        assert (_decoded(read_name), read_address) == (mime.one_line(name), address)
        assert "=?" not in line or all(len(each) <= 120 for each in line.split("\r\n"))


@pytest.mark.parametrize("code", [*range(32), 0x7F, 0x85, 0x2028])
def test_no_control_character_of_a_text_stands_in_the_header(code: int) -> None:
    text = f"Smoke{chr(code)}Bcc: eve@evil.example"
    for line in (mime.text_line("Subject", text), mime.mailbox_line("Subject", text, "ana@example.com")):
        assert _read(_written(line)).keys() == ["Subject", "MIME-Version", "Content-Type"]
        assert all(letter.isprintable() for letter in line.replace("\r\n", ""))


@pytest.mark.parametrize("value", ["a\r\nBcc: eve@evil.example", "a\nb", "a\rb", "a\r\n b", "a\0b"])
def test_what_is_sent_as_it_is_must_be_one_line(value: str) -> None:
    with pytest.raises(ValueError, match="Message-ID"):
        mime.line("Message-ID", value)
    for owner in ("", "Ana", "Zoë"):
        with pytest.raises(ValueError, match="To"):
            mime.mailbox_line("To", owner, f"ana@example.com{value}")


def test_letters_beyond_ascii_are_in_no_line_that_is_not_encoded() -> None:
    with pytest.raises(ValueError, match="X-Request-Id"):
        mime.line("X-Request-Id", "é")


def test_every_line_of_a_text_is_read_as_python_reads_its_own() -> None:
    text = "\n".join(LINES)
    assert _contents(_read(_written(text=text, html=f"<p>{text}</p>"))) == _contents(_by_python(text, f"<p>{text}</p>"))


def test_texts_by_chance_are_read_as_python_reads_its_own() -> None:
    chance = random.Random(4712)  # the same texts each time
    for _ in range(300):
        text, html = ("".join(chance.choices(("\n", " ", *LINES, *"abc=.é"), k=chance.randrange(30))) for _ in range(2))
        assert _contents(_read(_written(text=text, html=html))) == _contents(_by_python(text, html))


def test_a_mail_is_ascii_in_short_lines_that_end_with_cr_and_lf() -> None:
    text = "\n".join(LINES)
    written = _written(mime.text_line("Subject", "é"), text=text, html=text)
    *lines, last = written.split(b"\r\n")
    assert last == b""
    assert all(len(line) <= 76 and line.isascii() and b"\r" not in line and b"\n" not in line for line in lines)
    assert not any(line.endswith((b" ", b"\t")) for line in lines)


def test_no_text_can_end_its_part() -> None:
    text = f"one\r\n--{BOUNDARY}--\r\n--{BOUNDARY}\r\nContent-Type: text/html\r\n\r\n<b>two</b>"
    assert [kind for kind, _ in _contents(_read(_written(text=text, html=text)))] == ["text/plain", "text/html"]
