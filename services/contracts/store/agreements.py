"""Queries and indexes of agreements; every read says for whom."""

from datetime import date
from uuid import UUID

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.contracts.domain.agreements import Agreement, SaidExists
from services.contracts.domain.devices import Device
from services.contracts.store.devices import visible_to
from shared.actor import Actor
from shared.coverage import AgreementState
from shared.documents import Documents
from shared.idempotency import IdempotencyKey
from shared.mongo import Database, Document, drop_index

# An agreement may have thousands of serials to link: reading it leaves them out.
AGREEMENTS = Documents("agreements", Agreement, appended={"to_link": "to_link"})

_ENDING_AT_MOST = 100


async def create_indexes(db: Database) -> None:
    """Uniqueness, and what look-ups search by."""
    agreements = db["agreements"]
    await agreements.create_index("said", unique=True, partialFilterExpression={"said": {"$type": "string"}})
    await agreements.create_index([("company_id", ASCENDING), ("product_numbers", ASCENDING)])
    await agreements.create_index([("company_id", ASCENDING), ("end", ASCENDING), ("_id", ASCENDING)])
    await drop_index(agreements, "company_id_1")  # of an older version
    # A company claims the same contract or device once. Several companies may: the vendor's data decide whose it is.
    for proof in ("claim.said", "claim.serial"):
        await agreements.create_index(
            [(proof, ASCENDING), ("company_id", ASCENDING)],
            unique=True,
            partialFilterExpression={"state": AgreementState.UNVERIFIED.value, proof: {"$type": "string"}},
        )


async def add_agreement(db: Database, agreement: Agreement, key: IdempotencyKey) -> Agreement:
    """SaidExists when the SAID is taken."""
    try:
        return await AGREEMENTS.insert_once(db, agreement, key)
    except DuplicateKeyError as error:
        raise SaidExists from error


async def count_to_link(db: Database, agreement_id: UUID) -> int:
    """How many serials of an agreement have no device that names it yet."""
    size = {"$size": {"$ifNull": ["$to_link", []]}}
    document = await db["agreements"].find_one({"_id": agreement_id}, {"size": size})
    return 0 if document is None else int(document["size"])


async def find_agreement_by_said(db: Database, actor: Actor, said: str) -> Agreement | None:
    """The agreement with this SAID when it is the actor's company's and not deleted; the vendor side sees all."""
    # The type is spelled out: else MongoDB does not use the index, which is partial.
    wanted = {"said": {"$type": "string", "$eq": said}, "deleted_at": None}
    return await AGREEMENTS.find(db, {**wanted, **visible_to(actor)})


async def find_agreements_of(db: Database, *devices: Device) -> list[Agreement]:
    """The agreements that devices name, oldest first; not all of them need count for their owners."""
    named = {agreement_id for device in devices for agreement_id in device.agreement_ids}
    return await _find_all(db, {"_id": {"$in": list(named)}})


async def find_ending_agreements(db: Database, company_id: UUID, *, first: date, last: date) -> list[UUID]:
    """Those of the company's agreements whose last day is one of these, the first 100 to end."""
    days = {"$gte": first.isoformat(), "$lte": last.isoformat()}
    found = db["agreements"].find({"company_id": company_id, "end": days}, {"_id": 1})
    found = found.sort([("end", ASCENDING), ("_id", ASCENDING)]).limit(_ENDING_AT_MOST)
    return [document["_id"] async for document in found]


async def find_agreements_naming(db: Database, company_id: UUID, product_number: str) -> list[Agreement]:
    """The agreements of a company that name a product without serial numbers, oldest first."""
    return await _find_all(db, {"company_id": company_id, "product_numbers": product_number})


async def _find_all(db: Database, wanted: Document) -> list[Agreement]:
    found = db["agreements"].find(wanted, {"pending": 0, "to_link": 0})
    found = found.sort([("start", ASCENDING), ("_id", ASCENDING)])
    return [AGREEMENTS.load(document) async for document in found]
