"""Queries and indexes of cases; every read says for whom."""

from uuid import UUID

from pymongo import ASCENDING, DESCENDING, TEXT

from services.cases.cases.domain.case import MAX_BYTES, MAX_ENTRIES, Case
from services.cases.cases.domain.values import OPEN
from shared.actor import Actor, Role, Visibility
from shared.coverage import Verdict
from shared.documents import Documents
from shared.mongo import Database, Document

IS_FULL: Document = {
    "$or": [
        {"$gte": [{"$size": "$history"}, MAX_ENTRIES]},
        {"$gte": [{"$bsonSize": "$$ROOT"}, MAX_BYTES]},
    ]
}
CASES = Documents("cases", Case, appended={"new_entries": "history"}, computed={"is_full": IS_FULL})
IS_OPEN = {"$in": sorted(status.value for status in OPEN)}


async def create_indexes(db: Database) -> None:
    """What the queries below search and sort by."""
    cases = db[CASES.collection]
    await cases.create_index("number", unique=True)
    for field in ("updated_at", "created_at", "status", "problem.severity", "own_ids", "submitter.user_id"):
        await cases.create_index([("company_id", ASCENDING), (field, ASCENDING), ("_id", ASCENDING)])
    # By these two the vendor searches too, over all companies.
    await cases.create_index([("equipment.serial", ASCENDING), ("company_id", ASCENDING)])
    await cases.create_index(
        [("problem.own_reference", ASCENDING), ("company_id", ASCENDING)],
        name="own_reference",
        partialFilterExpression={"problem.own_reference": {"$gt": ""}},
    )
    # What counting a company's cases looks at is all in here: no case itself is read.
    counted = ("company_id", "status", "site_id", "site_name", "problem.severity")
    await cases.create_index([(field, ASCENDING) for field in counted], name="counts")
    await cases.create_index([("status", ASCENDING), ("assignee.user_id", ASCENDING), ("updated_at", DESCENDING)])
    await cases.create_index([("updated_at", ASCENDING), ("_id", ASCENDING)])
    await cases.create_index(
        [("pin", ASCENDING), ("created_at", ASCENDING), ("_id", ASCENDING)],
        name="pin",
        partialFilterExpression={"pin": {"$gt": ""}},
    )
    for name, field in (("unverified", "equipment.serial"), ("unverified_said", "equipment.said")):
        await cases.create_index(
            field, name=name, partialFilterExpression={"equipment.coverage.verdict": Verdict.UNVERIFIED.value}
        )
    # Words as they are written: stems and stop words of one language would be wrong for the other.
    texts = [("problem.title", TEXT), ("problem.description", TEXT)]
    await cases.create_index(texts, name="text", default_language="none")


# Who sees what


def visible_to(actor: Actor) -> Document:
    """The one predicate that decides which cases an actor sees, as a filter."""
    if actor.is_vendor:
        return {}
    if actor.role is Role.COMPANY_ADMIN:
        return {"company_id": actor.company_id}
    own: Document = {"own_ids": actor.user_id}
    return {"company_id": actor.company_id, "$or": [own, *_colleagues_cases(actor)]}


def _colleagues_cases(actor: Actor) -> list[Document]:
    visibility = Visibility.COMPANY if actor.role is Role.CASE_MANAGER else actor.visibility
    if visibility is Visibility.OWN:
        return []
    seen: Document = {"confidential": False}
    if visibility is Visibility.SITE or actor.site_ids is not None:
        # A case without site counts as company-wide.
        seen["site_id"] = {"$in": [None, *(actor.site_ids or ())]}
    return [seen]


async def get_case(db: Database, actor: Actor, number: str) -> Case:
    """A case that this actor may see; NotFound otherwise."""
    return await CASES.get(db, {"number": number, **visible_to(actor)})


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
