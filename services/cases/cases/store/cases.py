"""Queries of cases; every read says for whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pymongo import ASCENDING

from services.cases.cases.domain.case import MAX_BYTES, MAX_ENTRIES, Case
from services.cases.cases.domain.values import OPEN
from services.cases.cases.domain.visibility import Reader, readers_of, reads_as
from services.cases.cases.domain.words import Key, keys_of
from services.cases.cases.store.telling import said_of
from shared.actor import Actor
from shared.case_passes import CasePass
from shared.coverage import Verdict
from shared.documents import Documents
from shared.errors import NotFound
from shared.mongo import Database, Document
from shared.topology import CASE_CHANGED

IS_FULL: Document = {
    "$or": [
        {"$gte": [{"$size": "$history"}, MAX_ENTRIES]},
        {"$gte": [{"$bsonSize": "$$ROOT"}, MAX_BYTES]},
    ]
}


def words_of(case: Case) -> list[Key]:
    """What a search finds the case by."""
    problem = case.problem
    return keys_of(
        case.company_id,
        number=case.number,
        serial=case.equipment.serial,
        own_reference=problem.own_reference,
        title=problem.title,
        description=problem.description,
        site_name=case.site_name,
    )


CASES = Documents(
    "cases",
    Case,
    appended={"new_entries": "history"},
    computed={"is_full": IS_FULL},
    # `own_ids` is what versions before there were readers search by.
    derived={"own_ids": lambda case: case.own_ids, "readers": readers_of, "words": words_of},
    hint=(CASE_CHANGED, said_of),
)
_MOST_FOLLOW_UPS = 50
IS_OPEN = {"$in": sorted(status.value for status in OPEN)}


# Who sees what


def visible_to(actor: Actor) -> Document:
    """Which cases an actor sees, as a filter: `visibility.sees` in the database's terms."""
    if actor.is_vendor:
        return {}
    return readable_by(actor.company_id, reads_as(actor))


def own_of(actor: Actor) -> Document:
    """The cases of a company's actor themselves, as a filter."""
    return readable_by(actor.company_id, [actor.user_id])


def readable_by(company_id: UUID, readers: Sequence[Reader]) -> Document:
    """What any of these readers of a company sees, as a filter."""
    return {"readers": {"$in": list(readers)}, "company_id": company_id}


async def get_case(db: Database, actor: Actor, number: str) -> Case:
    """A case that this actor may see; NotFound otherwise."""
    return await CASES.get(db, {"number": number, **visible_to(actor)})


async def get_pass(db: Database, actor: Actor, number: str) -> CasePass:
    """That this actor may see the case, and which addresses on it; NotFound otherwise. The case itself is not read."""
    shown = {"company_id": 1, "contact.email": 1, "secondary_contact.email": 1}
    found = await db[CASES.collection].find_one({"number": number, **visible_to(actor)}, shown)
    if found is None:
        raise NotFound
    contacts = [found["contact"], found.get("secondary_contact")]
    emails = frozenset(contact["email"].lower() for contact in contacts if contact)
    return CasePass(user_id=actor.user_id, company_id=found["company_id"], number=number, emails=emails)


@dataclass(frozen=True, slots=True)
class Links:
    """Of the cases that a case goes on from, and that go on from it, those that a reader sees."""

    follow_up_of: str | None = None
    follow_ups: Sequence[Document] = ()  # number, title and status, the oldest first


NO_LINKS = Links()


async def find_links(db: Database, actor: Actor, case: Case) -> Links:
    """The links of a case as this actor may see them; of its follow-ups the first ones, should there be many."""
    shown = {"number": 1, "problem.title": 1, "status": 1}
    wanted = {"follow_up_of": case.number, **visible_to(actor)}
    found = db[CASES.collection].find(wanted, shown, hint="follow_up_of").sort("_id", ASCENDING)
    follow_ups = await found.limit(_MOST_FOLLOW_UPS).to_list(None)
    if case.follow_up_of is None:
        return Links(None, follow_ups)
    before = await db[CASES.collection].find_one({"number": case.follow_up_of, **visible_to(actor)}, {"_id": 1})
    return Links(case.follow_up_of if before else None, follow_ups)


async def find_unverified(db: Database, *, company_id: UUID, serials: list[str]) -> list[Case]:
    """The company's open cases that still wait for a verdict on these serials."""
    return await _find_unverified(db, company_id, {"equipment.serial": {"$in": serials}})


async def find_unverified_by_said(db: Database, *, company_id: UUID, said: str) -> list[Case]:
    """The company's open cases that were begun with this agreement's number and still wait for a verdict."""
    return await _find_unverified(db, company_id, {"equipment.said": said, "equipment.serial": None})


async def _find_unverified(db: Database, company_id: UUID, about: Document) -> list[Case]:
    wanted = {
        **about,
        "equipment.coverage.verdict": Verdict.UNVERIFIED.value,
        "company_id": company_id,
        "status": IS_OPEN,
    }
    documents = await db[CASES.collection].find(wanted, {"history": 0, "pending": 0}).to_list(None)
    return [CASES.load(document) for document in documents]
