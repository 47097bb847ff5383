"""Who sees which case: one predicate for lists, detail, counts and export."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

import openpyxl
import pytest
from uuid_utils.compat import uuid7

from services.cases.cases.domain.numbers import case_number
from shared.actor import Actor, Role
from shared.case_passes import CasePass, pass_key, read_pass
from tests.builders import TEST_SECRET, Json, a_contact, a_serial, an_actor
from tests.client import Answer
from tests.events import site_changed, user_changed
from tests.service.cases.conftest import CasesApi


async def export(cases: CasesApi, by: Actor, **query: Any) -> list[list[object]]:
    answer = await cases.call("GET", "/cases.xlsx", by, params=query)
    assert answer.status == 200, answer.body
    sheet = openpyxl.load_workbook(io.BytesIO(answer.body)).active
    assert sheet is not None
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


async def pass_for(cases: CasesApi, by: Actor, number: str) -> Answer:
    return await cases.call("GET", f"/cases/{number}/pass", by)


async def sees(cases: CasesApi, by: Actor, case: Json) -> bool:
    """Whether all doors agree that this actor sees the case."""
    number = case["number"]
    doors = {
        (await cases.get(number, by)).status == 200,
        (await pass_for(cases, by, number)).status == 200,
        number in await cases.listed(by),
        number in [row[0] for row in await export(cases, by)],
        f"\r\n{number}," in (await cases.call("GET", "/cases.csv", by)).body.decode(),
        sum(f["count"] for f in (await cases.call("GET", "/cases/facets", by)).body["status"]) > 0,
    }
    assert len(doors) == 1, "the doors disagree"
    return True in doors


async def test_a_stranger_sees_no_case_and_nothing_tells_it_from_one_that_is_not_there(cases: CasesApi) -> None:
    case = await cases.submitted(an_actor())
    stranger = an_actor()
    assert not await sees(cases, stranger, case)
    seen, unused = await cases.get(case["number"], stranger), await cases.get(case_number(999_999_999), stranger)
    for answer in (seen, unused):
        answer.body.pop("request_id")
    assert (seen.status, seen.body) == (unused.status, unused.body) == (404, unused.body)


async def test_a_pass_says_who_sees_which_case_of_whom_and_which_addresses_on_it(cases: CasesApi) -> None:
    ana, agent = an_actor(), an_actor(Role.AGENT)
    contact, other = a_contact(email="Nora@Acme.example"), a_contact(email="luc@acme.example")
    case = await cases.submitted(ana, contact=contact, secondary_contact=other)
    alone = await cases.submitted(ana, contact=contact)
    emails = frozenset({"nora@acme.example", "luc@acme.example"})
    for reader, read, seen in [(ana, case, emails), (agent, case, emails), (ana, alone, {"nora@acme.example"})]:
        number = read["number"]
        token = (await pass_for(cases, reader, number)).body["token"]
        granted = read_pass(token, reader, number, key=pass_key(TEST_SECRET), now=datetime.now(UTC))
        assert granted == CasePass(reader.user_id, ana.company_id, number, frozenset(seen))
    mistyped = await pass_for(cases, ana, "1000000008")
    assert (mistyped.status, mistyped.code) == (422, "check_number")
    assert (await cases.call("GET", f"/cases/{case['number']}/pass", None)).status == 401


async def test_a_stranger_cannot_act_on_a_case(cases: CasesApi) -> None:
    case = await cases.submitted(an_actor())
    comment = await cases.act(case["number"], an_actor(), action="comment", text="hello")
    closing = await cases.act(case["number"], an_actor(), action="close", version=1, reason="x", resolved=True)
    assert (comment.status, closing.status) == (404, 404)


@pytest.mark.parametrize(
    ("role", "visibility", "seen"),
    [
        (Role.MEMBER, "company", True),
        (Role.MEMBER, "site", False),
        (Role.MEMBER, "own", False),
        (Role.CASE_MANAGER, "own", True),
        (Role.COMPANY_ADMIN, "own", True),
    ],
)
async def test_the_companys_visibility_decides_what_members_see_of_colleagues(
    cases: CasesApi, *, role: Role, visibility: str, seen: bool
) -> None:
    ana = an_actor()
    site = site_changed(ana.company_id)
    await cases.hear(site)
    case = await cases.submitted(ana, site_id=str(site.site_id))
    colleague = an_actor(role, company_id=ana.company_id, visibility=visibility)
    assert await sees(cases, colleague, case) is seen


@pytest.mark.parametrize("role", [Role.MEMBER, Role.CASE_MANAGER])
async def test_a_site_scope_hides_other_sites_but_not_cases_without_site(cases: CasesApi, role: Role) -> None:
    ana = an_actor()
    here, there = site_changed(ana.company_id), site_changed(ana.company_id, name="Nice")
    for site in (here, there):
        await cases.hear(site)
    at_here = await cases.submitted(ana, site_id=str(here.site_id))
    at_there = await cases.submitted(ana, site_id=str(there.site_id))
    nowhere = await cases.submitted(ana)
    limited = an_actor(role, company_id=ana.company_id, site_ids=frozenset({here.site_id}))
    assert set(await cases.listed(limited)) == {at_here["number"], nowhere["number"]}
    assert (await cases.get(at_there["number"], limited)).status == 404


async def test_own_cases_stay_visible_whatever_the_scope(cases: CasesApi) -> None:
    ana = an_actor()
    luc = an_actor(Role.MEMBER, company_id=ana.company_id, visibility="own", site_ids=frozenset({uuid7()}))
    await cases.hear(user_changed(luc))
    site = site_changed(ana.company_id)
    await cases.hear(site)
    as_contact = a_contact(user_id=str(luc.user_id), email=luc.email)
    first = await cases.submitted(ana, site_id=str(site.site_id), contact=as_contact, confidential=True)
    second = await cases.submitted(ana, site_id=str(site.site_id), secondary_contact=as_contact)
    assert set(await cases.listed(luc)) == {first["number"], second["number"]}


@pytest.mark.parametrize(
    ("role", "seen"),
    [(Role.MEMBER, False), (Role.CASE_MANAGER, False), (Role.COMPANY_ADMIN, True)],
)
async def test_a_confidential_case_is_seen_by_its_own_people_and_administrators(
    cases: CasesApi, agent: Actor, *, role: Role, seen: bool
) -> None:
    ana = an_actor(Role.MEMBER)
    case = await cases.submitted(ana, confidential=True)
    assert await sees(cases, ana, case)
    assert await sees(cases, an_actor(role, company_id=ana.company_id), case) is seen
    assert (await cases.get(case["number"], agent)).status == 200


async def test_internal_notes_never_leave_the_vendors_side(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    case = await cases.submitted(ana)
    noted = await cases.agent_act(case["number"], agent, action="note", text="CANARY-7431")
    assert "CANARY-7431" in str(noted.body)
    for answer in (
        await cases.get(case["number"], ana),
        await cases.call("GET", "/cases", ana),
        await cases.act(case["number"], ana, action="comment", text="anything new?"),
    ):
        assert answer.status == 200
        assert "CANARY" not in str(answer.body)
    assert "CANARY" not in str(await export(cases, ana))
    assert "CANARY" not in str(await cases.said(case["number"]))
    assert (await cases.get(case["number"], ana)).body["history"][-1]["kind"] == "comment"


async def test_a_mistyped_number_is_answered_check_the_number(cases: CasesApi) -> None:
    number = (await cases.submitted(an_actor()))["number"]
    mistyped = number[:4] + str((int(number[4]) + 1) % 10) + number[5:]
    for wrong in (mistyped, "123", "abcdefghij", number + "0", "\u0660" * 10):
        answer = await cases.get(wrong, an_actor())
        assert (answer.status, answer.code, answer.wrong_fields) == (422, "check_number", {"number"})


async def test_customers_cannot_read_the_agents_queue(cases: CasesApi) -> None:
    assert (await cases.call("GET", "/agent/cases", an_actor())).status == 403


# Lists


async def test_every_column_sorts_in_both_directions_and_pages_never_skip_or_repeat(cases: CasesApi) -> None:
    ana = an_actor()
    for severity in (3, 1, 4, 1, 2):
        await cases.submitted(ana, severity=severity, own_reference=f"R{severity}")
    columns = "number title status severity product_name serial site_name created_at updated_at turn submitter"
    for column in columns.split():
        forwards = await walk(cases, ana, sort=column)
        backwards = await walk(cases, ana, sort=f"-{column}")
        assert len(set(forwards)) == 5
        assert forwards == list(reversed(backwards)), column
        assert forwards == await cases.listed(ana, sort=column, limit=200)


async def walk(cases: CasesApi, by: Actor, **query: Any) -> list[str]:
    numbers: list[str] = []
    cursor = None
    while True:
        params = {"limit": 2, **query} | ({"cursor": cursor} if cursor else {})
        body = (await cases.call("GET", "/cases", by, params=params)).body
        assert body["total"] == 5
        numbers += [row["number"] for row in body["items"]]
        cursor = body["next_cursor"]
        if cursor is None:
            return numbers


@pytest.mark.parametrize(("view", "column"), [("company", "site_name"), ("site", "serial")])
async def test_views_by_company_and_by_site_keep_together_what_belongs_together(
    cases: CasesApi, view: str, column: str
) -> None:
    ana = an_actor()
    for serial in ("AAA111", "BBB222", "AAA111"):
        number = (await cases.submitted(ana, serial=serial))["number"]
        await cases.db["cases"].update_one({"number": number}, {"$set": {"site_name": f"Site of {serial}"}})
    listed = (await cases.call("GET", "/cases", ana, params={"view": view})).body["items"]
    assert [case[column] for case in listed] == sorted(case[column] for case in listed)
    newest_first = await cases.call("GET", "/cases", ana, params={"view": view, "sort": "-created_at"})
    assert [case["serial"] for case in newest_first.body["items"]] == ["AAA111", "BBB222", "AAA111"]


async def test_a_view_that_does_not_exist_is_refused(cases: CasesApi) -> None:
    for path in ("/cases", "/cases/facets", "/cases.xlsx", "/cases.csv"):
        answer = await cases.call("GET", path, an_actor(), params={"view": "popular"})
        assert (answer.status, answer.wrong_fields) == (422, {"view"}), path
        allowed = "recent, company, site, submitted, favourites, waiting"
        assert answer.body["errors"][0]["message"] == f"Choose one of: {allowed}."
        unsorted = await cases.call("GET", path, an_actor(), params={"sort": "favourites"})
        assert (unsorted.status, unsorted.wrong_fields) == (422, {"sort"}), path


async def test_filters_narrow_list_counts_and_export_alike(cases: CasesApi) -> None:
    ana = an_actor()
    luc = an_actor(Role.MEMBER, company_id=ana.company_id)
    high = await cases.submitted(ana, severity=1, serial="AAA111", title="Smoke from the fuser unit")
    await cases.submitted(ana, severity=4)
    by_luc = await cases.submitted(luc, severity=4, own_reference="PO-77")
    await cases.act(by_luc["number"], luc, action="close", version=1, reason="works again", resolved=True)
    for query, expected in (
        ({"severity": 1}, [high]),
        ({"serial": "aaa-111"}, [high]),
        ({"q": "fuser smoke"}, [high]),
        ({"q": high["number"]}, [high]),
        ({"q": "PO-77"}, [by_luc]),
        ({"status": "closed"}, [by_luc]),
        ({"view": "submitted", "severity": 1}, [high]),
        ({"mine": "1", "severity": 1}, [high]),
        ({"view": "waiting"}, []),
        ({"created_to": "2020-01-01"}, []),
    ):
        numbers = [case["number"] for case in expected]
        assert await cases.listed(ana, **query) == numbers, query
        assert [row[0] for row in (await export(cases, ana, **query))[1:]] == numbers
        # The counts of a filter leave that filter out.
        facets = (await cases.call("GET", "/cases/facets", ana, params=query)).body
        counted = facets["site"] if "status" in query else facets["status"]
        assert sum(facet["count"] for facet in counted) == len(expected)
    assert await cases.listed(luc, mine="1") == [by_luc["number"]]


async def test_a_day_begins_and_ends_where_the_reader_is(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    at = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    await cases.db["cases"].update_one({"number": number}, {"$set": {"created_at": at}})
    for zone, day_before, day, day_after in (
        ("UTC", "2026-11-21", "2026-11-22", "2026-11-23"),
        ("Europe/Paris", "2026-11-22", "2026-11-23", "2026-11-24"),
    ):
        reader = replace(ana, time_zone=zone)
        assert await cases.listed(reader, created_from=day, created_to=day) == [number], zone
        assert await cases.listed(reader, created_to=day_before) == [], zone
        assert await cases.listed(reader, created_from=day_after) == [], zone


async def test_a_search_finds_by_reference_serial_number_and_words_alike(cases: CasesApi) -> None:
    ana = an_actor()
    printer = await cases.submitted(ana, serial="CNQ 4411", own_reference="PO 77/a", title="Error 4930 on tray 3")
    plotter = await cases.submitted(ana, serial="7740001118", own_reference="1000000008")
    theirs = await cases.submitted(an_actor(), serial="CNQ4411", own_reference="PO 77/a", title="Error 4930")
    for text, found in (
        ("PO 77/a", printer),
        ("PO 77", printer),
        ("cnq-4411", printer),
        ("cnq 44 11", printer),
        ("4930", printer),
        ("tray error", printer),
        (printer["number"][:4] + " " + printer["number"][4:], printer),
        ("1000000008", plotter),
        ("7740001118", plotter),
    ):
        assert await cases.listed(ana, q=text) == [found["number"]], text
        assert theirs["number"] not in await cases.listed(ana, q=text)
    for text in ("O 77", "PO 78", "441", '"', "---", "-", "$ne"):
        assert await cases.listed(ana, q=text) == [], text


async def test_the_cases_of_a_site_are_found_for_agents_without_a_look_at_other_companies(
    cases: CasesApi, agent: Actor
) -> None:
    ana, rival = an_actor(), an_actor()
    lyon = site_changed(ana.company_id, name="Lyon")
    await cases.hear(lyon)
    numbers = [(await cases.submitted(ana, site_id=str(lyon.site_id)))["number"] for _ in range(2)]
    for _ in range(30):
        await cases.submitted(rival)
    async with profiled(cases) as looks:
        for sort in ("-updated_at", "title"):
            assert sorted(await cases.listed(agent, site_id=str(lyon.site_id), sort=sort)) == sorted(numbers)
    assert max(look["docsExamined"] for look in looks) <= len(numbers)
    # What nobody has told of yet is found all the same.
    unknown = await cases.db["cases"].find_one_and_update(
        {"number": numbers[0]}, {"$set": {"site_id": (new := uuid7())}}
    )
    assert unknown
    assert await cases.listed(agent, site_id=str(new)) == [numbers[0]]


async def test_a_search_reads_no_case_but_those_that_it_finds(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    luc = an_actor(Role.MEMBER, company_id=ana.company_id, site_ids=frozenset({uuid7()}))
    reference, serial = a_serial(), a_serial()
    found = [await cases.submitted(ana, own_reference=reference, serial=serial) for _ in range(2)]
    await cases.submitted(ana)
    numbers = [case["number"] for case in found]
    # Those in front of a list are also found in its order; other tests of the process may have left newer ones.
    first = await cases.db["cases"].find_one({"number": numbers[0]})
    assert first
    in_front = await cases.db["cases"].count_documents({"updated_at": {"$gte": first["updated_at"]}})
    async with profiled(cases) as looks:
        asked = [{"q": reference}, {"q": serial}, {"serial": serial}]
        for actor, searched in product((ana, luc, agent), asked):
            query = {**searched, "status": "open", "severity": 3}
            page = (await cases.call("GET", "/cases", actor, params={**query, "limit": 1})).body
            rest = await cases.listed(actor, **query, cursor=page["next_cursor"])
            assert sorted([page["items"][0]["number"], *rest]) == numbers
            await cases.call("GET", "/cases/facets", actor, params=searched)
    assert looks
    assert all("COLLSCAN" not in look["planSummary"] for look in looks)
    assert max(look["docsExamined"] for look in looks) <= max(2 * len(found), min(in_front, 100))


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "201"},
        {"limit": "x"},
        {"sort": "password_hash"},
        {"sort": "$where"},
        {"cursor": "garbage"},
        {"cursor": "W3siJG5lIjpudWxsfSwxXQ=="},
        {"status": "exploded"},
        {"severity": "9"},
        {"site_id": "1"},
        {"unknown": "1"},
        {"created_from": "yesterday"},
        {"created_from": "0001-01-01"},
        {"created_to": "9999-12-31"},
        {"status[$ne]": "new"},
    ],
    ids=str,
)
async def test_a_wrong_query_is_named(cases: CasesApi, query: dict[str, str]) -> None:
    answer = await cases.call("GET", "/cases", an_actor(), params=query)
    assert answer.status == 422
    assert answer.body["errors"][0]["field"]


async def test_the_export_has_one_text_row_per_case_and_no_formula(cases: CasesApi) -> None:
    ana = an_actor()
    await cases.submitted(ana, title='=HYPERLINK("http://evil.example")', own_reference="+1")
    rows = await export(cases, ana)
    assert rows[0][:4] == ["Case", "Title", "Status", "Severity"]
    answer = await cases.call("GET", "/cases.xlsx", ana)
    sheet = openpyxl.load_workbook(io.BytesIO(answer.body)).active
    assert sheet is not None
    assert (sheet["B2"].value, sheet["B2"].data_type) == ('=HYPERLINK("http://evil.example")', "s")


async def test_a_text_that_no_sheet_can_hold_is_exported_without_its_odd_characters(cases: CasesApi) -> None:
    ana = an_actor()
    await cases.submitted(ana)
    await cases.db["cases"].update_one(
        {"company_id": ana.company_id}, {"$set": {"problem.title": "It\ufffe \x0bsmokes\uffff"}}
    )
    assert [row[1] for row in await export(cases, ana)] == ["Title", "It smokes"]


@pytest.mark.parametrize(
    ("role", "language", "words"),
    [
        (Role.COMPANY_ADMIN, "en", ["Waiting for you", "High", "You", "Coverage not known yet"]),
        (Role.COMPANY_ADMIN, "fr", ["Attend votre réponse", "Haute", "Vous", "Couverture pas encore connue"]),
        (Role.AGENT, "fr", ["En attente du client", "Haute", "Client", "Couverture pas encore connue"]),
    ],
)
async def test_the_export_is_in_the_words_and_the_time_of_whoever_reads_it(
    cases: CasesApi, agent: Actor, *, role: Role, language: str, words: list[str]
) -> None:
    ana, serial = an_actor(), a_serial()
    number = (await cases.submitted(ana, serial=serial, severity=2))["number"]
    version = (await cases.agent_act(number, agent, action="take")).body["version"]
    await cases.agent_act(number, agent, action="set_status", version=version, status="waiting_customer")
    at = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    await cases.db["cases"].update_one({"number": number}, {"$set": {"created_at": at}})
    reader = an_actor(role, company_id=ana.company_id, language=language, time_zone="Europe/Paris")
    headings, row = await export(cases, reader, serial=serial)
    named = FRENCH_HEADINGS if language == "fr" else ENGLISH_HEADINGS
    of_vendor = {"Your reference": "Customer’s reference", "Votre référence": "Référence du client"}
    assert headings == [of_vendor.get(each, each) if role is Role.AGENT else each for each in named]
    assert [row[column] for column in (2, 3, 4, 12)] == words
    assert row[14] == datetime(2026, 11, 23, 0, 30)  # noqa: DTZ001  # a sheet's times have no zone of their own


ENGLISH_HEADINGS = [
    *("Case", "Title", "Status", "Severity", "Whose turn", "Product", "Product number", "Serial number", "Site"),
    *("Company", "Submitted by", "Your reference", "Coverage", "Covered until"),
    *("Created (Europe/Paris)", "Updated (Europe/Paris)", "Product line", "Whose turn since (Europe/Paris)"),
    "Assigned to",
]
FRENCH_HEADINGS = [
    *("Dossier", "Titre", "État", "Gravité", "À qui d’agir", "Produit", "Numéro de produit", "Numéro de série"),
    *("Site", "Société", "Émetteur", "Votre référence", "Couverture", "Couvert jusqu’au"),
    *("Créé (Europe/Paris)", "Mis à jour (Europe/Paris)", "Gamme", "À qui d’agir depuis (Europe/Paris)"),
    "Attribué à",
]


@asynccontextmanager
async def profiled(cases: CasesApi) -> AsyncIterator[list[Json]]:
    """What the database says of each look at the cases that was taken within; there once it is over."""
    database, looks = cases.db._database, list[Json]()
    await database.command("profile", 2)
    try:
        yield looks
    finally:
        await database.command("profile", 0)
        # Not the worker that counts cases: it looks at those that any test has changed.
        no_worker = {"command.txnNumber": None, "command.projection": {"$ne": {"updated_at": 1}}}
        asked = {"$or": [{"command.find": "cases"}, {"command.aggregate": "cases"}], **no_worker}
        looks += await cases.db["system.profile"].find(asked).to_list(None)
        await cases.db["system.profile"].drop()
