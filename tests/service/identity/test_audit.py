"""What identity writes into the audit log although it makes no event."""

from typing import Any

from shared.actor import Actor, Role
from shared.mongo import Document
from tests.builders import an_email
from tests.service.identity.conftest import IdentityApi, another_code, invitation_code, verification_code

WRONG = "not the password at all"


async def entries(identity: IdentityApi, **wanted: Any) -> list[Document]:
    found: list[Document] = await identity.db["audit"].find(wanted).sort("_id").to_list(None)
    return found


async def of_company(identity: IdentityApi, actor: Actor, what: str) -> list[Document]:
    return await entries(identity, company_id=actor.company_id, type=what)


async def test_a_sign_in_says_who_from_where_and_with_which_browser(identity: IdentityApi) -> None:
    user = await identity.a_user()
    await identity.sign_in(user.login_email, x_portico_client="192.0.2.7", user_agent="Firefox/140")
    [entry] = await of_company(identity, user, "identity.session.started")
    assert (entry["actor"], entry["actor_name"], entry["address"]) == (str(user.user_id), "Ana Duarte", "192.0.2.7")
    session = await identity.db["sessions"].find_one({"user_id": user.user_id})
    assert session is not None
    assert entry["body"] == {
        "session_id": str(session["public_id"]),
        "email": user.login_email,
        "user_agent": "Firefox/140",
        "sessions_ended": 0,
    }


async def test_a_name_in_the_log_stays_as_it_was(identity: IdentityApi) -> None:
    user = await identity.a_user()
    await identity.sign_in(user.login_email)
    await identity.db["users"].update_one({"_id": user.user_id}, {"$set": {"profile.last_name": "Petit"}})
    await identity.sign_in(user.login_email)
    names = [entry["actor_name"] for entry in await of_company(identity, user, "identity.session.started")]
    assert names == ["Ana Duarte", "Ana Petit"]


async def test_a_sign_in_says_how_many_sessions_it_ended(identity: IdentityApi) -> None:
    user = await identity.a_user()
    token = (await identity.sign_in(user.login_email)).body["session_token"]
    await identity.sign_in(user.login_email, x_portico_session=token)
    started = await of_company(identity, user, "identity.session.started")
    assert [entry["body"]["sessions_ended"] for entry in started] == [0, 1]


async def test_a_sign_out_is_one_entry_however_often_it_is_asked_for(identity: IdentityApi) -> None:
    user = await identity.a_user()
    token = (await identity.sign_in(user.login_email)).body["session_token"]
    for _ in range(2):
        await identity.post("/session/end", {"token": token})
    [entry] = await of_company(identity, user, "identity.session.ended")
    assert (entry["actor"], entry["actor_name"]) == (str(user.user_id), "Ana Duarte")
    assert token not in str(await entries(identity, company_id=user.company_id))


async def test_wrong_passwords_are_one_entry_a_day_for_each_user(identity: IdentityApi) -> None:
    user, other = await identity.a_user(), await identity.a_user()
    for _ in range(3):
        await identity.sign_in(user.login_email, WRONG, x_portico_client="2001:db8:bbbb::1")
    await identity.sign_in(other.login_email, WRONG)
    [entry] = await of_company(identity, user, "identity.session.refused")
    assert (entry["times"], entry["addresses"]) == (3, ["2001:db8:bbbb::1"] * 3)
    assert entry["body"] == {"user_id": str(user.user_id), "name": "Ana Duarte", "email": user.login_email}
    assert [each["times"] for each in await of_company(identity, other, "identity.session.refused")] == [1]


async def test_addresses_that_nobody_has_are_one_entry_a_day_for_all(identity: IdentityApi) -> None:
    wanted: dict[str, Any] = {"type": "identity.session.refused", "company_id": None, "body": {}}
    for number in range(20):
        await identity.sign_in(an_email(), WRONG, x_portico_client=f"2001:db8:{number:x}::1")
    newest = (await entries(identity, **wanted, last_at=identity.clock.now))[-1]
    await identity.sign_in(an_email(), WRONG, x_portico_client="2001:db8:aaaa::1")
    [again] = await entries(identity, _id=newest["_id"])
    assert again["times"] == newest["times"] + 1
    assert newest["times"] >= 20
    assert len(newest["addresses"]) == 5


async def test_wrong_codes_are_one_entry_a_day_for_each_address(identity: IdentityApi) -> None:
    admin, email = await identity.a_user(), an_email()
    await identity.accepted(await identity.invited({"id": str(admin.company_id)}, email))
    wrong = another_code(verification_code(await identity.open_verification(email)))
    for _ in range(7):
        await identity.post("/registrations/verify", {"email": email, "code": wrong})
    [entry] = await of_company(identity, admin, "identity.verification.refused")
    assert (entry["times"], entry["body"]) == (7, {"email": email})


async def test_a_withdrawn_invitation_is_one_entry_by_whoever_withdrew_it(identity: IdentityApi) -> None:
    admin, email = await identity.a_user(), an_email()
    invitation = await identity.invited({"id": str(admin.company_id)}, email, role=Role.MEMBER)
    for _ in range(2):
        await identity.call("DELETE", f"/invitations/{invitation['_id']}", by=admin)
    [entry] = await of_company(identity, admin, "identity.invitation.revoked")
    assert (entry["actor"], entry["actor_name"], entry["address"]) == (str(admin.user_id), "Ana Duarte", "127.0.0.1")
    assert entry["body"] == {"invitation_id": str(invitation["_id"]), "email": email, "role": "member"}


async def test_a_new_administrator_is_an_entry_and_a_member_is_none(identity: IdentityApi) -> None:
    company = await identity.a_company()
    admin = await identity.a_user(company)
    await identity.a_user(company, role=Role.MEMBER)
    [entry] = await of_company(identity, admin, "identity.administrator.added")
    assert entry["body"] == {
        "user_id": str(admin.user_id),
        "name": "Ana Duarte",
        "email": admin.login_email,
        "role": "company_admin",
    }


async def test_going_on_in_another_company_is_in_that_companys_log(identity: IdentityApi) -> None:
    user, company = await identity.a_user(), await identity.a_company()
    invitation = await identity.invited(company, user.login_email, role=Role.MEMBER)
    session = {"x_portico_session": (await identity.sign_in(user.login_email)).body["session_token"]}
    assert (await identity.post(f"/invitations/{invitation_code(invitation)}/accept", by=user)).status == 200
    member = await identity.actor(user.login_email, company)
    await identity.post("/session/switch", {"user_id": str(member.user_id)}, **session)
    [entry] = await of_company(identity, member, "identity.session.switched")
    assert (entry["actor"], entry["actor_name"]) == (str(member.user_id), "Ana Duarte")
