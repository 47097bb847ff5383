"""Inviting: who may, whom, how often, and what the holder of a code sees."""

import asyncio
from uuid import uuid4

import pytest

from shared.actor import Role
from tests.builders import an_actor, an_address, an_email
from tests.service.identity.conftest import IdentityApi, invitation_code

NOT_ADMINS = [Role.MEMBER, Role.CASE_MANAGER, Role.AGENT]


async def test_an_invitation_says_what_its_mail_needs_and_never_its_code(identity: IdentityApi) -> None:
    company, email = await identity.a_company(name="Globex"), an_email()
    invitation = await identity.invited(company, email)
    [said] = await identity.said("invitations", invitation["_id"])
    assert said["type"] == "identity.invitation.issued.v1"
    assert (said["email"], said["company_name"], said["generation"]) == (email, "Globex", 1)
    assert invitation_code(invitation) not in str(invitation)


async def test_an_invitation_that_scanners_have_looked_at_can_be_accepted(identity: IdentityApi) -> None:
    invitation = await identity.invited(await identity.a_company(), an_email())
    path = f"/invitations/{invitation_code(invitation)}"
    for _ in range(5):
        for method in ("GET", "HEAD"):
            async with identity.client.request(method, path) as answer:
                assert answer.status == 200
    assert (await identity.accepted(invitation)).status == 202


async def test_an_admin_invites_many_addresses_at_once(identity: IdentityApi) -> None:
    admin = await identity.a_user()
    emails = [an_email() for _ in range(20)]
    answer = await identity.post("/invitations", {"invitations": [{"email": email} for email in emails]}, by=admin)
    assert (answer.status, [item["email"] for item in answer.body["items"]]) == (201, emails)
    listed = await identity.get("/invitations?limit=200", by=admin)
    assert {item["email"] for item in listed.body["items"]} == set(emails)
    assert listed.body["total"] == 20


@pytest.mark.parametrize("role", NOT_ADMINS)
async def test_only_admins_see_send_and_revoke_invitations(identity: IdentityApi, role: Role) -> None:
    actor = an_actor(role)
    wanted = {"invitations": [{"email": an_email()}]}
    answers = [
        await identity.post("/invitations", wanted, by=actor),
        await identity.post("/invitations", "not read", by=actor),
        await identity.post(f"/vendor/companies/{uuid4()}/invitations", "not read", by=actor),
        await identity.get("/invitations", by=actor),
        await identity.post(f"/invitations/{uuid4()}/resend", by=actor),
        await identity.call("DELETE", f"/invitations/{uuid4()}", by=actor),
        await identity.post(f"/vendor/companies/{uuid4()}/invitations", wanted, by=actor),
    ]
    assert {(answer.status, answer.code) for answer in answers} == {(403, "forbidden")}


async def test_nobody_invites_without_being_signed_in(identity: IdentityApi) -> None:
    answer = await identity.post("/invitations", {"invitations": [{"email": an_email()}]})
    assert answer.status == 401


async def test_a_company_admin_does_not_invite_for_other_companies(identity: IdentityApi) -> None:
    company = await identity.a_company()
    wanted = {"invitations": [{"email": an_email()}]}
    answer = await identity.post(f"/vendor/companies/{company['id']}/invitations", wanted, by=an_actor())
    assert answer.status == 403


async def test_another_companys_invitation_does_not_exist(identity: IdentityApi) -> None:
    company = await identity.a_company()
    invitation = await identity.invited(company, an_email())
    stranger = an_actor(Role.COMPANY_ADMIN)
    path = f"/invitations/{invitation['_id']}"
    answers = [
        await identity.post(f"{path}/resend", by=stranger),
        await identity.call("DELETE", path, by=stranger),
    ]
    assert [answer.status for answer in answers] == [404, 404]
    assert (await identity.get("/invitations", by=stranger)).body["items"] == []


async def test_the_same_request_invites_once(identity: IdentityApi) -> None:
    admin = await identity.a_user()
    wanted = {"invitations": [{"email": an_email()}, {"email": an_email()}]}
    answers = await asyncio.gather(
        *(identity.post("/invitations", wanted, by=admin, idempotency_key="once") for _ in range(5))
    )
    assert {answer.status for answer in answers} == {201}
    assert len({tuple(item["id"] for item in answer.body["items"]) for answer in answers}) == 1
    for item in answers[0].body["items"]:
        assert len(await identity.said("invitations", item["id"])) == 1


