"""Accepting an invitation, proving the address, becoming a member."""

import asyncio
from uuid import uuid4

import pytest
from yarl import URL

from shared.actor import Role
from tests.builders import an_address, an_email
from tests.service.identity.conftest import (
    PASSWORD,
    IdentityApi,
    another_code,
    invitation_code,
    verification_code,
)


async def test_an_invited_person_becomes_a_user_who_can_sign_in(identity: IdentityApi) -> None:
    company, email = await identity.a_company(time_zone="Europe/Paris"), an_email()
    answer = await identity.accepted(await identity.invited(company, email), locale="fr")
    assert (answer.status, answer.body) == (202, {"state": "verify", "email": email})
    assert (await identity.sign_in(email)).status == 403
    assert (await identity.verified(email)).body == {"state": "active"}
    assert (await identity.sign_in(email)).status == 201
    user = await identity.actor(email, company)
    [said] = await identity.said("users", user.user_id)
    assert (said["type"], said["version"]) == ("identity.user.changed.v1", 1)
    assert (said["login_email"], said["contact_email"], said["role"]) == (email, email, "company_admin")
    assert (said["language"], said["time_zone"], said["active"]) == ("fr", "Europe/Paris", True)


@pytest.mark.parametrize("behind", [".", "%3E", "%20", "%C2%A0", ")."])
async def test_a_link_opens_with_what_a_mail_program_took_for_a_part_of_it(identity: IdentityApi, behind: str) -> None:
    invitation = await identity.invited(await identity.a_company(), an_email())
    path = URL(f"/invitations/{invitation_code(invitation)}{behind}", encoded=True)
    async with identity.client.get(path) as response:
        assert response.status == 200


async def test_the_code_is_asked_for_by_an_event_that_does_not_hold_it(identity: IdentityApi) -> None:
    email = an_email()
    await identity.accepted(await identity.invited(await identity.a_company(), email))
    verification = await identity.open_verification(email)
    [said] = await identity.said("verifications", verification["_id"])
    assert (said["type"], said["email"], said["name"]) == (
        "identity.verification.requested.v1",
        email,
        "Ana Duarte",
    )
    assert PASSWORD not in str(verification)


async def test_a_company_knows_its_admins(identity: IdentityApi) -> None:
    company = await identity.a_company()
    admin = await identity.a_user(company)
    await identity.a_user(company, role=Role.MEMBER)
    assert (await identity.document("companies", company["id"]))["admin_ids"] == [admin.user_id]


async def test_the_invitations_site_becomes_the_members_scope_but_never_an_admins(identity: IdentityApi) -> None:
    company = await identity.a_company()
    admin = await identity.a_user(company)
    site = (await identity.post("/sites", an_address(name="Lyon"), by=admin)).body
    member = await identity.a_user(company, role=Role.MEMBER, site_id=site["id"])
    other_admin = await identity.a_user(company, role=Role.COMPANY_ADMIN, site_id=site["id"])
    assert [str(site_id) for site_id in member.site_ids or ()] == [site["id"]]
    assert other_admin.site_ids is None


async def test_however_many_accept_at_once_one_code_goes_out(identity: IdentityApi) -> None:
    invitation = await identity.invited(await identity.a_company(), an_email())
    answers = await asyncio.gather(*(identity.accepted(invitation) for _ in range(6)))
    assert {answer.status for answer in answers} == {202}
    verification = await identity.open_verification(invitation["email"])
    assert len(await identity.said("verifications", verification["_id"])) == 1
    assert await identity.db["verifications"].count_documents({"email": invitation["email"]}) == 1


async def test_an_invitation_is_used_once_the_address_is_proven(identity: IdentityApi) -> None:
    admin, email = await identity.a_user(), an_email()
    invitation = await identity.invited({"id": str(admin.company_id)}, email)
    await identity.accepted(invitation)
    [listed] = (await identity.get("/invitations", by=admin)).body["items"]
    assert (listed["state"], listed["accepted_at"] is not None) == ("pending", True)
    assert (await identity.get(f"/invitations/{invitation_code(invitation)}")).status == 200
    await identity.verified(email)
    assert (await identity.get("/invitations", by=admin)).body["items"] == []
    assert (await identity.get(f"/invitations/{invitation_code(invitation)}")).code == "invitation_used"
    assert (await identity.accepted(invitation)).code == "invitation_used"


