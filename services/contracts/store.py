"""Every query and index of the contracts database; every read says for whom."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from pymongo import ASCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from services.contracts.domain import (
    Agreement,
    Device,
    DeviceExists,
    Product,
    ProductExists,
    SaidExists,
    look_alike_key,
    searchable,
)
from shared.actor import Actor
from shared.documents import Documents
from shared.errors import FieldError, NotYetKnown
from shared.idempotency import IdempotencyKey
from shared.mongo import Database, Document
from shared.paging import Order, Page, find_page
from shared.schemas.contracts import DeviceQuery, ProductQuery

PRODUCTS = Documents("products", Product)
DEVICES = Documents("devices", Device)
# The serials to link may be thousands: whoever reads an agreement does not want them.
AGREEMENTS = Documents("agreements", Agreement, appended={"to_link": "to_link"})

COMPANIES = "companies"
SITES = "sites"
CASE_COPIES = "case_copies"

LINK_LEASE = timedelta(seconds=60)
LINK_AGAIN = timedelta(minutes=10)

_LOOK_ALIKES_AT_MOST = 5
_DEVICES_OF_AN_AGREEMENT_AT_MOST = 5000
_PRODUCT_ORDERS = {"name": "name", "product_number": "product_number"}
_DEVICE_ORDERS = {"serial": "serial", "product_number": "product_number", "product_name": "product_name"}


async def create_indexes(db: Database) -> None:
    """Uniqueness, lists, and what the linker searches by."""
    await db["products"].create_index("product_number", unique=True)
    await db["products"].create_index([("name", ASCENDING), ("_id", ASCENDING)])
    devices = db["devices"]
    await devices.create_index("serial", unique=True)
    await devices.create_index([("company_id", ASCENDING), ("serial", ASCENDING), ("_id", ASCENDING)])
    await devices.create_index([("company_id", ASCENDING), ("look_alike", ASCENDING)])
    await devices.create_index("agreement_ids")
    agreements = db["agreements"]
    await agreements.create_index("said", unique=True, partialFilterExpression={"said": {"$type": "string"}})
    await agreements.create_index("company_id")
    await agreements.create_index("to_link")
    await agreements.create_index("link_after", partialFilterExpression={"link_after": {"$type": "date"}})
    await db[SITES].create_index("company_id")
    await db[CASE_COPIES].create_index("agreement_ids")


def _own(actor: Actor) -> Document:
    return {} if actor.is_vendor else {"company_id": actor.company_id}


# Products


async def add_product(db: Database, product: Product, key: IdempotencyKey) -> Product:
    """ProductExists when the number is taken."""
    try:
        return await PRODUCTS.insert_once(db, product, key)
    except DuplicateKeyError as error:
        raise ProductExists from error


async def find_product(db: Database, product_number: str) -> Product | None:
    """A catalogue entry that is offered; the catalogue is everybody's."""
    return await PRODUCTS.find(db, {"product_number": product_number, "retired": False})


async def find_products(db: Database, query: ProductQuery) -> Page:
    """The catalogue entries in which every typed word occurs."""
    wanted: list[Document] = [{"retired": False}]
    wanted += [{"search_text": {"$regex": re.escape(word)}} for word in searchable(query.q).split()]
    if query.has_serials is not None:
        wanted.append({"has_serials": query.has_serials})
    return await find_page(
        db["products"],
        {"$and": wanted},
        order=Order.read(query.sort or "name", _PRODUCT_ORDERS),
        limit=query.limit,
        cursor=query.cursor,
        hidden=("pending",),
    )


# Devices


async def add_device(db: Database, device: Device, key: IdempotencyKey) -> Device:
    """DeviceExists when the serial is taken; agreements that wait for the device are looked at again at once."""
    try:
        added = await DEVICES.insert_once(db, device, key)
    except DuplicateKeyError as error:
        raise DeviceExists from error
    await db["agreements"].update_many({"to_link": device.serial}, [{"$set": {"link_after": "$$NOW"}}])
    return added


async def get_device(db: Database, actor: Actor, serial: str) -> Device:
    """NotFound unless it is the actor's company's; the vendor side sees all."""
    return await DEVICES.get(db, {"serial": serial, **_own(actor)})


async def find_device(db: Database, actor: Actor, serial: str) -> Device | None:
    """Like `get_device`, but None."""
    return await DEVICES.find(db, {"serial": serial, **_own(actor)})


async def find_look_alikes(db: Database, actor: Actor, serial: str) -> tuple[str, ...]:
    """Serials of the actor's company that are easily taken for this one."""
    wanted = {"look_alike": look_alike_key(serial), "serial": {"$ne": serial}, **_own(actor)}
    found = db["devices"].find(wanted, {"serial": 1}).sort("serial", ASCENDING).limit(_LOOK_ALIKES_AT_MOST)
    return tuple([document["serial"] async for document in found])


