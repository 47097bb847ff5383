"""What a case is about, and what covers it, by the local copies."""

from datetime import UTC, date, datetime
from uuid import UUID

from services.cases.cases.domain.case import Case
from services.cases.cases.domain.values import Equipment
from services.cases.copies import store as copies
from shared.coverage import UNVERIFIED, Coverage, Term, coverage_on
from shared.errors import Invalid, NotYetKnown
from shared.mongo import Database, Document
from shared.schemas.cases import SubmitCase
from shared.zones import zone_of


async def find_equipment(db: Database, company_id: UUID, body: SubmitCase, *, now: datetime) -> Equipment:
    today = await _today_of(db, company_id, now)
    if body.serial is not None:
        return await _equipment_of_serial(db, company_id, body.serial, today)
    if body.said is not None:
        return await _equipment_of_said(db, company_id, body.said, today)
    product = await copies.find_copy(db, copies.PRODUCTS, {"product_number": body.product_number, "retired": False})
    if product is None:
        raise NotYetKnown("product_number")
    if product["has_serials"]:
        sentence = "This product has serial numbers: give the serial number."
        raise Invalid.at("serial", "missing", sentence, {"reason": "product_has_serials"})
    return await _equipment_of_product(db, company_id, product, today)


async def find_equipment_of(db: Database, case: Case, *, now: datetime) -> Equipment:
    """What a case is about, by what the copies say now; as it stands where they cannot say anything else."""
    today = await _today_of(db, case.company_id, now)
    if case.equipment.serial is not None:
        return await _equipment_of_serial(db, case.company_id, case.equipment.serial, today)
    if case.equipment.said is not None:
        return await _equipment_of_said(db, case.company_id, case.equipment.said, today)
    return case.equipment


async def _equipment_of_serial(db: Database, company_id: UUID, serial: str, today: date) -> Equipment:
    # Another company's device answers exactly like an unknown one.
    device = await copies.find_copy(db, copies.DEVICES, {"serial": serial, "company_id": company_id})
    if device is None:
        return Equipment("", None, serial, None, (), UNVERIFIED)
    return await _equipment_of_device(db, device, today)


async def _equipment_of_device(db: Database, device: Document, today: date) -> Equipment:
    agreement_ids, owner = device["agreement_ids"], device["company_id"]
    agreements = await copies.find_agreements(db, agreement_ids)
    # A verdict without all its agreements could be wrong: it waits until they have come.
    complete = len(agreements) == len(agreement_ids)
    counting = _counting(agreements, owner)
    return Equipment(
        product_name=device["product_name"],
        product_number=device["product_number"],
        serial=device["serial"],
        said=_first_said(counting),
        agreement_ids=_ids(counting),
        coverage=_coverage(today, counting, owner) if complete else UNVERIFIED,
    )


async def _equipment_of_product(db: Database, company_id: UUID, product: Document, today: date) -> Equipment:
    agreements = await copies.find_agreements_naming(db, company_id, product["product_number"])
    counting = _counting(agreements, company_id)
    return Equipment(
        product_name=product["name"],
        product_number=product["product_number"],
        serial=None,
        said=_first_said(counting),
        agreement_ids=_ids(counting),
        coverage=_coverage(today, counting, company_id),
    )


async def _equipment_of_said(db: Database, company_id: UUID, said: str, today: date) -> Equipment:
    agreement = await copies.find_copy(db, copies.AGREEMENTS, {"said": said, "company_id": company_id})
    if agreement is None:
        return Equipment("", None, None, said, (), UNVERIFIED)
    return Equipment("", None, None, said, (agreement["_id"],), _coverage(today, [agreement], company_id))


def _counting(agreements: list[Document], owner: UUID | None) -> list[Document]:
    return [agreement for agreement in agreements if _term(agreement).counts_for(owner)]


def _coverage(today: date, agreements: list[Document], owner: UUID | None) -> Coverage:
    return coverage_on(today, [_term(agreement) for agreement in agreements], owner=owner)


def _term(agreement: Document) -> Term:
    return Term(
        kind=agreement["agreement_kind"],
        level=agreement["level"],
        start=date.fromisoformat(agreement["start"]),
        end=date.fromisoformat(agreement["end"]),
        company_id=agreement["company_id"],
        deleted=agreement["deleted"],
    )


def _ids(agreements: list[Document]) -> tuple[UUID, ...]:
    return tuple(agreement["_id"] for agreement in agreements)


def _first_said(agreements: list[Document]) -> str | None:
    return next((agreement["said"] for agreement in agreements if agreement["said"]), None)


async def _today_of(db: Database, company_id: UUID, now: datetime) -> date:
    company = await copies.find_copy(db, copies.COMPANIES, {"_id": company_id})
    return now.astimezone(zone_of(company["time_zone"]) if company else UTC).date()