async def test_the_link_leads_to_the_code_in_the_browser_that_accepted_and_in_no_other(identity: IdentityApi) -> None:
    invitation = await identity.invited(await identity.a_company(), an_email())
    opened = f"/invitations/{invitation_code(invitation)}"
    await identity.accepted(invitation, browser="the-first")
    for browser, awaits_code in (("the-first", True), ("another", False)):
        answer = await identity.call("GET", opened, x_portico_browser=browser)
        assert (answer.status, answer.body["awaits_code"]) == (200, awaits_code)


async def test_who_accepts_again_in_the_same_browser_changes_the_password_and_gets_no_second_code_within_a_minute(
    identity: IdentityApi,
) -> None:
    email = an_email()
    invitation = await identity.invited(await identity.a_company(), email)
    for password in (PASSWORD, "another storm over Brest"):
        assert (await identity.accepted(invitation, browser="mine", password=password)).status == 202
    verification = await identity.open_verification(email)
    assert (verification["generation"], len(verification["pending"])) == (1, 1)
    assert (await identity.verified(email)).status == 200
    assert [(await identity.sign_in(email, each)).status for each in (PASSWORD, "another storm over Brest")] == [
        401,
        201,
    ]


async def test_who_accepts_again_in_another_browser_gets_another_code_and_the_older_one_is_worth_nothing(
    identity: IdentityApi,
) -> None:
    email = an_email()
    invitation = await identity.invited(await identity.a_company(), email)
    await identity.accepted(invitation, browser="a-strangers", password="a strangers own password")
    older = {"email": email, "code": verification_code(await identity.open_verification(email))}
    again = await identity.accepted(invitation, browser="mine")
    assert (again.status, again.headers["Retry-After"]) == (429, "60")
    identity.clock.pass_by(seconds=60)
    assert (await identity.accepted(invitation, browser="mine")).status == 202
    assert (await identity.post("/registrations/verify", older)).code == "wrong_code"
    assert (await identity.verified(email)).status == 200
    assert (await identity.sign_in(email)).status == 201


async def test_an_invitation_is_accepted_in_other_browsers_five_times_an_hour(identity: IdentityApi) -> None:
    invitation = await identity.invited(await identity.a_company(), an_email())
    statuses = []
    for number in range(6):
        statuses.append((await identity.accepted(invitation, browser=f"browser-{number}")).status)
        identity.clock.pass_by(minutes=1)
    assert statuses == [202] * 5 + [429]


async def test_one_code_makes_a_member_of_every_company_whose_invitation_was_accepted(identity: IdentityApi) -> None:
    email, companies = an_email(), [await identity.a_company(name=name) for name in ("First SA", "Second SA")]
    invitations = [await identity.invited(company, email, role=Role.MEMBER) for company in companies]
    not_accepted = await identity.invited(await identity.a_company(name="Third SA"), email)
    for invitation in invitations:
        assert (await identity.accepted(invitation)).status == 202
    assert (await identity.verified(email)).status == 200
    session = await identity.sign_in(email)
    assert [one["company_name"] for one in session.body["memberships"]] == ["Second SA", "First SA"]
    assert (await identity.get(f"/invitations/{invitation_code(not_accepted)}")).body["has_login"] is True


async def test_an_accepted_invitation_can_be_withdrawn_until_the_address_is_proven(identity: IdentityApi) -> None:
    admin, email = await identity.a_user(), an_email()
    invitation = await identity.invited({"id": str(admin.company_id)}, email)
    await identity.accepted(invitation)
    typed = {"email": email, "code": verification_code(await identity.open_verification(email))}
    assert (await identity.call("DELETE", f"/invitations/{invitation['_id']}", by=admin)).status == 204
    assert (await identity.post("/registrations/verify", typed)).code == "wrong_code"
    assert await identity.db["logins"].count_documents({"email": email}) == 0
    assert (await identity.accepted(invitation)).code == "invitation_revoked"


async def test_an_accepted_invitation_that_is_sent_again_still_takes_the_6_digit_code(identity: IdentityApi) -> None:
    admin, email = await identity.a_user(), an_email()
    invitation = await identity.invited({"id": str(admin.company_id)}, email, role=Role.MEMBER)
    await identity.accepted(invitation)
    assert (await identity.post(f"/invitations/{invitation['_id']}/resend", by=admin)).status == 200
    assert (await identity.verified(email)).status == 200
    assert (await identity.sign_in(email)).body["user"]["company_id"] == str(admin.company_id)


