"""Following up: a new case that goes on from an ended or full one."""

from dataclasses import replace
from datetime import datetime

from services.cases.cases import store
from services.cases.cases.domain.actions import FOLLOW_UP
from services.cases.cases.domain.case import Case, Submission
from services.cases.cases.domain.values import Change, Person, Problem, person_of
from services.cases.cases.handlers.contacts import carried_over, questions_about_contact
from services.cases.cases.handlers.equipment import equipment_again, questions_of
from services.cases.cases.handlers.pins import pin_carried_over
from services.cases.cases.handlers.promises import first_answer_in
from services.cases.cases.handlers.submission import person_in
from services.cases.cases.handlers.verdicts import give_verdict
from services.cases.copies import store as copies
from services.cases.copies.store import Found, Question, newest
from shared.actor import Actor
from shared.mongo import Database, DuplicateKey
from shared.quotas import Quota
from shared.schemas.case_actions import FollowUpAction


async def follow_up(
    db: Database, numbers: store.CaseNumbers, number: str, body: FollowUpAction, change: Change, *, quota: Quota
) -> tuple[Case, store.History]:
    """Writes a new case that goes on from this one. A repeat with the same key gets the case that was written before.

    Raises NotFound, Forbidden, NeedsNoFollowUp for an open case that has room, TooManyCases, and IdempotencyKeyReused
    for a key that did something else to the case.
    """
    by, key = change.by, change.key
    # The case may have been reopened since: a repeat is answered again all the same.
    if await store.CASES.find_made_with(db, key):
        return await store.get_submitted_case(db, by, key)
    await store.find_entry(db, by, number, key)
    case = await store.get_case(db, by, number)
    FOLLOW_UP.refuse_unless_allowed(case, by, change.at)
    submission = await _carried_on(db, case, body, by=by, now=change.at)
    try:
        async with quota.taken(db, by, now=change.at):
            new = Case.submit(submission, change, number=await numbers.take(), follow_up_of=case.number)
            written = await store.CASES.insert(db, new, key=key)
    except DuplicateKey:
        if await store.CASES.find_made_with(db, key) is None:
            raise
    else:
        # As for any new case: the copies may have changed since they were read.
        if not await give_verdict(db, written, now=change.at):
            return written, store.history_as_written(new)
    return await store.get_submitted_case(db, by, key)


async def _carried_on(db: Database, case: Case, body: FollowUpAction, *, by: Actor, now: datetime) -> Submission:
    """What the new case takes over, by what the copies say now. Nothing of it is refused: what is gone is left out."""
    found = await copies.find_copies(db, _questions(case))
    equipment = equipment_again(case, found, now=now)
    pin = pin_carried_over(case, found, equipment=equipment)
    second = case.secondary_contact
    return Submission(
        company_id=case.company_id,
        company_name=case.company_name,
        problem=_problem(case, body),
        equipment=equipment,
        submitter=_submitter(case, found) if by.is_vendor else person_of(by),
        contact=carried_over("contact", case.contact, found),
        secondary_contact=carried_over("secondary_contact", second, found) if second else None,
        site_id=case.site_id,
        site_name=case.site_name,
        equipment_address=case.equipment_address,
        parts_address=case.parts_address,
        confidential=case.confidential,
        pin=pin.pin if pin else None,
        pin_instructions=pin.instructions if pin else "",
        first_answer=first_answer_in(found, equipment, company_id=case.company_id, now=now),
    )


def _questions(case: Case) -> copies.Questions:
    asked = questions_of(case) | questions_about_contact(case.company_id, "contact", case.contact)
    if case.secondary_contact is not None:
        asked |= questions_about_contact(case.company_id, "secondary_contact", case.secondary_contact)
    asked["submitter"] = Question(copies.USERS, {"_id": case.submitter.user_id, "company_id": case.company_id})
    return asked


def _submitter(case: Case, found: Found) -> Person:
    """The vendor's side must name a customer's user: whoever submitted the old case, as they are called now."""
    user = newest(found["submitter"])
    return person_in(user) if user else case.submitter


def _problem(case: Case, body: FollowUpAction) -> Problem:
    """What was tried already belongs to the old case."""
    return replace(
        case.problem,
        title=body.title or case.problem.title,
        description=body.description,
        severity=body.severity or case.problem.severity,
        troubleshooting="",
    )
