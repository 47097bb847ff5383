"""SMTP connections that are kept alive and used again, and one mail over one of them."""

import asyncio
from contextlib import suppress
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from services.notifications.domain import (
    Outcome,
    Stage,
    outcome_of_lost_connection,
    outcome_of_refusal,
    outcome_of_success,
)

_TIMEOUT_S = 20.0
_QUIT_TIMEOUT_S = 2.0
_SMTP_PORT = 25
_SMTPS_PORT = 465


class MailServerAway(Exception):
    """No connection, no greeting, or no permission to send."""


class MailServer:
    """Greeted connections to one SMTP server; each carries one mail at a time."""

    def __init__(self, url: str, *, own_host: str) -> None:
        """`smtp://[user:password@]host[:port]`, or `smtps://` for TLS from the first byte."""
        parts = urlsplit(url)
        self._use_tls = parts.scheme == "smtps"
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (_SMTPS_PORT if self._use_tls else _SMTP_PORT)
        self._username = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._own_host = own_host
        self._idle: list[SMTP] = []

    async def take(self) -> SMTP:
        """A connection on which the server has answered a moment ago; MailServerAway when there is none to be had."""
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.noop()
            except (SMTPException, OSError):
                connection.close()
            else:
                return connection
        return await self._connect()

    def give_back(self, connection: SMTP) -> None:
        """For the next mail; one that broke is forgotten."""
        if connection.is_connected:
            self._idle.append(connection)

    async def close(self) -> None:
        """Says goodbye on every idle connection."""
        for connection in self._idle:
            with suppress(SMTPException, OSError):
                await connection.quit(timeout=_QUIT_TIMEOUT_S)
            connection.close()
        self._idle.clear()

    async def _connect(self) -> SMTP:
        connection = SMTP(
            hostname=self._host,
            port=self._port,
            use_tls=self._use_tls,
            username=self._username,
            password=self._password,
            local_hostname=self._own_host,
            timeout=_TIMEOUT_S,
        )
        try:
            await connection.connect()
            await connection.ehlo()
        except (SMTPException, OSError) as error:
            connection.close()
            raise MailServerAway(type(error).__name__) from error
        except asyncio.CancelledError:
            connection.close()
            raise
        return connection


async def send(connection: SMTP, message: EmailMessage, *, sender: str, recipient: str) -> Outcome:
    """One mail to one recipient. Never raises for what the server does: every answer, or none, is an outcome."""
    utf8 = not recipient.isascii()
    encoding = "utf-8" if utf8 else "ascii"
    if utf8 and not connection.supports_extension("smtputf8"):
        return outcome_of_refusal(
            Stage.RECIPIENT, 553, "5.6.7 The mail server takes no address with letters beyond ASCII."
        )
    stage = Stage.SENDER
    try:
        await connection.mail(sender, options=["SMTPUTF8"] if utf8 else [], encoding=encoding)
        stage = Stage.RECIPIENT
        await connection.rcpt(recipient, encoding=encoding)
        stage = Stage.DATA
        response = await connection.data(message.as_bytes())
    except SMTPResponseException as error:
        await _reset(connection)
        return outcome_of_refusal(stage, error.code, error.message)
    except (SMTPException, OSError) as error:
        connection.close()
        return outcome_of_lost_connection(stage, f"{type(error).__name__}: {error}")
    except BaseException:
        # Cancelled in the middle: whatever this connection answers next, it is not about the next mail.
        connection.close()
        raise
    return outcome_of_success(response.code, response.message)


async def _reset(connection: SMTP) -> None:
    try:
        await connection.rset()
    except (SMTPException, OSError):
        connection.close()
