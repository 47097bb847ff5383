"""An SMTP server in a process of its own that takes every mail and writes down when each step of it came."""

import argparse
import asyncio
import json
import re
import signal
import time
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

_CASE = re.compile(r"\[(\w+)\]")


@dataclass(frozen=True)
class Taken:
    """A mail that the server answered for, or was about to. Times are seconds since the epoch."""

    to: str
    message_id: str
    subject: str
    text: str  # only of mails that are about no case
    from_at: float  # MAIL FROM came
    taken_at: float  # all of it was here

    @property
    def case_number(self) -> str:
        """The case it is about; empty for none."""
        found = _CASE.match(self.subject)
        return found[1] if found else ""


@dataclass
class _Taking:
    """What aiosmtpd asks for each step."""

    file: Path
    reply_delay_s: float
    _from_at: dict[int, float] = field(default_factory=dict)

    async def handle_MAIL(  # noqa: N802  # aiosmtpd's name
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self._from_at[id(session)] = time.time()
        envelope.mail_from = address
        return "250 2.1.0 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # as above
        mail = _parsed(envelope, from_at=self._from_at[id(session)])
        # Before the answer: what was answered for is in the file.
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(mail.__dict__) + "\n")
        await asyncio.sleep(self.reply_delay_s)
        return "250 2.0.0 Taken"


def _parsed(envelope: Envelope, *, from_at: float) -> Taken:
    content: Any = envelope.content
    message = message_from_bytes(content, policy=policy.default)
    subject = str(message["Subject"])
    assert isinstance(message, EmailMessage)
    body = message.get_body(("plain",))
    return Taken(
        to=envelope.rcpt_tos[0].lower(),
        message_id=str(message["Message-ID"]),
        subject=subject,
        text=str(body.get_content()) if body is not None and not _CASE.match(subject) else "",
        from_at=from_at,
        taken_at=time.time(),
    )


def read_mails(file: Path) -> list[Taken]:
    """All mails that have come so far, oldest first."""
    if not file.exists():
        return []
    whole_lines = file.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
    return [Taken(**json.loads(line)) for line in whole_lines]


async def _run(file: Path, *, port: int, reply_delay_s: float) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    taking = _Taking(file, reply_delay_s)
    await loop.create_server(
        lambda: SMTP(taking, hostname="sink.localhost", enable_SMTPUTF8=True, loop=loop), "127.0.0.1", port
    )
    await stopped.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.faults.sink", description=__doc__)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--reply-delay-ms", type=float, default=0)
    given = parser.parse_args()
    asyncio.run(_run(given.file, port=given.port, reply_delay_s=given.reply_delay_ms / 1000))
