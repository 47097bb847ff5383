"""Fair shares: what a user, and a company, may create, write and upload, over all replicas, whatever comes at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from deploy.local.waiting import until
from services.cases.app import OWNERS_OF_FILES
from services.cases.attachments import sweeper
from services.cases.attachments.store import disk, uncited
from services.cases.attachments.store import files as attachments
from services.cases.settings import CasesSettings
from shared.actor import Actor, Role
from shared.mongo import connect
from tests.builders import MONGO_DRIVER, TEST_SECRET, Json, a_contact, an_actor
from tests.client import Answer
from tests.events import company_changed, user_changed
from tests.logged import Logged
from tests.service.cases.conftest import CasesApi, a_replica
from tests.service.cases.files import MIB, TEXT, upload, uploaded
from tests.unbounded import UNBOUNDED

DAY_S = 24 * 3600


def only(**bounds: object) -> dict[str, str]:
    """These bounds, and others that nobody comes to the end of."""
    return UNBOUNDED | {name: str(value) for name, value in bounds.items()}


async def at_once(count: int, call: Callable[[int], Awaitable[Answer]]) -> list[Answer]:
    return list(await asyncio.gather(*(call(n) for n in range(count))))


def how_many(answers: list[Answer], status: int) -> int:
    return sum(answer.status == status for answer in answers)


def wait_of(answer: Answer) -> int:
    assert (answer.status, answer.code) == (429, "too_many_requests"), answer.body
    return int(answer.headers["Retry-After"])


@dataclass
class Clock:
    """Time that a test may move; it begins with the next hour, because the database forgets counters of the past."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(minute=0, second=0) + timedelta(hours=1))

    def tell(self) -> datetime:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


# Cases and what is done with them


async def test_of_many_cases_at_once_over_two_replicas_exactly_so_many_are_created_as_may(mongo_url: str) -> None:
    bounds, ana, clock = only(CASES_PER_USER_AND_HOUR=12), an_actor(), Clock()
    async with (
        a_replica(mongo_url, clock.tell, **bounds) as one,
        a_replica(mongo_url, clock.tell, **bounds) as two,
    ):
        answers = await at_once(50, lambda n: [one, two][n % 2].submit(ana))
        assert (how_many(answers, 201), how_many(answers, 429)) == (12, 38)
        assert (await one.submit(an_actor(company_id=ana.company_id))).status == 201


async def test_a_follow_up_counts_as_a_case_and_what_is_done_with_one_does_not(mongo_url: str) -> None:
    bounds, ana, clock = only(CASES_PER_USER_AND_HOUR=2), an_actor(), Clock()
    async with a_replica(mongo_url, clock.tell, **bounds) as cases:
        number = (await cases.submitted(ana))["number"]
        await cases.act(number, ana, action="cancel", version=1, reason="Later.")
        following: Json = {"action": "follow_up", "description": "It jams again in the same tray."}
        assert (await cases.act(number, ana, **following)).status == 201
        assert wait_of(await cases.act(number, ana, **following)) > 0
        assert len((await cases.get(number, ana)).body["follow_ups"]) == 1


async def test_after_the_time_that_was_told_cases_are_created_again(mongo_url: str) -> None:
    ana, clock = an_actor(), Clock()
    async with a_replica(mongo_url, clock.tell, **only(CASES_PER_USER_AND_HOUR=1)) as cases:
        await cases.submitted(ana)
        refused = await cases.submit(ana)
        assert refused.body["detail"].startswith("More cases were created than is allowed within an hour.")
        clock.pass_by(wait_of(refused) - 1)
        assert wait_of(await cases.submit(ana)) == 1
        clock.pass_by(1)
        assert (await cases.submit(ana)).status == 201


