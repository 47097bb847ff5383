"""Queries and indexes of the copies of other services' documents, from which cases are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from uuid import UUID

from pymongo import ASCENDING, DESCENDING

from shared.batches import DatabaseBatches
from shared.mongo import Database, Document, drop_index

USERS, COMPANIES, SITES = "user_copies", "company_copies", "site_copies"
PRODUCTS, DEVICES, AGREEMENTS = "product_copies", "device_copies", "agreement_copies"


# Unique indexes of older versions.
_GONE = ((DEVICES, "serial_1"), (PRODUCTS, "product_number_1"))


async def create_indexes(db: Database) -> None:
    """What the queries below search by. None is unique: that is judged at the originals, and a copy must come in."""
    await db[USERS].create_index([("company_id", ASCENDING), ("login_email", ASCENDING)])
    await db[DEVICES].create_index([("serial", ASCENDING), ("company_id", ASCENDING)])
    await db[DEVICES].create_index("agreement_ids")
    await db[PRODUCTS].create_index([("product_number", ASCENDING), ("retired", ASCENDING)])
    await db[AGREEMENTS].create_index([("company_id", ASCENDING), ("said", ASCENDING)])
    await db[AGREEMENTS].create_index([("company_id", ASCENDING), ("product_numbers", ASCENDING)])
    for collection, name in _GONE:
        await drop_index(db[collection], name)


async def find_copy(db: Database, collection: str, wanted: Document) -> Document | None:
    """A copy that is not deleted, or None; of several the one whose original is newest."""
    return await db[collection].find_one({**wanted, "deleted": False}, sort=[("_id", DESCENDING)])


async def find_pins(db: Database, company_id: UUID) -> list[Document]:
    """The PINs that the vendor assigned to a company."""
    company = await find_copy(db, COMPANIES, {"_id": company_id})
    return [] if company is None else company.get("pins", [])


async def find_devices(db: Database, device_ids: list[UUID]) -> list[Document]:
    """The copies of these devices that are known and not deleted."""
    return await db[DEVICES].find({"_id": {"$in": device_ids}, "deleted": False}).to_list(None)


async def find_devices_of(db: Database, agreement_id: UUID) -> list[Document]:
    """The copies of the devices that cite an agreement."""
    return await db[DEVICES].find({"agreement_ids": agreement_id, "deleted": False}).to_list(None)


# What many ask for at once


@dataclass(frozen=True, slots=True)
class Question:
    """Asks for the copies in a collection that have exactly these values and are not deleted.

    The first is no list. Of any other field that is a list, one item has to have the value.
    """

    collection: str
    values: Mapping[str, object]

    def answered_by(self, copy: Document) -> bool:
        """The same rule as the database's."""
        return all(
            value == (found := copy.get(field)) or (isinstance(found, list) and value in found)
            for field, value in self.values.items()
        )


Questions = Mapping[str, Question]  # by a name that whoever asks gives them
Found = Mapping[str, list[Document]]  # under the same names; of several copies the one whose original is newest first


async def find_copies(db: Database, questions: Questions) -> Found:
    """What answers each of these questions. A device comes with its `agreements`, deleted ones too.

    The questions of all who ask at once are one read; nobody gets what answers only another's.
    """
    return await _FINDS.do(db, questions)


def newest(found: Sequence[Document]) -> Document | None:
    """Of several copies the one whose original is newest."""
    return found[0] if found else None


async def _find_together(db: Database, asked: Sequence[Questions]) -> list[Found]:
    wanted: dict[str, dict[object, Mapping[str, object]]] = {}  # each question once, by its collection
    firsts: dict[str, set[str]] = {}
    for question in (each for questions in asked for each in questions.values()):
        wanted.setdefault(question.collection, {})[tuple(question.values.items())] = question.values
        firsts.setdefault(question.collection, set()).add(next(iter(question.values)))
    (base, stages), *others = (
        (collection, _stages(collection, [*each.values()])) for collection, each in wanted.items()
    )
    also = [{"$unionWith": {"coll": collection, "pipeline": pipeline}} for collection, pipeline in others]
    read = await db[base].aggregate([*stages, *also])
    by_first: dict[tuple[str, str, object], list[Document]] = {}
    for copy in sorted(await read.to_list(None), key=itemgetter("_id"), reverse=True):
        collection = copy.pop("copied_in")
        for field in firsts[collection]:
            by_first.setdefault((collection, field, copy.get(field)), []).append(copy)

    def answer(question: Question) -> list[Document]:
        field, value = next(iter(question.values.items()))
        found = by_first.get((question.collection, field, value), [])
        return [copy for copy in found if question.answered_by(copy)]

    return [{name: answer(question) for name, question in questions.items()} for questions in asked]


def _stages(collection: str, wanted: list[Mapping[str, object]]) -> list[Document]:
    stages: list[Document] = [{"$match": {"$or": wanted, "deleted": False}}, {"$set": {"copied_in": collection}}]
    if collection == DEVICES:
        of_device = {"from": AGREEMENTS, "localField": "agreement_ids", "foreignField": "_id", "as": "agreements"}
        stages.append({"$lookup": of_device})
    return stages


_FINDS = DatabaseBatches(_find_together)
