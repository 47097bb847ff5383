"""The history of a case in pages: the newest with the case, older ones by the cursor, bounded in number and length."""

import asyncio
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from services.cases.cases.store.history import PAGE_BYTES
from shared.actor import Actor
from tests.builders import Json, an_actor
from tests.service.cases.conftest import CasesApi
from tests.service.cases.files import uploaded


async def written(cases: CasesApi, number: str, *entries: Json) -> None:
    """More entries, as if somebody had written them one by one."""
    found = await cases.db["cases"].find_one({"number": number})
    assert found is not None
    first = found["history"][0]
    more = [{**first, "id": uuid7(), "kind": "comment", **entry} for entry in entries]
    await cases.db["cases"].update_one({"number": number}, {"$push": {"history": {"$each": more}}})


async def older(cases: CasesApi, number: str, by: Actor, **query: Any) -> Json:
    answer = await cases.call("GET", f"/cases/{number}/history", by, params=query)
    assert answer.status == 200, answer.body
    body: Json = answer.body
    return body


async def walked(cases: CasesApi, number: str, by: Actor, **query: Any) -> list[Json]:
    """The whole history, oldest first, from the case and then page by page."""
    case = (await cases.get(number, by)).body
    entries, cursor = list(case["history"]), case["history_cursor"]
    while cursor:
        page = await older(cases, number, by, cursor=cursor, **query)
        assert page["total"] == case["history_total"]
        entries, cursor = [*page["items"], *entries], page["next_cursor"]
    assert len(entries) == case["history_total"]
    return entries


@pytest.mark.parametrize(("count", "shown"), [(48, 49), (49, 50), (50, 50), (160, 50)])
async def test_a_case_comes_with_its_newest_entries_and_the_way_to_the_others(
    cases: CasesApi, count: int, shown: int
) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await written(cases, number, *({"text": f"comment {n}"} for n in range(count)))
    case = (await cases.get(number, ana)).body
    assert [entry["text"] for entry in case["history"]] == ["", *(f"comment {n}" for n in range(count))][-shown:]
    assert (case["history_total"], case["history_cursor"] is None) == (count + 1, shown == count + 1)
    texts = [entry["text"] for entry in await walked(cases, number, ana, limit=20)]
    assert texts == ["", *(f"comment {n}" for n in range(count))]
    assert (await older(cases, number, ana))["items"] == case["history"]


async def test_what_a_newer_replica_has_written_is_shown_as_some_change_and_kept_as_it_is(
    cases: CasesApi, agent: Actor
) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await written(cases, number, {"kind": "teleported", "changes": {"from": "Lyon", "to": "Metz"}})
    for by in (ana, agent):
        case = (await cases.get(number, by)).body
        assert [entry["kind"] for entry in case["history"]] == ["created", "other"]
        assert (await older(cases, number, by))["items"] == case["history"]
    assert (await cases.act(number, ana, action="comment", text="It prints.")).status == 200
    replied = await cases.agent_act(number, agent, action="reply", text="Good.")
    closed = await cases.act(
        number, ana, action="close", version=replied.body["version"], reason="It prints.", resolved=True
    )
    kinds = ["created", "other", "comment", "reply", "closed"]
    assert [entry["kind"] for entry in closed.body["history"]] == kinds
    found = await cases.db["cases"].find_one({"number": number})
    assert found is not None
    assert [entry["kind"] for entry in found["history"]] == ["created", "teleported", *kinds[2:]]


async def test_a_case_names_the_files_that_it_was_created_with_however_long_its_history(cases: CasesApi) -> None:
    ana = an_actor()
    file = await uploaded(cases, ana)
    created = await cases.submitted(ana, attachment_ids=[file])
    number = created["number"]
    await written(cases, number, *({"text": f"comment {n}", "attachments": []} for n in range(60)))
    case = (await cases.get(number, ana)).body
    assert case["attachments"] == []
    assert [told["id"] for told in case["submitted_attachments"]] == [file]
    assert case["submitted_attachments"] == created["submitted_attachments"]
    assert {told["state"] for told in case["submitted_attachments"]} == {"ready"}


