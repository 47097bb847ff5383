"""The operator's commands, and the process itself."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from deploy.local.child import free_port
from services.identity import commands
from services.identity.domain.companies import VENDOR_ID
from shared import mongo
from shared.actor import Role
from tests.builders import MONGO_DRIVER, TEST_SECRET, UNREACHABLE_BROKER, an_actor, an_email
from tests.client import CheckedResponse
from tests.service.identity.conftest import PASSWORD, IdentityApi


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    exit_code: int
    out: str
    err: str


async def started(environment: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.identity", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "MONGO_DRIVER": MONGO_DRIVER, **environment},
    )


async def ended(environment: dict[str, str], *arguments: str) -> Done:
    """A process of its own, as an operator has it."""
    process = await started(environment, *arguments)
    out, err = await process.communicate(f"{PASSWORD}\n".encode())
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())


Command = Callable[..., Awaitable[Done]]


@pytest.fixture
def command(mongo_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The same in this process, one at a time: that a process imports takes longer than what most of them do."""
    for name in ("MONGO_URL_FILE", "PORTICO_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MONGO_URL", mongo_url)
    monkeypatch.setenv("MONGO_DRIVER", MONGO_DRIVER)

    async def done(*arguments: str, password: str = PASSWORD) -> Done:
        monkeypatch.setattr(sys, "stdin", StringIO(f"{password}\n"))
        capsys.readouterr()
        exit_code = await asyncio.to_thread(_run, arguments)
        return Done(exit_code, *capsys.readouterr())

    return done


def _run(arguments: Sequence[str]) -> int:
    try:
        return commands.run(arguments)
    except SystemExit as end:
        return int(end.code or 0)


async def test_the_first_vendor_admin_is_made_by_one_command(identity: IdentityApi, mongo_url: str) -> None:
    email = an_email("vendor")
    done = await ended({"MONGO_URL": mongo_url}, "create-vendor-admin", "--email", email.upper())
    assert (done.exit_code, done.err) == (0, "")
    assert PASSWORD not in done.out
    signed_in = await identity.sign_in(email)
    assert (signed_in.status, signed_in.body["user"]["role"]) == (201, "vendor_admin")
    vendor = await identity.document("companies", VENDOR_ID)
    assert (vendor["kind"], signed_in.body["user"]["company_id"]) == ("vendor", str(VENDOR_ID))
    assert signed_in.body["user"]["id"] in [str(user_id) for user_id in vendor["admin_ids"]]
    [said] = await identity.said("users", signed_in.body["user"]["id"])
    assert (said["role"], said["company_id"]) == ("vendor_admin", str(VENDOR_ID))


async def test_the_first_vendor_admin_may_have_an_address_of_an_intranet(
    identity: IdentityApi, command: Command
) -> None:
    email = f"admin-{uuid4().hex}@firma.local"
    assert (await command("create-vendor-admin", "--email", email)).exit_code == 0
    assert (await identity.sign_in(email)).status == 201


async def test_two_commands_at_once_make_one_vendor(identity: IdentityApi, mongo_url: str) -> None:
    emails = [an_email("vendor") for _ in range(2)]
    done = await asyncio.gather(
        *(ended({"MONGO_URL": mongo_url}, "create-vendor-admin", "--email", email) for email in emails)
    )
    assert [each.exit_code for each in done] == [0, 0], done
    assert await identity.db["companies"].count_documents({"kind": "vendor"}) == 1


async def test_the_vendor_is_never_listed(identity: IdentityApi, command: Command) -> None:
    await command("create-vendor-admin", "--email", an_email("vendor"))
    wanted = {"invitations": [{"email": an_email()}]}
    answers = [
        await identity.call("GET", f"/vendor/companies/{VENDOR_ID}", by=an_actor(Role.VENDOR_ADMIN)),
        await identity.post(f"/vendor/companies/{VENDOR_ID}/invitations", wanted, by=an_actor(Role.VENDOR_ADMIN)),
    ]
    assert [answer.status for answer in answers] == [404, 404]


async def test_an_existing_address_is_said_clearly(command: Command) -> None:
    arguments = ("create-vendor-admin", "--email", an_email("vendor"))
    assert (await command(*arguments)).exit_code == 0
    again = await command(*arguments)
    assert (again.exit_code, again.out) == (1, "")
    assert "already" in again.err
    assert (await command(*arguments, "--if-missing")).exit_code == 0


