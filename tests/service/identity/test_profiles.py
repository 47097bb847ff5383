"""The own profile, and the list of a company's users."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from shared.actor import Actor, Role
from shared.clock import utc_now
from shared.signing import verifier
from tests.builders import TEST_SECRET, Json, an_actor, an_address, an_email
from tests.client import Answer
from tests.service.identity.conftest import IdentityApi

REQUIRED = {
    "first_name",
    "last_name",
    "email",
    "phone",
    "language",
    "time_zone",
    "company_name",
    "address_line_1",
    "city",
    "postal_code",
    "country",
}


def a_profile(**other: Any) -> Json:
    return {
        **an_address(),
        "first_name": "Ana",
        "last_name": "Duarte",
        "email": an_email("service"),
        "phone": "+33 4 72 00 00 00",
        "language": "fr",
        "time_zone": "Europe/Paris",
    } | other


async def put(identity: IdentityApi, body: Json, by: Actor, *, query: str = "", **headers: str) -> Answer:
    return await identity.call("PUT", f"/profile{query}", body, by=by, **({"if_match": "*"} | headers))


async def test_a_new_user_sees_what_is_known_and_what_is_missing(identity: IdentityApi) -> None:
    user = await identity.a_user()
    answer = await identity.get("/profile", by=user)
    assert (answer.status, answer.headers["ETag"]) == (200, '"1"')
    assert (answer.body["email"], answer.body["company_name"]) == (user.login_email, "Acme SA")
    assert set(answer.body["missing"]) == {"phone", "address_line_1", "city", "postal_code", "country"}


async def test_a_saved_profile_is_complete_and_others_hear_of_it(identity: IdentityApi) -> None:
    user = await identity.a_user()
    answer = await put(identity, a_profile(email="service@example.com"), user, if_match='"1"')
    assert (answer.status, answer.headers["ETag"], answer.body["missing"]) == (200, '"2"', [])
    assert answer.body["phone"] == "+33472000000"
    said = (await identity.said("users", user.user_id))[-1]
    assert (said["version"], said["contact_email"], said["phone"]) == (2, "service@example.com", "+33472000000")
    assert (said["language"], said["time_zone"]) == ("fr", "Europe/Paris")
    assert (await identity.sign_in(user.login_email)).body["user"]["profile_complete"] is True


async def test_the_language_is_chosen_alone_while_the_profile_lacks_something(identity: IdentityApi) -> None:
    user = await identity.a_user()
    assert (await identity.get("/profile", by=user)).body["language"] == "en"
    answer = await identity.call("PUT", "/profile/language", {"language": "fr"}, by=user)
    assert (answer.status, answer.headers["ETag"], answer.body["language"]) == (200, '"2"', "fr")
    assert "phone" in answer.body["missing"]
    said = (await identity.said("users", user.user_id))[-1]
    assert (said["version"], said["language"]) == (2, "fr")
    assert (await identity.sign_in(user.login_email)).body["user"]["language"] == "fr"
    again = await identity.call("PUT", "/profile/language", {"language": "fr"}, by=user)
    assert (again.status, again.headers["ETag"]) == (200, '"2"')


async def test_only_a_language_of_the_portal_can_be_chosen(identity: IdentityApi) -> None:
    answer = await identity.call("PUT", "/profile/language", {"language": "de"}, by=await identity.a_user())
    assert (answer.status, answer.wrong_fields) == (422, {"language"})


async def test_editing_the_profile_never_changes_the_login(identity: IdentityApi) -> None:
    user = await identity.a_user()
    await put(identity, a_profile(email="elsewhere@example.com"), user)
    assert (await identity.sign_in("elsewhere@example.com")).status == 401
    answer = await identity.sign_in(user.login_email)
    assert (answer.status, answer.body["user"]["email"]) == (201, user.login_email)
    assert (await identity.said("users", user.user_id))[-1]["login_email"] == user.login_email


async def test_others_do_not_hear_of_what_they_do_not_copy(identity: IdentityApi) -> None:
    user, body = await identity.a_user(), a_profile()
    await put(identity, body, user)
    answer = await put(identity, body | {"job_title": "Head of print", "city": "Paris"}, user)
    assert answer.body["version"] == 3
    assert [said["version"] for said in await identity.said("users", user.user_id)] == [1, 2]


async def test_saving_the_same_again_changes_nothing(identity: IdentityApi) -> None:
    user, body = await identity.a_user(), a_profile()
    assert [(await put(identity, body, user)).body["version"] for _ in range(2)] == [2, 2]


async def test_every_missing_field_is_named(identity: IdentityApi) -> None:
    answer = await put(identity, {}, await identity.a_user())
    assert (answer.status, set(answer.field_codes)) == (422, REQUIRED)
    assert set(answer.field_codes.values()) == {"missing"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, "") for field in sorted(REQUIRED)),
        ("email", "a@example.com, b@example.com"),
        ("email", "a@example.com\nBcc: b@example.com"),
        ("phone", "12"),
        ("alternative_phone", "call me"),
        ("language", "xx"),
        ("time_zone", "Europe/Atlantis"),
        ("country", "XX"),
        ("first_name", "x" * 101),
        ("last_name", "\u200b\u202e"),
        ("city", {"$ne": None}),
        ("site_id", "none"),
        ("role", "vendor_admin"),
    ],
)
async def test_a_wrong_field_is_named(identity: IdentityApi, field: str, value: object) -> None:
    answer = await put(identity, a_profile(**{field: value}), an_actor())
    assert (answer.status, set(answer.field_codes)) == (422, {field})


async def test_a_review_checks_everything_and_writes_nothing(identity: IdentityApi) -> None:
    user = await identity.a_user()
    answer = await put(identity, a_profile(city="Nantes"), user, query="?dry_run=1")
    assert (answer.status, answer.body["city"], answer.body["missing"]) == (200, "Nantes", [])
    assert (await identity.get("/profile", by=user)).body["city"] == ""
    assert (await put(identity, a_profile(phone=""), user, query="?dry_run=1")).status == 422


async def test_a_stale_profile_is_not_overwritten(identity: IdentityApi) -> None:
    user = await identity.a_user()
    assert (await put(identity, a_profile(), user)).status == 200
    assert (await put(identity, a_profile(), user, if_match='"1"')).status == 412
    assert (await put(identity, a_profile(), user, if_match="nonsense")).status == 412
    answer = await identity.call("PUT", "/profile", a_profile(), by=user)
    assert answer.status == 428


async def test_of_two_who_save_the_same_version_one_wins(identity: IdentityApi) -> None:
    user = await identity.a_user()
    answers = await asyncio.gather(*(put(identity, a_profile(), user, if_match='"1"') for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [200] + [412] * 7


async def test_the_main_site_is_one_of_the_companys(identity: IdentityApi) -> None:
    user, stranger = await identity.a_user(), await identity.a_user()
    own = await identity.post("/sites", an_address(name="Lyon"), by=user)
    foreign = await identity.post("/sites", an_address(name="Elsewhere"), by=stranger)
    assert (await put(identity, a_profile(site_id=own.body["id"]), user)).status == 200
    answer = await put(identity, a_profile(site_id=foreign.body["id"]), user)
    assert (answer.status, answer.field_codes) == (422, {"site_id": "unknown_site"})


async def test_who_acts_is_signed_with_the_main_site_of_the_profile(identity: IdentityApi) -> None:
    user = await identity.a_user()
    site = (await identity.post("/sites", an_address(name="Lyon"), by=user)).body["id"]
    token = (await identity.sign_in(user.login_email)).body["session_token"]

    async def main_site() -> UUID | None:
        resolved = await identity.post("/session/resolve", {"token": token})
        return verifier(TEST_SECRET, utc_now)(resolved.body["actor"]).main_site_id

    assert await main_site() is None
    assert (await put(identity, a_profile(site_id=site), user)).status == 200
    assert await main_site() == UUID(site)


async def test_nobody_has_a_profile_without_signing_in(identity: IdentityApi) -> None:
    assert (await identity.get("/profile")).status == 401
    assert (await identity.call("PUT", "/profile", a_profile(), if_match="*")).status == 401


async def test_an_admin_lists_the_users_of_the_own_company_only(identity: IdentityApi) -> None:
    company = await identity.a_company()
    admin = await identity.a_user(company)
    member = await identity.a_user(company, role=Role.MEMBER)
    await identity.a_user()
    answer = await identity.get("/users?sort=email", by=admin)
    assert answer.body["total"] == 2
    assert [item["email"] for item in answer.body["items"]] == sorted([admin.login_email, member.login_email])
    first = await identity.get("/users?limit=1", by=admin)
    second = await identity.get(f"/users?limit=1&cursor={first.body['next_cursor']}", by=admin)
    assert second.body["next_cursor"] is None
    listed = [item["id"] for page in (first, second) for item in page.body["items"]]
    assert sorted(listed) == sorted([str(admin.user_id), str(member.user_id)])


async def test_users_are_listed_as_people_sort_them(identity: IdentityApi) -> None:
    company = await identity.a_company()
    users = {name: await identity.a_user(company) for name in ("Zoo", "zebra", "Édouard", "Edwin")}
    for name, user in users.items():
        changes = {"profile.last_name": name, "login_email": f"{name.lower()}@example.com"}
        await identity.db["users"].update_one({"_id": user.user_id}, {"$set": changes})
    wanted = [str(users[name].user_id) for name in ("Édouard", "Edwin", "zebra", "Zoo")]
    for sort, expected in (("name", wanted), ("-name", wanted[::-1]), ("email", wanted), ("-email", wanted[::-1])):
        listed = (await identity.get(f"/users?sort={sort}", by=users["Zoo"])).body["items"]
        assert [item["id"] for item in listed] == expected, sort


@pytest.mark.parametrize("role", [Role.MEMBER, Role.CASE_MANAGER, Role.AGENT])
async def test_only_admins_list_users(identity: IdentityApi, role: Role) -> None:
    assert (await identity.get("/users", by=an_actor(role))).status == 403


@pytest.mark.parametrize("query", ["sort=password_hash", "limit=0", "limit=201", "cursor=%24ne", "unknown=1"])
async def test_a_bad_list_query_is_refused(identity: IdentityApi, query: str) -> None:
    assert (await identity.get(f"/users?{query}", by=an_actor())).status == 422
