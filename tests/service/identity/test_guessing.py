"""How guessing passwords is slowed down, and that nobody can be locked out by it."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import count

import pytest

from deploy.local.waiting import until
from services.identity.fair_queue import Caller
from shared.actor import Role
from tests.builders import an_email
from tests.client import Answer
from tests.service.identity.conftest import PASSWORD, IdentityApi

_numbers = count(1)


def a_network() -> str:
    """An IPv4 address that no other test has."""
    number = next(_numbers)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


@pytest.fixture(autouse=True)
async def _anew(identity: IdentityApi) -> None:
    """No failures of an earlier test count."""
    for collection in ("counters", "known_clients"):
        await identity.db[collection].delete_many({})


async def tried(
    identity: IdentityApi, email: str, password: str = "wrong", *, at: str = "", device: str = ""
) -> Answer:
    headers = {"x_portico_device": device} if device else {}
    return await identity.sign_in(email, password, x_portico_client=at, **headers)


async def device_of(identity: IdentityApi, email: str, *, at: str = "") -> str:
    """What a browser keeps of a sign-in."""
    answer = await tried(identity, email, PASSWORD, at=at or a_network())
    assert answer.status == 201
    return str(answer.body["device_proofs"])


def without_request_id(reply: Answer) -> dict[str, object]:
    return {**reply.body, "request_id": ""}


# An address from one network


async def test_ten_failures_are_followed_by_a_wait_that_grows(identity: IdentityApi) -> None:
    user, home = await identity.a_user(), a_network()
    answers = [await tried(identity, user.login_email, at=home) for _ in range(11)]
    assert [answer.status for answer in answers] == [401] * 10 + [429]
    assert (answers[-1].code, answers[-1].headers["Retry-After"]) == ("too_many_failures", "30")
    assert (await tried(identity, user.login_email, PASSWORD, at=home)).status == 429
    waits = []
    for _ in range(7):
        identity.clock.pass_by(seconds=int(answers[-1].headers["Retry-After"]))
        assert (await tried(identity, user.login_email, at=home)).status == 401
        answers.append(await tried(identity, user.login_email, at=home))
        waits.append(int(answers[-1].headers["Retry-After"]))
    assert waits == [60, 120, 240, 480, 900, 900, 900]


async def test_a_success_after_the_wait_forgets_the_failures(identity: IdentityApi) -> None:
    user, home = await identity.a_user(), a_network()
    for _ in range(10):
        await tried(identity, user.login_email, at=home)
    identity.clock.pass_by(seconds=30)
    assert (await tried(identity, user.login_email, PASSWORD, at=home)).status == 201
    answers = [await tried(identity, user.login_email, at=home) for _ in range(10)]
    assert {answer.status for answer in answers} == {401}


async def test_failures_are_forgotten_after_fifteen_minutes(identity: IdentityApi) -> None:
    user, home = await identity.a_user(), a_network()
    for _ in range(3):
        answers = [await tried(identity, user.login_email, at=home) for _ in range(9)]
        assert {answer.status for answer in answers} == {401}
        identity.clock.pass_by(minutes=15)


@pytest.mark.parametrize("at", ["10.255.0.1", ""])
async def test_unknown_addresses_are_slowed_down_like_known_ones(identity: IdentityApi, at: str) -> None:
    known, unknown = (await identity.a_user()).login_email, an_email()
    answers = [[await tried(identity, email, at=at) for _ in range(12)] for email in (known, unknown)]
    assert [answer.status for answer in answers[0]] == [answer.status for answer in answers[1]]
    assert without_request_id(answers[0][-1]) == without_request_id(answers[1][-1])


async def test_of_fifty_guesses_at_once_ten_are_looked_at(identity: IdentityApi) -> None:
    user, home = await identity.a_user(), a_network()
    answers = await asyncio.gather(*(tried(identity, user.login_email, at=home) for _ in range(50)))
    assert sorted(answer.status for answer in answers) == [401] * 10 + [429] * 40


async def test_wrong_passwords_from_elsewhere_lock_nobody_out(identity: IdentityApi) -> None:
    user, abroad = await identity.a_user(), a_network()
    for _ in range(12):  # four an hour keep it up for ever
        answers = [await tried(identity, user.login_email, at=abroad) for _ in range(11)]
        assert answers[-1].status == 429
        assert (await tried(identity, user.login_email, PASSWORD, at=a_network())).status == 201
        identity.clock.pass_by(minutes=15)


async def test_an_ipv6_client_is_a_whole_64(identity: IdentityApi) -> None:
    email = an_email()
    answers = [await tried(identity, email, at=f"2001:db8:0:1::{host:x}") for host in range(1, 12)]
    assert [answer.status for answer in answers] == [401] * 10 + [429]
    assert (await tried(identity, email, at="2001:db8:0:2::1")).status == 401


async def test_an_ipv4_client_in_ipv6_is_itself(identity: IdentityApi) -> None:
    email = an_email()
    answers = [await tried(identity, email, at=f"::ffff:192.0.2.{number % 2}") for number in range(20)]
    assert {answer.status for answer in answers} == {401}
    assert (await tried(identity, email, at="192.0.2.0")).status == 429


# An address from anywhere


async def _hundred_failures(identity: IdentityApi, email: str) -> list[Answer]:
    networks: Iterator[str] = (a_network() for _ in range(12))
    answers = [await tried(identity, email, at=network) for network in networks for _ in range(9)]
    assert [answer.status for answer in answers] == [401] * 100 + [429] * 8
    return answers


async def test_guesses_from_many_networks_are_bounded_together(identity: IdentityApi) -> None:
    user = await identity.a_user()
    await _hundred_failures(identity, user.login_email)
    assert (await tried(identity, user.login_email, PASSWORD, at=a_network())).status == 429


async def test_guesses_from_many_networks_lock_nobody_out_of_their_own(identity: IdentityApi) -> None:
    user, home = await identity.a_user(), a_network()
    device = await device_of(identity, user.login_email, at=home)
    identity.clock.pass_by(days=29)
    await _hundred_failures(identity, user.login_email)
    assert (await tried(identity, user.login_email, PASSWORD, at=home)).status == 201
    assert (await tried(identity, user.login_email, PASSWORD, at=a_network(), device=device)).status == 201
    # Nor do these sign-ins give the guesser new guesses.
    assert (await tried(identity, user.login_email, PASSWORD, at=a_network())).status == 429


async def test_a_network_that_refuses_already_does_not_count_for_the_address(identity: IdentityApi) -> None:
    email, abroad = an_email(), a_network()
    for _ in range(120):
        await tried(identity, email, at=abroad)
    assert (await tried(identity, email, at=a_network())).status == 401


# A browser that is known


async def test_a_known_browser_passes_whatever_others_did(identity: IdentityApi) -> None:
    user, network = await identity.a_user(), a_network()
    device = await device_of(identity, user.login_email)
    for _ in range(11):
        await tried(identity, user.login_email, at=network)
    for _ in range(31):
        await tried(identity, an_email(), at=network)
    assert (await tried(identity, user.login_email, PASSWORD, at=network)).status == 429
    assert (await tried(identity, user.login_email, PASSWORD, at=network, device=device)).status == 201


async def test_a_known_browser_has_ten_failures_of_its_own(identity: IdentityApi) -> None:
    user = await identity.a_user()
    device = await device_of(identity, user.login_email)
    answers = [await tried(identity, user.login_email, at=a_network(), device=device) for _ in range(11)]
    assert [answer.status for answer in answers] == [401] * 10 + [429]
    refused = await tried(identity, user.login_email, PASSWORD, at=a_network(), device=device)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "30")
    assert (await tried(identity, user.login_email, PASSWORD, at=a_network())).status == 201
    identity.clock.pass_by(seconds=30)
    assert (await tried(identity, user.login_email, PASSWORD, at=a_network(), device=device)).status == 201


async def test_a_known_browser_gives_no_more_tries_to_others_in_its_network(identity: IdentityApi) -> None:
    user, network = await identity.a_user(), a_network()
    device = await device_of(identity, user.login_email, at=network)
    guesses = [(await tried(identity, user.login_email, at=network)).status for _ in range(9)]
    assert (await tried(identity, user.login_email, PASSWORD, at=network, device=device)).status == 201
    guesses += [(await tried(identity, user.login_email, at=network)).status for _ in range(2)]
    assert guesses == [401] * 10 + [429]


async def test_of_fifty_guesses_with_one_proof_at_once_ten_are_looked_at(identity: IdentityApi) -> None:
    user = await identity.a_user()
    device = await device_of(identity, user.login_email)
    answers = await asyncio.gather(*(tried(identity, user.login_email, device=device) for _ in range(50)))
    assert sorted(answer.status for answer in answers) == [401] * 10 + [429] * 40


async def test_a_browser_is_known_for_its_own_address_only(identity: IdentityApi) -> None:
    user, other, network = await identity.a_user(), await identity.a_user(), a_network()
    device = await device_of(identity, other.login_email)
    for _ in range(10):
        await tried(identity, user.login_email, at=network)
    assert (await tried(identity, user.login_email, PASSWORD, at=network, device=device)).status == 429


@pytest.mark.parametrize("proofs", ["x", "é", "A" * 43, ".", "A" * 5000, ("A" * 43 + ".") * 100])
async def test_a_proof_that_we_never_made_is_none(identity: IdentityApi, proofs: str) -> None:
    user, network = await identity.a_user(), a_network()
    for _ in range(10):
        await tried(identity, user.login_email, at=network)
    given = proofs.encode().decode("latin-1")
    assert (await tried(identity, user.login_email, PASSWORD, at=network, device=given)).status == 429


async def test_a_proof_holds_for_a_year(identity: IdentityApi) -> None:
    user, network = await identity.a_user(), a_network()
    device = await device_of(identity, user.login_email)
    for days, status in ((364, 201), (1, 429)):
        identity.clock.pass_by(days=days)
        for _ in range(10):
            await tried(identity, user.login_email, at=network)
        assert (await tried(identity, user.login_email, PASSWORD, at=network, device=device)).status == status


async def test_a_browser_knows_several_of_its_users(identity: IdentityApi) -> None:
    users = [await identity.a_user() for _ in range(6)]
    proofs = ""
    for user in (*users, users[-1]):
        answer = await tried(identity, user.login_email, PASSWORD, at=a_network(), device=proofs)
        proofs = answer.body["device_proofs"]
    assert proofs.count(".") == 4
    statuses = []
    for user in users:
        network = a_network()
        for _ in range(10):
            await tried(identity, user.login_email, at=network)
        statuses.append((await tried(identity, user.login_email, PASSWORD, at=network, device=proofs)).status)
    assert statuses == [429] + [201] * 5


# A network with many addresses


async def test_a_network_fails_with_thirty_addresses_then_it_waits(identity: IdentityApi) -> None:
    network, user = a_network(), await identity.a_user()
    answers = [await tried(identity, an_email(), at=network) for _ in range(31)]
    assert [answer.status for answer in answers] == [401] * 30 + [429]
    assert answers[-1].headers["Retry-After"] == "30"
    assert (await tried(identity, user.login_email, PASSWORD, at=network)).status == 429
    assert (await tried(identity, user.login_email, PASSWORD, at=a_network())).status == 201
    identity.clock.pass_by(seconds=30)
    assert (await tried(identity, an_email(), at=network)).status == 401
    assert (await tried(identity, an_email(), at=network)).headers["Retry-After"] == "60"


async def test_many_addresses_at_the_same_moment_get_no_further_than_one_after_the_other(
    identity: IdentityApi,
) -> None:
    network, hashing = a_network(), identity.passwords.hashing

    async def all_wait() -> bool:
        return hashing._strangers.waiting == len(sent)

    async with AsyncExitStack() as others:
        for _ in range(hashing.free):
            await others.enter_async_context(hashing.place(Caller("others")))
        sent = [asyncio.create_task(tried(identity, an_email(), at=network)) for _ in range(45)]
        assert await until(all_wait, deadline_s=60)
    statuses = Counter([answer.status for answer in await asyncio.gather(*sent)])
    assert set(statuses) == {401, 429}
    # Beyond thirty, those few whose passwords are looked at while the thirtieth is counted.
    assert 30 <= statuses[401] <= 30 + 3


async def test_180_sign_ins_from_twenty_addresses_of_a_64_are_limited(identity: IdentityApi) -> None:
    answers = [await tried(identity, an_email(), at=f"2001:db8:0:7::{number % 20 + 1:x}") for number in range(180)]
    assert [answer.status for answer in answers] == [401] * 30 + [429] * 150


async def test_one_persons_wrong_passwords_lock_out_nobody_else_in_the_network(identity: IdentityApi) -> None:
    network, user = a_network(), await identity.a_user()
    email = an_email()
    for number in range(60):
        await tried(identity, an_email() if number % 10 == 0 else email, at=network)
    assert (await tried(identity, user.login_email, PASSWORD, at=network)).status == 201


async def test_who_signed_in_from_a_network_does_not_wait_with_it(identity: IdentityApi) -> None:
    network, user = a_network(), await identity.a_user()
    assert (await tried(identity, user.login_email, PASSWORD, at=network)).status == 201
    identity.clock.pass_by(days=29)
    answers = [await tried(identity, an_email(), at=network) for _ in range(33)]
    # One more than elsewhere, for the one who signed in well.
    assert [answer.status for answer in answers] == [401] * 31 + [429] * 2
    assert (await tried(identity, user.login_email, PASSWORD, at=network)).status == 201
    assert (await tried(identity, user.login_email, at=network)).status == 401


async def test_a_typo_that_its_owner_mended_is_not_counted_against_the_network(identity: IdentityApi) -> None:
    network, company = a_network(), await identity.a_company()
    users = [await identity.a_user(company, role=Role.MEMBER) for _ in range(3)]
    for _ in range(29):
        await tried(identity, an_email(), at=network)
    for user in users:
        assert (await tried(identity, user.login_email, at=network)).status == 401
        await identity.db["counters"].update_one(
            {"_id": f"sign_in/network/{network}"}, {"$unset": {"blocked_until": 1}}
        )
        assert (await tried(identity, user.login_email, PASSWORD, at=network)).status == 201
    counter = await identity.db["counters"].find_one({"_id": f"sign_in/network/{network}"})
    assert counter is not None
    assert (counter["failures"], len(counter["who"])) == (29, 29)


async def test_a_whole_company_may_sign_in_from_one_network_at_once(identity: IdentityApi) -> None:
    company, network = await identity.a_company(), a_network()
    users = [await identity.a_user(company, role=Role.MEMBER) for _ in range(12)]
    answers = await asyncio.gather(*(tried(identity, user.login_email, PASSWORD, at=network) for user in users))
    assert {answer.status for answer in answers} == {201}


async def test_clients_that_no_proxy_names_are_not_one_client(identity: IdentityApi) -> None:
    user = await identity.a_user()
    for _ in range(40):
        assert (await tried(identity, an_email())).status == 401
    assert (await tried(identity, user.login_email, PASSWORD)).status == 201


# Sessions of one login


async def test_a_login_has_at_most_twenty_sessions_and_the_idle_ones_end(identity: IdentityApi) -> None:
    user = await identity.a_user()
    tokens = []
    for _ in range(22):
        tokens.append((await tried(identity, user.login_email, PASSWORD)).body["session_token"])
        identity.clock.pass_by(seconds=1)
    alive = [(await identity.post("/session/resolve", {"token": token})).status for token in tokens]
    assert alive == [401] * 2 + [200] * 20


async def test_of_many_sign_ins_at_once_at_most_twenty_sessions_are_alive(identity: IdentityApi) -> None:
    user = await identity.a_user()
    await asyncio.gather(*(tried(identity, user.login_email, PASSWORD, at=a_network()) for _ in range(25)))
    # All began at the same moment by the test's clock, so two of them may have ended one more.
    assert 15 < await identity.db["sessions"].count_documents({"user_id": user.user_id, "ended_at": None}) <= 20


async def test_signing_in_again_in_the_same_browser_ends_the_session_it_had(identity: IdentityApi) -> None:
    user, other = await identity.a_user(), await identity.a_user()
    first = (await identity.sign_in(user.login_email)).body["session_token"]
    second = (await identity.sign_in(user.login_email, x_portico_session=first)).body["session_token"]
    wrong = await identity.sign_in(user.login_email, "wrong", x_portico_session=second)
    assert wrong.status == 401
    # Nobody ends a session of another login with it.
    await identity.sign_in(other.login_email, x_portico_session=second)
    alive = [(await identity.post("/session/resolve", {"token": token})).status for token in (first, second)]
    assert alive == [401, 200]
