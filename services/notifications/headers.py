"""Headers with text that people typed: encoded here, so that no part of it is read as a header or as a body.

`email.headerregistry` reads `=?utf-8?q?=0D=0ABcc:…?=` in a value as an encoded word, and writes what it decodes to: a
case's title could so become headers and a body of its own. It also encodes ids and links that are longer than a line,
which no program decodes. Here a text is always text, and an id is never folded.
"""

from email.header import Header
from email.headerregistry import BaseHeader, HeaderRegistry
from email.message import EmailMessage, Message
from email.policy import SMTP, SMTPUTF8, EmailPolicy, Policy
from email.utils import formataddr
from typing import Any, ClassVar, Literal
from unicodedata import category

_ENCODED_WORD = "=?"
_ANY = "any@example.com"


def one_line(text: str) -> str:
    """Without line breaks and other control characters: each run of them and of blanks is one blank."""
    return " ".join("".join(" " if category(letter) == "Cc" else letter for letter in text).split())


def mailbox(name: str, address: str) -> str:
    """An address with the name of its owner, as it is sent."""
    name = one_line(name)
    if not name:
        return address
    if name.isascii() and _ENCODED_WORD not in name:
        # The name alone: Python accepts no address with letters beyond ASCII.
        return formataddr((name, _ANY)).removesuffix(f"<{_ANY}>") + f"<{address}>"
    return f"{Header(name, 'utf-8', header_name='From').encode(linesep='')} <{address}>"


class _AsIs(BaseHeader):
    """Is sent as it was set: the code that sets it encodes it."""

    max_count: ClassVar[Literal[1] | None] = 1

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        """Takes the value without parsing it."""
        kwds["parse_tree"] = None
        kwds["decoded"] = value

    def fold(self, *, policy: "Policy[Message[str, str]]") -> str:
        """The header's line."""
        return f"{self.name}: {self}{policy.linesep}"


class _Mailbox(_AsIs):
    """An address, with the encoded words of a long name on lines of their own: no server takes a longer line."""

    def fold(self, *, policy: "Policy[Message[str, str]]") -> str:
        """The header's lines."""
        written = str(self).replace("?= =?", f"?={policy.linesep} =?")
        return f"{self.name}: {written}{policy.linesep}"


class _Text(_AsIs):
    """A text that people read: encoded where it has letters beyond ASCII, or looks as if it were encoded already."""

    def fold(self, *, policy: "Policy[Message[str, str]]") -> str:
        """The header's lines."""
        text = str(self)
        charset = "us-ascii" if text.isascii() and _ENCODED_WORD not in text else "utf-8"
        written = Header(text, charset, header_name=self.name).encode(linesep=policy.linesep)
        return f"{self.name}: {written}{policy.linesep}"


def _policy(base: "EmailPolicy[EmailMessage]") -> "EmailPolicy[EmailMessage]":
    registry = HeaderRegistry()
    registry.map_to_type("subject", _Text)
    for name in ("from", "to"):
        registry.map_to_type(name, _Mailbox)
    for name in ("message-id", "references", "list-unsubscribe", "list-unsubscribe-post", "x-request-id"):
        registry.map_to_type(name, _AsIs)
    return base.clone(header_factory=registry)


_ASCII = _policy(SMTP)
_UTF8 = _policy(SMTPUTF8)


def policy_for(address: str) -> "EmailPolicy[EmailMessage]":
    """How a mail to this address is written: in ASCII, unless the address itself cannot be."""
    return _ASCII if address.isascii() else _UTF8