async def find_devices(db: Database, actor: Actor, query: DeviceQuery) -> Page:
    """One page of the devices that the actor may see."""
    wanted: list[Document] = [_own(actor)]
    wanted += [{field: value} for field in ("site_id", "company_id") if (value := getattr(query, field)) is not None]
    return await find_page(
        db["devices"],
        {"$and": wanted},
        order=Order.read(query.sort or "serial", _DEVICE_ORDERS),
        limit=query.limit,
        cursor=query.cursor,
        hidden=("pending",),
    )


async def find_devices_of(db: Database, actor: Actor, agreement_id: UUID) -> tuple[Device, ...]:
    """The devices that name an agreement, as far as the actor may see them."""
    wanted = {"agreement_ids": agreement_id, **_own(actor)}
    found = db["devices"].find(wanted, {"pending": 0}).sort("serial", ASCENDING)
    found = found.limit(_DEVICES_OF_AN_AGREEMENT_AT_MOST).max_time_ms(5000)
    return tuple([DEVICES.load(document) async for document in found])


# Agreements


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
    return await AGREEMENTS.find(db, {"said": {"$type": "string", "$eq": said}, **_own(actor)})


async def find_agreements_of(db: Database, device: Device) -> tuple[Agreement, ...]:
    """What covers a device, or did or will: its owner's agreements, and those that nobody has claimed."""
    wanted = {"_id": {"$in": list(device.agreement_ids)}, "company_id": {"$in": [None, device.company_id]}}
    found = db["agreements"].find(wanted, {"pending": 0, "to_link": 0})
    return tuple(
        [AGREEMENTS.load(document) async for document in found.sort([("start", ASCENDING), ("_id", ASCENDING)])]
    )


# Linking


async def claim_agreement_to_link(db: Database) -> Document | None:
    """An agreement whose serials are due to be linked: its id, owner and lease; the database's clock decides."""
    lease = {"$add": ["$$NOW", int(LINK_LEASE.total_seconds() * 1000)]}
    document: Document | None = await db["agreements"].find_one_and_update(
        {"link_after": {"$type": "date"}, "$expr": {"$lte": ["$link_after", "$$NOW"]}},
        [{"$set": {"link_after": lease}}],
        projection={"company_id": 1, "link_after": 1, "to_link": 1},
        sort=[("link_after", ASCENDING)],
        return_document=ReturnDocument.AFTER,
    )
    return document


async def find_waiting_agreements(db: Database, serial: str, *, company_id: UUID | None) -> tuple[UUID, ...]:
    """The agreements that wait for this serial and may cover this owner's device, as `find_linkable_devices` says."""
    wanted: Document = {"to_link": serial}
    if company_id is not None:
        wanted["company_id"] = {"$in": [None, company_id]}
    found = db["agreements"].find(wanted, {"_id": 1})
    return tuple([document["_id"] async for document in found])


async def find_linkable_devices(db: Database, serials: Sequence[str], *, company_id: UUID | None) -> list[Device]:
    """The devices with these serials that an agreement of this owner may cover: never those of another company."""
    wanted: Document = {"serial": {"$in": list(serials)}}
    if company_id is not None:
        wanted["company_id"] = {"$in": [None, company_id]}
    return [DEVICES.load(document) async for document in db["devices"].find(wanted, {"pending": 0})]


async def remove_linked(db: Database, agreement_id: UUID, serials: Sequence[str]) -> None:
    """These serials' devices name the agreement now."""
    await db["agreements"].update_one({"_id": agreement_id}, {"$pull": {"to_link": {"$in": list(serials)}}})


async def finish_linking(db: Database, agreement_id: UUID, *, lease: datetime) -> None:
    """Looks at what is left again later, unless somebody has asked for it in the meantime."""
    later = {"$add": ["$$NOW", int(LINK_AGAIN.total_seconds() * 1000)]}
    nothing_left = {"$eq": [{"$size": "$to_link"}, 0]}
    await db["agreements"].update_one(
        {"_id": agreement_id, "link_after": lease},
        [{"$set": {"link_after": {"$cond": [nothing_left, "$$REMOVE", later]}}}],
    )


# Copies of others' documents


def _not_yet_known(field: str) -> NotYetKnown:
    return NotYetKnown(errors=(FieldError(field, NotYetKnown.code, NotYetKnown.title),))


async def require_customer(db: Database, company_id: UUID) -> None:
    """NotYetKnown unless a copy says that it is a company which buys from the vendor."""
    if not await db[COMPANIES].find_one({"_id": company_id, "deleted": False, "is_vendor": False}, {"_id": 1}):
        raise _not_yet_known("company_id")


async def require_site(db: Database, *, company_id: UUID, site_id: UUID) -> None:
    """NotYetKnown unless a copy says that it is this company's site."""
    if not await db[SITES].find_one({"_id": site_id, "company_id": company_id, "deleted": False}, {"_id": 1}):
        raise _not_yet_known("site_id")


async def find_time_zone(db: Database, company_id: UUID | None) -> str:
    """The company's time zone; UTC while nobody owns the device, or the copy has not come."""
    company = await db[COMPANIES].find_one({"_id": company_id}, {"time_zone": 1})
    return "UTC" if company is None else str(company["time_zone"])
