"""Links agreements to their devices in the background: one may cover thousands.

Linking twice is harmless, so a claim needs no fence. A serial that no device has (yet), or whose device is another
company's, stays in the agreement; it is looked for again every ten minutes, and at once when its device is added,
which names the agreement from its first version on.
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog

from services.contracts.domain.devices import Device
from services.contracts.store import linking
from services.contracts.store.devices import DEVICES
from shared.errors import StaleVersion
from shared.mongo import Database
from shared.tasks import repeat

_CHUNK = 500
_AT_ONCE = 16
_TRIES = 5
_LOOK_EVERY_S = 1.0

_log = structlog.get_logger()


async def link_agreements(db: Database) -> None:
    """Links agreements until it is cancelled; runs in every replica."""
    await repeat("link_agreements", partial(link_next_agreement, db), every_s=_LOOK_EVERY_S)


async def link_next_agreement(db: Database) -> bool:
    """Links what is due of one agreement; False when none is due."""
    agreement = await linking.claim_agreement_to_link(db)
    if agreement is None:
        return False
    linked, now = 0, await db.now()
    for serials in _chunks(agreement["to_link"]):
        devices = await linking.find_linkable_devices(db, serials, company_id=agreement["company_id"])
        await _link(db, devices, agreement["_id"], now=now)
        await linking.remove_linked(db, agreement["_id"], [device.serial for device in devices])
        linked += len(devices)
    await linking.finish_linking(db, agreement["_id"], lease=agreement["link_after"])
    waiting = len(agreement["to_link"]) - linked
    _log.info("agreement_linked", agreement_id=str(agreement["_id"]), linked=linked, waiting=waiting)
    return True


def _chunks(serials: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(serials), _CHUNK):
        yield serials[start : start + _CHUNK]


async def _link(db: Database, devices: Sequence[Device], agreement_id: UUID, *, now: datetime) -> None:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def link(device: Device) -> None:
        async with slots:
            await _link_device(db, device, agreement_id, now=now)

    # Not a task group: on Python 3.11 one leaves its task as cancelled when one of its own fails, and the linking of
    # all that comes after would end with it.
    outcomes = await asyncio.gather(*(link(device) for device in devices), return_exceptions=True)
    for failure in filter(None, outcomes):
        raise failure


async def _link_device(db: Database, device: Device, agreement_id: UUID, *, now: datetime) -> None:
    for _ in range(_TRIES):
        covered = device.covered_by(agreement_id, now=now)
        if covered is device:
            return
        try:
            await DEVICES.save(db, covered)
        except StaleVersion:
            device = await DEVICES.get(db, {"_id": device.id})
        else:
            return
    raise StaleVersion