async def test_a_company_creates_so_many_cases_as_a_whole(mongo_url: str) -> None:
    ana = an_actor()
    async with a_replica(mongo_url, Clock().tell, **only(CASES_PER_COMPANY_AND_HOUR=3)) as cases:
        answers = await at_once(10, lambda _: cases.submit(an_actor(company_id=ana.company_id)))
        assert how_many(answers, 201) == 3
        assert (await cases.submit(an_actor())).status == 201


async def test_a_repeat_of_what_was_answered_does_not_count(mongo_url: str) -> None:
    ana, contact = an_actor(), a_contact()
    async with a_replica(mongo_url, Clock().tell, **only(CASES_PER_USER_AND_HOUR=2)) as cases:
        numbers = {(await cases.submit(ana, key="the-same", contact=contact)).body["number"] for _ in range(5)}
        assert len(numbers) == 1
        assert (await cases.submit(ana)).status == 201
        assert (await cases.submit(ana)).status == 429
        assert (await cases.submit(ana, key="the-same", contact=contact)).body["number"] in numbers


async def test_a_case_that_is_refused_does_not_count(mongo_url: str) -> None:
    ana = an_actor()
    async with a_replica(mongo_url, Clock().tell, **only(CASES_PER_USER_AND_HOUR=1)) as cases:
        nobody = a_contact(user_id=str(uuid4()))
        for wish in ({"title": ""}, {"attachment_ids": ["nope"]}, {"contact": nobody}, {"site_id": str(uuid4())}):
            assert (await cases.submit(ana, **wish)).status in (409, 422), wish
        assert (await cases.submit(ana)).status == 201
        assert (await cases.submit(ana)).status == 429


async def test_a_case_for_a_colleague_that_is_refused_does_not_count(mongo_url: str) -> None:
    ana = an_actor(Role.CASE_MANAGER)
    async with a_replica(mongo_url, Clock().tell, **only(CASES_PER_USER_AND_HOUR=1)) as cases:
        luc = an_actor(Role.MEMBER, company_id=ana.company_id)
        await cases.hear(user_changed(luc))
        await cases.hear(company_changed(ana.company_id))
        assert (await cases.submit(ana, submitter_id=str(luc.user_id), confidential=True)).status == 422
        assert (await cases.submit(ana)).status == 201


async def test_an_action_that_is_refused_does_not_count(mongo_url: str, agent: Actor) -> None:
    ana, clock = an_actor(), Clock()
    luc = an_actor(Role.MEMBER, company_id=ana.company_id, visibility="company")
    async with a_replica(mongo_url, clock.tell, **only(CASES_ENTRIES_PER_USER_AND_MINUTE=1)) as cases:
        number, strangers = [(await cases.submitted(by))["number"] for by in (ana, an_actor())]
        comment: Json = {"action": "comment", "text": "Still jams."}
        mended: Json = {"action": "close", "reason": "Mended.", "resolved": True}
        refused = [
            await cases.act(strangers, ana, **comment),
            await cases.act(number, ana, **comment, attachment_ids=["nope"]),
            await cases.act(number, ana, **mended, version=99),
            await cases.act(number, ana, action="reopen", reason="Jams again.", version=1),
            await cases.agent_act(number, agent, action="assign", agent_id=str(uuid4()), version=1),
            await cases.act(number, luc, **mended, version=1),
        ]
        assert [answer.status for answer in refused] == [404, 422, 409, 409, 409, 403]
        assert (await cases.act(number, ana, **comment)).status == 200
        assert (await cases.act(number, ana, **comment)).status == 429
        assert (await cases.agent_act(number, agent, action="note", text="Called.")).status == 200


