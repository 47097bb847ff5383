"""TLS to the mail server: what each setting sends to whom, and what the operator reads when nothing is sent."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult
from uuid_utils.compat import uuid7

from deploy.local.waiting import until
from services.notifications import smtp
from services.notifications.consumers import SUBSCRIPTIONS
from services.notifications.mailer import Mailer
from services.notifications.pace import Pace
from services.notifications.sender import Sender
from services.notifications.smtp import MailServer, MailServerUnavailable
from services.notifications.tls import Tls
from shared.logging import set_up
from shared.mongo import Database
from tests.builders import TEST_SECRET, an_email
from tests.certificates import Authority
from tests.events import hear
from tests.logged import Logged
from tests.scripted_smtp import RawSmtp, ScriptedSmtp
from tests.service.notifications.conftest import a_created_case, stranger

PASSWORD = "correct-horse"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@asynccontextmanager
async def a_server(**options: Any) -> AsyncIterator[ScriptedSmtp]:
    """A server whose certificates are for localhost; `options` as aiosmtpd has them."""
    server = ScriptedSmtp(tls_from_the_start=options.pop("tls_from_the_start", None), options=options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def _client(server: ScriptedSmtp | RawSmtp, *, scheme: str = "smtp", user: str = "", **settings: Any) -> MailServer:
    return MailServer(f"{scheme}://{user}localhost:{server.port}", own_host="portal.example", **settings)


async def _is_secret(client: MailServer) -> bool:
    connection = await client.take()
    try:
        return connection.get_transport_info("sslcontext") is not None
    finally:
        connection.close()


async def _reason(client: MailServer) -> str:
    """Why there is no connection."""
    with pytest.raises(MailServerUnavailable) as raised:
        await client.take()
    return str(raised.value)


async def test_opportunistic_takes_starttls_where_it_is_offered_whoever_signed_the_certificate(
    authority: Authority,
) -> None:
    async with a_server(tls_context=authority.itself()) as server:
        assert await _is_secret(_client(server, tls=Tls.OPPORTUNISTIC))
    async with a_server() as server:
        assert not await _is_secret(_client(server, tls=Tls.OPPORTUNISTIC))


async def test_none_stays_in_the_clear_although_starttls_is_offered(authority: Authority) -> None:
    async with a_server(tls_context=authority.itself()) as server:
        assert not await _is_secret(_client(server, tls=Tls.NONE))


async def test_required_takes_a_certificate_of_the_own_authority(authority: Authority) -> None:
    settings = {"tls": Tls.REQUIRED, "authority": f"Notre autorité à nous\n{authority.certificate}"}
    async with a_server(tls_context=authority.server()) as server:
        assert await _is_secret(_client(server, **settings))
    async with a_server(tls_from_the_start=authority.server()) as server:
        assert await _is_secret(_client(server, scheme="smtps", **settings))


async def test_a_self_signed_certificate_can_be_named_itself(authority: Authority, tmp_path: Path) -> None:
    alone = Authority(tmp_path, "localhost")
    async with a_server(tls_context=alone.itself()) as server:
        trusted = authority.certificate + alone.certificate
        assert await _is_secret(_client(server, tls=Tls.REQUIRED, authority=trusted))


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_certificate_that_is_not_valid_is_refused_with_its_reason(authority: Authority, scheme: str) -> None:
    trusted = authority.certificate
    for context, trusting, reason in (
        (authority.itself(), "", "certificate verify failed: self-signed certificate. Let PORTICO_SMTP_CA_FILE"),
        (authority.server(), "", "certificate verify failed: unable to get local issuer certificate. Let PORTICO_"),
        (authority.server(expired=True), trusted, "certificate verify failed: certificate has expired. The mail"),
        (authority.server("mail.example"), trusted, "certificate verify failed: Hostname mismatch"),
    ):
        options = {"tls_context": context} if scheme == "smtp" else {"tls_from_the_start": context}
        async with a_server(**options) as server:
            said = await _reason(_client(server, scheme=scheme, tls=Tls.REQUIRED, authority=trusting))
        assert said.startswith(reason)


async def test_where_starttls_is_taken_away_required_sends_neither_password_nor_mail() -> None:
    server = RawSmtp()
    server.says = {"ehlo": b"250-smtp.example\r\n250 AUTH PLAIN LOGIN\r\n"}
    await server.start()
    reason = await _reason(_client(server, user=f"ana:{PASSWORD}@", tls=Tls.REQUIRED))
    await server.stop()
    assert reason.startswith("SMTPException: SMTP STARTTLS extension not supported by server. In a network that you")
    assert [line.split()[0] for line in server.asked] == ["EHLO"]


async def test_a_certificate_that_is_not_valid_gets_no_password(authority: Authority) -> None:
    asked: list[Any] = []

    def authenticator(*said: Any) -> AuthResult:
        asked.append(said)
        return AuthResult(success=True)

    options = {"authenticator": authenticator, "auth_require_tls": True}
    async with a_server(tls_context=authority.server("mail.example"), **options) as server:
        client = _client(server, user=f"ana:{PASSWORD}@", tls=Tls.REQUIRED, authority=authority.certificate)
        assert "Hostname mismatch" in await _reason(client)
        assert asked == []
    async with a_server(tls_context=authority.server(), **options) as server:
        client = _client(server, user=f"ana:{PASSWORD}@", tls=Tls.REQUIRED, authority=authority.certificate)
        assert await _is_secret(client)
        assert asked != []


async def test_a_refused_sign_in_says_so_and_keeps_the_password_to_itself(authority: Authority) -> None:
    settings = {"user": f"ana:{PASSWORD}@", "tls": Tls.REQUIRED, "authority": authority.certificate}
    context = authority.server()
    async with a_server(
        tls_context=context, authenticator=lambda *_: AuthResult(success=False, handled=False)
    ) as server:
        refused = await _reason(_client(server, **settings))
    assert refused.startswith("535 5.7.8 ")
    assert "does not take the user and the password in PORTICO_SMTP_URL." in refused
    async with a_server(tls_context=context, auth_exclude_mechanism=["LOGIN", "PLAIN"]) as server:
        not_offered = await _reason(_client(server, **settings))
    assert "No suitable authentication method found." in not_offered
    assert PASSWORD not in refused + not_offered


async def test_a_server_that_knows_no_sign_in_says_so() -> None:
    server = RawSmtp()
    await server.start()
    reason = await _reason(_client(server, user=f"ana:{PASSWORD}@", tls=Tls.NONE))
    await server.stop()
    assert reason.startswith("SMTPException: The SMTP AUTH extension is not supported by this server.")
    assert "use the server's port for senders (587)" in reason


async def test_a_port_of_the_other_kind_is_named(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_server() as server:
        said = await _reason(_client(server, scheme="smtps", tls=Tls.REQUIRED))
    assert said.startswith("TLS failed: ")
    assert said.endswith(" Where the server begins without TLS, PORTICO_SMTP_URL begins with smtp://.")
    # Such a server waits for us, as we wait for it.
    monkeypatch.setattr(smtp, "_TIMEOUT_S", 0.5)
    async with a_server(tls_from_the_start=authority.server()) as server:
        said = await _reason(_client(server, tls=Tls.OPPORTUNISTIC))
    assert "PORTICO_SMTP_URL begins with smtps://" in said


async def test_a_server_of_old_tls_is_named_with_the_way_out(authority: Authority) -> None:
    context = authority.server()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    async with a_server(tls_context=context) as server:
        client = _client(server, tls=Tls.OPPORTUNISTIC)
        client._tls_context.maximum_version = ssl.TLSVersion.TLSv1_2
        said = await _reason(client)
    assert said.endswith(" In a network that you trust, PORTICO_SMTP_TLS=none does without.")


async def test_nobody_there_is_named() -> None:
    server = RawSmtp()
    said = await _reason(_client(server))
    assert f"Error connecting to localhost on port {server.port}" in said


async def test_trouble_with_the_server_is_in_the_log_once_and_in_readyz_until_it_is_over(
    ledger: Database, authority: Authority, logged: Logged
) -> None:
    set_up("notifications", "info")
    async with a_server(tls_context=authority.server(expired=True)) as server:
        client = _client(server, tls=Tls.REQUIRED, authority=authority.certificate)
        mailer = Mailer(mail_from="portico@localhost", base_url="http://portal.example", secret_key=TEST_SECRET)
        sender = Sender(mailer, client, pace=Pace(look_every_s=0.01, first_hold_s=0.01, longest_hold_s=0.02))
        emails = [an_email() for _ in range(3)]
        await hear(SUBSCRIPTIONS, ledger, a_created_case(uuid7(), *map(stranger, emails)))

        async def has_tried_often() -> bool:
            return len(server._sessions) >= 5  # a conversation for each try

        task = asyncio.create_task(sender.run(ledger))
        assert await until(has_tried_often, deadline_s=45, pause_s=0.01)
        trouble = await sender.degraded(ledger)
        server.options = {"tls_context": authority.server()}
        for email in emails:
            await server.wait_for(email)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        (told,) = logged.named("mail_server_unavailable")
        assert told["server"] == f"localhost:{server.port}"
        assert told["reason"].startswith("certificate verify failed: certificate has expired.")
        assert trouble == {"mail_server": told["reason"]}
        assert await sender.degraded(ledger) == {}
