"""Queries and indexes of agreements; every read says for whom."""

from uuid import UUID

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.contracts.domain.agreements import Agreement, SaidExists
from services.contracts.domain.devices import Device
from services.contracts.store.devices import visible_to
from shared.actor import Actor
from shared.documents import Documents
from shared.idempotency import IdempotencyKey
from shared.mongo import Database

# The serials to link may be thousands: whoever reads an agreement does not want them.
AGREEMENTS = Documents("agreements", Agreement, appended={"to_link": "to_link"})


async def create_indexes(db: Database) -> None:
    """Uniqueness, and what look-ups search by."""
    agreements = db["agreements"]
    await agreements.create_index("said", unique=True, partialFilterExpression={"said": {"$type": "string"}})
    await agreements.create_index("company_id")


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
    """The agreement with this SAID when it is the actor's company's; the vendor side sees all."""
    # The type is spelled out: else MongoDB does not use the index, which is partial.
    return await AGREEMENTS.find(db, {"said": {"$type": "string", "$eq": said}, **visible_to(actor)})


async def find_agreements_of(db: Database, device: Device) -> tuple[Agreement, ...]:
    """What covers a device, or did or will: its owner's agreements, and those that nobody has claimed."""
    wanted = {"_id": {"$in": list(device.agreement_ids)}, "company_id": {"$in": [None, device.company_id]}}
    found = db["agreements"].find(wanted, {"pending": 0, "to_link": 0})
    return tuple(
        [AGREEMENTS.load(document) async for document in found.sort([("start", ASCENDING), ("_id", ASCENDING)])]
    )