async def test_comments_and_other_actions_are_bounded_for_a_user_and_a_company(mongo_url: str, agent: Actor) -> None:
    ana, clock = an_actor(), Clock()
    bounds = only(CASES_ENTRIES_PER_USER_AND_MINUTE=4, CASES_ENTRIES_PER_COMPANY_AND_MINUTE=6)
    async with a_replica(mongo_url, clock.tell, **bounds) as cases:
        number = (await cases.submitted(ana))["number"]
        answers = await at_once(8, lambda _: cases.act(number, ana, action="comment", text="Still jams."))
        assert (how_many(answers, 200), how_many(answers, 429)) == (4, 4)
        assert wait_of(next(answer for answer in answers if answer.status == 429)) == 60
        assert (await cases.act(number, ana, action="close", reason="Mended.", resolved=True, version=5)).status == 429
        luc = an_actor(company_id=ana.company_id)
        answers = await at_once(4, lambda _: cases.act(number, luc, action="comment", text="Here too."))
        assert how_many(answers, 200) == 2
        answers = await at_once(8, lambda _: cases.agent_act(number, agent, action="note", text="Called."))
        assert how_many(answers, 200) == 4
        assert (await cases.get(number, ana)).status == 200


# Files


async def test_of_many_uploads_at_once_exactly_so_many_files_wait_as_may(mongo_url: str) -> None:
    bounds, ana = only(CASES_UNCITED_FILES_PER_USER=10), an_actor()
    async with a_replica(mongo_url, **bounds) as one, a_replica(mongo_url, **bounds) as two:
        answers = await at_once(50, lambda n: upload([one, two][n % 2], ana, ("jam.txt", TEXT)))
        assert how_many(answers, 201) == 10
        assert await one.db["attachments"].count_documents({"uploader": ana.user_id}) == 10
        refused = next(answer for answer in answers if answer.status != 201)
        assert DAY_S - 60 < wait_of(refused) <= DAY_S + 310
        assert refused.field_codes == {"file": "too_many_uncited"}
        assert (await upload(one, an_actor(company_id=ana.company_id), ("jam.txt", TEXT))).status == 201


async def test_the_first_files_of_companies_at_the_same_moment_all_find_room(mongo_url: str) -> None:
    async with a_replica(mongo_url, **UNBOUNDED) as cases:
        for _ in range(10):
            ana = an_actor()
            answers = await asyncio.gather(*(upload(cases, ana, ("jam.txt", TEXT)) for _ in range(8)))
            assert [answer.status for answer in answers] == [201] * 8


@pytest.mark.parametrize(
    ("bound", "files"),
    [("CASES_UNCITED_BYTES_PER_USER", 2), ("CASES_UPLOAD_BYTES_PER_USER_AND_DAY", 2)],
)
async def test_bytes_are_bounded_too(mongo_url: str, bound: str, files: int) -> None:
    ana = an_actor()
    async with a_replica(mongo_url, **only(**{bound: 2 * MIB + 100})) as cases:
        answers = await at_once(6, lambda _: upload(cases, ana, ("big.txt", b"x" * MIB)))
        assert how_many(answers, 201) == files
        assert (await upload(cases, ana, ("small.txt", b"x" * 50))).status == 201
        assert (await upload(cases, an_actor(company_id=ana.company_id), ("big.txt", b"x" * MIB))).status == 201


@pytest.mark.parametrize(
    ("bound", "most", "code"),
    [
        ("CASES_UNCITED_FILES_PER_USER", 1, "too_many_uncited"),
        ("CASES_UPLOAD_BYTES_PER_USER_AND_DAY", len(TEXT), "too_many_uploads"),
    ],
)
async def test_where_no_file_has_room_none_is_even_read(mongo_url: str, bound: str, most: int, code: str) -> None:
    ana = an_actor()
    async with a_replica(mongo_url, **only(**{bound: most})) as cases:
        assert (await upload(cases, ana, ("jam.txt", TEXT), key="first")).status == 201

        async def that_never_ends() -> AsyncIterator[bytes]:
            yield b"--frontier\r\n"
            await asyncio.Event().wait()

        form = {"Content-Type": "multipart/form-data; boundary=frontier"}
        async with asyncio.timeout(30):
            answer = await cases.call("POST", "/attachments", ana, data=that_never_ends(), headers=form)
        assert answer.field_codes == {"file": code}
        assert (await upload(cases, ana, ("jam.txt", TEXT), key="first")).status == 201