async def test_pages_stay_where_they_are_while_the_history_grows(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await written(cases, number, *({"text": f"comment {n}"} for n in range(120)))
    cursor = (await cases.get(number, ana)).body["history_cursor"]
    before = await older(cases, number, ana, cursor=cursor)
    assert (await cases.act(number, ana, action="comment", text="one more")).status == 200
    after = await older(cases, number, ana, cursor=cursor)
    assert after == before | {"total": before["total"] + 1}
    assert [entry["text"] for entry in after["items"]] == [f"comment {n}" for n in range(20, 70)]


async def test_neither_pages_nor_numbers_tell_the_customer_of_internal_notes(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await written(cases, number, *({"text": f"comment {n}"} for n in range(120)))
    without = await walked(cases, number, ana, limit=7)
    noted = ({"text": f"secret {n}", "internal": True, "kind": "note"} for n in range(130))
    await written(cases, number, *noted)
    document = await cases.db["cases"].find_one({"number": number})
    assert document is not None
    mixed = sorted(document["history"], key=lambda entry: entry["text"][-2:])
    await cases.db["cases"].update_one({"number": number}, {"$set": {"history": mixed}})
    with_notes = await walked(cases, number, ana, limit=7)
    assert sorted(map(str, with_notes)) == sorted(map(str, without))
    answer = (await cases.get(number, ana)).body
    assert (len(answer["history"]), answer["history_total"], answer["history_cursor"]) == (50, 121, "71")
    for cursor in range(0, 400, 40):
        page = await older(cases, number, ana, cursor=str(cursor))
        assert (page["total"], "secret" in str(page)) == (121, False)
    assert len(await walked(cases, number, agent)) == 251


@pytest.mark.parametrize("text", ["x" * 10_000, "😀" * 9_999, '"' * 10_000])
async def test_long_entries_make_a_page_of_fewer(cases: CasesApi, text: str) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await written(cases, number, *({"text": f"{n:03}{text}"} for n in range(30)))
    case = (await cases.get(number, ana)).body
    assert 1 < len(case["history"]) < 31
    assert sum(len(entry["text"].encode()) for entry in case["history"]) <= PAGE_BYTES
    assert [entry["text"][:3] for entry in await walked(cases, number, ana)][1:] == [f"{n:03}" for n in range(30)]


async def test_an_entry_that_is_longer_than_a_page_is_a_page(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await written(cases, number, *({"text": str(n) + "x" * 2 * PAGE_BYTES} for n in range(3)))
    assert [len(entry["text"]) for entry in (await cases.get(number, ana)).body["history"]] == [2 * PAGE_BYTES + 1]
    assert [entry["text"][:1] for entry in await walked(cases, number, ana)] == ["", "0", "1", "2"]


async def test_the_files_of_a_case_are_those_of_the_entries_it_comes_with(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    for name in ("early.txt", "late.txt"):
        file_id = await uploaded(cases, ana, name)
        assert (await cases.act(number, ana, action="attach", attachment_ids=[file_id])).status == 200
        if name == "early.txt":
            await written(cases, number, *({"text": f"comment {n}"} for n in range(49)))
    case = (await cases.get(number, ana)).body
    assert [file["name"] for file in case["attachments"]] == ["late.txt"]
    page = await older(cases, number, ana, cursor=case["history_cursor"])
    assert [file["name"] for entry in page["items"] for file in entry["attachments"]] == ["early.txt"]


async def test_the_answer_to_an_action_is_no_longer_than_the_case(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await written(cases, number, *({"text": f"comment {n}"} for n in range(120)))
    commented = await cases.act(number, ana, action="comment", text="one more")
    noted = await cases.agent_act(number, agent, action="note", text="secret")
    for answer in (commented, noted):
        assert (answer.status, len(answer.body["history"])) == (200, 50)
    assert (noted.body["history_total"], noted.body["history"][-1]["text"]) == (123, "secret")


@pytest.mark.parametrize("cursor", ["-1", "x", "1.5", "٣", "9" * 40, "0x10"])
async def test_a_cursor_of_nobodys_is_refused(cases: CasesApi, cursor: str) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    answer = await cases.call("GET", f"/cases/{number}/history", ana, params={"cursor": cursor})
    assert (answer.status, answer.wrong_fields) == (422, {"cursor"})


async def test_a_cursor_beyond_the_end_is_the_end_and_before_the_start_is_nothing(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    assert len((await older(cases, number, ana, cursor="900"))["items"]) == 1
    start = await older(cases, number, ana, cursor="0")
    assert (start["items"], start["next_cursor"], start["total"]) == ([], None, 1)


async def test_a_stranger_has_no_history_to_see(cases: CasesApi) -> None:
    number = (await cases.submitted(an_actor()))["number"]
    assert (await cases.call("GET", f"/cases/{number}/history", an_actor())).status == 404


# What came after a version


async def since(cases: CasesApi, number: str, by: Actor, version: int, **query: Any) -> list[str]:
    page = await older(cases, number, by, since_version=version, **query)
    assert page["total"] >= len(page["items"])
    return [entry["text"] or entry["kind"] for entry in page["items"]]


async def test_the_history_since_a_version_is_what_was_written_after_it(cases: CasesApi, agent: Actor) -> None:
    ana = an_actor()
    case = await cases.submitted(ana)
    number = case["number"]
    assert (case["version"], case["history"][0]["version"]) == (1, 1)
    commented = (await cases.act(number, ana, action="comment", text="one")).body
    changed = (await cases.act(number, ana, action="change_severity", version=2, severity=1)).body
    assert (commented["version"], changed["version"]) == (2, 3)
    assert [entry["version"] for entry in changed["history"]] == [1, 2, 3]
    assert await since(cases, number, ana, 0) == ["created", "one", "severity_changed"]
    assert await since(cases, number, ana, 2) == ["severity_changed"]
    assert await since(cases, number, ana, 3) == []
    # A note leaves the version as it is. It comes after that version all the same, for the vendor's side only.
    assert (await cases.agent_act(number, agent, action="note", text="secret")).body["version"] == 3
    assert await since(cases, number, agent, 3) == ["secret"]
    assert await since(cases, number, ana, 3) == []
    await cases.act(number, ana, action="comment", text="two")
    assert await since(cases, number, agent, 3) == ["secret", "two"]
    assert await since(cases, number, ana, 3) == ["two"]


async def test_of_many_comments_at_once_each_makes_a_version_of_its_own(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await asyncio.gather(*(cases.act(number, ana, action="comment", text=f"{n}") for n in range(8)))
    history = (await cases.get(number, ana)).body["history"]
    assert [entry["version"] for entry in history] == list(range(1, 10))


async def test_the_history_since_a_version_comes_in_pages(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await written(cases, number, *({"text": f"comment {n}", "version": n + 2} for n in range(120)))
    entries: list[str] = []
    page = await older(cases, number, ana, since_version=21)
    while True:
        assert (page["total"], len(page["items"]) <= 50) == (100, True)
        entries = [*(entry["text"] for entry in page["items"]), *entries]
        if page["next_cursor"] is None:
            break
        page = await older(cases, number, ana, since_version=21, cursor=page["next_cursor"])
    assert entries == [f"comment {n}" for n in range(20, 120)]


async def test_entries_from_before_they_had_versions_count_as_old(cases: CasesApi) -> None:
    ana = an_actor()
    number = (await cases.submitted(ana))["number"]
    await cases.db["cases"].update_one({"number": number}, {"$unset": {"history.0.version": ""}})
    assert await since(cases, number, ana, 0) == []
    assert (await cases.get(number, ana)).body["history"][0]["version"] is None


@pytest.mark.parametrize("version", ["-1", "x", "1.5", str(2**53)])
async def test_a_version_that_is_none_is_refused(cases: CasesApi, version: str) -> None:
    number = (await cases.submitted(an_actor()))["number"]
    answer = await cases.call("GET", f"/cases/{number}/history", an_actor(), params={"since_version": version})
    assert (answer.status, answer.wrong_fields) == (422, {"since_version"})


# Whose case it is, and what it belongs to


async def test_a_case_names_its_owner_and_the_cases_it_belongs_to(cases: CasesApi) -> None:
    ana, luc = an_actor(), an_actor()
    before, case = await cases.submitted(ana), await cases.submitted(ana)
    assert case["owner"] == {"user_id": str(ana.user_id), "name": ana.name}
    assert (case["parent"], case["follow_up_of"]) == (None, None)
    owner = {"user_id": luc.user_id, "name": "Luc", "email": luc.email}
    links = {"owner": owner, "parent": "1000000009", "follow_up_of": before["number"]}
    await cases.db["cases"].update_one({"number": case["number"]}, {"$set": links})
    shown = (await cases.get(case["number"], ana)).body
    assert shown["owner"] == {"user_id": str(luc.user_id), "name": "Luc"}
    assert (shown["submitter"], shown["parent"], shown["follow_up_of"]) == (
        case["submitter"],
        "1000000009",
        before["number"],
    )
