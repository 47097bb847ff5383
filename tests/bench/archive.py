"""Years of cases, written straight into the database of cases in the service's own format.

Every document is a copy of one that the API made, with what differs from case to case made anew from the seed. Most
belong to a few of the companies. Beyond so many that are made like this, they are made again with other ids, numbers
and times: that is much faster. Indexes are the service's own; those of a large archive are made when it is there.
"""

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from uuid import UUID

import bson
import pymongo
from bson.raw_bson import RawBSONDocument
from pymongo import WriteConcern
from uuid_utils.compat import uuid7

from services.cases.cases.domain.numbers import case_number
from services.cases.cases.domain.values import OPEN, Status
from services.cases.cases.domain.visibility import readers_of
from services.cases.cases.store import CASES, create_indexes, recount
from services.cases.cases.store.cases import words_of
from services.cases.copies import store as copies
from shared.mongo import Collection, Database, Document, with_time_to_upgrade
from tests.bench.people import People, Person
from tests.bench.words import a_text, a_title

_COMPANIES = 200
_SITES = 5  # of a company; at the first of them are the cases that are at none
_OF_A_COPY: Document = {"version": 1, "deleted": False}
_CHUNK = 500
_MADE = 20_000
_LARGE = 50_000
_CHUNK_WITHIN_S = 60  # far more than the services wait: nobody is served yet
_FIRST_NUMBER = 300_000_000  # far behind those that the service gives out
_LONGEST_AGO = timedelta(days=730)
# Of open cases.
_AGENTS = 300
_UNANSWERED, _NEVER_ANSWERED, _CALLED_BACK, _ESCALATED = 0.3, 0.1, 0.01, 0.02
_SHARES = {
    Status.CLOSED: 70,
    Status.CANCELLED: 5,
    Status.IN_PROGRESS: 10,
    Status.WAITING_CUSTOMER: 7,
    Status.NEW: 5,
    Status.WAITING_PARTS: 3,
}


