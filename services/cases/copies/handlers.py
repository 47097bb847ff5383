"""What other services say: local copies, and the verdicts that cases wait for."""

from datetime import datetime
from uuid import UUID

from services.cases.cases import store
from services.cases.cases.domain.case import Case
from services.cases.cases.handlers.verdicts import give_verdict
from services.cases.copies import store as copies
from shared.documents import put_copy
from shared.events.base import State
from shared.events.contracts import AgreementChanged, DeviceChanged, ProductChanged
from shared.events.identity import CompanyChanged, SiteChanged, UserChanged
from shared.mongo import Database, Document


async def copy_user(db: Database, event: UserChanged) -> None:
    """Keeps a copy, for colleagues, contacts and agents."""
    await _copy(db, copies.USERS, event.user_id, event)


async def copy_company(db: Database, event: CompanyChanged) -> None:
    """Keeps a copy, for its time zone and its PINs."""
    await _copy(db, copies.COMPANIES, event.company_id, event)


async def copy_site(db: Database, event: SiteChanged) -> None:
    """Keeps a copy, for the equipment's address."""
    await _copy(db, copies.SITES, event.site_id, event)


async def copy_product(db: Database, event: ProductChanged) -> None:
    """Keeps a copy, for cases about products without serial numbers."""
    await _copy(db, copies.PRODUCTS, event.product_id, event)


async def copy_device(db: Database, event: DeviceChanged) -> None:
    """Keeps a copy, and gives the cases that wait for it their verdict."""
    await _copy(db, copies.DEVICES, event.device_id, event)
    device = await copies.find_copy(db, copies.DEVICES, {"_id": event.device_id})
    if device is not None:
        await _give_verdicts(db, await _find_waiting_for(db, [device]), now=event.at)


async def copy_agreement(db: Database, event: AgreementChanged) -> None:
    """Keeps a copy, and gives the cases that cite it, or whose devices do, their verdict."""
    await _copy(db, copies.AGREEMENTS, event.agreement_id, event)
    waiting = await _find_waiting_for(db, await copies.find_devices_of(db, event.agreement_id))
    if event.company_id is not None and event.said is not None:
        waiting += await store.find_unverified_by_said(db, company_id=event.company_id, said=event.said)
    await _give_verdicts(db, waiting, now=event.at)


async def _copy(db: Database, collection: str, copy_id: UUID, event: State) -> None:
    await put_copy(db, collection, copy_id, event.model_dump(exclude={"id", "at", "version"}), version=event.version)


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
