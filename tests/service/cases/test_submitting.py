"""Submitting a case: what is required, which events it emits, and that it happens once."""

import asyncio
import io
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from uuid_utils.compat import uuid7

from services.cases.cases.domain.numbers import read_case_number
from shared.actor import Actor, Role, Visibility
from shared.events.contracts import ProductChanged
from tests.builders import Json, a_contact, a_serial, an_actor, an_address, an_email
from tests.events import agreement_changed, company_changed, device_changed, site_changed, user_changed
from tests.service.cases.conftest import CasesApi, a_case

NOW = datetime.now(UTC)
_COVERAGE = (("verdict", ""), ("level", "_level"), ("until", "_until"))


async def test_a_new_case_gets_a_number_with_a_check_digit_and_emits_its_creation(cases: CasesApi) -> None:
    ana = an_actor()
    contact = a_contact()
    case = await cases.submitted(ana, contact=contact)
    assert read_case_number(case["number"]) == case["number"]
    assert (case["status"], case["turn"], case["version"]) == ("new", "vendor", 1)
    created, state = await cases.said(case["number"])
    assert created["type"] == "cases.case.created.v1"
    assert [(person["relation"], person["email"]) for person in created["people"]] == [
        ("submitter", ana.email),
        ("owner", ana.email),
        ("contact", contact["email"]),
    ]
    assert (state["type"], state["is_open"], state["version"]) == ("cases.case.changed.v1", True, 1)


async def test_the_creation_says_what_was_submitted_for_whoever_has_only_the_mail(cases: CasesApi) -> None:
    ana, serial, contract = an_actor(), a_serial(), agreement_changed()
    await cases.hear(contract)
    await cases.hear(device_changed(ana.company_id, serial, contract))
    contact = a_contact()
    case = await cases.submitted(ana, serial=serial, contact=contact, description=f"It jams.\n{'é' * 3000}")
    created, _ = await cases.said(case["number"])
    assert created["contact_name"] == f"{contact['first_name']} {contact['last_name']}"
    assert created["description"] == f"It jams.\n{'é' * 1991}"
    assert case["coverage"]["verdict"] == "covered"
    assert {name: created[f"coverage{suffix}"] for name, suffix in _COVERAGE} == {
        name: case["coverage"][name] for name, _ in _COVERAGE
    }


async def test_the_same_key_makes_one_case_even_at_once(cases: CasesApi) -> None:
    ana, body = an_actor(), a_case()
    answers = await asyncio.gather(
        *(cases.call("POST", "/cases", ana, key="double-click", json=body) for _ in range(8))
    )
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body["number"] for answer in answers}) == 1
    assert len(await cases.listed(ana)) == 1


async def test_the_same_key_with_another_body_is_refused(cases: CasesApi) -> None:
    ana = an_actor()
    await cases.submit(ana, key="k1")
    answer = await cases.submit(ana, key="k1", title="Something else")
    assert (answer.status, answer.code) == (422, "idempotency_key_reused")


async def test_two_users_can_use_the_same_key(cases: CasesApi) -> None:
    one, other = await cases.submit(an_actor(), key="1"), await cases.submit(an_actor(), key="1")
    assert one.body["number"] != other.body["number"]


async def test_an_unknown_serial_is_accepted_as_unverified(cases: CasesApi) -> None:
    case = await cases.submitted(an_actor(), serial=" cn-b7 k2 ")
    assert (case["serial"], case["coverage"]["verdict"]) == ("CNB7K2", "unverified")
    assert case["serial_label"] == "cn-b7 k2"
    assert (case["product_name"], case["product_line"]) == ("", "")


async def test_another_companys_serial_is_treated_like_an_unknown_one(cases: CasesApi) -> None:
    serial = a_serial()
    await cases.hear(device_changed(uuid7(), serial, serial_label=f"{serial}-"))
    case = await cases.submitted(an_actor(), serial=serial)
    assert (case["coverage"]["verdict"], case["product_name"]) == ("unverified", "")
    assert case["serial_label"] == serial


async def test_a_known_device_brings_its_product_and_coverage(cases: CasesApi) -> None:
    ana, serial, contract = an_actor(), a_serial(), agreement_changed(said="SA-204-118")
    await cases.hear(contract)
    await cases.hear(device_changed(ana.company_id, serial, contract, product_line="Printers"))
    case = await cases.submitted(ana, serial=serial.lower())
    assert (case["product_name"], case["product_line"]) == ("LaserPress 600", "Printers")
    assert case["said"] == "SA-204-118"
    assert case["coverage"] == {
        "verdict": "covered",
        "level": "next business day",
        "until": contract.end.isoformat(),
    }


