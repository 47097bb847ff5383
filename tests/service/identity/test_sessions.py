"""Signing in, and how long it lasts."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from services.identity.handlers import sessions
from services.identity.passwords import Passwords
from shared.actor import Actor, Role
from shared.clock import utc_now
from shared.errors import NotSignedIn
from shared.mongo import Database
from shared.signing import verifier
from tests.builders import TEST_SECRET, Json, an_email
from tests.client import Answer
from tests.service.identity.conftest import PASSWORD, IdentityApi, invitation_code


async def resolved(identity: IdentityApi, session: Answer, **headers: str) -> Answer:
    body = {"token": session.body["session_token"]}
    return await identity.call("POST", "/session/resolve", body, by=None, **headers)


async def joined(identity: IdentityApi, user: Actor, company: Json, session: Answer) -> Actor:
    """The login of a session accepts an invitation to another company; who it is there."""
    invitation = await identity.invited(company, user.login_email, role=Role.MEMBER)
    path = f"/invitations/{invitation_code(invitation)}/accept"
    accepted = await identity.post(path, {}, by=user, x_portico_session=session.body["session_token"])
    assert accepted.status == 200
    return await identity.actor(user.login_email, company)


async def switched(identity: IdentityApi, session: Answer, user_id: UUID) -> Answer:
    body = {"user_id": str(user_id)}
    return await identity.post("/session/switch", body, x_portico_session=session.body["session_token"])


def without_request_id(reply: Answer) -> dict[str, Any]:
    return {**reply.body, "request_id": ""}


def without_actor(session: Json) -> Json:
    return {**session, "actor": ""}


async def test_signing_in_tells_who_is_signed_in(identity: IdentityApi) -> None:
    user = await identity.a_user()
    answer = await identity.sign_in(f"  {user.login_email.upper()} ")
    assert answer.status == 201
    assert answer.body["user"] == {
        "id": str(user.user_id),
        "name": "Ana Duarte",
        "first_name": "Ana",
        "email": user.login_email,
        "role": "company_admin",
        "company_id": str(user.company_id),
        "company_name": "Acme SA",
        "language": "en",
        "time_zone": "UTC",
        "profile_complete": False,
        "site_ids": None,
    }


async def test_the_token_is_not_in_the_database(identity: IdentityApi) -> None:
    user = await identity.a_user()
    token = (await identity.sign_in(user.login_email)).body["session_token"]
    session = await identity.db["sessions"].find_one({"user_id": user.user_id})
    assert session is not None
    assert token not in str(session)


async def test_a_session_knows_its_browser_its_address_and_a_name_that_is_no_secret(identity: IdentityApi) -> None:
    user = await identity.a_user()
    browser = {"user_agent": "Firefox/140 " + "x" * 300, "x_portico_client": "192.0.2.7"}
    session = await identity.sign_in(user.login_email, **browser)
    document = await identity.db["sessions"].find_one({"user_id": user.user_id})
    assert document is not None
    assert (document["user_agent"], document["address"]) == (browser["user_agent"][:300], "192.0.2.7")
    assert isinstance(document["public_id"], UUID)
    assert str(document["public_id"]) not in str(session.body)
    identity.clock.pass_by(minutes=1)
    await resolved(identity, session, x_portico_client="192.0.2.8")
    moved = await identity.db["sessions"].find_one({"_id": document["_id"]})
    assert moved is not None
    assert (moved["address"], moved["created_at"], moved["last_seen_at"] > moved["created_at"]) == (
        "192.0.2.8",
        document["created_at"],
        True,
    )


async def test_a_session_from_before_it_had_a_public_id_goes_on(identity: IdentityApi) -> None:
    user = await identity.a_user()
    session = await identity.sign_in(user.login_email)
    newer = {"public_id": "", "address": "", "user_agent": ""}
    await identity.db["sessions"].update_one({"user_id": user.user_id}, {"$unset": newer})
    assert (await resolved(identity, session)).status == 200


async def test_a_session_is_turned_into_a_signed_actor(identity: IdentityApi) -> None:
    user = await identity.a_user()
    session = await identity.sign_in(user.login_email)
    answer = await resolved(identity, session, x_portico_client="192.0.2.7")
    actor = verifier(TEST_SECRET, utc_now)(answer.body["actor"])
    assert (actor.user_id, actor.role, actor.address) == (user.user_id, Role.COMPANY_ADMIN, "192.0.2.7")
    assert answer.body["user"] == session.body["user"]
    assert answer.body["csrf_token"] == session.body["csrf_token"]
    assert "session_token" not in answer.body


async def test_the_relay_looks_at_logins_too(identity: IdentityApi) -> None:
    assert "relay_after" in await identity.db["logins"].index_information()


async def test_each_session_has_a_csrf_token_of_its_own(identity: IdentityApi) -> None:
    user = await identity.a_user()
    sessions = [await identity.sign_in(user.login_email) for _ in range(2)]
    assert len({session.body["csrf_token"] for session in sessions}) == 2


async def test_an_unknown_address_and_a_wrong_password_get_the_same_answer(identity: IdentityApi) -> None:
    user = await identity.a_user()
    wrong = await identity.sign_in(user.login_email, "not the password at all")
    unknown = await identity.sign_in(an_email(), "not the password at all")
    endless = await identity.sign_in(an_email(), "é" * 1000)
    assert (wrong.status, wrong.code) == (401, "wrong_credentials")
    assert without_request_id(wrong) == without_request_id(unknown) == without_request_id(endless)


async def test_passwords_are_hashed_with_owasps_parameters() -> None:
    passwords = Passwords()
    assert (await passwords.hashed(PASSWORD)).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords._nobodys.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    passwords.close()


async def test_an_unknown_address_costs_a_hash_too() -> None:
    passwords = Passwords()
    looked_at: list[str] = []
    verify = passwords._verify

    def watched(password_hash: str, password: str) -> bool:
        looked_at.append(password_hash)
        return verify(password_hash, password)

    passwords._verify = watched  # type: ignore[method-assign]  # the real one, watched
    assert not await passwords.matches(None, "the password of nobody")
    assert looked_at == [passwords._nobodys]
    passwords.close()


async def test_a_session_ends_after_twelve_idle_hours(identity: IdentityApi) -> None:
    session = await identity.sign_in((await identity.a_user()).login_email)
    for _ in range(3):
        identity.clock.pass_by(hours=11, minutes=59)
        assert (await resolved(identity, session)).status == 200
    identity.clock.pass_by(hours=12)
    assert (await resolved(identity, session)).code == "not_signed_in"


async def test_a_session_ends_after_thirty_days_however_busy(identity: IdentityApi) -> None:
    session = await identity.sign_in((await identity.a_user()).login_email)
    for _ in range(60):
        identity.clock.pass_by(hours=11, minutes=59)
        assert (await resolved(identity, session)).status == 200
    identity.clock.pass_by(hours=1)
    assert (await resolved(identity, session)).status == 401


async def test_being_seen_is_written_down_once_a_minute(identity: IdentityApi) -> None:
    user = await identity.a_user()
    session = await identity.sign_in(user.login_email)
    seen = []
    for seconds in (30, 29, 1):
        identity.clock.pass_by(seconds=seconds)
        await resolved(identity, session)
        document = await identity.db["sessions"].find_one({"user_id": user.user_id})
        assert document is not None
        seen.append(document["last_seen_at"] == identity.clock.now)
    assert seen == [False, False, True]


async def test_an_ended_session_is_over_at_once_and_others_are_not(identity: IdentityApi) -> None:
    user = await identity.a_user()
    ended, kept = await identity.sign_in(user.login_email), await identity.sign_in(user.login_email)
    for _ in range(2):
        answer = await identity.post("/session/end", {"token": ended.body["session_token"]})
        assert answer.status == 204
    assert (await resolved(identity, ended)).status == 401
    assert (await resolved(identity, kept)).status == 200


@pytest.mark.parametrize("token", ["x", "é", "A" * 43])
async def test_a_token_that_we_never_made_is_nobodys(identity: IdentityApi, token: str) -> None:
    assert (await identity.post("/session/resolve", {"token": token})).status == 401
    assert (await identity.post("/session/end", {"token": token})).status == 204


async def test_a_deactivated_users_sessions_are_over(identity: IdentityApi) -> None:
    user = await identity.a_user()
    session = await identity.sign_in(user.login_email)
    await identity.db["users"].update_one({"_id": user.user_id}, {"$set": {"active": False}})
    assert (await resolved(identity, session)).status == 401
    assert (await identity.sign_in(user.login_email)).code == "account_inactive"


async def test_sessions_that_are_asked_for_at_once_are_one_read_and_each_is_told_its_own(
    identity: IdentityApi, watched: tuple[Database, list[str]]
) -> None:
    users = [await identity.a_user() for _ in range(3)]
    tokens = [(await identity.sign_in(user.login_email)).body["session_token"] for user in users]
    await identity.post("/session/end", {"token": tokens[2]})
    db, commands = watched
    commands.clear()
    now = identity.clock.now
    # The first is asked for twice, the last has ended, and nobody has the token beside them.
    asked = [tokens[0], tokens[1], tokens[0], tokens[2], "a-token-that-we-never-made"]
    asking = (sessions.resolve_session(db, token, address="", now=now) for token in asked)
    first, second, again, *refused = await asyncio.gather(*asking, return_exceptions=True)
    assert commands == ["aggregate"]
    assert isinstance(first, sessions.SignedIn)
    assert isinstance(second, sessions.SignedIn)
    assert (first.user.id, second.user.id, again) == (users[0].user_id, users[1].user_id, first)
    assert (first.company.id, second.company.id) == (users[0].company_id, users[1].company_id)
    assert [type(refusal) for refusal in refused] == [NotSignedIn, NotSignedIn]


async def test_the_gateway_may_ask_about_many_sessions_and_each_is_told_as_if_asked_about_alone(
    identity: IdentityApi,
) -> None:
    users = [await identity.a_user() for _ in range(3)]
    signed_in = [await identity.sign_in(user.login_email) for user in users]
    tokens = [session.body["session_token"] for session in signed_in]
    await identity.post("/session/end", {"token": tokens[2]})
    asked = [
        {"token": tokens[1], "address": "192.0.2.7"},
        {"token": tokens[2], "address": "192.0.2.7"},
        {"token": tokens[0], "address": "2001:db8::7"},
        {"token": "a-token-that-we-never-made", "address": ""},
        {"token": tokens[1], "address": "198.51.100.9"},
    ]
    identity.clock.pass_by(minutes=2)
    reply = await identity.call("POST", "/sessions/resolve", {"sessions": asked}, by=None)
    assert reply.status == 200
    found = reply.body["sessions"]
    assert (found[1], found[3]) == (None, None)
    read = verifier(TEST_SECRET, clock=lambda: identity.clock.now)
    actors = [read(found[place]["actor"]) for place in (0, 2, 4)]
    assert [actor.user_id for actor in actors] == [users[1].user_id, users[0].user_id, users[1].user_id]
    assert [actor.address for actor in actors] == ["192.0.2.7", "2001:db8::7", "198.51.100.9"]
    seen = await identity.db["sessions"].find_one({"user_id": users[0].user_id})
    assert seen is not None
    assert seen["address"] == "2001:db8::7"
    alone = (await resolved(identity, signed_in[1])).body
    assert without_actor(found[0]) == without_actor(found[4]) == without_actor(alone)


@pytest.mark.parametrize("count", [0, 65])
async def test_not_so_many_sessions_are_told_at_once(identity: IdentityApi, count: int) -> None:
    asked = [{"token": "a-token-that-we-never-made", "address": ""}] * count
    assert (await identity.call("POST", "/sessions/resolve", {"sessions": asked}, by=None)).status == 422


async def test_a_suspended_companys_users_are_known_as_such(identity: IdentityApi) -> None:
    user = await identity.a_user()
    session = await identity.sign_in(user.login_email)
    await identity.db["companies"].update_one({"_id": user.company_id}, {"$set": {"suspended": True}})
    actor = verifier(TEST_SECRET, utc_now)((await resolved(identity, session)).body["actor"])
    assert actor.suspended
    answer = await identity.get("/profile", by=actor)
    assert (answer.status, answer.code) == (403, "company_suspended")


async def test_somebody_with_two_memberships_comes_back_as_whom_they_were_last(identity: IdentityApi) -> None:
    first = await identity.a_user()
    company = await identity.a_company(name="Second SA")
    session = await identity.sign_in(first.login_email)
    assert session.body["user"]["company_id"] == str(first.company_id)
    identity.clock.pass_by(minutes=1)
    await identity.sign_in(first.login_email)
    identity.clock.pass_by(minutes=1)
    second = await joined(identity, first, company, session)
    assert (await identity.sign_in(first.login_email)).body["user"]["company_id"] == company["id"]
    await identity.db["users"].update_one({"_id": second.user_id}, {"$set": {"active": False}})
    assert (await identity.sign_in(first.login_email)).body["user"]["company_id"] == str(first.company_id)


async def test_whoever_joins_another_company_acts_there_and_may_go_back(identity: IdentityApi) -> None:
    first, company = await identity.a_user(), await identity.a_company(name="Second SA")
    session, other = await identity.sign_in(first.login_email), await identity.sign_in(first.login_email)
    assert [one["company_name"] for one in session.body["memberships"]] == ["Acme SA"]
    identity.clock.pass_by(seconds=1)
    second = await joined(identity, first, company, session)
    seen = await resolved(identity, session)
    actor = verifier(TEST_SECRET, utc_now)(seen.body["actor"])
    assert (actor.user_id, str(actor.company_id), actor.role) == (second.user_id, company["id"], Role.MEMBER)
    assert seen.body["memberships"] == [
        {"user_id": str(first.user_id), "company_name": "Acme SA", "role": "company_admin"},
        {"user_id": str(second.user_id), "company_name": "Second SA", "role": "member"},
    ]
    assert (await resolved(identity, other)).body["user"]["id"] == str(first.user_id)
    back = await switched(identity, session, first.user_id)
    assert (back.status, back.body["user"]["company_name"]) == (200, "Acme SA")
    assert back.body["memberships"] == seen.body["memberships"]
    # A form that was opened in one company does nothing in the other.
    assert back.body["csrf_token"] == session.body["csrf_token"] != seen.body["csrf_token"]
    assert (await resolved(identity, session)).body["user"] == back.body["user"]


async def test_a_session_goes_on_only_as_an_active_user_of_its_login(identity: IdentityApi) -> None:
    first, stranger = await identity.a_user(), await identity.a_user()
    session = await identity.sign_in(first.login_email)
    second = await joined(identity, first, await identity.a_company(), session)
    assert (await switched(identity, session, stranger.user_id)).status == 404
    await identity.db["users"].update_one({"_id": first.user_id}, {"$set": {"active": False}})
    assert (await switched(identity, session, first.user_id)).status == 404
    assert (await resolved(identity, session)).body["user"]["id"] == str(second.user_id)
    await identity.post("/session/end", {"token": session.body["session_token"]})
    assert (await switched(identity, session, second.user_id)).status == 401
    assert (await identity.post("/session/switch", {"user_id": str(second.user_id)})).status == 401


async def test_a_user_of_a_suspended_company_can_switch_to_another(identity: IdentityApi) -> None:
    first = await identity.a_user()
    session = await identity.sign_in(first.login_email)
    second = await joined(identity, first, await identity.a_company(), session)
    await identity.db["companies"].update_one({"_id": second.company_id}, {"$set": {"suspended": True}})
    assert (await switched(identity, session, first.user_id)).status == 200


async def test_a_repeated_sign_in_request_is_not_told_the_secret_again(identity: IdentityApi) -> None:
    user = await identity.a_user()
    answers = [await identity.sign_in(user.login_email, idempotency_key="a-key") for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 409]
    assert "session_token" not in answers[1].body


async def test_only_the_beginning_of_a_password_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[str] = []

    def watched(password: str, user_inputs: list[str]) -> dict[str, int]:
        scored.extend([password, *user_inputs])
        return {"score": 4}

    monkeypatch.setattr("services.identity.passwords.zxcvbn", watched)
    passwords = Passwords()
    await passwords.refuse_weak("4@({[<369!1|0$5+7%2" * 3, known=("ana.duarte.de.sousa@example.com", ""))
    passwords.close()
    assert scored == ["4@({[<369!1|0$5+7%24", "ana.duarte.de.sousa@"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "email"),
        ({"email": "a@example.com"}, "password"),
        ({"email": {"$ne": None}, "password": "x"}, "email"),
        ({"email": "a@example.com", "password": {"$ne": None}}, "password"),
        ({"email": "a@example.com", "password": "x", "totp": "1"}, "totp"),
        ({"email": "a@example.com", "password": "x" * 1025}, "password"),
        ({"email": "a" * 300 + "@example.com", "password": "x"}, "email"),
    ],
)
async def test_bad_sign_ins_are_refused_by_field(identity: IdentityApi, body: object, field: str) -> None:
    answer = await identity.post("/session", body)
    assert answer.status == 422
    assert field in answer.field_codes