@pytest.mark.parametrize(
    ("bound", "most"),
    [
        ("CASES_UNCITED_FILES_PER_COMPANY", 3),
        ("CASES_UNCITED_BYTES_PER_COMPANY", 3 * 1000),
        ("CASES_UPLOAD_BYTES_PER_COMPANY_AND_DAY", 3 * 1000),
    ],
)
async def test_a_companys_files_are_bounded_as_a_whole(mongo_url: str, bound: str, most: int) -> None:
    ana = an_actor()
    async with a_replica(mongo_url, **only(**{bound: most})) as cases:
        people = [an_actor(company_id=ana.company_id) for _ in range(3)]
        answers = await at_once(12, lambda n: upload(cases, people[n % 3], ("jam.txt", b"x" * 1000)))
        assert (how_many(answers, 201), how_many(answers, 429)) == (3, 9)
        assert (await upload(cases, an_actor(), ("jam.txt", b"x" * 1000))).status == 201


async def test_the_vendors_company_has_no_bound_for_waiting_files_its_users_have(mongo_url: str, agent: Actor) -> None:
    bounds = only(
        CASES_UNCITED_FILES_PER_USER=2, CASES_UNCITED_FILES_PER_COMPANY=2, CASES_UNCITED_BYTES_PER_COMPANY=len(TEXT)
    )
    async with a_replica(mongo_url, **bounds) as cases:
        for one in (agent, replace(agent, user_id=uuid4()), replace(agent, user_id=uuid4())):
            answers = [await upload(cases, one, ("jam.txt", TEXT)) for _ in range(3)]
            assert (how_many(answers, 201), how_many(answers, 429)) == (2, 1)


async def test_without_a_bound_nobody_writes_down_what_waits(mongo_url: str) -> None:
    bounds, ana = {name: "0" for name in UNBOUNDED if "UNCITED" in name}, an_actor()
    assert len(bounds) == 4
    async with a_replica(mongo_url, **(UNBOUNDED | bounds)) as cases:
        for _ in range(3):
            await uploaded(cases, ana)
        assert await cases.db[uncited.HOLDS].find_one({"_id": ana.company_id}) is None


async def test_what_is_too_old_to_wait_is_let_go_though_there_is_room(mongo_url: str) -> None:
    ana = an_actor()
    async with a_replica(mongo_url, **only(CASES_UNCITED_FILES_PER_USER=10)) as cases:
        await uploaded(cases, ana)
        for n, passed in enumerate((timedelta(minutes=4), timedelta(minutes=6))):
            await uploaded(cases, ana)
            then = datetime.now(UTC) - uncited.KEPT_FOR - passed
            await cases.db[uncited.HOLDS].update_one({"_id": ana.company_id}, {"$set": {f"held.{n}.at": then}})
        await uploaded(cases, ana)
        document = await cases.db[uncited.HOLDS].find_one({"_id": ana.company_id})
        assert document is not None
        # Of the first three the second was too old.
        assert len(document["held"]) == 3


async def test_what_is_refused_for_the_day_leaves_the_room_for_waiting_files(mongo_url: str) -> None:
    ana = an_actor()
    bounds = only(CASES_UNCITED_FILES_PER_USER=2, CASES_UPLOAD_BYTES_PER_USER_AND_DAY=1500)
    async with a_replica(mongo_url, **bounds) as cases:
        assert (await upload(cases, ana, ("jam.txt", b"x" * 1000))).status == 201
        for _ in range(3):
            assert (await upload(cases, ana, ("jam.txt", b"x" * 1000))).field_codes == {"file": "too_many_uploads"}
        assert (await upload(cases, ana, ("jam.txt", b"x" * 100))).status == 201


