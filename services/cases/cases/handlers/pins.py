"""The PIN of a case: which PINs are valid, and the instructions that agents read."""

from uuid import UUID

from pydantic import TypeAdapter

from services.cases.cases.domain.case import Case
from services.cases.cases.domain.pins import Pin, choose_pin
from services.cases.cases.domain.values import Equipment
from services.cases.cases.handlers.equipment import saids_of
from services.cases.copies import store as copies
from services.cases.copies.store import Found, newest
from shared.actor import Actor
from shared.errors import NotYetKnown
from shared.mongo import Database

_PINS = TypeAdapter(list[Pin])


def pin_of(wanted: str, found: Found, *, equipment: Equipment, site_id: UUID | None) -> Pin:
    """The company's PIN that fits the agreements and the site of a case.

    PinNotValid with those that fit, NotYetKnown for a company that the copies do not know (yet).
    """
    company = newest(found["company"])
    if company is None:
        raise NotYetKnown("pin")
    pins = _PINS.validate_python(company.get("pins", []))
    return choose_pin(wanted, pins, saids=saids_of(equipment, found), site_id=site_id)


def pin_carried_over(case: Case, found: Found, *, equipment: Equipment) -> Pin | None:
    """The PIN of a case, for another one that goes on from it; None where it was revoked or does not fit any more."""
    company = newest(found["company"])
    saids = saids_of(equipment, found)
    for pin in _PINS.validate_python(company.get("pins", []) if company else []):
        if pin.pin == case.pin and pin.fits(saids=saids, site_id=case.site_id):
            return pin
    return None


def is_revoked(pin: str, found: Found) -> bool:
    """Whether the company, which the copies know, does not have this PIN any more."""
    company = newest(found["company"])
    return company is not None and pin not in {each["pin"] for each in company.get("pins", [])}


async def find_instructions(db: Database, actor: Actor, case: Case) -> str | None:
    """How agents are to handle the case, in the vendor's newest words; None for the customer's side."""
    if case.pin is None or not actor.is_vendor:
        return None
    for pin in _PINS.validate_python(await copies.find_pins(db, case.company_id)):
        if pin.pin == case.pin:
            return pin.instructions
    # Revoked since: the case keeps the instructions that it began with.
    return case.pin_instructions
