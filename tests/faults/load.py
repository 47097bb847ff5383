"""Cases with attachments at a steady rate, whatever the answers; each is asked for with one key until answered."""

import asyncio
import hashlib
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp

from tests.builders import a_contact, an_email
from tests.client import Answer
from tests.e2e.portal import Visitor, a_case

GIVE_UP_AFTER_S = 90.0
_LONGEST_TRY_S = 15.0
_PAUSE_S = 0.3  # where nobody says how long
_CREATED = 201
NOT_NOW = frozenset({503})
NO_ANSWER = 0  # the connection broke, or nothing came in time


@dataclass(frozen=True)
class Try:
    """One request and how it ended. Times are seconds since the epoch."""

    began: float
    ended: float
    status: int  # NO_ANSWER when there was none

    @property
    def took_s(self) -> float:
        return self.ended - self.began


@dataclass
class Attempt:
    """One thing that somebody wants: a case with a file. `tries` are all requests for it, in order."""

    label: str  # the case's title and the file's name
    email: str
    content: bytes
    began: float = 0.0
    file_id: str = ""
    number: str = ""
    upload_tries: list[Try] = field(default_factory=list)
    case_tries: list[Try] = field(default_factory=list)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def answered_at(self) -> float:
        """When the case's number came; 0 for never."""
        return self.case_tries[-1].ended if self.number else 0.0


@dataclass
class Record:
    """Every answer of a run."""

    attempts: list[Attempt] = field(default_factory=list)
    wrong_answers: list[str] = field(default_factory=list)

    @property
    def tries(self) -> list[Try]:
        return [each for attempt in self.attempts for each in (*attempt.upload_tries, *attempt.case_tries)]

    @property
    def statuses(self) -> Counter[int]:
        return Counter(each.status for each in self.tries)

    @property
    def slowest_s(self) -> float:
        return max((each.took_s for each in self.tries), default=0.0)


def attempts(count: int, rng: random.Random, *, addresses: Sequence[str] = ()) -> list[Attempt]:
    """What will be asked for; the contacts take turns among `addresses`, or each is somebody else."""
    return [
        Attempt(
            label=f"fault-run-{index:05}",
            email=addresses[index % len(addresses)] if addresses else an_email("luc"),
            content=f"{index} {rng.randbytes(rng.randint(200, 2000)).hex()}\n".encode(),
        )
        for index in range(count)
    ]


async def submit_all(visitor: Visitor, record: Record, *, per_second: float, rng: random.Random) -> None:
    """Open loop: each begins at its time, however slowly the ones before are answered. Returns when all have ended."""
    due = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for attempt in record.attempts:
            due += rng.expovariate(per_second)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            tasks.create_task(_submit(visitor, attempt, record.wrong_answers))


async def _submit(visitor: Visitor, attempt: Attempt, wrong_answers: list[str]) -> None:
    attempt.began = time.time()

    def form() -> aiohttp.FormData:
        files = aiohttp.FormData()
        files.add_field("file", attempt.content, filename=f"{attempt.label}.txt", content_type="text/plain")
        return files

    upload = await _until_answered(lambda: {"data": form()}, visitor, "/attachments", attempt.upload_tries)
    if upload is None or not _is_right(upload, wrong_answers):
        return
    attempt.file_id = upload.body["items"][0]["id"]
    body = a_case(title=attempt.label, contact=a_contact(email=attempt.email), attachment_ids=[attempt.file_id])
    case = await _until_answered(lambda: {"json": body}, visitor, "/cases", attempt.case_tries)
    if case is not None and _is_right(case, wrong_answers):
        attempt.number = case.body["number"]


def _is_right(answer: Answer, wrong_answers: list[str]) -> bool:
    if answer.status != _CREATED:
        wrong_answers.append(f"{answer.status} {str(answer.body)[:300]}")
    return answer.status == _CREATED


async def _until_answered(
    request: Callable[[], dict[str, object]], visitor: Visitor, path: str, tries: list[Try]
) -> Answer | None:
    """As a patient client does: the same key until there is an answer; None when it lost its patience."""
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    give_up_at = time.monotonic() + GIVE_UP_AFTER_S
    while time.monotonic() < give_up_at:
        began, answer = time.time(), None
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            answer = await visitor.call(
                "POST", path, headers=headers, timeout=aiohttp.ClientTimeout(total=_LONGEST_TRY_S), **request()
            )
        tries.append(Try(began, time.time(), answer.status if answer else NO_ANSWER))
        if answer is not None and answer.status not in NOT_NOW:
            return answer
        await asyncio.sleep(_pause_s(answer))
    return None


def _pause_s(answer: Answer | None) -> float:
    """As long as the portal asked for, and a little more, so that not all come back at once."""
    asked = float(answer.headers.get("Retry-After", _PAUSE_S)) if answer is not None else _PAUSE_S
    return asked * random.uniform(1.0, 1.5)
