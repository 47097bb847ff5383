"""What a case is about, and what covers it, by the local copies."""

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

from services.cases.cases.domain.case import Case
from services.cases.cases.domain.values import Equipment
from services.cases.copies import store as copies
from services.cases.copies.store import Found, Question, find_copies, newest
from shared.coverage import UNVERIFIED, Coverage, Term, Verdict, coverage_on, covering_on
from shared.errors import Invalid, NotYetKnown
from shared.mongo import Database, Document
from shared.schemas.cases import SubmitCase
from shared.zones import zone_of


def questions_about(
    company_id: UUID, *, serial: str | None, said: str | None, product_number: str | None
) -> dict[str, Question]:
    """What to ask the copies for about one of these. Another company's are asked for by nobody."""
    asked = {"company": Question(copies.COMPANIES, {"_id": company_id})}
    if serial is not None:
        asked["device"] = Question(copies.DEVICES, {"serial": serial, "company_id": company_id})
    elif said is not None:
        asked["agreements"] = Question(copies.AGREEMENTS, {"said": said, "company_id": company_id})
    elif product_number is not None:
        asked["product"] = Question(copies.PRODUCTS, {"product_number": product_number, "retired": False})
        naming = {"company_id": company_id, "product_numbers": product_number}
        asked["agreements"] = Question(copies.AGREEMENTS, naming)
    return asked


def equipment_of(company_id: UUID, body: SubmitCase, found: Found, *, now: datetime) -> Equipment:
    """What a new case is about; NotYetKnown for a product that is not in the copies."""
    today = _today_of(found, now)
    if body.serial is not None:
        return _equipment_of_serial(body.serial.serial, found, today, typed=body.serial.label)
    if body.said is not None:
        return _equipment_of_said(company_id, body.said, found, today)
    product = newest(found["product"])
    if product is None:
        raise NotYetKnown("product_number")
    if product["has_serials"]:
        sentence = "This product has serial numbers: give the serial number."
        raise Invalid.at("serial", "missing", sentence, {"reason": "product_has_serials"})
    return _equipment_of_product(company_id, product, found, today)


def questions_of(case: Case) -> dict[str, Question]:
    """What to ask the copies for about what a case was begun with."""
    known = case.equipment
    # A case that was begun with a product may have got the number of an agreement, and not the other way round.
    said = known.said if known.product_number is None else None
    return questions_about(
        case.company_id, serial=known.serial, said=said, product_number=None if said else known.product_number
    )


async def find_equipment_of(db: Database, case: Case, *, now: datetime) -> tuple[Equipment, Found]:
    """What a case is about, by what the copies say now, and these."""
    found = await find_copies(db, questions_of(case))
    return equipment_again(case, found, now=now), found


def equipment_again(case: Case, found: Found, *, now: datetime) -> Equipment:
    """What a case is about, by the copies that were found for `questions_of` it; the name as it was, of a product."""
    known = case.equipment
    today = _today_of(found, now)
    if known.serial is not None:
        return _equipment_of_serial(known.serial, found, today, typed=known.serial_label)
    if known.product_number is None and known.said is not None:
        return _equipment_of_said(case.company_id, known.said, found, today)
    counting = _counting(_agreements_in(found), case.company_id)
    return replace(
        known,
        said=_first_said(counting),
        agreement_ids=_ids(counting),
        coverage=_coverage(today, counting, case.company_id),
    )


def saids_of(equipment: Equipment, found: Found) -> set[str]:
    """The numbers of the agreements that the equipment is under, by the copies that it was made of."""
    under = {agreement["said"] for agreement in _agreements_in(found) if agreement["_id"] in equipment.agreement_ids}
    return {said for said in (equipment.said, *under) if said}


def covering_agreement(equipment: Equipment, found: Found, *, company_id: UUID, now: datetime) -> Document | None:
    """The agreement whose level the verdict tells, of the copies that the equipment was made of."""
    if equipment.coverage.verdict is not Verdict.COVERED:
        return None
    under = [agreement for agreement in _agreements_in(found) if agreement["_id"] in equipment.agreement_ids]
    term = covering_on(_today_of(found, now), map(_term, under), owner=company_id)
    return next((agreement for agreement in under if _term(agreement) == term), None)


def _agreements_in(found: Found) -> list[Document]:
    """Oldest first."""
    device = newest(found.get("device", []))
    agreements = device["agreements"] if device else found.get("agreements", [])
    return sorted(agreements, key=lambda agreement: (agreement["start"], agreement["_id"]))


def _equipment_of_serial(serial: str, found: Found, today: date, *, typed: str | None) -> Equipment:
    # Another company's device answers exactly like an unknown one.
    device = newest(found["device"])
    if device is None:
        return Equipment("", None, serial, None, (), UNVERIFIED, serial_label=typed)
    agreements, owner = _agreements_in(found), device["company_id"]
    # A verdict without all its agreements could be wrong: it waits until they have come.
    complete = len(agreements) == len(device["agreement_ids"])
    counting = _counting(agreements, owner)
    return Equipment(
        product_name=device["product_name"],
        product_number=device["product_number"],
        serial=device["serial"],
        said=_first_said(counting),
        agreement_ids=_ids(counting),
        coverage=_coverage(today, counting, owner) if complete else UNVERIFIED,
        product_line=device.get("product_line", ""),
        serial_label=device.get("serial_label") or typed,
    )


def _equipment_of_product(company_id: UUID, product: Document, found: Found, today: date) -> Equipment:
    counting = _counting(_agreements_in(found), company_id)
    return Equipment(
        product_name=product["name"],
        product_number=product["product_number"],
        serial=None,
        said=_first_said(counting),
        agreement_ids=_ids(counting),
        coverage=_coverage(today, counting, company_id),
        product_line=product["line"],
    )


def _equipment_of_said(company_id: UUID, said: str, found: Found, today: date) -> Equipment:
    agreement = newest(found["agreements"])
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


def _today_of(found: Found, now: datetime) -> date:
    company = newest(found["company"])
    return now.astimezone(zone_of(company["time_zone"]) if company else UTC).date()
