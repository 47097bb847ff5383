"""Where the equipment of a case is, by the local copies."""

from uuid import UUID

from pydantic import TypeAdapter

from services.cases.cases.domain.case import Case
from services.cases.cases.domain.values import Place, PostalAddress
from services.cases.cases.handlers.equipment import questions_of
from services.cases.cases.handlers.pins import is_revoked, pin_of
from services.cases.copies import store as copies
from services.cases.copies.store import Found, Question, newest
from shared.errors import NotYetKnown
from shared.mongo import Database
from shared.schemas.base import Address
from shared.schemas.case_actions import ChangeSiteAction

_ADDRESS = TypeAdapter(PostalAddress)


def question_about_site(company_id: UUID, site_id: UUID) -> Question:
    """What to ask the copies for about a site of the company that is open."""
    return Question(copies.SITES, {"_id": site_id, "company_id": company_id, "closed": False})


def address_of(body: Address) -> PostalAddress:
    """The same address."""
    return PostalAddress(**body.model_dump())


def place_of(equipment_address: Address | None, found: Found) -> tuple[str, PostalAddress]:
    """The name and the address of the `site` that was found; another address has no name. NotYetKnown for neither."""
    if equipment_address is not None:
        return "", address_of(equipment_address)
    site = newest(found["site"])
    if site is None:
        raise NotYetKnown("site_id")
    return site["name"], _ADDRESS.validate_python(site)


async def find_place(db: Database, case: Case, body: ChangeSiteAction) -> Place:
    """Where a case is moved to, with the PIN that it has there; PinNotValid for one that is bound elsewhere."""
    asked = questions_of(case)
    if body.site_id is not None:
        asked["site"] = question_about_site(case.company_id, body.site_id)
    found = await copies.find_copies(db, asked)
    site_name, address = place_of(body.equipment_address, found)
    pin, instructions = _pin_there(case, body, found)
    return Place(body.site_id, site_name, address, pin, instructions)


def _pin_there(case: Case, body: ChangeSiteAction, found: Found) -> tuple[str | None, str]:
    if body.pin == "":
        return None, ""
    if body.pin is None and (case.pin is None or is_revoked(case.pin, found)):
        # Where a revoked PIN was valid is not known any more: it stays.
        return case.pin, case.pin_instructions
    pin = pin_of(body.pin or case.pin or "", found, equipment=case.equipment, site_id=body.site_id)
    return pin.pin, case.pin_instructions if pin.pin == case.pin else pin.instructions