async def test_a_case_shows_the_serial_as_it_stands_on_the_known_device_and_is_found_by_either(
    cases: CasesApi, agent: Actor
) -> None:
    ana, serial = an_actor(), a_serial()
    label = f"{serial[:4]}-{serial[4:]}"
    await cases.hear(device_changed(ana.company_id, serial, serial_label=label))
    case = await cases.submitted(ana, serial=serial.lower())
    assert (case["serial"], case["serial_label"]) == (serial, label)
    for typed in (serial, label, label.lower()):
        assert await cases.listed(ana, q=typed) == await cases.listed(ana, serial=typed) == [case["number"]]
    created = (await cases.said(case["number"]))[0]
    assert (created["serial"], created["serial_label"]) == (serial, label)
    exported = await cases.call("GET", "/cases.csv", ana)
    assert label in exported.text
    # As an older version wrote it.
    unset = {"$unset": {"equipment.serial_label": 1}}
    await cases.db["cases"].update_one({"number": case["number"]}, unset)
    (row,) = (await cases.call("GET", "/cases", ana)).body["items"]
    assert row["serial_label"] == (await cases.get(case["number"], ana)).body["serial_label"] == serial


async def test_a_device_whose_event_is_older_leaves_the_serial_as_it_was_typed(cases: CasesApi) -> None:
    ana, serial = an_actor(), a_serial()
    await cases.hear(device_changed(ana.company_id, serial))
    assert (await cases.submitted(ana, serial=f"{serial}-"))["serial_label"] == f"{serial}-"


async def test_a_device_without_live_agreement_is_accepted_as_not_covered(cases: CasesApi) -> None:
    ana, serial = an_actor(), a_serial()
    over = agreement_changed(start=date(2020, 1, 1), end=date(2021, 1, 1))
    await cases.hear(over)
    await cases.hear(device_changed(ana.company_id, serial, over))
    assert (await cases.submitted(ana, serial=serial))["coverage"]["verdict"] == "not_covered"


async def test_a_serial_is_required_only_for_products_that_have_serials(cases: CasesApi) -> None:
    number = f"P-{a_serial()}"
    product = ProductChanged(
        product_id=uuid7(),
        product_number=number,
        name="Remote Graphics",
        line="Software",
        has_serials=False,
        version=1,
        at=NOW,
    )
    await cases.hear(product)
    case = await cases.submitted(an_actor(), product_number=number)
    assert (case["product_name"], case["coverage"]["verdict"]) == ("Remote Graphics", "not_covered")
    assert case["product_line"] == "Software"
    await cases.hear(product.model_copy(update={"version": 2, "has_serials": True}))
    answer = await cases.submit(an_actor(), product_number=number)
    assert (answer.status, answer.wrong_fields) == (422, {"serial"})
    await cases.hear(product.model_copy(update={"version": 3, "retired": True}))
    answer = await cases.submit(an_actor(), product_number=number)
    assert (answer.status, answer.code) == (409, "not_yet_known")


async def test_a_site_gives_its_address_and_another_companys_site_is_not_known(cases: CasesApi) -> None:
    ana = an_actor()
    site = site_changed(ana.company_id, city="Marseille")
    await cases.hear(site)
    case = await cases.submitted(ana, site_id=str(site.site_id))
    assert (case["site_name"], case["equipment_address"]["city"]) == ("Lyon", "Marseille")
    answer = await cases.submit(an_actor(), site_id=str(site.site_id))
    assert (answer.status, answer.code) == (409, "not_yet_known")


async def test_a_contact_with_the_address_of_a_verified_login_is_that_user(cases: CasesApi) -> None:
    ana = an_actor()
    luc = an_actor(Role.MEMBER, company_id=ana.company_id, visibility="own")
    await cases.hear(user_changed(luc))
    by_address = await cases.submitted(ana, contact=a_contact(email=luc.login_email))
    assert by_address["contact"]["user_id"] == str(luc.user_id)
    assert (await cases.get(by_address["number"], luc)).status == 200
    # A profile's address is no proof of who somebody is.
    await cases.hear(user_changed(luc, version=2, contact_email="boss@example.com"))
    by_profile = await cases.submitted(ana, contact=a_contact(email="boss@example.com"))
    assert by_profile["contact"]["user_id"] is None
    assert (await cases.get(by_profile["number"], luc)).status == 404