async def test_a_key_stands_for_one_body(identity: IdentityApi) -> None:
    admin = await identity.a_user()
    for email, status in ((an_email(), 201), (an_email(), 422)):
        wanted = {"invitations": [{"email": email}]}
        answer = await identity.post("/invitations", wanted, by=admin, idempotency_key="one-body")
        assert answer.status == status


async def test_a_refused_request_may_be_corrected_under_its_key(identity: IdentityApi) -> None:
    admin, email = await identity.a_user(), an_email()
    for emails, status in (([email, admin.login_email], 422), ([email], 201), ([email], 201), ([an_email()], 422)):
        wanted = {"invitations": [{"email": each} for each in emails]}
        answer = await identity.post("/invitations", wanted, by=admin, idempotency_key="corrected")
        assert answer.status == status
    assert answer.code == "idempotency_key_reused"
    listed = await identity.get("/invitations", by=admin)
    assert [item["email"] for item in listed.body["items"]] == [email]


async def test_of_two_bodies_at_once_under_one_key_one_is_taken(identity: IdentityApi) -> None:
    admin = await identity.a_user()
    bodies = [{"invitations": [{"email": an_email()}]} for _ in range(4)]
    answers = await asyncio.gather(
        *(identity.post("/invitations", body, by=admin, idempotency_key="which") for body in bodies)
    )
    assert sorted(answer.status for answer in answers) == [201, 422, 422, 422]


async def test_the_same_key_means_something_else_at_another_company(identity: IdentityApi) -> None:
    vendor, wanted = an_actor(Role.VENDOR_ADMIN), {"invitations": [{"email": an_email()}]}
    ids = set()
    for _ in range(2):
        company = await identity.a_company()
        path = f"/vendor/companies/{company['id']}/invitations"
        answer = await identity.post(path, wanted, by=vendor, idempotency_key="two-companies")
        ids.add(answer.body["items"][0]["id"])
    assert len(ids) == 2


async def test_inviting_a_pending_address_again_sends_a_new_code_for_the_newest_wish(identity: IdentityApi) -> None:
    company, email = await identity.a_company(), an_email()
    first = await identity.invited(company, email, role=Role.MEMBER)
    second = await identity.invited(company, email, role=Role.CASE_MANAGER)
    assert (second["_id"], second["generation"], second["role"]) == (first["_id"], 2, "case_manager")
    assert (await identity.get(f"/invitations/{invitation_code(first)}")).code == "invitation_replaced"
    assert (await identity.get(f"/invitations/{invitation_code(second)}")).status == 200


async def test_many_admins_inviting_one_address_make_one_invitation(identity: IdentityApi) -> None:
    company, email = await identity.a_company(), an_email()
    invitations = await asyncio.gather(*(identity.invited(company, email) for _ in range(10)))
    assert len({invitation["_id"] for invitation in invitations}) == 1


async def test_an_active_user_is_not_invited_again(identity: IdentityApi) -> None:
    admin = await identity.a_user()
    wanted = {"invitations": [{"email": an_email()}, {"email": admin.login_email}]}
    answer = await identity.post("/invitations", wanted, by=admin)
    assert (answer.status, answer.field_codes) == (422, {"invitations.1.email": "already_member"})
    assert (await identity.get("/invitations", by=admin)).body["total"] == 0


async def test_an_address_stands_once_in_a_batch(identity: IdentityApi) -> None:
    admin, email = await identity.a_user(), an_email()
    wanted = {"invitations": [{"email": email}, {"email": email.upper()}]}
    answer = await identity.post("/invitations", wanted, by=admin)
    assert answer.field_codes == {"invitations.1.email": "duplicate"}


async def test_the_site_of_an_invitation_is_the_companys(identity: IdentityApi) -> None:
    admin, stranger = await identity.a_user(), await identity.a_user()
    foreign = await identity.post("/sites", an_address(name="Elsewhere"), by=stranger)
    wanted = {"invitations": [{"email": an_email(), "site_id": foreign.body["id"]}]}
    answer = await identity.post("/invitations", wanted, by=admin)
    assert answer.field_codes == {"invitations.0.site_id": "unknown_site"}


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({}, "invitations"),
        ({"invitations": []}, "invitations"),
        ({"invitations": [{"role": "member"}]}, "invitations.0.email"),
        ({"invitations": [{"email": "nobody"}]}, "invitations.0.email"),
        ({"invitations": [{"email": {"$ne": None}}]}, "invitations.0.email"),
        ({"invitations": [{"email": "a@example.com", "role": "vendor_admin"}]}, "invitations.0.role"),
        ({"invitations": [{"email": "a@example.com", "company_id": "x"}]}, "invitations.0.company_id"),
        ({"invitations": [{"email": f"a{n}@example.com"} for n in range(101)]}, "invitations"),
    ],
)
async def test_bad_invitations_are_refused_by_field(identity: IdentityApi, wanted: object, field: str) -> None:
    answer = await identity.post("/invitations", wanted, by=an_actor())
    assert answer.status == 422
    assert any(name.startswith(field) for name in answer.field_codes)


