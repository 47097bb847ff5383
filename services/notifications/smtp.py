"""A pool of SMTP connections, and how one mail is sent over one of them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from aiosmtplib import SMTP, SMTPException, SMTPHeloError, SMTPResponseException, SMTPServerDisconnected
from aiosmtplib.response import SMTPResponse

from services.notifications.domain.delivery import (
    Outcome,
    Stage,
    is_accepted,
    is_refusal,
    outcome_of_lost_connection,
    outcome_of_refusal,
    outcome_of_stumble,
    outcome_of_success,
)
from services.notifications.tls import Tls, context_of, explained

_TIMEOUT_S = 20.0
# Servers scan for viruses before they answer to the content; a client that hangs up meanwhile sends the mail twice.
_CONTENT_TIMEOUT_S = 120.0
_START_INPUT = 354
_QUIT_TIMEOUT_S = 2.0
_SMTP_PORT = 25
_SMTPS_PORT = 465
# As aiosmtplib has it: None is for where it is offered.
_START_TLS = {Tls.NONE: False, Tls.OPPORTUNISTIC: None, Tls.REQUIRED: True}


class MailServerUnavailable(Exception):
    """No connection, no greeting, or no permission to send. The text says why, for the operator."""


class MailServer:
    """Greeted connections to one SMTP server; each carries one mail at a time."""

    def __init__(self, url: str, *, own_host: str, tls: Tls = Tls.OPPORTUNISTIC, authority: str = "") -> None:
        """`smtp://[user:password@]host[:port]`, with STARTTLS by `tls`, or `smtps://` for TLS from the first byte."""
        parts = urlsplit(url)
        self._use_tls = parts.scheme == "smtps"
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (_SMTPS_PORT if self._use_tls else _SMTP_PORT)
        self._username = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._own_host = own_host
        self._start_tls = False if self._use_tls else _START_TLS[tls]
        self._tls_context = context_of(tls, authority=authority)
        self._idle: list[SMTP] = []

    @property
    def name(self) -> str:
        """Where it is, without the password."""
        return f"{self._host}:{self._port}"

    async def take(self) -> SMTP:
        """A connection on which the server answered a moment ago; MailServerUnavailable when there is none."""
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.noop()
            except Exception:  # noqa: BLE001  # whatever it is: there are other connections
                connection.close()
            else:
                if _is_in_step(connection):
                    return connection
                connection.close()
        return await self._connect()

    def give_back(self, connection: SMTP) -> None:
        """For the next mail; one that broke is forgotten."""
        if is_usable(connection):
            self._idle.append(connection)
        else:
            connection.close()

    async def close(self) -> None:
        """Closes every idle connection."""
        for connection in self._idle:
            with suppress(Exception):
                await connection.quit(timeout=_QUIT_TIMEOUT_S)
            connection.close()
        self._idle.clear()

    async def _connect(self) -> SMTP:
        connection = SMTP(
            hostname=self._host,
            port=self._port,
            use_tls=self._use_tls,
            start_tls=self._start_tls,
            tls_context=self._tls_context,
            username=self._username,
            password=self._password,
            local_hostname=self._own_host,
            timeout=_TIMEOUT_S,
        )
        try:
            await connection.connect()
            await _greet(connection)
        except asyncio.CancelledError:
            connection.close()
            raise
        except Exception as error:
            # Not only the library's own errors: a challenge that is no base64, or a wrong host name, raises others.
            # All of them are about the connection, and no mail has been tried.
            connection.close()
            raise MailServerUnavailable(explained(error, from_the_start=self._use_tls)) from error
        return connection


async def _greet(connection: SMTP) -> None:
    try:
        await connection.ehlo()
    except SMTPHeloError:
        await connection.helo()  # an old server without extensions


def is_usable(connection: SMTP) -> bool:
    """Whether the next mail can go over it."""
    return connection.is_connected and _is_in_step(connection)


def _is_in_step(connection: SMTP) -> bool:
    """Whether the server has sent no answer too many: that one would be taken for the answer to the next command."""
    return connection.protocol is not None and not connection.protocol._buffer  # noqa: SLF001  # there is no public way


async def send(connection: SMTP, content: bytes, *, sender: str, recipient: str) -> Outcome:
    """One mail to one recipient. Never raises, but when it is cancelled: every answer, or none, is an outcome.

    The lines of `content` end with CR and LF, the last one too.
    """
    utf8 = not recipient.isascii()
    if utf8 and not connection.supports_extension("smtputf8"):
        return outcome_of_refusal(
            Stage.RECIPIENT, 553, "5.6.7 The mail server takes no address with letters beyond ASCII."
        )
    stage = Stage.SENDER
    try:
        # The library's own functions parse each address once more, which takes as long as to send it.
        await _ask(connection, f"MAIL FROM:<{sender}>{' SMTPUTF8' if utf8 else ''}", is_accepted)
        stage = Stage.RECIPIENT
        await _ask(connection, f"RCPT TO:<{recipient}>", is_accepted)
        stage = Stage.START
        await _ask(connection, "DATA", lambda code: code == _START_INPUT)
        stage = Stage.DATA
        response = await _send_content(connection, content)
    except SMTPResponseException as error:
        await _reset(connection, error.code)
        return outcome_of_refusal(stage, error.code, error.message)
    except (SMTPException, OSError) as error:
        connection.close()
        return outcome_of_lost_connection(stage, f"{type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001  # a value that the library refuses, an answer that it cannot read
        connection.close()
        return outcome_of_stumble(stage, error)
    except BaseException:
        # Cancelled in the middle: whatever this connection answers next, it is not about the next mail.
        connection.close()
        raise
    return outcome_of_success(response.code, response.message)


async def _ask(connection: SMTP, command: str, is_right: Callable[[int], bool]) -> None:
    response = await connection.execute_command(command.encode())
    if not is_right(response.code):
        raise SMTPResponseException(response.code, response.message)
    if not _is_in_step(connection):
        raise SMTPServerDisconnected("The server sent an answer that was not asked for.")


async def _send_content(connection: SMTP, content: bytes) -> SMTPResponse:
    """Sends the content by itself: so a refusal before it differs from one after it, and it has its own deadline."""
    if connection.protocol is None:
        raise SMTPServerDisconnected("Connection lost")
    connection.protocol.write(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
    response = await connection.protocol.read_response(timeout=_CONTENT_TIMEOUT_S)
    if not is_accepted(response.code):
        raise SMTPResponseException(response.code, response.message)
    return response


async def _reset(connection: SMTP, code: int) -> None:
    """Makes the connection ready for the next mail, unless the server is out of step or about to hang up."""
    if is_refusal(code) and _is_in_step(connection):
        with suppress(Exception):
            await connection.rset()
            return
    connection.close()