async def test_a_file_for_which_there_is_no_room_does_not_count_for_the_day(mongo_url: str) -> None:
    ana = an_actor()
    bounds = only(CASES_UNCITED_FILES_PER_USER=1, CASES_UPLOAD_BYTES_PER_USER_AND_DAY=2 * len(TEXT))
    async with a_replica(mongo_url, **bounds) as cases:
        file_id = await uploaded(cases, ana)
        for _ in range(3):
            assert (await upload(cases, ana, ("jam.txt", TEXT))).field_codes == {"file": "too_many_uncited"}
        await cases.submitted(ana, attachment_ids=[file_id])
        await cases.submitted(ana, attachment_ids=[await uploaded(cases, ana)])
        assert (await upload(cases, ana, ("jam.txt", TEXT))).field_codes == {"file": "too_many_uploads"}


@pytest.mark.parametrize(
    ("bound", "most"),
    [
        ("CASES_UNCITED_FILES_PER_USER", 1),
        ("CASES_UNCITED_BYTES_PER_COMPANY", 2 * len(TEXT) - 1),
        ("CASES_UPLOAD_BYTES_PER_USER_AND_DAY", 2 * len(TEXT) - 1),
    ],
)
async def test_files_that_never_fit_are_no_matter_of_waiting(mongo_url: str, bound: str, most: int) -> None:
    ana = an_actor()
    async with a_replica(mongo_url, **only(**{bound: most})) as cases:
        refused = await upload(cases, ana, ("jam.txt", TEXT), ("jam.log", TEXT))
        assert (refused.status, refused.code) == (422, "more_than_allowed")
        assert (await upload(cases, ana, ("jam.txt", TEXT))).status == 201


async def test_a_cited_file_makes_room_for_another(mongo_url: str) -> None:
    ana = an_actor()
    async with a_replica(mongo_url, **only(CASES_UNCITED_FILES_PER_USER=2)) as cases:
        first, second = await uploaded(cases, ana), await uploaded(cases, ana)
        assert (await upload(cases, ana, ("jam.txt", TEXT))).status == 429
        await cases.submitted(ana, attachment_ids=[first])
        third = await uploaded(cases, ana)
        assert (await upload(cases, ana, ("jam.txt", TEXT))).status == 429
        await cases.submitted(ana, attachment_ids=[second, third])
        assert (await upload(cases, ana, ("jam.txt", TEXT), ("jam.log", TEXT))).status == 201


async def test_a_swept_file_makes_room_for_another(mongo_url: str) -> None:
    ana = an_actor()
    async with a_replica(mongo_url, **only(CASES_UNCITED_FILES_PER_USER=1)) as cases:
        file_id = await uploaded(cases, ana)
        assert (await upload(cases, ana, ("jam.txt", TEXT))).status == 429
        day_before = datetime.now(UTC) - uncited.KEPT_FOR - timedelta(minutes=1)
        await cases.db[attachments.FILES].update_one({"_id": file_id}, {"$set": {"created_at": day_before}})
        await cases.db[uncited.HOLDS].update_one({"_id": ana.company_id}, {"$set": {"held.0.at": day_before}})
        await sweeper.sweep(cases.db, OWNERS_OF_FILES)
        assert (await upload(cases, ana, ("jam.txt", TEXT))).status == 201


async def test_room_for_files_that_never_came_is_given_back(mongo_url: str) -> None:
    ana = an_actor()
    async with a_replica(mongo_url, **only(CASES_UNCITED_FILES_PER_USER=1)) as cases:
        file_id = await uploaded(cases, ana)
        # As after a crash between the two writes.
        await cases.db[attachments.FILES].delete_one({"_id": file_id})
        assert (await upload(cases, ana, ("jam.txt", TEXT))).status == 429
        long_ago = datetime.now(UTC) - timedelta(minutes=6)
        await cases.db[uncited.HOLDS].update_one({"_id": ana.company_id}, {"$set": {"held.0.at": long_ago}})
        assert (await upload(cases, ana, ("jam.txt", TEXT))).status == 201


