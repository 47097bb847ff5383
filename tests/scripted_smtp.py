"""SMTP servers for tests: one that keeps what it gets and refuses whom it is told to, one that says any bytes."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.local.child import free_port
from deploy.local.waiting import until


@dataclass(frozen=True)
class ReceivedMail:
    """One accepted mail: who the envelope says it is from and to, and the message itself."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        body = self.message.get_body(("plain",))
        return "" if body is None else str(body.get_content())

    @property
    def html(self) -> str:
        body = self.message.get_body(("html",))
        return "" if body is None else str(body.get_content())


@dataclass
class ScriptedSmtp:
    """`answer_recipient("a@b.example", "550 5.1.1 No such user", times=1)`; without a script everything is accepted.

    `mails` holds what was accepted, `tried` every recipient ever named, in order.
    """

    port: int = field(default_factory=free_port)
    options: Mapping[str, Any] = field(default_factory=dict)  # of aiosmtpd's sessions, such as `tls_context`
    tls_from_the_start: ssl.SSLContext | None = None
    mails: list[ReceivedMail] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    reply_delay_s: float = 0.0
    _may_go_on: asyncio.Event = field(default_factory=asyncio.Event)
    _sender_replies: deque[str] = field(default_factory=deque)
    _recipient_replies: dict[str, deque[str]] = field(default_factory=dict)
    _data_replies: deque[str] = field(default_factory=deque)
    _cuts_after_data: int = 0
    _server: asyncio.Server | None = None
    _sessions: list[SMTP] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._may_go_on.set()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def hold(self) -> None:
        """Answer no RCPT TO until `go_on`."""
        self._may_go_on.clear()

    def go_on(self) -> None:
        """Answer again, those that wait first."""
        self._may_go_on.set()

    async def start(self) -> None:
        """Listen; also again after `stop`, on the same port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._open_session, "127.0.0.1", self.port, ssl=self.tls_from_the_start)

    async def stop(self) -> None:
        """Refuse connections from now on, and cut those that are open."""
        if self._server is None:
            return
        self._server.close()
        self._cut()
        await self._server.wait_closed()
        self._server = None

    def clear(self) -> None:
        """Forget mails and scripts."""
        self.mails.clear()
        self.tried.clear()
        self._sender_replies.clear()
        self._recipient_replies.clear()
        self._data_replies.clear()
        self._cuts_after_data = 0
        self.reply_delay_s = 0.0
        self._may_go_on.set()

    def answer_sender(self, reply: str, *, times: int = 1) -> None:
        """Answer the next `times` MAIL FROM with `reply`; afterwards accept."""
        self._sender_replies.extend([reply] * times)

    def answer_recipient(self, address: str, reply: str, *, times: int = 1_000_000) -> None:
        """Answer RCPT TO for this address with `reply`, `times` times; afterwards accept."""
        self._recipient_replies[address.lower()] = deque([reply] * min(times, 1_000))

    def answer_data(self, reply: str, *, times: int = 1) -> None:
        """Answer the next `times` messages, after their final dot, with `reply` instead of 250."""
        self._data_replies.extend([reply] * times)

    def cut_after_data(self, *, times: int = 1) -> None:
        """Keep the next `times` messages, but drop the connection instead of answering."""
        self._cuts_after_data = times

    def to(self, address: str) -> list[ReceivedMail]:
        """Return the accepted mails to this address, oldest first."""
        return [mail for mail in self.mails if address.lower() in map(str.lower, mail.recipients)]

    async def wait_for(
        self,
        address: str,
        *,
        count: int = 1,
        deadline_s: float = 30.0,
        where: Callable[[ReceivedMail], bool] = lambda _: True,
    ) -> list[ReceivedMail]:
        """Wait until `count` mails to this address have come; the test fails when they do not."""

        def found() -> list[ReceivedMail]:
            return [mail for mail in self.to(address) if where(mail)]

        async def enough() -> bool:
            return len(found()) >= count

        if not await until(enough, deadline_s=deadline_s, pause_s=0.02):
            subjects = [(mail.recipients, mail.subject) for mail in self.mails]
            message = f"{len(found())} of {count} mails to {address} came within {deadline_s:g} s; all: {subjects}"
            raise AssertionError(message)
        return found()

    # The names and signatures below are those that aiosmtpd looks for.

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._sender_replies:
            return self._sender_replies.popleft()
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        await self._may_go_on.wait()
        await asyncio.sleep(self.reply_delay_s)
        self.tried.append(address)
        if replies := self._recipient_replies.get(address.lower()):
            return replies.popleft()
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(self.reply_delay_s)
        if self._data_replies:
            return self._data_replies.popleft()
        self.mails.append(_received(envelope))
        if self._cuts_after_data:
            self._cuts_after_data -= 1
            self._cut()
        return "250 2.0.0 OK"

    def _open_session(self) -> SMTP:
        session = SMTP(self, hostname="smtp.example", enable_SMTPUTF8=True, **self.options)
        self._sessions.append(session)
        return session

    def _cut(self) -> None:
        for session in self._sessions:
            if isinstance(session.transport, asyncio.WriteTransport):
                session.transport.abort()
        self._sessions.clear()


def _received(envelope: Envelope) -> ReceivedMail:
    content = envelope.content or b""
    message = message_from_bytes(content if isinstance(content, bytes) else content.encode(), policy=policy.default)
    if not isinstance(message, EmailMessage):
        raise TypeError(type(message))
    return ReceivedMail(envelope.mail_from or "", tuple(envelope.rcpt_tos), message)


@dataclass
class RawSmtp:
    """An SMTP server that says what the test wants at the step that the test names, byte by byte; else what is usual.

    Steps: connect, ehlo, helo, noop, rset, mail, rcpt, start (DATA was asked for), data (the content has come), quit.
    """

    port: int = field(default_factory=free_port)
    says: dict[str, bytes | None] = field(default_factory=dict)  # None hangs up, b"" stays silent
    asked: list[str] = field(default_factory=list)  # the lines that came
    contents: list[bytes] = field(default_factory=list)
    utf8: bool = True
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._converse, "127.0.0.1", self.port, limit=2**20)

    async def stop(self) -> None:
        """Listen no more; conversations end with their peers."""
        if self._server is not None:
            self._server.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._say(writer, "connect")
            while line := await reader.readline():
                self.asked.append(line.decode(errors="replace").strip())
                step = _STEPS.get(line[:4].decode(errors="replace").upper(), "other")
                said = await self._say(writer, step)
                if step == "start" and said.startswith(b"354"):
                    self.contents.append(await reader.readuntil(b"\r\n.\r\n"))
                    await self._say(writer, "data")
        writer.close()

    async def _say(self, writer: asyncio.StreamWriter, step: str) -> bytes:
        usual = _USUAL.get(step, b"250 2.0.0 OK\r\n")
        if step == "ehlo" and self.utf8:
            usual = b"250-smtp.example\r\n250 SMTPUTF8\r\n"
        said = self.says.get(step, usual)
        if said is None:
            raise ConnectionResetError
        writer.write(said)
        await writer.drain()
        return said


_STEPS = {
    "EHLO": "ehlo",
    "HELO": "helo",
    "NOOP": "noop",
    "RSET": "rset",
    "MAIL": "mail",
    "RCPT": "rcpt",
    "DATA": "start",
    "QUIT": "quit",
}
_USUAL = {
    "connect": b"220 smtp.example ESMTP\r\n",
    "start": b"354 Go on\r\n",
    "quit": b"221 2.0.0 Bye\r\n",
    "other": b"502 5.5.2 What?\r\n",
}
