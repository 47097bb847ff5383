"""Citing files: in cases, comments, replies and notes; once, by their uploader, and seen by whoever sees the entry."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from services.cases.app import OWNERS_OF_FILES
from services.cases.attachments.domain.files import Limits, Owner
from services.cases.attachments.handlers import claimed, hand_out
from services.cases.attachments.store import files as attachments
from services.cases.attachments.store.owners import OwnerRules
from services.cases.attachments.sweeper import sweep
from services.cases.cases import store
from shared.actor import Actor, Role
from shared.claims import ago
from shared.errors import NotFound
from shared.mongo import Database
from tests.builders import an_actor
from tests.service.cases.conftest import CasesApi, a_replica
from tests.service.cases.files import PNG, TEXT, a_key, download, names, stored, uploaded
from tests.unbounded import UNBOUNDED

ANA = an_actor()
STRANGER = an_actor()


async def the_file(cases: CasesApi, file_id: str) -> Any:
    document = await stored(cases, file_id)
    assert document is not None
    return document


async def test_a_case_cites_the_files_it_came_with(cases: CasesApi) -> None:
    ids = [await uploaded(cases, ANA), await uploaded(cases, ANA, "scan.png", PNG)]
    case = await cases.submitted(ANA, attachment_ids=ids)
    assert [file["id"] for file in case["attachments"]] == ids
    created = case["history"][0]
    assert (created["kind"], names(created["attachments"])) == ("created", ["jam.txt", "scan.png"])
    scan = case["attachments"][1]
    assert (scan["entry_id"], scan["by"]["name"], scan["internal"]) == (created["id"], ANA.name, False)
    assert (scan["size"], scan["content_type"], scan["state"]) == (len(PNG), "image/png", "ready")


async def test_comments_and_attachments_alone_cite_files(cases: CasesApi) -> None:
    number = (await cases.submitted(ANA))["number"]
    first, second = await uploaded(cases, ANA, "1.txt"), await uploaded(cases, ANA, "2.txt")
    await cases.act(number, ANA, action="comment", text="See the log.", attachment_ids=[first])
    answer = await cases.act(number, ANA, action="attach", attachment_ids=[second])
    assert answer.status == 200
    assert [(entry["kind"], names(entry["attachments"])) for entry in answer.body["history"][1:]] == [
        ("comment", ["1.txt"]),
        ("attached", ["2.txt"]),
    ]
    assert names(answer.body["attachments"]) == ["1.txt", "2.txt"]
    assert "attach" in answer.body["allowed_actions"]


async def test_a_file_alone_answers_the_vendors_question_too(cases: CasesApi, agent: Actor) -> None:
    case = await cases.submitted(ANA)
    taken = (await cases.agent_act(case["number"], agent, action="take")).body
    waiting = {"action": "set_status", "status": "waiting_customer", "version": taken["version"]}
    assert (await cases.agent_act(case["number"], agent, **waiting)).body["turn"] == "customer"
    answer = await cases.act(case["number"], ANA, action="attach", attachment_ids=[await uploaded(cases, ANA)])
    assert (answer.body["status"], answer.body["turn"]) == ("in_progress", "vendor")


async def test_files_of_a_note_stay_with_the_vendor_and_those_of_a_reply_do_not(cases: CasesApi, agent: Actor) -> None:
    number = (await cases.submitted(ANA))["number"]
    noted, replied = await uploaded(cases, agent, "cost.txt"), await uploaded(cases, agent, "driver.txt")
    await cases.agent_act(number, agent, action="note", text="Expensive.", attachment_ids=[noted])
    await cases.agent_act(number, agent, action="reply", text="Try this one.", attachment_ids=[replied])
    assert names((await cases.get(number, agent)).body["attachments"]) == ["cost.txt", "driver.txt"]
    shown = (await cases.get(number, ANA)).body
    assert names(shown["attachments"]) == ["driver.txt"]
    assert "cost.txt" not in str(shown)
    statuses = [(await download(cases, file_id, ANA)).status for file_id in (noted, replied)]
    assert statuses == [404, 200]
    assert (await download(cases, noted, an_actor(Role.VENDOR_ADMIN))).status == 200


async def test_whoever_sees_the_case_gets_its_files_and_nobody_else(cases: CasesApi, agent: Actor) -> None:
    member = an_actor(Role.MEMBER, company_id=ANA.company_id)
    blind = an_actor(Role.MEMBER, company_id=ANA.company_id, visibility="own")
    file_id, secret = await uploaded(cases, ANA), await uploaded(cases, ANA)
    await cases.submitted(ANA, attachment_ids=[file_id])
    await cases.submitted(ANA, attachment_ids=[secret], confidential=True)
    assert [(await download(cases, file_id, who)).status for who in (ANA, agent, member)] == [200, 200, 200]
    assert [(await download(cases, file_id, who)).status for who in (blind, STRANGER)] == [404, 404]
    assert [(await download(cases, secret, who)).status for who in (ANA, agent, member)] == [200, 200, 404]


async def test_an_uploader_who_no_longer_sees_the_case_loses_the_file(cases: CasesApi) -> None:
    member = an_actor(Role.MEMBER, company_id=ANA.company_id)
    case = await cases.submitted(member)
    file_id = await uploaded(cases, member)
    await cases.act(case["number"], member, action="comment", text="Log.", attachment_ids=[file_id])
    await cases.db["cases"].update_one({"number": case["number"]}, {"$set": {"readers": ["confidential"]}})
    assert (await download(cases, file_id, member)).status == 404


@pytest.mark.parametrize("thief", [an_actor(company_id=ANA.company_id), STRANGER, an_actor(Role.AGENT)])
async def test_nobody_cites_a_file_that_somebody_else_uploaded(cases: CasesApi, thief: Actor) -> None:
    stolen, own = await uploaded(cases, ANA), await uploaded(cases, thief)
    number = (await cases.submitted(an_actor(company_id=thief.company_id)))["number"]
    answer = await cases.act(number, thief, action="comment", text="Mine?", attachment_ids=[own, stolen])
    assert (answer.status, answer.field_codes) == (422, {"attachment_ids.1": "not_yours"})
    missing = await cases.act(number, thief, action="comment", text="Mine?", attachment_ids=[own, "A" * 22])
    assert missing.body | {"request_id": ""} == answer.body | {"request_id": ""}
    assert (await the_file(cases, stolen))["entry_id"] is None
    # What was one's own is free for the next try.
    assert (await cases.act(number, thief, action="comment", text="Mine.", attachment_ids=[own])).status == 200


async def test_a_stolen_file_makes_no_case(cases: CasesApi) -> None:
    before = await cases.db["cases"].count_documents({"company_id": STRANGER.company_id})
    answer = await cases.submit(STRANGER, attachment_ids=[await uploaded(cases, ANA)])
    assert (answer.status, answer.field_codes) == (422, {"attachment_ids.0": "not_yours"})
    assert await cases.db["cases"].count_documents({"company_id": STRANGER.company_id}) == before


async def test_a_file_is_cited_once(cases: CasesApi) -> None:
    file_id = await uploaded(cases, ANA)
    number = (await cases.submitted(ANA, attachment_ids=[file_id]))["number"]
    again = await cases.act(number, ANA, action="attach", attachment_ids=[file_id])
    assert (again.status, again.field_codes) == (422, {"attachment_ids.0": "not_yours"})


async def test_of_many_comments_at_once_one_gets_the_file(cases: CasesApi) -> None:
    number = (await cases.submitted(ANA))["number"]
    file_id, other = await uploaded(cases, ANA), await uploaded(cases, ANA)
    answers = await asyncio.gather(
        *(
            cases.act(number, ANA, action="comment", text=f"{n}", attachment_ids=[other, file_id][n % 2 :])
            for n in range(8)
        )
    )
    won = [answer for answer in answers if answer.status == 200]
    assert {answer.status for answer in answers} == {200, 422}
    history = (await cases.get(number, ANA)).body["history"]
    cited = [file["id"] for entry in history for file in entry["attachments"]]
    assert sorted(cited) == sorted(set(cited))
    assert len(won) == len([entry for entry in history if entry["kind"] == "comment"])
    for cited_id in cited:
        entry_id = (await the_file(cases, cited_id))["entry_id"]
        assert [entry["id"] for entry in history if cited_id in str(entry["attachments"])] == [str(entry_id)]


async def test_the_same_request_again_cites_the_same_files_once(cases: CasesApi) -> None:
    key, case_key, file_id, other = a_key(), a_key(), await uploaded(cases, ANA), await uploaded(cases, ANA)
    made = await asyncio.gather(*(cases.submit(ANA, key=case_key, attachment_ids=[other]) for _ in range(1)))
    number = made[0].body["number"]
    answers = await asyncio.gather(
        *(cases.act(number, ANA, key=key, action="comment", text="Log.", attachment_ids=[file_id]) for _ in range(6))
    )
    assert {answer.status for answer in answers} == {200}
    assert names((await cases.get(number, ANA)).body["attachments"]) == ["jam.txt", "jam.txt"]
    # None of those that came too late has given the file back.
    assert (await the_file(cases, file_id))["entry_id"] is not None


async def test_sending_a_case_twice_with_one_key_makes_one_with_its_files(cases: CasesApi) -> None:
    key, file_id, body = a_key(), await uploaded(cases, ANA), {"title": "Twice"}
    contact = {"first_name": "Luc", "last_name": "Petit", "email": "luc@example.com", "phone": "+33472000000"}
    answers = await asyncio.gather(
        *(cases.submit(ANA, key=key, attachment_ids=[file_id], contact=contact, **body) for _ in range(6))
    )
    assert {answer.status for answer in answers} == {201}
    assert {answer.body["number"] for answer in answers} == {answers[0].body["number"]}
    assert [[file["id"] for file in answer.body["attachments"]] for answer in answers] == [[file_id]] * 6


async def test_the_key_of_a_comment_does_not_open_its_files_to_another_one(cases: CasesApi) -> None:
    number, key = (await cases.submitted(ANA))["number"], a_key()
    first, second = await uploaded(cases, ANA), await uploaded(cases, ANA)
    await cases.act(number, ANA, key=key, action="comment", text="Log.", attachment_ids=[first])
    other = await cases.act(number, ANA, key=key, action="comment", text="Log.", attachment_ids=[first, second])
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert (await the_file(cases, second))["entry_id"] is None


@pytest.mark.parametrize("side", ["customer", "vendor"])
async def test_the_key_of_a_comment_does_not_take_its_files_to_another_case(
    cases: CasesApi, agent: Actor, side: str
) -> None:
    by, act, action = (ANA, cases.act, "comment") if side == "customer" else (agent, cases.agent_act, "reply")
    first, second = [(await cases.submitted(ANA))["number"] for _ in range(2)]
    key, file_id = a_key(), await uploaded(cases, by)
    body = {"action": action, "text": "Log.", "attachment_ids": [file_id]}
    assert (await act(first, by, key=key, **body)).status == 200
    other = await act(second, by, key=key, **body)
    assert (other.status, other.field_codes) == (422, {"attachment_ids.0": "not_yours"})
    assert (await act(first, by, key=key, **body)).status == 200
    assert (await download(cases, file_id, ANA)).status == 200


async def test_how_many_and_how_large_together_is_asked_again_when_they_are_cited(
    cases: CasesApi, mongo_url: str
) -> None:
    number = (await cases.submitted(ANA))["number"]
    ids = [await uploaded(cases, ANA) for _ in range(4)]
    answer = await cases.act(number, ANA, action="attach", attachment_ids=ids)
    assert (answer.status, answer.field_codes) == (422, {"attachment_ids": "too_many"})
    limits = {"CASES_ATTACHMENT_MAX_TOTAL_BYTES": str(len(TEXT)), "CASES_ATTACHMENT_MAX_FILE_BYTES": str(len(TEXT))}
    async with a_replica(mongo_url, **UNBOUNDED, **limits) as strict:
        answer = await strict.act(number, ANA, action="attach", attachment_ids=ids[:2])
        assert (answer.status, answer.field_codes) == (422, {"attachment_ids": "too_large_together"})
        assert (await strict.act(number, ANA, action="attach", attachment_ids=ids[:1])).status == 200


@pytest.mark.parametrize("ids", [["a", "a"], ["x" * 65], [""], [7], {"$ne": 1}, "a", [{"$gt": ""}], ["a" * 22] * 30])
async def test_malformed_ids_are_invalid(cases: CasesApi, ids: object) -> None:
    number = (await cases.submitted(ANA))["number"]
    assert (await cases.act(number, ANA, action="comment", text="x", attachment_ids=ids)).status == 422


async def test_attaching_nothing_is_invalid(cases: CasesApi) -> None:
    number = (await cases.submitted(ANA))["number"]
    assert (await cases.act(number, ANA, action="attach", attachment_ids=[])).status == 422
    assert (await cases.act(number, ANA, action="attach")).status == 422


async def test_who_may_not_comment_may_not_attach_and_keeps_the_file(cases: CasesApi) -> None:
    number = (await cases.submitted(ANA))["number"]
    member = an_actor(Role.MEMBER, company_id=ANA.company_id)
    file_id = await uploaded(cases, member)
    assert (await cases.act(number, member, action="attach", attachment_ids=[file_id])).status == 403
    assert (await cases.act(number, STRANGER, action="attach", attachment_ids=[file_id])).status == 404
    assert (await the_file(cases, file_id))["entry_id"] is None


async def test_a_refused_entry_gives_its_files_back(cases: CasesApi, agent: Actor) -> None:
    case = await cases.submitted(ANA)
    number, file_id = case["number"], await uploaded(cases, ANA)
    first = (await cases.db["cases"].find_one({"number": number}) or {})["history"][0]
    await cases.db["cases"].update_one({"number": number}, {"$push": {"history": {"$each": [first] * 999}}})
    full = await cases.act(number, ANA, action="attach", attachment_ids=[file_id])
    assert (full.status, full.code) == (409, "case_full")
    await cases.act(number, ANA, action="close", reason="Full", resolved=True, version=case["version"])
    closed = await cases.act(number, ANA, action="attach", attachment_ids=[file_id])
    assert (closed.status, closed.code) == (409, "case_closed")
    assert (await the_file(cases, file_id))["entry_id"] is None
    assert (await cases.submit(ANA, attachment_ids=[file_id])).status == 201


async def test_files_come_back_when_the_case_is_closed_after_they_were_claimed(
    cases: CasesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await cases.submitted(ANA)
    number, file_id = case["number"], await uploaded(cases, ANA)
    append = store.append_entry

    async def closed_before(*args: Any) -> bool:
        assert (await the_file(cases, file_id))["entry_id"] is not None
        await cases.act(number, ANA, action="close", reason="It prints.", resolved=True, version=case["version"])
        return await append(*args)

    monkeypatch.setattr(store, "append_entry", closed_before)
    refused = await cases.act(number, ANA, action="attach", attachment_ids=[file_id])
    assert (refused.status, refused.code) == (409, "case_closed")
    assert (await the_file(cases, file_id))["entry_id"] is None
    assert (await cases.submit(ANA, attachment_ids=[file_id])).status == 201


# Killed between the claim and the entry


async def claimed_without_entry(cases: CasesApi, case_id: object, *, hours: float) -> str:
    """What a kill between the two leaves behind."""
    file_id = await uploaded(cases, ANA)
    past = ago(timedelta(hours=hours))
    orphan = {
        "entry_id": case_id,
        "owner": {"kind": "case", "id": case_id},
        "claim": {"token": a_key(), "digest": "x"},
        "claimed_at": past,
    }
    await cases.db["attachments"].update_one({"_id": file_id}, [{"$set": orphan}])
    return file_id


async def test_files_whose_entry_never_came_go_after_two_days(cases: CasesApi) -> None:
    old = await claimed_without_entry(cases, a_key(), hours=48.1)
    young = await claimed_without_entry(cases, a_key(), hours=47.9)
    assert (await download(cases, young, ANA)).status == 200  # still its uploader's
    assert (await download(cases, young, STRANGER)).status == 404
    await asyncio.gather(*(sweep(cases.db, OWNERS_OF_FILES) for _ in range(4)))
    assert await stored(cases, old) is None
    assert await stored(cases, young) is not None


async def test_the_same_request_again_takes_up_what_a_kill_left(cases: CasesApi) -> None:
    number, key, file_id = (await cases.submitted(ANA))["number"], a_key(), await uploaded(cases, ANA)
    await cases.act(number, ANA, key=key, action="attach", attachment_ids=[file_id])
    await cases.db["cases"].update_one({"number": number}, {"$pop": {"history": 1}})  # as if it had not been written
    answer = await cases.act(number, ANA, key=key, action="attach", attachment_ids=[file_id])
    assert (answer.status, names(answer.body["attachments"])) == (200, ["jam.txt"])


async def test_cited_files_are_never_swept(cases: CasesApi) -> None:
    file_id = await uploaded(cases, ANA)
    await cases.submitted(ANA, attachment_ids=[file_id])
    past = ago(timedelta(days=400))
    await cases.db["attachments"].update_one({"_id": file_id}, [{"$set": {"created_at": past, "claimed_at": past}}])
    assert await attachments.remove_abandoned(cases.db, OWNERS_OF_FILES, after=timedelta(hours=48)) == 0
    await sweep(cases.db, OWNERS_OF_FILES)
    assert "claimed_at" not in await the_file(cases, file_id)  # never looked at again
    assert (await download(cases, file_id, ANA)).status == 200


# Owners of other kinds, and files of an older version


async def test_an_older_version_finds_the_case_of_a_file_by_its_id(cases: CasesApi) -> None:
    file_id = await uploaded(cases, ANA)
    number = (await cases.submitted(ANA, attachment_ids=[file_id]))["number"]
    case = await cases.db["cases"].find_one({"number": number}) or {}
    assert (await the_file(cases, file_id))["case_id"] == case["_id"]


async def test_a_file_that_an_older_version_claimed_still_belongs_to_its_case(cases: CasesApi) -> None:
    kept, orphan = await uploaded(cases, ANA), await uploaded(cases, ANA)
    number = (await cases.submitted(ANA, attachment_ids=[kept]))["number"]
    case = await cases.db["cases"].find_one({"number": number}) or {}
    old = {"$set": {"case_id": case["_id"]}, "$unset": {"owner": ""}}
    await cases.db["attachments"].update_one({"_id": kept}, old)
    claimed = {"entry_id": "never written", "case_id": case["_id"], "claim": {"token": "x", "digest": "x"}}
    await cases.db["attachments"].update_one({"_id": orphan}, {"$set": claimed})
    past = ago(timedelta(days=3))
    await cases.db["attachments"].update_many({"_id": {"$in": [kept, orphan]}}, [{"$set": {"claimed_at": past}}])
    await sweep(cases.db, OWNERS_OF_FILES)
    member = an_actor(Role.MEMBER, company_id=ANA.company_id)
    assert [(await download(cases, kept, who)).status for who in (ANA, member, STRANGER)] == [200, 200, 404]
    assert await stored(cases, orphan) is None


async def test_files_of_any_kind_of_owner_are_seen_by_whom_that_kind_says(cases: CasesApi) -> None:
    written, unwritten = Owner("letter", uuid7(), uuid7()), Owner("letter", uuid7(), uuid7())

    async def has_entry(_db: Database, owner: Owner) -> bool:
        return owner == written

    async def shows_entry(_db: Database, actor: Actor, owner: Owner) -> bool:
        return owner == written and actor == STRANGER

    owners = {"letter": OwnerRules(has_entry, shows_entry)}
    first, second = await uploaded(cases, ANA), await uploaded(cases, ANA)
    for file_id, owner in ((first, written), (second, unwritten)):
        async with claimed(cases.db, ANA, [file_id], Limits(), owner=owner, digest="x") as files:
            assert [file.id for file in files] == [file_id]
    assert (await hand_out(cases.db, owners, STRANGER, first))[1] == TEXT
    for actor, file_id in ((ANA, first), (STRANGER, second)):
        with pytest.raises(NotFound):
            await hand_out(cases.db, owners, actor, file_id)
    past = ago(timedelta(days=3))
    await cases.db["attachments"].update_many({"_id": {"$in": [first, second]}}, [{"$set": {"claimed_at": past}}])
    await sweep(cases.db, {})  # of a version that knows no letters: it leaves them alone
    assert await stored(cases, second) is not None
    await cases.db["attachments"].update_many({"_id": {"$in": [first, second]}}, [{"$set": {"claimed_at": past}}])
    await sweep(cases.db, owners)
    assert [await stored(cases, file_id) is None for file_id in (first, second)] == [False, True]
