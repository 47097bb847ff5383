"""Until when the vendor has promised a first answer, by the local copies."""

from datetime import datetime, time
from uuid import UUID

from services.cases.cases.domain.answering import UNPROMISED, FirstAnswer, Promise, WorkingHours
from services.cases.cases.domain.values import Equipment
from services.cases.cases.handlers.equipment import covering_agreement
from services.cases.copies.store import Found, newest
from shared.events.identity import CompanyHours
from shared.mongo import Document
from shared.zones import zone_of


def promise_in(found: Found, equipment: Equipment, *, company_id: UUID, now: datetime) -> Promise | None:
    """What the level of the covering agreement promises, by the copies that the equipment was made of."""
    agreement = covering_agreement(equipment, found, company_id=company_id, now=now)
    hours = agreement and agreement.get("first_answer_hours")
    if agreement is None or not hours:
        return None
    company = newest(found["company"]) or {}
    working = None if agreement["first_answer_always"] else _working_hours(company)
    return Promise(hours, working, zone_of(company.get("time_zone")))


def first_answer_in(found: Found, equipment: Equipment, *, company_id: UUID, now: datetime) -> FirstAnswer:
    """When the first answer to a new case is due."""
    promise = promise_in(found, equipment, company_id=company_id, now=now)
    return FirstAnswer(promise.due_after(now)) if promise else UNPROMISED


def _working_hours(company: Document) -> WorkingHours:
    """The company's, or the usual ones if it was copied before companies had any."""
    hours = CompanyHours.model_validate(company.get("working_hours") or {})
    return WorkingHours(frozenset(hours.days), _time(hours.start), _time(hours.end))


def _time(text: str) -> time:
    """As the domain writes it: 24:00 is 00:00."""
    return time.fromisoformat("00:00" if text == "24:00" else text)