class Archive:
    """Grows to the sizes that are asked for, in order."""

    def __init__(self, db: Database, people: People, seed: str) -> None:
        self._db = db
        self._rng = random.Random(seed)
        self._people = people
        self._size = 0
        self._made: list[bytes] = []
        self._templates: dict[UUID, list[Document]] = {}
        self._companies: list[tuple[UUID, str]] = []
        self._skew = list(accumulate(1 / rank for rank in range(1, _COMPANIES + 1)))

    async def grow_to(self, size: int) -> None:
        """At least `size` cases in the database, those that the API made not counted."""
        if not self._templates:
            await self._read_templates()
        # What is measured are reads: how these came in does not matter.
        cases = self._db[CASES.collection].with_options(write_concern=WriteConcern(w=1, j=False))
        async with self._indexes_later(cases) if size >= _LARGE else nullcontext():
            while self._size < size:
                chunk = [self._next(number) for number in range(self._size, min(size, self._size + _CHUNK))]
                with pymongo.timeout(_CHUNK_WITHIN_S):
                    await cases.insert_many(chunk, ordered=False)
                self._size += len(chunk)
        await recount(self._db)

    @asynccontextmanager
    async def _indexes_later(self, cases: Collection) -> AsyncIterator[None]:
        await cases.drop_indexes()
        yield
        with with_time_to_upgrade():
            await create_indexes(self._db)

    def _next(self, position: int) -> Document | RawBSONDocument:
        if position < _MADE:
            document = self._a_case(position)
            self._made.append(bson.encode(document, codec_options=self._db[CASES.collection].codec_options))
            return document
        made = self._made[position % _MADE]
        return RawBSONDocument(_with_other_times(_with_other_ids(made, position), self._rng))

    async def _read_templates(self) -> None:
        customers: Sequence[Person] = self._people.customers
        known = {person.company_id: person.company_name for person in customers}
        for company_id in known:
            made = self._db[CASES.collection].find({"company_id": company_id}, {"pending": 0, "relay_after": 0})
            self._templates[company_id] = await made.sort("created_at").limit(2).to_list()
        strangers = [(UUID(int=self._rng.getrandbits(128)), f"Stranger {n}") for n in range(_COMPANIES - len(known))]
        self._companies = [*known.items(), *strangers]
        sites = [(company_id, site) for company_id, _name in self._companies for site in range(1, _SITES)]
        await self._db[copies.SITES].insert_many(
            [
                {"_id": _site_id(company_id, site), "company_id": company_id, "name": f"Site {site}", **_OF_A_COPY}
                for company_id, site in sites
            ]
        )

    def _a_case(self, position: int) -> Document:
        rng = self._rng
        company_id, company_name = rng.choices(self._companies, cum_weights=self._skew)[0]
        templates = self._templates.get(company_id) or self._templates[self._companies[0][0]]
        template = rng.choice(templates)
        created_at = datetime.now(UTC) - _LONGEST_AGO * rng.random()
        (status,) = rng.choices(list(_SHARES), weights=list(_SHARES.values()))
        history = list(_history(template["history"][0], created_at, rng))
        updated_at = history[-1]["at"]
        site = rng.randrange(_SITES)
        case = {
            **template,
            "_id": uuid7(),
            "number": case_number(_FIRST_NUMBER + position),
            "company_id": company_id,
            "company_name": company_name,
            "problem": {
                **template["problem"],
                "title": a_title(rng),
                "description": a_text(rng, rng.randint(10, 80)),
                "severity": rng.randint(1, 4),
            },
            "equipment": {**template["equipment"], "serial": f"SN-{company_id.hex[:6]}-{rng.randrange(200)}"},
            "site_id": _site_id(company_id, site) if site else None,
            "site_name": f"Site {site}" if site else "",
            "confidential": rng.random() < 0.05,
            "status": status.value,
            "created_at": created_at,
            "updated_at": updated_at,
            "turn_since": updated_at if status in OPEN else None,
            "closed_at": None if status in OPEN else updated_at,
            "version": len(history),
            "history": history,
            "news": _news(history),
            **(self._of_queues(status, created_at, updated_at, template["submitter"]) if status in OPEN else {}),
        }
        counted = {
            "company_id": company_id,
            "own_ids": case["own_ids"],
            "site_id": case["site_id"],
            "confidential": case["confidential"],
            "status": case["status"],
            "severity": case["problem"]["severity"],
        }
        loaded = CASES.load(case)
        return {**case, "readers": readers_of(loaded), "words": words_of(loaded), "counted": counted}

    def _of_queues(self, status: Status, created_at: datetime, updated_at: datetime, customer: Document) -> Document:
        """What puts an open case into the agents' queues."""
        rng, found = self._rng, dict[str, object]()
        if status is not Status.NEW:
            own = rng.randrange(_AGENTS) == 0
            agent = self._people.agent.portal.user
            user_id = UUID(agent["id"]) if own else UUID(int=rng.randrange(2**64))
            name = agent["name"] if own else "Another agent"
            found["assignee"] = {"user_id": user_id, "name": name, "email": "agent@example.com", "language": "en"}
            found["unanswered_since"] = updated_at if rng.random() < _UNANSWERED else None
        found["first_answer"] = {
            "due_at": created_at + timedelta(hours=8),
            "answered_at": None if rng.random() < _NEVER_ANSWERED else created_at + timedelta(hours=2),
        }
        if rng.random() < _CALLED_BACK:
            call = {"due_at": updated_at, "phone": "+33472000000", "requested_at": updated_at}
            found["callback"] = {"window": None, **call, "requested_by": customer, "confirmed_at": None}
        if rng.random() < _ESCALATED:
            state = rng.choice(("requested", "accepted"))
            reason = {"reason": "The line stands still.", "requested_by": customer, "requested_at": updated_at}
            found["escalation"] = {"state": state, **reason, "decided_by": None, "decided_at": None, "answer": ""}
        return found


def _site_id(company_id: UUID, site: int) -> UUID:
    return UUID(int=company_id.int ^ site)


def _history(first: Document, created_at: datetime, rng: random.Random) -> Iterator[Document]:
    at = created_at
    yield {**first, "at": at}
    for _ in range(rng.randrange(6)):
        at += timedelta(hours=rng.expovariate(1 / 24))
        yield {**first, "id": uuid7(), "kind": "comment", "at": at, "text": a_text(rng, rng.randint(5, 60))}


def _news(history: Sequence[Document]) -> Document:
    """What the service keeps of a history that is all by one person and has no notes."""
    told = {"by": history[-1]["by"]["user_id"], "at": history[-1]["at"], "others_at": None}
    return {"version": len(history), "shown": told, "noted": told}


def _with_other_ids(made: bytes, position: int) -> bytes:
    number = b"\x02number\x00\x0b\x00\x00\x00"
    begin = made.index(number) + len(number)
    own = case_number(_FIRST_NUMBER + position).encode()
    made = made[:begin] + own + made[begin + len(own) :]
    uuid = b"\x05_id\x00\x10\x00\x00\x00\x04"
    begin = made.index(uuid) + len(uuid)
    return made[:begin] + uuid7().bytes + made[begin + 16 :]


def _with_other_times(made: bytes, rng: random.Random) -> bytes:
    earlier_ms = rng.randrange(90 * 86_400_000)
    for field in ("created_at", "updated_at"):
        key = b"\x09" + field.encode() + b"\x00"
        begin = made.index(key) + len(key)
        at_ms = int.from_bytes(made[begin : begin + 8], "little", signed=True) - earlier_ms
        made = made[:begin] + at_ms.to_bytes(8, "little", signed=True) + made[begin + 8 :]
    return made
