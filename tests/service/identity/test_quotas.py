"""Fair shares: how many invitations go out, and how often one is sent again."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.identity.settings import IdentitySettings
from shared.actor import Actor, Role
from tests.builders import TEST_SECRET, Json, an_actor, an_email
from tests.client import Answer
from tests.service.identity.conftest import IdentityApi, an_identity, invitation_code

NOON = datetime(2031, 5, 6, 12, 0, tzinfo=UTC)


def wanted(count: int) -> Json:
    return {"invitations": [{"email": an_email()} for _ in range(count)]}


def wait_of(reply: Answer) -> int:
    assert (reply.status, reply.code) == (429, "too_many_requests"), reply
    return int(reply.headers["Retry-After"])


async def an_admin(identity: IdentityApi, company: Json | None = None) -> Actor:
    company = company or await identity.a_company()
    return an_actor(Role.COMPANY_ADMIN, company_id=UUID(company["id"]))


async def test_of_many_invitations_at_once_over_two_replicas_exactly_so_many_go_out_as_may(mongo_url: str) -> None:
    bounds = {"IDENTITY_INVITATIONS_PER_USER_AND_HOUR": "12"}
    async with an_identity(mongo_url, **bounds) as one, an_identity(mongo_url, **bounds) as two:
        one.clock.now = two.clock.now = NOON
        admin = await an_admin(one)
        replies = await asyncio.gather(
            *([one, two][n % 2].post("/invitations", wanted(3), by=admin) for n in range(20)),
        )
        assert [reply.status for reply in replies].count(201) == 4
        assert await one.db["invitations"].count_documents({"company_id": admin.company_id}) == 12
        assert wait_of(next(reply for reply in replies if reply.status != 201)) == 3600
        colleague = an_actor(Role.COMPANY_ADMIN, company_id=admin.company_id)
        assert (await one.post("/invitations", wanted(3), by=colleague)).status == 201


async def test_after_the_time_that_was_told_invitations_go_out_again(mongo_url: str) -> None:
    async with an_identity(mongo_url, IDENTITY_INVITATIONS_PER_COMPANY_AND_DAY="5") as identity:
        identity.clock.now = NOON
        admin = await an_admin(identity)
        assert (await identity.post("/invitations", wanted(5), by=admin)).status == 201
        refused = await identity.post("/invitations", wanted(1), by=admin)
        assert refused.body["detail"] == "More invitations were sent than is allowed. Please try again later."
        identity.clock.pass_by(seconds=wait_of(refused) - 1)
        assert wait_of(await identity.post("/invitations", wanted(1), by=admin)) == 1
        identity.clock.pass_by(seconds=1)
        assert (await identity.post("/invitations", wanted(1), by=admin)).status == 201


async def test_a_batch_goes_out_whole_or_not_and_what_is_refused_or_repeated_does_not_count(mongo_url: str) -> None:
    async with an_identity(mongo_url, IDENTITY_INVITATIONS_PER_USER_AND_HOUR="3") as identity:
        identity.clock.now = NOON
        admin, two = await an_admin(identity), wanted(2)
        assert (await identity.post("/invitations", {"invitations": [{"email": "nobody"}]}, by=admin)).status == 422
        for _ in range(3):
            assert (await identity.post("/invitations", two, by=admin, idempotency_key="two")).status == 201
        assert (await identity.post("/invitations", wanted(2), by=admin)).status == 429
        assert (await identity.get("/invitations", by=admin)).body["total"] == 2
        assert (await identity.post("/invitations", wanted(1), by=admin)).status == 201


async def test_more_invitations_than_an_hour_has_are_no_matter_of_waiting(mongo_url: str) -> None:
    async with an_identity(mongo_url, IDENTITY_INVITATIONS_PER_USER_AND_HOUR="3") as identity:
        admin = await an_admin(identity)
        refused = await identity.post("/invitations", wanted(4), by=admin)
        assert (refused.status, refused.code) == (422, "more_than_allowed")
        assert (await identity.post("/invitations", wanted(3), by=admin)).status == 201


async def test_what_is_sent_again_counts_as_well(mongo_url: str) -> None:
    async with an_identity(mongo_url, IDENTITY_INVITATIONS_PER_USER_AND_HOUR="3") as identity:
        identity.clock.now = NOON
        admin = await an_admin(identity)
        made = (await identity.post("/invitations", wanted(2), by=admin)).body["items"]
        replies = [await identity.post(f"/invitations/{one['id']}/resend", by=admin) for one in made]
        assert [reply.status for reply in replies] == [200, 429]


async def test_an_invitation_is_sent_again_at_most_once_a_minute(identity: IdentityApi) -> None:
    company = await identity.a_company()
    admin, invitation = await an_admin(identity, company), await identity.invited(company, an_email())
    path = f"/invitations/{invitation['_id']}/resend"
    assert (await identity.post(path, by=admin, idempotency_key="first")).status == 200
    refused = await identity.post(path, by=admin)
    assert refused.body["detail"].startswith("An invitation can be sent again once a minute.")
    assert wait_of(refused) == 60
    # A repeat of what was answered is answered again.
    assert (await identity.post(path, by=admin, idempotency_key="first")).status == 200
    identity.clock.pass_by(seconds=59)
    assert wait_of(await identity.post(path, by=admin)) == 1
    identity.clock.pass_by(seconds=1)
    assert (await identity.post(path, by=admin)).status == 200
    assert len(await identity.said("invitations", invitation["_id"])) == 3


async def test_an_invitation_is_sent_again_at_most_five_times_an_hour(identity: IdentityApi) -> None:
    company = await identity.a_company()
    admin, invitation = await an_admin(identity, company), await identity.invited(company, an_email())
    path = f"/invitations/{invitation['_id']}/resend"
    for _ in range(5):
        assert (await identity.post(path, by=admin)).status == 200
        identity.clock.pass_by(seconds=60)
    refused = await identity.post(path, by=admin)
    assert refused.body["detail"].startswith("An invitation can be sent again five times an hour.")
    assert wait_of(refused) == 3600 - 5 * 60
    identity.clock.pass_by(seconds=wait_of(refused))
    assert (await identity.post(path, by=admin)).status == 200


async def test_of_many_who_send_one_again_at_once_one_does(identity: IdentityApi) -> None:
    company = await identity.a_company()
    admin, invitation = await an_admin(identity, company), await identity.invited(company, an_email())
    path = f"/invitations/{invitation['_id']}/resend"
    replies = await asyncio.gather(*(identity.post(path, by=admin) for _ in range(20)))
    assert {reply.status for reply in replies} <= {200, 409, 429}
    assert [reply.status for reply in replies].count(200) == 1
    assert len(await identity.said("invitations", invitation["_id"])) == 2


async def test_who_was_too_late_to_send_one_again_has_used_nothing_up(mongo_url: str) -> None:
    async with an_identity(mongo_url, IDENTITY_INVITATIONS_PER_USER_AND_HOUR="20") as identity:
        identity.clock.now = NOON
        company = await identity.a_company()
        admin, invitation = await an_admin(identity, company), await identity.invited(company, an_email())
        path = f"/invitations/{invitation['_id']}/resend"
        replies = await asyncio.gather(*(identity.post(path, by=admin) for _ in range(20)))
        assert [reply.status for reply in replies].count(200) == 1
        assert (await identity.post("/invitations", wanted(19), by=admin)).status == 201
        assert (await identity.post("/invitations", wanted(1), by=admin)).status == 429


async def test_inviting_again_and_again_sends_no_more_mails_than_sending_again_and_the_newest_wish_counts(
    identity: IdentityApi,
) -> None:
    company, email = await identity.a_company(), an_email()
    roles = [Role.MEMBER, Role.CASE_MANAGER] * 10
    for role in roles:
        invitation = await identity.invited(company, email, role=role)
    assert len(await identity.said("invitations", invitation["_id"])) == 2
    assert (invitation["generation"], invitation["role"]) == (2, roles[-1].value)
    assert (await identity.get(f"/invitations/{invitation_code(invitation)}")).status == 200


@pytest.mark.parametrize("generation", [65_535, 65_536, 70_000])
async def test_an_invitation_of_any_generation_has_a_code_that_works(identity: IdentityApi, generation: int) -> None:
    company = await identity.a_company()
    admin, invitation = await an_admin(identity, company), await identity.invited(company, an_email())
    await identity.db["invitations"].update_one({"_id": invitation["_id"]}, {"$set": {"generation": generation}})
    assert (await identity.post(f"/invitations/{invitation['_id']}/resend", by=admin)).status == 200
    newest = await identity.document("invitations", invitation["_id"])
    assert newest["generation"] == generation + 1
    assert (await identity.get(f"/invitations/{invitation_code(newest)}")).status == 200
    older = invitation_code(newest, generation=generation)
    assert (await identity.get(f"/invitations/{older}")).code == "invitation_replaced"


def test_the_defaults_bound_invitations() -> None:
    quota = IdentitySettings.model_validate({"PORTICO_SECRET_KEY": TEST_SECRET}).invitations
    assert (quota.user.most, quota.company.most) == (200, 1000)
