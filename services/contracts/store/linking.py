"""Which agreements wait for which devices."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.contracts.domain.devices import Device
from services.contracts.store.devices import DEVICES
from shared.claims import ahead, claim_due, has_date
from shared.mongo import Database, Document

LINK_LEASE = timedelta(seconds=60)
LINK_AGAIN = timedelta(minutes=10)


async def create_indexes(db: Database) -> None:
    """What the linker searches by."""
    agreements = db["agreements"]
    await agreements.create_index("to_link")
    await agreements.create_index("link_after", partialFilterExpression=has_date("link_after"))


async def claim_agreement_to_link(db: Database) -> Document | None:
    """An agreement whose serials are due to be linked: its id, owner and lease; the database's clock decides."""
    shown = {"company_id": 1, "link_after": 1, "to_link": 1}
    return await claim_due(db["agreements"], "link_after", lease=LINK_LEASE, projection=shown)


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
    """Tries the serials that are left again later, unless they have been made due in the meantime."""
    nothing_left = {"$eq": [{"$size": "$to_link"}, 0]}
    await db["agreements"].update_one(
        {"_id": agreement_id, "link_after": lease},
        [{"$set": {"link_after": {"$cond": [nothing_left, "$$REMOVE", ahead(LINK_AGAIN)]}}}],
    )