async def test_a_repeated_upload_takes_no_more_room(mongo_url: str) -> None:
    ana = an_actor()
    bounds = only(CASES_UNCITED_FILES_PER_USER=2, CASES_UPLOAD_BYTES_PER_USER_AND_DAY=2 * len(TEXT))
    async with a_replica(mongo_url, **bounds) as cases:
        ids = {(await upload(cases, ana, ("jam.txt", TEXT), key="again")).body["items"][0]["id"] for _ in range(4)}
        assert len(ids) == 1
        assert (await upload(cases, ana, ("jam.txt", TEXT))).status == 201
        assert (await upload(cases, ana, ("jam.txt", TEXT), key="again")).status == 201


# The disk


async def test_below_the_floor_of_free_disk_no_file_is_taken_and_everything_else_goes_on(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_ASKED_EVERY_S", 0.0)
    ana = an_actor()
    async with a_replica(mongo_url, **only(CASES_FREE_DISK_FLOOR_BYTES=2**62)) as cases:
        answers = [await upload(cases, ana, ("jam.txt", TEXT)) for _ in range(3)]
        assert {(answer.status, answer.code) for answer in answers} == {(507, "storage_low")}
        assert int(answers[0].headers["Retry-After"]) > 0

        async def says_so() -> bool:
            ready = await cases.call("GET", "/readyz", None)
            return (ready.status, ready.body.get("degraded", {}).get("storage")) == (200, "low")

        assert await until(says_so, deadline_s=30)  # a busy machine may not ask its database in time
        assert (await cases.submit(ana)).status == 201


async def test_above_the_floor_files_are_taken_and_nothing_is_degraded(mongo_url: str) -> None:
    async with a_replica(mongo_url, **only(CASES_FREE_DISK_FLOOR_BYTES=1)) as cases:
        assert (await upload(cases, an_actor(), ("jam.txt", TEXT))).status == 201
        assert "storage" not in (await cases.call("GET", "/readyz", None)).body["degraded"]
        assert await cases.db.free_bytes()


async def test_files_are_taken_again_when_there_is_room_and_the_log_says_each_once(
    cases: CasesApi, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    monkeypatch.setattr(disk, "_ASKED_EVERY_S", 0.0)
    free = await cases.db.free_bytes()
    assert free is not None
    watched = disk.Disk(floor_bytes=2 * free)
    assert [await watched.is_low(cases.db) for _ in range(3)] == [True, True, True]
    monkeypatch.setattr(watched, "_floor_bytes", free // 2)
    assert [await watched.is_low(cases.db) for _ in range(3)] == [False, False, False]
    said = [line["event"] for line in logged.lines()]
    assert [event for event in said if event.startswith("storage")] == ["storage_low", "storage_enough"]


async def test_nobody_stands_in_line_while_the_database_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_ASKED_EVERY_S", 60.0)
    db = connect("mongodb://127.0.0.1:9", "nowhere", MONGO_DRIVER)
    watched = disk.Disk(floor_bytes=1)
    asking = asyncio.create_task(watched.is_low(db))
    await asyncio.sleep(0)
    async with asyncio.timeout(3):
        assert [await watched.is_low(db) for _ in range(3)] == [False, False, False]
    assert not asking.done()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await db.close()


def test_the_defaults_bound_everything() -> None:
    quotas = CasesSettings.model_validate({"PORTICO_SECRET_KEY": TEST_SECRET}).quotas
    assert all(quota.user.most and quota.company.most for quota in (quotas.cases, quotas.entries, quotas.uploads))
    assert (quotas.uncited.user_files, quotas.uncited.user_bytes) == (30, 60 * MIB)
    assert (quotas.uncited.company_files, quotas.uncited.company_bytes) == (300, 600 * MIB)
