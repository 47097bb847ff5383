"""Queries and indexes of devices; every read says for whom."""

from collections.abc import Sequence
from uuid import UUID

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.contracts.domain.devices import Device, DeviceExists, look_alike_key
from shared.actor import Actor
from shared.documents import Documents
from shared.idempotency import IdempotencyKey
from shared.mongo import Database, Document
from shared.paging import Order, Page, create_index_for, find_page
from shared.schemas.contracts import DeviceQuery

DEVICES = Documents("devices", Device)

_LOOK_ALIKES_AT_MOST = 5
_OF_AN_AGREEMENT_AT_MOST = 5000
_ENDING_AT_MOST = 500
_ORDERS = {name: Order(name, alphabetical=True) for name in ("serial", "product_number", "product_name")}


async def create_indexes(db: Database) -> None:
    """Uniqueness, and what lists and look-ups search by."""
    devices = db["devices"]
    await devices.create_index("serial", unique=True)
    for order in _ORDERS.values():
        await create_index_for(order, devices)
        await create_index_for(order, devices, "company_id")
    await devices.create_index([("company_id", ASCENDING), ("look_alike", ASCENDING)])
    await devices.create_index("agreement_ids")


def visible_to(actor: Actor) -> Document:
    return {} if actor.is_vendor else {"company_id": actor.company_id}


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
    return await DEVICES.get(db, {"serial": serial, **visible_to(actor)})


async def find_device(db: Database, actor: Actor, serial: str) -> Device | None:
    """Like `get_device`, but None."""
    return await DEVICES.find(db, {"serial": serial, **visible_to(actor)})


async def find_look_alikes(db: Database, actor: Actor, serial: str, *, only_of: UUID | None) -> tuple[str, ...]:
    """Serials that the actor may see, of one company where it is given, and that are easily taken for this one.

    As they stand on their devices.
    """
    wanted: list[Document] = [{"look_alike": look_alike_key(serial), "serial": {"$ne": serial}}, visible_to(actor)]
    if only_of is not None:
        wanted.append({"company_id": only_of})
    found = db["devices"].find({"$and": wanted}, {"pending": 0}).sort("serial", ASCENDING).limit(_LOOK_ALIKES_AT_MOST)
    return tuple([DEVICES.load(document).label async for document in found])


async def find_devices(db: Database, actor: Actor, query: DeviceQuery) -> Page:
    """One page of the devices that the actor may see."""
    wanted: list[Document] = [visible_to(actor)]
    if query.company_id is not None:
        wanted.append({"company_id": actor.company_to_read(query.company_id)})
    if query.site_id is not None:
        wanted.append({"site_id": query.site_id})
    if query.product_number is not None:
        wanted.append({"product_number": query.product_number})
    return await find_page(
        db["devices"],
        {"$and": wanted},
        query,
        order=Order.read(query.sort or "serial", _ORDERS),
        hidden=("pending",),
    )


async def find_devices_of(db: Database, actor: Actor, agreement_id: UUID) -> tuple[Device, ...]:
    """The devices that name an agreement, as far as the actor may see them."""
    wanted = {"agreement_ids": agreement_id, **visible_to(actor)}
    found = db["devices"].find(wanted, {"pending": 0}).sort("serial", ASCENDING)
    found = found.limit(_OF_AN_AGREEMENT_AT_MOST)
    return tuple([DEVICES.load(document) async for document in found])


async def find_devices_naming(db: Database, company_id: UUID, agreement_ids: Sequence[UUID]) -> list[Device]:
    """The devices of a company that name one of these agreements; some 500 where there are more."""
    wanted = {"company_id": company_id, "agreement_ids": {"$in": list(agreement_ids)}}
    found = db["devices"].find(wanted, {"pending": 0}).limit(_ENDING_AT_MOST)
    return [DEVICES.load(document) async for document in found]