@pytest.mark.parametrize(("password", "said"), [("short", "10 characters"), ("password1234", "easy to guess")])
async def test_a_weak_password_is_refused(command: Command, password: str, said: str) -> None:
    arguments = ("create-vendor-admin", "--email", an_email("vendor"))
    done = await command(*arguments, password=password)
    assert done.exit_code == 1
    assert said in done.err


async def test_a_bad_address_is_named(command: Command) -> None:
    done = await command("create-vendor-admin", "--email", "nobody")
    assert (done.exit_code, "email" in done.err, PASSWORD in done.err) == (1, True, False)


async def test_a_vendors_name_that_nobody_sees_is_refused_and_named(command: Command) -> None:
    done = await command("create-vendor-admin", "--email", an_email(), "--vendor-name", "\u200b\u3164")
    assert (done.exit_code, done.out) == (1, "")
    assert "vendor_name" in done.err


async def test_an_operator_makes_users_of_a_company(identity: IdentityApi, command: Command) -> None:
    company, email = await identity.a_company(), an_email()
    names = ("--first-name", "Luc", "--last-name", "Petit")
    arguments = ("create-user", "--company-id", company["id"], "--email", email, *names)
    done = await command(*arguments, "--role", "case_manager")
    assert done.exit_code == 0, done.err
    user = (await identity.sign_in(email)).body["user"]
    assert (user["name"], user["role"], user["company_id"]) == ("Luc Petit", "case_manager", company["id"])


async def test_no_company_has_users_of_the_vendors_roles(identity: IdentityApi, command: Command) -> None:
    company, email = await identity.a_company(), an_email()
    names = ("--first-name", "Luc", "--last-name", "Petit")
    arguments = ("create-user", "--company-id", company["id"], "--email", email, *names)
    done = await command(*arguments, "--role", Role.VENDOR_ADMIN.value)
    assert (done.exit_code, await identity.db["logins"].count_documents({"email": email})) == (1, 0)


async def test_a_company_that_is_not_there_has_no_users(command: Command) -> None:
    nowhere = ("--company-id", "5c3e1f8e-0000-4000-8000-000000000000")
    names = ("--first-name", "Luc", "--last-name", "Petit")
    done = await command("create-user", *nowhere, "--email", an_email(), *names)
    assert (done.exit_code, "no company" in done.err) == (1, True)


async def test_the_commands_find_the_local_stack_by_themselves(
    identity: IdentityApi, command: Command, mongo_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stack.env").write_text(f"# written by make run\nMONGO_URL={mongo_url}\n", encoding="utf-8")
    monkeypatch.delenv("MONGO_URL")
    monkeypatch.setenv("PORTICO_DATA_DIR", str(tmp_path))
    email = an_email("vendor")
    done = await command("create-vendor-admin", "--email", email)
    assert done.exit_code == 0, done.err
    assert (await identity.sign_in(email)).status == 201


async def test_a_command_says_that_the_database_is_away(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGO_URL", "mongodb://127.0.0.1:1/?replicaSet=rs0")
    monkeypatch.setattr(mongo, "_DEADLINE_S", 0.5)
    done = await command("create-vendor-admin", "--email", an_email("vendor"))
    assert (done.exit_code, "database cannot be reached" in done.err) == (1, True)


async def test_the_service_starts_without_its_broker_and_stops_when_told(mongo_url: str) -> None:
    port = free_port()
    environment = {
        "MONGO_URL": mongo_url,
        "RABBITMQ_URL": UNREACHABLE_BROKER,
        "PORTICO_SECRET_KEY": TEST_SECRET,
        "IDENTITY_PORT": str(port),
    }
    process = await started(environment)
    try:
        await asyncio.wait_for(until_ready(f"http://127.0.0.1:{port}/readyz"), 60)
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0


async def until_ready(url: str) -> None:
    async with aiohttp.ClientSession(response_class=CheckedResponse) as http:
        while True:
            try:
                async with http.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)


async def test_a_missing_secret_stops_the_start_and_is_named(mongo_url: str) -> None:
    done = await ended({"MONGO_URL": mongo_url})
    assert (done.exit_code, "PORTICO_SECRET_KEY" in done.err) == (2, True)
