"""What other services say: local copies, and the verdicts that cases wait for."""

from datetime import datetime
from uuid import UUID

from services.cases import store
from services.cases.domain import Case, Equipment
from services.cases.handlers.equipment import equipment_of_device, today_of
from shared.coverage import UNVERIFIED
from shared.documents import put_copy
from shared.errors import StaleVersion
from shared.events.base import State
from shared.events.contracts import AgreementChanged, DeviceChanged, ProductChanged
from shared.events.identity import CompanyChanged, SiteChanged, UserChanged
from shared.mongo import Database, Document

_VERDICT_TRIES = 5


async def copy_user(db: Database, event: UserChanged) -> None:
    """Keeps a copy, for colleagues, contacts and agents."""
    await _copy(db, store.USERS, event.user_id, event)


async def copy_company(db: Database, event: CompanyChanged) -> None:
    """Keeps a copy, for its time zone and its PINs."""
    await _copy(db, store.COMPANIES, event.company_id, event)


async def copy_site(db: Database, event: SiteChanged) -> None:
    """Keeps a copy, for the equipment's address."""
    await _copy(db, store.SITES, event.site_id, event)


async def copy_product(db: Database, event: ProductChanged) -> None:
    """Keeps a copy, for cases about products without serial numbers."""
    await _copy(db, store.PRODUCTS, event.product_id, event)


async def copy_device(db: Database, event: DeviceChanged) -> None:
    """Keeps a copy, and gives the cases that wait for it their verdict."""
    await _copy(db, store.DEVICES, event.device_id, event)
    device = await store.find_copy(db, store.DEVICES, {"_id": event.device_id})
    if device is not None:
        await _attach_verdicts(db, [device], now=event.at)


async def copy_agreement(db: Database, event: AgreementChanged) -> None:
    """Keeps a copy, and gives the cases whose devices cite it their verdict."""
    await _copy(db, store.AGREEMENTS, event.agreement_id, event)
    await _attach_verdicts(db, await store.find_devices_of(db, event.agreement_id), now=event.at)


async def _copy(db: Database, collection: str, copy_id: UUID, event: State) -> None:
    await put_copy(db, collection, copy_id, event.model_dump(exclude={"id", "at", "version"}), version=event.version)


async def _attach_verdicts(db: Database, devices: list[Document], *, now: datetime) -> None:
    by_company: dict[UUID, dict[str, Document]] = {}
    for device in devices:
        if device["company_id"] is not None:
            by_company.setdefault(device["company_id"], {})[device["serial"]] = device
    for company_id, own in by_company.items():
        today = await today_of(db, company_id, now)
        for case in await store.find_unverified(db, company_id=company_id, serials=list(own)):
            equipment = await equipment_of_device(db, own[str(case.equipment.serial)], today)
            if equipment.coverage != UNVERIFIED:
                await _attach(db, case, equipment)


async def _attach(db: Database, case: Case, equipment: Equipment) -> None:
    """Fits whatever else happens to the case at the same moment."""
    for _ in range(_VERDICT_TRIES):
        try:
            await store.CASES.save(db, case.with_coverage(equipment))
        except StaleVersion:
            case = await store.CASES.get(db, {"_id": case.id})
        else:
            return
    raise StaleVersion
