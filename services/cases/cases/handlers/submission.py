"""Submitting a case."""

from datetime import datetime
from uuid import UUID

from services.cases.attachments import handlers as attaching
from services.cases.attachments.domain.files import Limits
from services.cases.cases import store
from services.cases.cases.domain.case import Case, Submission
from services.cases.cases.domain.refusals import NotForColleagues
from services.cases.cases.domain.values import Change, Person, Problem, person_of
from services.cases.cases.handlers.contacts import contact_of, questions_about_contact
from services.cases.cases.handlers.equipment import equipment_of, questions_about
from services.cases.cases.handlers.pins import pin_of
from services.cases.cases.handlers.places import address_of, place_of, question_about_site
from services.cases.cases.handlers.promises import first_answer_in
from services.cases.cases.handlers.verdicts import give_verdict
from services.cases.cases.store.citations import entry_of
from services.cases.copies import store as copies
from shared.actor import Actor, Role
from shared.errors import Invalid, NotYetKnown, Refusal
from shared.idempotency import IdempotencyKey
from shared.mongo import Database, Document, DuplicateKey
from shared.quotas import Quota
from shared.schemas.cases import SubmitCase


async def submit_case(
    db: Database,
    numbers: store.CaseNumbers,
    actor: Actor,
    body: SubmitCase,
    *,
    limits: Limits,
    quota: Quota,
    key: IdempotencyKey,
    now: datetime,
) -> tuple[Case, store.History]:
    """Writes a new case. A repeat with the same key gets the case that was written before.

    Raises NotYetKnown for a site, product or colleague that is not in the copies, Forbidden for a colleague's case
    without the right to create it, PinNotValid, TooManyCases, and Invalid for what may not be decided for a colleague
    and for files that cannot be cited.
    """
    # A repeat must not claim the files of the case anew: it would give them back if it were refused.
    if body.attachment_ids and await store.CASES.find_made_with(db, key):
        return await store.get_submitted_case(db, actor, key)
    try:
        submission = await _read(db, actor, body, now=now)
        # Last, so that almost no refused request counts against the quota, or uses up a number.
        async with (
            quota.taken(db, actor, now=now),
            attaching.claimed(
                db, actor, body.attachment_ids, limits, owner=entry_of(key.id, key.id), digest=key.digest
            ) as files,
        ):
            change = Change(actor, now, key)
            case = Case.submit(submission, change, number=await numbers.take()).with_files(files)
            written = await store.CASES.insert(db, case, key=key)
    except (Refusal, DuplicateKey):
        # A repeat is answered again, even if a site was closed or a PIN revoked since.
        if await store.CASES.find_made_with(db, key) is None:
            raise
    else:
        # The copies may have changed since they were read: their handlers did not find this case yet.
        if not await give_verdict(db, written, now=now):
            return written, store.history_as_written(case)
    return await store.get_submitted_case(db, actor, key)


async def _read(db: Database, actor: Actor, body: SubmitCase, *, now: datetime) -> Submission:
    """The body, with ids replaced by what the copies know of them."""
    submitter, company_id, company_name = await _submitter(db, actor, body.submitter_id)
    found = await copies.find_copies(db, _questions(company_id, body))
    site_name, equipment_address = place_of(body.equipment_address, found)
    equipment = equipment_of(company_id, body, found, now=now)
    contact = contact_of("contact", body.contact, found)
    second = body.secondary_contact
    secondary_contact = contact_of("secondary_contact", second, found) if second else None
    pin = pin_of(body.pin, found, equipment=equipment, site_id=body.site_id) if body.pin else None
    return Submission(
        company_id=company_id,
        company_name=company_name,
        problem=_problem(body),
        equipment=equipment,
        submitter=submitter,
        contact=contact,
        secondary_contact=secondary_contact,
        site_id=body.site_id,
        site_name=site_name,
        equipment_address=equipment_address,
        parts_address=address_of(body.parts_address) if body.parts_address else None,
        confidential=body.confidential,
        pin=pin.pin if pin else None,
        pin_instructions=pin.instructions if pin else "",
        first_answer=first_answer_in(found, equipment, company_id=company_id, now=now),
    )


def _questions(company_id: UUID, body: SubmitCase) -> copies.Questions:
    serial = body.serial.serial if body.serial else None
    asked = questions_about(company_id, serial=serial, said=body.said, product_number=body.product_number)
    if body.site_id is not None:
        asked["site"] = question_about_site(company_id, body.site_id)
    for field, contact in (("contact", body.contact), ("secondary_contact", body.secondary_contact)):
        if contact is not None:
            asked |= questions_about_contact(company_id, field, contact)
    return asked


async def _submitter(db: Database, actor: Actor, submitter_id: UUID | None) -> tuple[Person, UUID, str]:
    if submitter_id is None or submitter_id == actor.user_id:
        if actor.is_vendor:
            sentence = "Choose the customer’s user for whom you create the case."
            raise Invalid.at("submitter_id", "missing", sentence, {"reason": "for_customer"})
        return person_of(actor), actor.company_id, actor.company_name
    if actor.role is Role.MEMBER:
        raise NotForColleagues
    scope: Document = {} if actor.is_vendor else {"company_id": actor.company_id}
    user = await copies.find_copy(db, copies.USERS, {"_id": submitter_id, "active": True, **scope})
    company = user and await copies.find_copy(db, copies.COMPANIES, {"_id": user["company_id"], "is_vendor": False})
    if user is None or company is None:
        raise NotYetKnown("submitter_id")
    return person_in(user), company["_id"], company["name"]


def person_in(user: Document) -> Person:
    """The user of a copy, as somebody on a case."""
    return Person(user["_id"], user["name"], user["contact_email"], user["language"])


def _problem(body: SubmitCase) -> Problem:
    return Problem(
        title=body.title,
        description=body.description,
        severity=body.severity,
        troubleshooting=body.troubleshooting,
        problem_type=body.problem_type,
        error_code=body.error_code,
        operating_system=body.operating_system,
        own_reference=body.own_reference,
        preferred_channel=body.preferred_channel,
        preferred_hours=body.preferred_hours,
    )
