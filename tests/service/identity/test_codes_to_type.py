"""Whose tries and codes are whose: no stranger makes a code worthless, and time tells nobody who waits for one."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.identity.domain import verifications
from services.identity.domain.verifications import WrongCode
from services.identity.handlers.verifications import send_code_again, verify_address
from shared.mongo import Database, Document
from tests.builders import TEST_SECRET, an_email
from tests.client import Answer
from tests.service.identity.conftest import (
    PASSWORD,
    IdentityApi,
    another_code,
    invitation_code,
    verification_code,
)

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
OWN, FOREIGN = "of-the-browser-that-accepted", "of-another-browser"


async def waits(identity: IdentityApi) -> str:
    """An address whose owner accepted an invitation in a browser and now waits for the code."""
    email = an_email()
    code = invitation_code(await identity.invited(await identity.a_company(), email))
    newcomer = {"first_name": "Ana", "last_name": "Duarte", "password": PASSWORD}
    answer = await identity.post(f"/invitations/{code}/accept", newcomer, x_portico_browser=OWN)
    assert answer.status == 202
    return email


async def types(identity: IdentityApi, email: str, code: str, browser: str = "") -> Answer:
    headers = {"x_portico_browser": browser} if browser else {}
    return await identity.post("/registrations/verify", {"email": email, "code": code}, by=None, **headers)


async def asks_again(identity: IdentityApi, email: str, browser: str = "") -> None:
    headers = {"x_portico_browser": browser} if browser else {}
    assert (await identity.post("/registrations/resend", {"email": email}, by=None, **headers)).status == 202


async def newest(identity: IdentityApi, email: str) -> str:
    return verification_code(await identity.open_verification(email))


async def mails(identity: IdentityApi, verification: Document) -> int:
    return len(await identity.said("verifications", verification["_id"]))


@pytest.mark.parametrize("stranger", [FOREIGN, "", "é" * 50, "x" * 5000])
async def test_strangers_guesses_leave_the_owners_tries_alone(identity: IdentityApi, stranger: str) -> None:
    email = await waits(identity)
    code = await newest(identity, email)
    given = stranger.encode().decode("latin-1")
    answers = await asyncio.gather(*(types(identity, email, another_code(code), given) for _ in range(50)))
    assert {answer.status for answer in answers} == {422}
    assert (await types(identity, email, code, given)).code == "wrong_code"
    assert (await types(identity, email, another_code(code), OWN)).code == "wrong_code"
    assert (await types(identity, email, code, OWN)).status == 200


async def test_the_owner_has_five_tries_however_many_at_once(identity: IdentityApi) -> None:
    email = await waits(identity)
    code = await newest(identity, email)
    await asyncio.gather(*(types(identity, email, another_code(code), OWN) for _ in range(50)))
    assert (await types(identity, email, code, OWN)).code == "wrong_code"
    identity.clock.pass_by(seconds=60)
    await asks_again(identity, email, OWN)
    assert (await types(identity, email, await newest(identity, email), OWN)).status == 200


async def test_a_code_may_be_typed_on_another_device(identity: IdentityApi) -> None:
    email = await waits(identity)
    code = await newest(identity, email)
    for _ in range(4):
        await types(identity, email, another_code(code))
    assert (await types(identity, email, code)).status == 200


async def test_strangers_have_five_tries_together_of_each_code(identity: IdentityApi) -> None:
    email = await waits(identity)
    code = await newest(identity, email)
    for number in range(5):
        await types(identity, email, another_code(code), f"stranger-{number}")
    assert (await types(identity, email, code, "another stranger")).code == "wrong_code"


async def test_strangers_who_ask_for_codes_take_nothing_from_the_owner(identity: IdentityApi) -> None:
    email = await waits(identity)
    in_hand, verification = await newest(identity, email), await identity.open_verification(email)
    for _ in range(60):
        identity.clock.pass_by(seconds=9)
        await asks_again(identity, email, FOREIGN)
    assert await mails(identity, verification) == 1 + 2
    await asks_again(identity, email, OWN)
    assert await mails(identity, verification) == 1 + 2 + 1
    assert await newest(identity, email) != in_hand


async def test_the_code_in_hand_stays_good_when_a_stranger_asks_for_one(identity: IdentityApi) -> None:
    email = await waits(identity)
    in_hand = await newest(identity, email)
    for _ in range(2):
        identity.clock.pass_by(minutes=4)
        await asks_again(identity, email)
    assert (await types(identity, email, in_hand, OWN)).status == 200


async def test_no_stranger_makes_a_code_last_longer_than_ten_minutes(identity: IdentityApi) -> None:
    email = await waits(identity)
    in_hand, verification = await newest(identity, email), await identity.open_verification(email)
    for _ in range(9):
        identity.clock.pass_by(minutes=1)
        await asks_again(identity, email, FOREIGN)
    assert await newest(identity, email) == in_hand
    assert await mails(identity, verification) == 1 + 2
    identity.clock.pass_by(minutes=1)
    assert (await types(identity, email, in_hand, OWN)).code == "wrong_code"


async def test_a_code_that_is_nearly_over_is_neither_mailed_again_nor_replaced_for_strangers(
    identity: IdentityApi,
) -> None:
    email = await waits(identity)
    in_hand, verification = await newest(identity, email), await identity.open_verification(email)
    identity.clock.pass_by(minutes=9)
    await asks_again(identity, email, FOREIGN)
    assert await mails(identity, verification) == 1
    assert (await types(identity, email, in_hand, OWN)).status == 200


async def test_strangers_get_no_new_tries_by_asking(identity: IdentityApi) -> None:
    email = await waits(identity)
    code = await newest(identity, email)
    for _ in range(5):
        await types(identity, email, another_code(code))
    identity.clock.pass_by(seconds=60)
    await asks_again(identity, email)
    assert (await types(identity, email, await newest(identity, email))).code == "wrong_code"


async def test_an_expired_code_is_followed_by_a_new_one_for_whoever_asks(identity: IdentityApi) -> None:
    email = await waits(identity)
    expired = await newest(identity, email)
    identity.clock.pass_by(minutes=10)
    assert (await types(identity, email, expired, OWN)).code == "wrong_code"
    await asks_again(identity, email)
    fresh = await newest(identity, email)
    assert fresh != expired
    assert (await types(identity, email, fresh)).status == 200


async def test_mails_that_strangers_cause_are_two_an_hour(identity: IdentityApi) -> None:
    email = await waits(identity)
    verification = await identity.open_verification(email)
    for _ in range(180):
        identity.clock.pass_by(minutes=1)
        await asks_again(identity, email, FOREIGN)
    assert await mails(identity, verification) == 1 + 3 * 2


async def test_addresses_at_which_no_code_is_waited_for_take_bounded_room(
    identity: IdentityApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifications, "_NOBODYS_PLACES", 3)
    for collection in ("stand_ins", "counters"):
        await identity.db[collection].delete_many({})
    for _ in range(20):
        email = an_email()
        await asks_again(identity, email)
        for browser in (OWN, FOREIGN, ""):
            assert (await types(identity, email, "123456", browser)).code == "wrong_code"
    # Twenty addresses drawn at random need not have met all three places.
    assert 1 <= await identity.db["stand_ins"].count_documents({}) <= 3
    assert 1 <= await identity.db["counters"].count_documents({}) <= 3


# Time


async def test_a_wrong_code_costs_the_same_whoever_waits_for_one(
    identity: IdentityApi, watched: tuple[Database, list[str]]
) -> None:
    db, commands = watched
    waiting, worn_out, expired, nobody = await waits(identity), await waits(identity), an_email(), an_email()
    for _ in range(5):
        await types(identity, worn_out, another_code(await newest(identity, worn_out)))
    await identity.db["verifications"].insert_one(
        {**await identity.open_verification(waiting), "_id": uuid4(), "email": expired, "expires_at": LONG_AGO}
    )
    asked = []
    for email in (waiting, worn_out, expired, nobody):
        for browser in (OWN, FOREIGN, ""):
            commands.clear()
            with pytest.raises(WrongCode):
                await verify_address(
                    db, TEST_SECRET, email=email, code="12345x", browser=browser, now=identity.clock.now
                )
            asked.append(tuple(commands))
    assert set(asked) == {("find", "findAndModify", "update")}


async def test_asking_for_a_code_costs_the_same_whoever_waits_for_one(
    identity: IdentityApi, watched: tuple[Database, list[str]]
) -> None:
    db, commands = watched
    asked = []
    for browser in (OWN, FOREIGN, ""):
        waiting, too_soon, nobody = await waits(identity), await waits(identity), an_email()
        later = identity.clock.now + timedelta(seconds=60)
        before = await newest(identity, waiting)
        for email, now in ((waiting, later), (too_soon, identity.clock.now), (nobody, later), (nobody, later)):
            commands.clear()
            await send_code_again(db, email, browser=browser, now=now)
            asked.append(tuple(commands))
        assert (await newest(identity, waiting) != before) == (browser == OWN)
    assert set(asked) == {("find", "update")}


@pytest.mark.parametrize(
    "written", ["{0}{1}", "{0} {1}", "{0}-{1}", " {0}\u2011{1}\n", "\u202a{0}\u00a0{1}\u202c", "{0}\u200b{1}"]
)
@pytest.mark.parametrize("zero", ["0", "\uff10", "\u0660"])
async def test_a_code_may_be_written_as_people_copy_it(identity: IdentityApi, written: str, zero: str) -> None:
    email = await waits(identity)
    right = verification_code(await identity.open_verification(email))
    code = "".join(chr(ord(zero) + int(digit)) for digit in right)
    assert (await types(identity, email, written.format(code[:3], code[3:]), OWN)).status == 200


@pytest.mark.parametrize("code", ["12345", "12 34 5", "1234567", "12345x", "", "½23456", "1" * 5000])
async def test_what_is_no_code_is_refused_for_its_form(identity: IdentityApi, code: str) -> None:
    answer = await types(identity, an_email(), code)
    assert (answer.status, answer.field_codes) == (422, {"code": "string_pattern_mismatch"})


async def test_a_stranger_who_accepts_after_the_owner_of_the_mailbox_does_not_set_the_password(
    identity: IdentityApi,
) -> None:
    email, strange = an_email(), "nine purple foxes under Oslo"
    invitation = await identity.invited(await identity.a_company(), email)
    assert (await identity.accepted(invitation, browser=OWN)).status == 202
    identity.clock.pass_by(seconds=61)
    assert (await identity.accepted(invitation, browser=FOREIGN, password=strange)).status == 202
    assert (await types(identity, email, await newest(identity, email), OWN)).code == "wrong_code"
    identity.clock.pass_by(seconds=61)
    assert (await identity.accepted(invitation, browser=OWN)).status == 202
    assert (await types(identity, email, await newest(identity, email), OWN)).status == 200
    assert [(await identity.sign_in(email, password)).status for password in (strange, PASSWORD)] == [401, 201]
