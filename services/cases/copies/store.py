"""Queries and indexes of the copies of other services' documents, from which cases are made."""

from uuid import UUID

from pymongo import ASCENDING, DESCENDING

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


async def find_pins(db: Database, company_id: UUID) -> list[Document] | None:
    """The PINs that the vendor assigned to a company; None while the company is not known."""
    company = await find_copy(db, COMPANIES, {"_id": company_id})
    return None if company is None else company.get("pins", [])


async def find_agreements(db: Database, agreement_ids: list[UUID]) -> list[Document]:
    """The copies of these agreements, oldest first, as far as they are known; a deleted one is known too."""
    return await _find_agreements(db, {"_id": {"$in": agreement_ids}})


async def find_agreements_naming(db: Database, company_id: UUID, product_number: str) -> list[Document]:
    """The copies of a company's agreements that name a product without serial numbers, oldest first."""
    return await _find_agreements(db, {"company_id": company_id, "product_numbers": product_number})


async def _find_agreements(db: Database, wanted: Document) -> list[Document]:
    return await db[AGREEMENTS].find(wanted).sort([("start", ASCENDING), ("_id", ASCENDING)]).to_list(None)


async def find_devices(db: Database, device_ids: list[UUID]) -> list[Document]:
    """The copies of these devices that are known and not deleted."""
    return await db[DEVICES].find({"_id": {"$in": device_ids}, "deleted": False}).to_list(None)


async def find_devices_of(db: Database, agreement_id: UUID) -> list[Document]:
    """The copies of the devices that cite an agreement."""
    return await db[DEVICES].find({"agreement_ids": agreement_id, "deleted": False}).to_list(None)
