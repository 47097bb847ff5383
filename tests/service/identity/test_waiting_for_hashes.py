"""A flood of sign-ins holds up nobody who is known, with real hashes."""

import asyncio
import gc
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from threading import Event

import pytest
from aiohttp import ClientSession, TCPConnector

from deploy.local.waiting import until
from services.identity import fair_queue
from services.identity.fair_queue import Caller
from services.identity.passwords import Passwords
from shared.actor import Role
from tests.builders import an_email
from tests.client import Answer, CheckedResponse
from tests.service.identity.conftest import IdentityApi, an_identity

_FLOOD, _NETWORKS = 600, 400


@pytest.fixture
async def identity(mongo_url: str) -> AsyncIterator[IdentityApi]:
    """A service for each test, which hashes as in production."""
    async with an_identity(mongo_url) as service:
        yield service


async def test_honest_people_get_through_a_flood_of_sign_ins(
    identity: IdentityApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than in production: that the crowd is in this process too is not what anybody waits for.
    monkeypatch.setattr(fair_queue, "MOST_WAIT_S", 6.0)
    company = await identity.a_company()
    with_proof, neighbour, newcomer = [await identity.a_user(company, role=Role.MEMBER) for _ in range(3)]
    office = "192.0.2.77"
    first = await identity.sign_in(with_proof.login_email, x_portico_client="198.51.100.1")
    assert (await identity.sign_in(neighbour.login_email, x_portico_client=office)).status == 201
    invitation = await identity.invited(company, an_email())
    url = str(identity.client.make_url("/"))
    async with ClientSession(url, connector=TCPConnector(limit=0), response_class=CheckedResponse) as crowd:

        async def floods(number: int) -> int:
            body = {"email": an_email(), "password": "wrong"}
            network = f"10.{number % _NETWORKS // 256}.{number % _NETWORKS % 256}.1"
            async with crowd.post("/session", json=body, headers={"X-Portico-Client": network}) as answer:
                return answer.status

        flood = [asyncio.create_task(floods(number)) for number in range(_FLOOD)]
        done, _ = await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED)
        assert done
        honest = await asyncio.gather(
            identity.sign_in(
                with_proof.login_email,
                x_portico_client="203.0.113.9",
                x_portico_device=first.body["device_proofs"],
            ),
            # Somebody else who sits in an office from where people sign in well, without any proof.
            identity.sign_in(newcomer.login_email, x_portico_client=office),
            identity.accepted(invitation),
        )
        assert [answer.status for answer in honest] == [201, 201, 202]
        assert not all(task.done() for task in flood)
        assert set(await asyncio.gather(*flood)) <= {401, 503}


@asynccontextmanager
async def busy_threads(passwords: Passwords) -> AsyncIterator[Event]:
    """Both threads are at work until the block ends, or the event is set."""
    released = Event()
    threads = [passwords._hashers.submit(released.wait, 30) for _ in range(2)]
    try:
        yield released
    finally:
        released.set()
    assert all(thread.result() for thread in threads)


async def test_passwords_do_not_hold_up_the_service(identity: IdentityApi) -> None:
    async with busy_threads(identity.passwords):
        waiting = asyncio.create_task(identity.sign_in(an_email()))
        assert (await identity.get("/healthz")).status == 200
        assert (await identity.post("/registrations/resend", {"email": an_email()})).status == 202
        assert not waiting.done()
    assert (await waiting).status == 401


async def test_more_sign_ins_than_can_be_answered_in_time_are_sent_away_before_anything_is_counted(
    identity: IdentityApi,
) -> None:
    email = an_email()
    async with AsyncExitStack() as others:
        for number in range(4):
            await others.enter_async_context(identity.passwords.hashing.place(Caller(f"other/{number}")))
        identity.passwords.hashing._took_s = 20.0
        answer = await identity.sign_in(email, x_portico_client="192.0.2.78")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert await identity.db["counters"].find_one({"_id": {"$regex": email}}) is None


async def test_who_thinks_up_a_password_holds_up_nobody_who_signs_in(
    identity: IdentityApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fair_queue, "MOST_WAIT_S", 60.0)  # nobody is sent away because this machine is slow
    scoring = identity.passwords.scoring

    async def all_have_come() -> bool:
        return scoring._known.waiting + scoring._strangers.waiting == 5 and sum(map(_is_done, waiting)) == 4

    company = await identity.a_company()
    user, invitation = await identity.a_user(company), await identity.invited(company, an_email())
    async with scoring.place(Caller("slow")):
        waiting = [asyncio.create_task(identity.accepted(invitation)) for _ in range(9)]
        assert await until(all_have_come, deadline_s=60, pause_s=0.02)
        assert (await identity.sign_in(user.login_email)).status == 201
    statuses = sorted([answer.status for answer in await asyncio.gather(*waiting)])
    # Of one invitation five wait at most, and it sends one code a minute: the others come too often.
    assert statuses[0] == 202
    assert set(statuses) == {202, 429}


def _is_done(task: asyncio.Task[Answer]) -> bool:
    return task.done()


# A connection that the driver was opening for somebody who left is closed by whoever looks for garbage.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_a_crowd_that_left_keeps_no_turn(identity: IdentityApi) -> None:
    user, passwords, url = await identity.a_user(), identity.passwords, identity.client.make_url("/session")

    async def is_answered(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = json.dumps({"email": an_email(), "password": "wrong"})
        head = f"POST /session HTTP/1.1\r\nHost: identity\r\nX-Portico-Client: 10.1.{number}.1\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        try:
            writer.write((head + body).encode())
            await reader.readuntil(b"\r\n\r\n")
        finally:
            writer.transport.abort()

    for answered in (1, 5, 20):
        crowd = [await asyncio.open_connection(url.host, url.port) for _ in range(60)]
        tasks = [asyncio.create_task(is_answered(number, *streams)) for number, streams in enumerate(crowd)]
        for task in itertools.islice(asyncio.as_completed(tasks), answered):
            await task
        for left in tasks:
            left.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def is_idle() -> bool:
        return (passwords.door.free, passwords.hashing.free) == (8, 4)

    assert await until(is_idle, deadline_s=60, pause_s=0.02)
    assert (await identity.sign_in(user.login_email)).status == 201
    gc.collect()
