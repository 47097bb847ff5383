"""Whoever lost the page or the e-mail with the code finds back to it, and strangers learn nothing by trying."""

import pytest

from services.identity.domain.sessions import WrongCredentials
from services.identity.handlers.sessions import Browser, sign_in
from shared.actor import Role
from shared.mongo import Database
from tests.builders import an_email
from tests.client import Answer
from tests.service.identity.conftest import IdentityApi, invitation_code, verification_code

ANOTHER_PASSWORD = "nine purple foxes under Oslo"


async def _accepted(identity: IdentityApi) -> str:
    email = an_email()
    assert (await identity.accepted(await identity.invited(await identity.a_company(), email))).status == 202
    return email


def _told(answer: Answer) -> dict[str, object]:
    return {**answer.body, "status": answer.status, "request_id": ""}


async def test_the_password_that_a_newcomer_chose_leads_back_to_the_code(identity: IdentityApi) -> None:
    email = await _accepted(identity)
    answer = await identity.sign_in(email)
    assert (answer.status, answer.code) == (403, "address_not_proven")
    assert (await identity.verified(email)).status == 200
    assert (await identity.sign_in(email)).status == 201


async def test_a_wrong_password_tells_nobody_that_a_code_is_waited_for(identity: IdentityApi) -> None:
    email = await _accepted(identity)
    answers = [_told(await identity.sign_in(one, ANOTHER_PASSWORD)) for one in (email, an_email())]
    assert answers[0]["code"] == "wrong_credentials"
    assert answers[0] == answers[1]


async def test_the_way_back_ends_when_no_new_code_can_come(identity: IdentityApi) -> None:
    email = await _accepted(identity)
    identity.clock.pass_by(days=7, seconds=-1)
    assert (await identity.sign_in(email)).code == "address_not_proven"
    identity.clock.pass_by(seconds=1)
    assert (await identity.sign_in(email)).code == "wrong_credentials"


async def test_the_way_back_ends_when_the_invitation_is_withdrawn(identity: IdentityApi) -> None:
    admin, email = await identity.a_user(), an_email()
    invitation = await identity.invited({"id": str(admin.company_id)}, email)
    await identity.accepted(invitation)
    await identity.call("DELETE", f"/invitations/{invitation['_id']}", by=admin)
    assert (await identity.sign_in(email)).code == "wrong_credentials"


async def test_a_removed_user_who_comes_back_signs_in_with_the_new_password_only(identity: IdentityApi) -> None:
    company = await identity.a_company()
    user = await identity.a_user(company)
    await identity.db["users"].update_one({"_id": user.user_id}, {"$set": {"active": False}})
    assert (await identity.sign_in(user.login_email)).code == "account_inactive"
    invitation = await identity.invited(company, user.login_email)
    assert (await identity.accepted(invitation, password=ANOTHER_PASSWORD)).status == 202
    assert (await identity.sign_in(user.login_email, ANOTHER_PASSWORD)).code == "address_not_proven"
    assert (await identity.sign_in(user.login_email)).code == "wrong_credentials"
    assert (await identity.verified(user.login_email)).status == 200
    assert (await identity.sign_in(user.login_email, ANOTHER_PASSWORD)).status == 201


@pytest.mark.parametrize("withdrawn", [0, 1])
async def test_the_code_still_counts_for_the_company_whose_invitation_was_not_withdrawn(
    identity: IdentityApi, withdrawn: int
) -> None:
    email, admins = an_email(), [await identity.a_user(), await identity.a_user()]
    invitations = [await identity.invited({"id": str(one.company_id)}, email, role=Role.MEMBER) for one in admins]
    for invitation in invitations:
        assert (await identity.accepted(invitation)).status == 202
    code = verification_code(await identity.open_verification(email))
    path = f"/invitations/{invitations[withdrawn]['_id']}"
    assert (await identity.call("DELETE", path, by=admins[withdrawn])).status == 204
    assert (await identity.sign_in(email)).code == "address_not_proven"
    assert (await identity.post("/registrations/verify", {"email": email, "code": code})).status == 200
    [member] = (await identity.sign_in(email)).body["memberships"]
    assert member["user_id"] == str(
        (await identity.actor(email, {"id": str(admins[1 - withdrawn].company_id)})).user_id
    )


async def test_a_wrong_password_costs_the_same_whosever_the_address_is(
    identity: IdentityApi, watched: tuple[Database, list[str]]
) -> None:
    db, commands = watched
    user, asked = await identity.a_user(), []
    for email in (user.login_email, await _accepted(identity), an_email()):
        commands.clear()
        with pytest.raises(WrongCredentials):
            await sign_in(
                db,
                identity.passwords,
                email=email,
                password=ANOTHER_PASSWORD,
                browser=Browser("", proofs="", token=""),
                device_key=bytes(32),
                key=None,
                now=identity.clock.now,
            )
        asked.append(tuple(commands))
    assert len(set(asked)) == 1
    assert asked[0].count("find") == 3  # login, memberships, who waits for a code


async def test_a_newcomer_is_written_to_and_reads_pages_in_the_language_in_which_they_accepted(
    identity: IdentityApi,
) -> None:
    company, email = await identity.a_company(), an_email()
    invitation = await identity.invited(company, email)
    assert (invitation["language"], (await identity.accepted(invitation, locale="fr")).status) == ("en", 202)
    verification = await identity.open_verification(email)
    [asked] = await identity.said("verifications", verification["_id"])
    assert asked["language"] == "fr"
    await identity.verified(email)
    assert (await identity.sign_in(email)).body["user"]["language"] == "fr"
    second = await identity.invited(await identity.a_company(name="Second SA"), email)
    member = await identity.actor(email, company)
    path = f"/invitations/{invitation_code(second)}/accept"
    assert (await identity.post(path, {"locale": "en"}, by=member)).status == 200
    users = await identity.db["users"].find({"login_email": email}).to_list(None)
    assert [user["profile"]["language"] for user in users] == ["fr", "fr"]