async def test_an_invitation_that_an_older_version_counted_as_used_makes_a_member_when_the_code_is_typed(
    identity: IdentityApi,
) -> None:
    email = an_email()
    invitation = await identity.invited(await identity.a_company(), email)
    await identity.accepted(invitation)
    as_then = {"$set": {"state": "accepted"}, "$unset": {"accepted_at": ""}}
    await identity.db["invitations"].update_one({"_id": invitation["_id"]}, as_then)
    await identity.db["verifications"].update_one({"email": email}, {"$unset": {"kind": ""}})
    assert (await identity.verified(email)).status == 200
    assert (await identity.sign_in(email)).status == 201


async def test_an_accepted_invitation_that_has_expired_makes_no_member_with_the_code_of_another(
    identity: IdentityApi,
) -> None:
    email, companies = an_email(), [await identity.a_company(name=name) for name in ("First SA", "Second SA")]
    await identity.accepted(await identity.invited(companies[0], email))
    identity.clock.pass_by(days=8)
    await identity.accepted(await identity.invited(companies[1], email))
    assert (await identity.verified(email)).status == 200
    session = await identity.sign_in(email)
    assert [one["company_name"] for one in session.body["memberships"]] == ["Second SA"]


async def test_every_missing_field_of_a_newcomer_is_named(identity: IdentityApi) -> None:
    invitation = await identity.invited(await identity.a_company(), an_email())
    answer = await identity.post(f"/invitations/{invitation_code(invitation)}/accept", {})
    assert (answer.status, set(answer.field_codes)) == (422, {"first_name", "last_name", "password"})
    assert (await identity.accepted(invitation)).status == 202


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("Kx9!vQz2p", "password_too_short"),
        ("password1234", "password_too_weak"),
        ("é" * 513, "password_too_long"),
        ("p" * 1025, "string_too_long"),
    ],
)
async def test_a_weak_password_is_refused_and_the_invitation_stays_open(
    identity: IdentityApi, password: str, code: str
) -> None:
    invitation = await identity.invited(await identity.a_company(), an_email())
    answer = await identity.accepted(invitation, password=password)
    assert (answer.status, set(answer.field_codes)) == (422, {"password"})
    assert answer.field_codes["password"] == code
    assert (await identity.accepted(invitation)).status == 202


async def test_the_same_password_in_another_unicode_form_signs_in(identity: IdentityApi) -> None:
    email = an_email()
    composed, decomposed = "caf\u00e9 kites over Lyon \u00e9t\u00e9", "cafe\u0301 kites over Lyon e\u0301te\u0301"
    await identity.accepted(await identity.invited(await identity.a_company(), email), password=composed)
    await identity.verified(email)
    assert (await identity.sign_in(email, decomposed)).status == 201


@pytest.mark.parametrize(
    ("invited", "typed"),
    [
        ("j\u00f6rg-{}@firma.local", "JO\u0308RG-{}@Firma.Local"),
        ("ana-{}@b\u00fccher.example", "Ana-{}@xn--bcher-kva.example"),
        ("J\u030cos-{}@nas.home.arpa", "\u01f0os-{}@NAS.home.arpa"),
    ],
)
async def test_the_same_address_in_another_unicode_form_signs_in(
    identity: IdentityApi, invited: str, typed: str
) -> None:
    one = uuid4().hex
    invitation = await identity.invited(await identity.a_company(), invited.format(one))
    await identity.accepted(invitation)
    code = verification_code(await identity.open_verification(invitation["email"]))
    body = {"email": typed.format(one), "code": code}
    assert (await identity.post("/registrations/verify", body)).status == 200
    assert (await identity.sign_in(typed.format(one))).status == 201


async def test_a_wrong_an_expired_and_an_unasked_code_get_the_same_answer(identity: IdentityApi) -> None:
    email = an_email()
    await identity.accepted(await identity.invited(await identity.a_company(), email))
    right = verification_code(await identity.open_verification(email))
    wrong = await identity.post("/registrations/verify", {"email": email, "code": another_code(right)})
    unknown = await identity.post("/registrations/verify", {"email": an_email(), "code": right})
    identity.clock.pass_by(minutes=10)
    expired = await identity.post("/registrations/verify", {"email": email, "code": right})
    bodies = [{**answer.body, "request_id": ""} for answer in (wrong, unknown, expired)]
    assert wrong.status == 422
    assert wrong.field_codes == {"code": "wrong_code"}
    assert bodies == [bodies[0]] * 3


async def test_of_fifty_guesses_at_once_five_are_looked_at(identity: IdentityApi) -> None:
    email = an_email()
    await identity.accepted(await identity.invited(await identity.a_company(), email))
    verification = await identity.open_verification(email)
    right = verification_code(verification)
    wrong = {"email": email, "code": another_code(right)}
    answers = await asyncio.gather(*(identity.post("/registrations/verify", wrong) for _ in range(50)))
    assert {answer.status for answer in answers} == {422}
    too_late = await identity.post("/registrations/verify", {"email": email, "code": right})
    assert too_late.code == "wrong_code"


