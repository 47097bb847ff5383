"""Parts are killed while people work: nothing that was answered is lost, and everything catches up by itself."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import aiohttp
import pytest

from deploy.local.stack import Stack
from deploy.local.waiting import until
from shared.mongo import connect
from tests.builders import Json, a_contact, an_email
from tests.e2e.conftest import NewCustomer
from tests.e2e.portal import Visitor, a_case, until_true

CASES = 120  # `make faults` has runs with thousands
AT_ONCE = 6
PAUSE_S = 0.8  # so that every kill falls into the middle of the work
AWAY = {503}


@dataclass
class Recorder:
    """What was tried, what was answered, and how often the answer was `not now`."""

    created: dict[str, str] = field(default_factory=dict)  # case number → address of its contact
    refusals: Counter[int] = field(default_factory=Counter)
    slowest_s: float = 0.0


async def create_until_answered(admin: Visitor, email: str, record: Recorder) -> None:
    """As a patient client does: the same key until there is an answer."""
    body, headers = a_case(contact=a_contact(email=email)), {"Idempotency-Key": secrets.token_hex(8)}
    while True:
        began = monotonic()
        try:
            answer = await admin.call("POST", "/cases", json=body, headers=headers)
        except (aiohttp.ClientError, TimeoutError):
            record.refusals[0] += 1
            await asyncio.sleep(0.3)
            continue
        record.slowest_s = max(record.slowest_s, monotonic() - began)
        if answer.status == 201:
            record.created[answer.body["number"]] = email
            return
        assert answer.status in AWAY, (answer.status, answer.body)
        record.refusals[answer.status] += 1
        await asyncio.sleep(0.3)


async def create_without_the_broker(admin: Visitor, record: Recorder) -> None:
    """It is answered, and is there; its mail comes later."""
    email = an_email("luc")
    answer = await admin.call("POST", "/cases", json=a_case(contact=a_contact(email=email)))
    assert answer.status == 201, answer.body
    record.created[answer.body["number"]] = email
    assert answer.body["number"] in [row["number"] for row in (await admin.get("/cases", limit="200"))["items"]]


@pytest.mark.timeout(400)
async def test_cases_survive_kill_9_of_notifications_database_cases_and_broker(
    stack: Stack, new_customer: NewCustomer, record_property: Callable[[str, object], None]
) -> None:
    admin = (await new_customer()).admin
    record, addresses = Recorder(), iter([an_email("luc") for _ in range(CASES)])
    # However long a part takes to come back, there are cases left to create when the next one is killed.
    allowed = asyncio.Semaphore(0)

    async def keep_creating() -> None:
        for email in addresses:
            await allowed.acquire()
            await create_until_answered(admin, email, record)
            await asyncio.sleep(PAUSE_S)

    async def kill_one_after_the_other() -> None:
        # A mail that was being sent has to wait for the end of its lease: that passes while the others are killed.
        kills = ((8, "notifications", 1, 20), (25, "mongod", 1, 45), (50, "cases", 1, 75), (80, "rabbitmq", 2, CASES))
        begun = 0
        for count, part, away_s, most in kills:
            _release(allowed, most - begun)
            begun = most
            await until_true(_has(record, count), within_s=120)
            assert len(record.created) < most, f"{part} was to be killed in the middle of the work"
            stack.kill(part)
            await asyncio.sleep(away_s)
            if part == "rabbitmq":
                await create_without_the_broker(admin, record)
            await stack.restart(part)

    began = monotonic()
    await asyncio.gather(kill_one_after_the_other(), *(keep_creating() for _ in range(AT_ONCE)))
    # After all kills, too.
    await asyncio.gather(*(create_until_answered(admin, an_email("luc"), record) for _ in range(AT_ONCE)))
    created_after_s = monotonic() - began
    print(f"created after {created_after_s:.1f} s")  # noqa: T201
    assert len(record.created) == CASES + 1 + AT_ONCE

    # Every 201 is found again.
    for number in record.created:
        assert (await admin.get(f"/cases/{number}"))["number"] == number

    # Each person got the mail of each case once, without anyone's help.
    expected = {(email, number) for number, email in record.created.items()}
    expected |= {(admin.email, number) for number in record.created}

    async def all_came() -> bool:
        return expected <= set(await created_mails(stack, record))

    if not await until(all_came, deadline_s=150, pause_s=0.5):
        missing = expected - set(await created_mails(stack, record))
        pytest.fail(f"{len(missing)} mails are missing, such as {sorted(missing)[:3]}; {await where_things_are(stack)}")
    caught_up_after_s = monotonic() - began - created_after_s
    mails = await created_mails(stack, record)
    twice = [key for key, count in mails.items() if count > 1]
    in_the_window = await unknown_outcomes(admin)
    for name, value in {
        "created": len(record.created),
        "answered_not_now": dict(record.refusals),
        "slowest_answer_s": round(record.slowest_s, 2),
        "mails": sum(mails.values()),
        "twice": len(twice),
        "unknown_outcomes": in_the_window,
        "caught_up_after_s": round(caught_up_after_s, 1),
    }.items():
        record_property(name, value)
        print(f"{name}: {value}")  # noqa: T201  # the figures of the run, shown with -s
    assert set(mails) == expected
    assert len(twice) <= in_the_window
    assert record.slowest_s < 20


async def where_things_are(stack: Stack) -> str:
    """For the failure's message: what waits in the documents and in the ledger."""
    url = stack.environment["MONGO_URL"]
    cases, notifications = connect(url, "cases"), connect(url, "notifications")
    pending = await cases["cases"].count_documents({"pending": {"$ne": []}})
    states = [
        (group["_id"], group["count"])
        async for group in await notifications["mails"].aggregate([{"$group": {"_id": "$state", "count": {"$sum": 1}}}])
    ]
    await asyncio.gather(cases.close(), notifications.close())
    return f"{pending} cases with pending events, ledger: {states}"


def _release(places: asyncio.Semaphore, count: int) -> None:
    for _ in range(count):
        places.release()


def _has(record: Recorder, count: int) -> Callable[[], Awaitable[bool]]:
    async def enough() -> bool:
        return len(record.created) >= count

    return enough


async def created_mails(stack: Stack, record: Recorder) -> Counter[tuple[str, str]]:
    """How often each person got the *created* mail of each of these cases."""
    counted: Counter[tuple[str, str]] = Counter()
    for mail in await stack.mails():
        number = next((word for word in _words(mail["subject"]) if word in record.created), None)
        if number is not None:
            counted[_recipient(mail), number] += 1
    return counted


def _words(subject: str) -> list[str]:
    return subject.replace("[", " ").replace("]", " ").replace(":", " ").replace("#", " ").split()


def _recipient(mail: Json) -> str:
    to: Any = mail["to"]
    return str(to[0] if isinstance(to, list) else to).rpartition("<")[2].strip("> ").lower()


async def unknown_outcomes(admin: Visitor) -> int:
    """Mails that were being sent when their sender died: sent again, because nobody knows."""
    total, query = 0, {"limit": "200"}
    while True:
        page = await admin.get("/deliveries", **query)
        total += sum(int(row["unknown_outcomes"]) for row in page["items"])
        if page["next_cursor"] is None:
            return total
        query["cursor"] = page["next_cursor"]
