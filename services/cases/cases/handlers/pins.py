"""The PIN of a case: which PINs are valid, and the instructions that agents read."""

from uuid import UUID

from pydantic import TypeAdapter

from services.cases.cases.domain.case import Case
from services.cases.cases.domain.pins import Pin, choose_pin
from services.cases.cases.domain.values import Equipment
from services.cases.copies import store as copies
from shared.actor import Actor
from shared.errors import NotYetKnown
from shared.mongo import Database

_PINS = TypeAdapter(list[Pin])


async def find_pin(db: Database, company_id: UUID, wanted: str, *, equipment: Equipment, site_id: UUID | None) -> Pin:
    """The company's PIN that fits the agreements and the site of a case.

    PinNotValid with those that fit, NotYetKnown for a company that the copies do not know (yet).
    """
    pins = await _assigned(db, company_id)
    if pins is None:
        raise NotYetKnown("pin")
    agreements = await copies.find_agreements(db, list(equipment.agreement_ids))
    saids = {said for said in (equipment.said, *(agreement["said"] for agreement in agreements)) if said}
    return choose_pin(wanted, pins, saids=saids, site_id=site_id)


async def find_instructions(db: Database, actor: Actor, case: Case) -> str | None:
    """How agents are to handle the case, in the vendor's newest words; None for the customer's side."""
    if case.pin is None or not actor.is_vendor:
        return None
    for pin in await _assigned(db, case.company_id) or []:
        if pin.pin == case.pin:
            return pin.instructions
    # Revoked since: the case keeps the instructions that it began with.
    return case.pin_instructions


async def _assigned(db: Database, company_id: UUID) -> list[Pin] | None:
    assigned = await copies.find_pins(db, company_id)
    return None if assigned is None else _PINS.validate_python(assigned)