async def test_a_picked_contact_with_another_address_is_not_that_user(cases: CasesApi) -> None:
    luc = an_actor(Role.MEMBER, login_email=an_email("luc"))
    admin = an_actor(company_id=luc.company_id, login_email=an_email("admin"))
    for one in (luc, admin):
        await cases.hear(user_changed(one))

    async def user_id_of(email: str) -> str | None:
        picked = a_contact(user_id=str(admin.user_id), email=email)
        case = await cases.submitted(luc, contact=a_contact(), secondary_contact=picked)
        assert case["secondary_contact"]["email"] == email.lower()
        user_id: str | None = case["secondary_contact"]["user_id"]
        return user_id

    for own in (admin.login_email.upper(), admin.email):
        assert await user_id_of(own) == str(admin.user_id)
    assert await user_id_of(an_email()) is None
    assert await user_id_of(luc.email) is None
    assert await user_id_of(luc.login_email) == str(luc.user_id)


async def test_a_contact_picked_from_another_company_is_not_known(cases: CasesApi) -> None:
    stranger = an_actor()
    await cases.hear(user_changed(stranger))
    answer = await cases.submit(an_actor(), contact=a_contact(user_id=str(stranger.user_id)))
    assert (answer.status, answer.code) == (409, "not_yet_known")


async def test_a_contact_without_an_account_gets_the_submitters_language(cases: CasesApi) -> None:
    luc = an_actor(language="fr")
    number = (await cases.submitted(luc, secondary_contact=a_contact(language="en")))["number"]
    await cases.act(number, luc, action="close", version=1, reason="works again", resolved=True)
    created, _, closed, _ = await cases.said(number)
    for fact in (created, closed):
        assert {person["relation"]: person["language"] for person in fact["people"]} == {
            "submitter": "fr",
            "owner": "fr",
            "contact": "fr",
            "secondary_contact": "en",
        }


async def test_a_manager_creates_for_a_colleague_and_the_history_names_the_manager(cases: CasesApi) -> None:
    manager = an_actor(Role.CASE_MANAGER, name="Mia Typist")
    luc = await with_luc(cases, manager)
    case = await cases.submitted(manager, submitter_id=str(luc.user_id))
    assert case["submitter"]["name"] == "Luc Petit"
    assert case["history"][0]["by"]["name"] == "Mia Typist"
    assert case["created_by"] == {"user_id": str(manager.user_id), "name": "Mia Typist"}
    assert [event["created_by_name"] for event in await created_said(cases, case)] == ["Mia Typist"]
    own = await cases.submitted(manager)
    assert [event["created_by_name"] for event in await created_said(cases, own)] == [""]
    assert await cases.listed(luc, view="submitted") == [case["number"]]


async def created_said(cases: CasesApi, case: Json) -> list[Json]:
    return [said for said in await cases.said(case["number"]) if said["type"] == "cases.case.created.v1"]


