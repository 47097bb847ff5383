"""Writes an e-mail as the bytes that go to the server: the lines of its header, a plain text, and the same as HTML.

Python's `email.message` takes more than ten times as long. It also reads `=?utf-8?q?=0D=0ABcc:…?=` in a value as an
encoded word, and writes what it decodes to: a case's title could so become headers and a body of its own. And it
encodes ids and links that are longer than a line, which no program decodes. Here a text is always text, and an id is
never folded.
"""

import re
from binascii import b2a_qp
from collections.abc import Iterable
from email.header import Header
from email.utils import formataddr
from functools import lru_cache
from unicodedata import category

_END = "\r\n"
_BREAKS = re.compile("[\r\n\0]")
_ENCODED_WORD = "=?"
_ANY = "any@example.com"
_LONGEST_LINE = 76  # of a text; RFC 2047 says so for encoded words


def one_line(text: str) -> str:
    """Without line breaks and other control characters: each run of them and of blanks is one blank."""
    text = text.strip()  # the line end of a template
    if text.isprintable():  # as nearly every text is; of blanks, only the plain one is printable
        return " ".join(text.split())
    return " ".join("".join(" " if category(letter) == "Cc" else letter for letter in text).split())


def line(name: str, value: str) -> str:
    """A line of the header, as it is. Raises ValueError for what is more than one line, or not ASCII."""
    if not value.isascii() or _BREAKS.search(value):
        raise ValueError(name)
    return f"{name}: {value}{_END}"


@lru_cache(maxsize=1024)  # the mails of an event have one subject
def text_line(name: str, text: str) -> str:
    """A text that people read: encoded where it has letters beyond ASCII, or looks as if it were encoded already."""
    text = one_line(text)
    is_plain = _is_plain(text)
    if is_plain and len(name) + len(": ") + len(text) <= _LONGEST_LINE:
        return line(name, text)
    return f"{name}: {Header(text, 'us-ascii' if is_plain else 'utf-8', header_name=name).encode(linesep=_END)}{_END}"


@lru_cache(maxsize=1024)
def mailbox_line(name: str, owner: str, address: str) -> str:
    """An address, in UTF-8 if need be, with the name of its owner. Raises ValueError for more than one line."""
    if _BREAKS.search(address):
        raise ValueError(name)
    owner = one_line(owner)
    if not owner:
        mailbox = address
    elif _is_plain(owner):
        # The name alone: Python accepts no address with letters beyond ASCII.
        mailbox = formataddr((owner, _ANY)).removesuffix(f"<{_ANY}>") + f"<{address}>"
    else:
        # Its encoded words are on lines of their own: no server takes a longer line.
        mailbox = f"{Header(owner, 'utf-8', header_name=name).encode(linesep=_END)} <{address}>"
    return f"{name}: {mailbox}{_END}"


def write(header: Iterable[str], *, text: str, html: str, boundary: str) -> bytes:
    """The whole mail. Every line ends with CR and LF; those of the body have at most 76 characters.

    `boundary` has to begin with `=_`, which cannot stand in quoted-printable text: so no text can end its part.
    """
    kind = f'Content-Type: multipart/alternative;{_END} boundary="{boundary}"{_END}'
    head = "".join((*header, line("MIME-Version", "1.0"), kind))
    between = f"{_END}--{boundary}"
    return b"".join(
        (
            f"{head}{between}{_END}".encode(),
            _part("plain", text),
            f"{between}{_END}".encode(),
            _part("html", html),
            f"{between}--{_END}".encode(),
        )
    )


def _part(kind: str, text: str) -> bytes:
    head = (
        line("Content-Type", f'text/{kind}; charset="utf-8"')
        + line("Content-Transfer-Encoding", "quoted-printable")
        + _END
    )
    return head.encode() + b"".join(map(_quoted, text.encode().splitlines() or [b""]))


@lru_cache(maxsize=1024)  # most lines stand in each mail
def _quoted(line: bytes) -> bytes:
    return b2a_qp(line + b"\n", istext=True).replace(b"\n", b"\r\n")


def _is_plain(text: str) -> bool:
    return text.isascii() and _ENCODED_WORD not in text