async def test_sending_again_makes_the_older_code_worthless(identity: IdentityApi) -> None:
    admin = await identity.a_user()
    company = {"id": str(admin.company_id)}
    older = await identity.invited(company, an_email())
    answer = await identity.post(f"/invitations/{older['_id']}/resend", by=admin)
    assert answer.status == 200
    newer = await identity.document("invitations", older["_id"])
    assert (await identity.get(f"/invitations/{invitation_code(older)}")).code == "invitation_replaced"
    assert (await identity.get(f"/invitations/{invitation_code(newer)}")).status == 200
    assert [said["generation"] for said in await identity.said("invitations", older["_id"])] == [1, 2]


async def test_one_click_on_send_again_sends_one_mail(identity: IdentityApi) -> None:
    admin = await identity.a_user()
    invitation = await identity.invited({"id": str(admin.company_id)}, an_email())
    for _ in range(2):
        await identity.post(f"/invitations/{invitation['_id']}/resend", by=admin, idempotency_key="again")
    assert len(await identity.said("invitations", invitation["_id"])) == 2


async def test_a_revoked_invitation_is_gone(identity: IdentityApi) -> None:
    admin, email = await identity.a_user(), an_email()
    invitation = await identity.invited({"id": str(admin.company_id)}, email)
    for _ in range(2):
        assert (await identity.call("DELETE", f"/invitations/{invitation['_id']}", by=admin)).status == 204
    assert (await identity.get(f"/invitations/{invitation_code(invitation)}")).code == "invitation_revoked"
    assert (await identity.accepted(invitation)).code == "invitation_revoked"
    assert (await identity.post(f"/invitations/{invitation['_id']}/resend", by=admin)).code == "invitation_revoked"
    assert (await identity.get("/invitations", by=admin)).body["items"] == []
    again = await identity.invited({"id": str(admin.company_id)}, email)
    assert again["_id"] != invitation["_id"]


async def test_an_expired_invitation_is_listed_and_can_be_sent_again(identity: IdentityApi) -> None:
    admin = await identity.a_user()
    invitation = await identity.invited({"id": str(admin.company_id)}, an_email())
    identity.clock.pass_by(days=7)
    assert (await identity.get(f"/invitations/{invitation_code(invitation)}")).code == "invitation_expired"
    assert (await identity.accepted(invitation)).code == "invitation_expired"
    [listed] = (await identity.get("/invitations", by=admin)).body["items"]
    assert listed["state"] == "expired"
    again = await identity.post(f"/invitations/{invitation['_id']}/resend", by=admin)
    assert again.body["state"] == "pending"


async def test_the_holder_of_a_code_sees_address_company_and_inviter(identity: IdentityApi) -> None:
    admin, email = await identity.a_user(await identity.a_company(time_zone="Europe/Paris")), an_email()
    await identity.post("/invitations", {"invitations": [{"email": email}]}, by=admin)
    invitation = await identity.db["invitations"].find_one({"email": email})
    assert invitation is not None
    answer = await identity.get(f"/invitations/{invitation_code(invitation)}")
    assert answer.body["email"] == email
    assert (answer.body["company_name"], answer.body["inviter_name"]) == ("Acme SA", "Ana Duarte")
    assert (answer.body["has_login"], answer.body["time_zone"]) == (False, "Europe/Paris")


@pytest.mark.parametrize("code", ["x", "é" * 46, "A" * 46, "..", "01a2297d-0000-7000-8000-000000000001"])
async def test_a_code_that_we_never_made_is_not_found(identity: IdentityApi, code: str) -> None:
    assert (await identity.get(f"/invitations/{code}")).status == 404
    newcomer = {"first_name": "Ana", "last_name": "Duarte", "password": "irrelevant here"}
    assert (await identity.post(f"/invitations/{code}/accept", newcomer)).status in (404, 405)