async def test_a_case_from_before_its_creator_was_kept_names_none(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await cases.db["cases"].update_one({"number": number}, {"$unset": {"created_by_name": ""}})
    assert (await cases.get(number, ana)).body["created_by"] is None


async def with_luc(cases: CasesApi, manager: Actor) -> Actor:
    """A colleague of the manager. Cases has copies of the colleague and of the company."""
    luc = an_actor(Role.MEMBER, company_id=manager.company_id, name="Luc Petit", visibility="own")
    await cases.hear(user_changed(luc))
    await cases.hear(company_changed(manager.company_id))
    return luc


@pytest.mark.parametrize("role", [Role.CASE_MANAGER, Role.AGENT])
async def test_only_the_owner_and_administrators_mark_a_case_confidential(cases: CasesApi, role: Role) -> None:
    admin = an_actor()
    luc = await with_luc(cases, admin)
    other = an_actor(role, company_id=admin.company_id)
    for _ in range(2):
        answer = await cases.submit(other, key="k", submitter_id=str(luc.user_id), confidential=True)
        assert (answer.status, answer.wrong_fields) == (422, {"confidential"})
    assert await cases.listed(luc) == []
    for allowed in (admin, luc):
        assert (await cases.submitted(allowed, submitter_id=str(luc.user_id), confidential=True))["confidential"]


async def test_for_a_colleague_a_manager_can_choose_only_sites_in_their_scope(cases: CasesApi) -> None:
    here, there = uuid7(), uuid7()
    manager = an_actor(Role.CASE_MANAGER, site_ids=frozenset({here}))
    luc = await with_luc(cases, manager)
    for site_id in (here, there):
        await cases.hear(site_changed(manager.company_id, site_id=site_id))
    for _ in range(2):
        answer = await cases.submit(manager, key="k", submitter_id=str(luc.user_id), site_id=str(there))
        assert (answer.status, answer.wrong_fields) == (422, {"site_id"})
    assert await cases.listed(luc) == []
    await cases.submitted(manager, submitter_id=str(luc.user_id), site_id=str(here))
    await cases.submitted(manager, submitter_id=str(luc.user_id))
    # Their own case they see wherever it is.
    await cases.submitted(manager, site_id=str(there))


async def test_a_repeated_submission_is_answered_though_its_sender_no_longer_sees_the_case(
    cases: CasesApi, agent: Actor
) -> None:
    manager = an_actor(Role.CASE_MANAGER)
    luc = await with_luc(cases, manager)
    body = a_case(submitter_id=str(luc.user_id))
    first = await cases.call("POST", "/cases", manager, key="k", json=body)
    number = first.body["number"]
    await cases.agent_act(number, agent, action="reply", text="CANARY-7431")
    demoted = replace(manager, role=Role.MEMBER, visibility=Visibility.OWN)
    repeated = await cases.call("POST", "/cases", demoted, key="k", json=body)
    assert (first.status, repeated.status, repeated.body["number"]) == (201, 201, number)
    assert "CANARY" not in str(repeated.body)
    assert (await cases.get(number, demoted)).status == 404


async def test_a_member_cannot_create_a_case_for_a_colleague(cases: CasesApi) -> None:
    luc = an_actor(Role.MEMBER)
    answer = await cases.submit(luc, submitter_id=str(uuid7()))
    assert (answer.status, answer.code) == (403, "forbidden")


async def test_a_case_is_created_for_active_users_of_customers_only(cases: CasesApi, agent: Actor) -> None:
    manager, other = an_actor(Role.CASE_MANAGER), an_actor(Role.AGENT)
    luc = an_actor(Role.MEMBER, company_id=manager.company_id)
    for actor in (luc, other):
        await cases.hear(company_changed(actor.company_id, is_vendor=actor.is_vendor))
        await cases.hear(user_changed(actor, active=actor is other))
    for by, submitter in ((manager, luc), (agent, luc), (agent, other)):
        answer = await cases.submit(by, submitter_id=str(submitter.user_id))
        assert (answer.status, answer.code) == (409, "not_yet_known")


async def test_the_vendors_side_names_the_submitter_whose_company_gets_the_case(cases: CasesApi, agent: Actor) -> None:
    nobody = await cases.submit(agent)
    assert (nobody.status, nobody.wrong_fields) == (422, {"submitter_id"})
    ana = an_actor()
    await cases.hear(user_changed(ana))
    await cases.hear(company_changed(ana.company_id))
    case = await cases.submitted(agent, submitter_id=str(ana.user_id))
    assert case["company_id"] == str(ana.company_id)
    assert (await cases.get(case["number"], ana)).status == 200


# Bad input


REQUIRED = ("title", "description", "severity", "contact")


@pytest.mark.parametrize("field", REQUIRED)
async def test_each_required_field_that_is_missing_is_named(cases: CasesApi, field: str) -> None:
    body = a_case()
    del body[field]
    answer = await cases.call("POST", "/cases", an_actor(), json=body)
    assert (answer.status, answer.wrong_fields) == (422, {field})


@pytest.mark.parametrize("field", ["first_name", "last_name", "email", "phone"])
async def test_each_missing_field_of_the_contact_is_named(cases: CasesApi, field: str) -> None:
    contact = a_contact()
    del contact[field]
    answer = await cases.submit(an_actor(), contact=contact)
    assert (answer.status, answer.wrong_fields) == (422, {f"contact.{field}"})


async def test_every_missing_field_is_named_at_once(cases: CasesApi) -> None:
    answer = await cases.call("POST", "/cases", an_actor(), json={"serial": "X", "site_id": str(uuid7())})
    assert answer.status == 422
    assert set(REQUIRED) <= answer.wrong_fields


BAD_FIELDS: list[Json] = [
    {"title": {"$ne": None}},
    {"title": ["a"]},
    {"title": "two\nlines"},
    {"title": "\u200b\u3164\u202e"},
    {"title": "a" + "\u0301" * 31},
    {"title": "   "},
    {"description": "too short"},
    {"description": "x" * 10_001},
    {"severity": 5},
    {"severity": "3"},
    {"severity": True},
    {"severity": 2**70},
    {"severity": None},
    {"contact": {"$gt": ""}},
    {"contact": a_contact(email={"$ne": None})},
    {"contact": a_contact(email="a@b.example, c@d.example")},
    {"contact": a_contact(email="a@b.example\r\nBcc: c@d.example")},
    {"contact": a_contact(phone="12")},
    {"contact": a_contact(is_admin=True)},
    {"equipment_address": an_address(country="XX")},
    {"preferred_channel": "pigeon"},
    {"status": "closed"},
    {"company_id": "01a2297d-0000-7000-8000-000000000002"},
    {"_id": "x"},
    {"site_id": "01a2297d-0000-7000-8000-000000000001", "equipment_address": an_address()},
    {"said": "SA-1", "serial": "X"},
    {"submitter_id": "not-an-id"},
]


@pytest.mark.parametrize("wrong", BAD_FIELDS, ids=lambda wrong: str(wrong)[:40])
async def test_a_wrong_field_is_named_with_its_rule(cases: CasesApi, wrong: Json) -> None:
    body = a_case() | wrong
    answer = await cases.call("POST", "/cases", an_actor(), json=body)
    assert answer.status == 422
    assert all(error["field"] and error["code"] and error["message"] for error in answer.body["errors"])
    assert answer.body["errors"]


async def test_what_nobody_sees_is_not_kept(cases: CasesApi) -> None:
    case = await cases.submitted(
        an_actor(),
        title="Tray \u202e3\x00 jams\u200b",
        description="\x1b[31mE3\x1b[0m: it jams\u2028on every second page.\ufffe",
        contact=a_contact(first_name="\ufeffAna\u202e"),
    )
    assert (case["title"], case["description"]) == ("Tray 3 jams", "E3: it jams\non every second page.")
    assert case["contact"]["first_name"] == "Ana"


@pytest.mark.parametrize(("length", "status"), [(120, 201), (121, 422)])
async def test_a_title_has_at_most_120_characters(cases: CasesApi, *, length: int, status: int) -> None:
    assert (await cases.submit(an_actor(), title="x" * length)).status == status


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"title": NaN}', 422),
        (b'{"severity": Infinity}', 422),
        (b'{"title": "\\ud800"}', 422),
        (b"[" * 9_000, 400),
        (b'{"a":' * 900 + b"1" + b"}" * 900, 422),
        (b"[" * 20_000, 422),
        (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, 422),
        (b"[]", 422),
        (b"null", 422),
        (b"1e999", 422),
        (b"\xff\xfe", 400),
        (b'{"title": "' + b"x" * 5_000_000 + b'"}', 413),
    ],
    ids=[
        "empty",
        "cut",
        "nan",
        "infinity",
        "surrogate",
        "deep list",
        "deep object",
        "deeper list",
        "deeper object",
        "list",
        "null",
        "huge",
        "bytes",
        "5 MB",
    ],
)
async def test_an_invalid_body_is_refused_as_a_client_error(cases: CasesApi, raw: bytes, status: int) -> None:
    answer = await cases.call(
        "POST", "/cases", an_actor(), data=io.BytesIO(raw), headers={"Content-Type": "application/json"}
    )
    assert answer.status == status, answer.body