async def test_a_code_works_once_however_many_type_it_at_once(identity: IdentityApi) -> None:
    company, email = await identity.a_company(), an_email()
    await identity.accepted(await identity.invited(company, email))
    right = {"email": email, "code": verification_code(await identity.open_verification(email))}
    answers = await asyncio.gather(*(identity.post("/registrations/verify", right) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [200, 422, 422, 422]
    assert await identity.db["logins"].count_documents({"email": email}) == 1
    assert await identity.db["users"].count_documents({"login_email": email}) == 1


async def test_a_new_code_comes_after_a_minute_with_new_tries(identity: IdentityApi) -> None:
    email = an_email()
    await identity.accepted(await identity.invited(await identity.a_company(), email))
    first = await identity.open_verification(email)
    wrong = {"email": email, "code": another_code(verification_code(first))}
    for _ in range(5):
        await identity.post("/registrations/verify", wrong)
    assert (await identity.post("/registrations/resend", {"email": email})).status == 202
    assert (await identity.open_verification(email))["generation"] == 1
    identity.clock.pass_by(seconds=60)
    assert (await identity.post("/registrations/resend", {"email": email})).status == 202
    old = {"email": email, "code": verification_code(first)}
    assert (await identity.post("/registrations/verify", old)).code == "wrong_code"
    assert (await identity.verified(email)).status == 200
    assert len(await identity.said("verifications", first["_id"])) == 2


async def test_many_wishes_for_a_new_code_at_once_send_one(identity: IdentityApi) -> None:
    email = an_email()
    await identity.accepted(await identity.invited(await identity.a_company(), email))
    identity.clock.pass_by(seconds=60)
    answers = await asyncio.gather(*(identity.post("/registrations/resend", {"email": email}) for _ in range(8)))
    assert {answer.status for answer in answers} == {202}
    assert (await identity.open_verification(email))["generation"] == 2


async def test_five_new_codes_an_hour_are_enough(identity: IdentityApi) -> None:
    email = an_email()
    await identity.accepted(await identity.invited(await identity.a_company(), email))
    for _ in range(7):
        identity.clock.pass_by(seconds=61)
        await identity.post("/registrations/resend", {"email": email})
    assert (await identity.open_verification(email))["generation"] == 6
    identity.clock.pass_by(hours=1)
    await identity.post("/registrations/resend", {"email": email})
    assert (await identity.open_verification(email))["generation"] == 7


async def test_asking_for_a_code_tells_nobody_who_waits_for_one(identity: IdentityApi) -> None:
    email = an_email()
    await identity.accepted(await identity.invited(await identity.a_company(), email))
    waiting = await identity.post("/registrations/resend", {"email": email})
    unknown = await identity.post("/registrations/resend", {"email": an_email()})
    assert (waiting.status, waiting.body) == (unknown.status, unknown.body)


async def test_a_later_accepted_invitation_replaces_an_unverified_one(identity: IdentityApi) -> None:
    email = an_email()
    await identity.accepted(await identity.invited(await identity.a_company(), email), password="other kites of Nantes")
    replaced = await identity.open_verification(email)
    company = await identity.a_company()
    assert (await identity.accepted(await identity.invited(company, email))).status == 202
    old = {"email": email, "code": verification_code(replaced)}
    assert (await identity.post("/registrations/verify", old)).code == "wrong_code"
    assert (await identity.verified(email)).status == 200
    assert (await identity.sign_in(email)).body["user"]["company_id"] == company["id"]
    assert (await identity.document("verifications", replaced["_id"]))["password_hash"] == ""


async def test_an_address_with_a_login_signs_in_to_accept(identity: IdentityApi) -> None:
    user = await identity.a_user()
    company = await identity.a_company(name="Second SA")
    await identity.db["users"].update_one({"_id": user.user_id}, {"$set": {"profile.pin": "GOLD"}})
    invitation = await identity.invited(company, user.login_email, role=Role.MEMBER)
    path = f"/invitations/{invitation_code(invitation)}"
    assert (await identity.get(path)).body["has_login"] is True
    assert (await identity.accepted(invitation)).code == "has_login"
    answer = await identity.post(f"{path}/accept", {}, by=user)
    assert (answer.status, answer.body["state"]) == (200, "active")
    member = await identity.actor(user.login_email, company)
    assert (member.role, member.login_id, member.name) == (Role.MEMBER, user.login_id, user.name)
    assert (await identity.get("/profile", by=member)).body["pin"] is None


async def test_whoever_joins_a_second_company_takes_along_themselves_and_nothing_of_the_first(
    identity: IdentityApi,
) -> None:
    user = await identity.a_user()
    of_the_first = an_address(address_line_2="Hall 3", region="Rhône") | {
        "company_name": "First SA",
        "email": an_email("desk"),
        "job_title": "Head of printing",
    }
    themselves = {
        "first_name": "Ana",
        "last_name": "Duarte",
        "phone": "+33472000000",
        "alternative_phone": "+33472000001",
        "language": "fr",
        "time_zone": "Europe/Lisbon",
    }
    profile = of_the_first | themselves
    assert (await identity.call("PUT", "/profile", profile, by=user, if_match="*")).status == 200
    company = await identity.a_company(name="Second SA")
    invitation = await identity.invited(company, user.login_email, role=Role.MEMBER)
    await identity.post(f"/invitations/{invitation_code(invitation)}/accept", {}, by=user)
    known = (await identity.get("/profile", by=await identity.actor(user.login_email, company))).body
    assert {name: known[name] for name in themselves} == themselves
    assert (known["company_name"], known["email"]) == ("Second SA", user.login_email)
    assert [known[name] for name in of_the_first if name not in ("company_name", "email") and known[name]] == []
    assert known["missing"] == ["address_line_1", "city", "postal_code", "country"]


async def test_accepting_again_while_signed_in_answers_the_same_until_the_member_is_removed(
    identity: IdentityApi,
) -> None:
    user, other = await identity.a_user(), await identity.a_user()
    company = await identity.a_company(name="Second SA")
    path = f"/invitations/{invitation_code(await identity.invited(company, user.login_email))}/accept"
    answers = await asyncio.gather(*(identity.post(path, {}, by=user) for _ in range(4)))
    assert {(answer.status, str(answer.body)) for answer in answers} == {(200, str(answers[0].body))}
    member = await identity.actor(user.login_email, company)
    assert len(await identity.said("users", member.user_id)) == 1
    assert (await identity.post(path, {}, by=other)).code == "invitation_used"
    await identity.db["users"].update_one({"_id": member.user_id}, {"$set": {"active": False}})
    assert (await identity.post(path, {}, by=user)).code == "invitation_used"


async def test_an_invitation_is_for_its_address_only(identity: IdentityApi) -> None:
    other, invited = await identity.a_user(), await identity.a_user()
    invitation = await identity.invited(await identity.a_company(), invited.login_email)
    answer = await identity.post(f"/invitations/{invitation_code(invitation)}/accept", {}, by=other)
    assert (answer.status, answer.code) == (403, "invited_other_address")
    assert (await identity.document("invitations", invitation["_id"]))["state"] == "pending"


async def test_a_removed_user_comes_back_like_a_newcomer_with_a_new_password(identity: IdentityApi) -> None:
    company = await identity.a_company()
    user = await identity.a_user(company, role=Role.MEMBER)
    before = await identity.sign_in(user.login_email)
    await identity.db["users"].update_one({"_id": user.user_id}, {"$set": {"active": False}})
    again = await identity.invited(company, user.login_email, role=Role.COMPANY_ADMIN)
    assert (await identity.accepted(again, password="another storm over Brest")).status == 202
    assert (await identity.verified(user.login_email)).status == 200
    back = await identity.actor(user.login_email, company)
    assert (back.user_id, back.login_id, back.role) == (user.user_id, user.login_id, Role.COMPANY_ADMIN)
    assert (await identity.sign_in(user.login_email)).status == 401
    assert (await identity.sign_in(user.login_email, "another storm over Brest")).status == 201
    old_session = {"token": before.body["session_token"]}
    assert (await identity.post("/session/resolve", old_session)).status == 401
    assert [said["role"] for said in await identity.said("users", user.user_id)] == ["member", "company_admin"]


async def test_one_address_accepts_the_invitations_of_several_companies_at_once(identity: IdentityApi) -> None:
    email, companies = an_email(), [await identity.a_company() for _ in range(4)]
    invitations = [await identity.invited(company, email) for company in companies]
    answers = await asyncio.gather(*(identity.accepted(invitation) for invitation in invitations))
    assert [answer.status for answer in answers] == [202] * len(companies)
    assert (await identity.verified(email)).status == 200
    joined = {str(user["company_id"]) async for user in identity.db["users"].find({"login_email": email})}
    assert joined == {company["id"] for company in companies}
