"""Coverage verdicts for cases that wait for one."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.cases.cases import store
from services.cases.cases.domain.case import Case
from services.cases.cases.handlers.equipment import find_equipment_of
from services.cases.cases.handlers.promises import promise_in
from services.cases.copies import store as copies
from services.cases.copies.handlers import keep_copies
from shared.bus import Delivery
from shared.coverage import UNVERIFIED
from shared.errors import StaleVersion
from shared.events.contracts import AgreementChanged, DeviceChanged
from shared.mongo import Database, Document

_TRIES = 5


async def give_verdict(db: Database, case: Case, *, now: datetime) -> bool:
    """Writes the coverage that the copies give by now, if any, however often the case changes; whether it did."""
    for _ in range(_TRIES):
        if case.equipment.coverage != UNVERIFIED:
            return False
        equipment, found = await find_equipment_of(db, case, now=now)
        if equipment.coverage == UNVERIFIED:
            return False
        promise = promise_in(found, equipment, company_id=case.company_id, now=now)
        try:
            await store.save_case(db, case.with_coverage(equipment, promise))
        except StaleVersion:
            case = await store.CASES.get(db, {"_id": case.id})
        else:
            return True
    raise StaleVersion


async def copy_devices(db: Database, devices: Sequence[Delivery[DeviceChanged]]) -> None:
    """Keeps copies, and gives the cases that wait for them their verdict."""
    await keep_copies(db, copies.DEVICES, ((each.event.device_id, each.event) for each in devices))
    known = await copies.find_devices(db, [each.event.device_id for each in devices])
    await _give_verdicts(db, await _find_waiting_for(db, known), now=max(each.event.at for each in devices))


async def copy_agreement(db: Database, event: AgreementChanged) -> None:
    """Keeps a copy, and gives the cases that cite it, or whose devices do, their verdict."""
    await keep_copies(db, copies.AGREEMENTS, [(event.agreement_id, event)])
    waiting = await _find_waiting_for(db, await copies.find_devices_of(db, event.agreement_id))
    if event.company_id is not None and event.said is not None:
        waiting += await store.find_unverified_by_said(db, company_id=event.company_id, said=event.said)
    await _give_verdicts(db, waiting, now=event.at)


async def _find_waiting_for(db: Database, devices: list[Document]) -> list[Case]:
    by_company: dict[UUID, list[str]] = {}
    for device in devices:
        if device["company_id"] is not None:
            by_company.setdefault(device["company_id"], []).append(device["serial"])
    return [
        case
        for company_id, serials in by_company.items()
        for case in await store.find_unverified(db, company_id=company_id, serials=serials)
    ]


async def _give_verdicts(db: Database, waiting: list[Case], *, now: datetime) -> None:
    for case in waiting:
        await give_verdict(db, case, now=now)