async def test_another_media_type_is_refused(cases: CasesApi) -> None:
    answer = await cases.call("POST", "/cases", an_actor(), data=b"{}", headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.code) == (415, "wrong_media_type")


async def test_without_a_signed_actor_there_is_nothing(cases: CasesApi) -> None:
    assert (await cases.call("POST", "/cases", None, json=a_case())).status == 401
    forged = {"X-Portico-Actor": "eyJhbGciOiJub25lIn0.eyJhY3QiOnt9fQ."}
    assert (await cases.call("GET", "/cases", None, headers=forged)).status == 401


async def test_a_suspended_company_gets_403_and_its_own_code(cases: CasesApi) -> None:
    answer = await cases.call("GET", "/cases", an_actor(suspended=True))
    assert (answer.status, answer.code) == (403, "company_suspended")


async def test_a_read_only_token_reads_but_does_not_write(cases: CasesApi) -> None:
    reader = an_actor(may_write=False)
    assert (await cases.call("GET", "/cases", reader)).status == 200
    assert (await cases.submit(reader)).status == 403


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é"])
async def test_an_idempotency_key_is_visible_ascii_of_at_most_255(cases: CasesApi, key: str) -> None:
    answer = await cases.submit(an_actor(), key=key)
    assert (answer.status, answer.wrong_fields) == (422, {"Idempotency-Key"})
