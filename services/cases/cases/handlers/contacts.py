"""Whom to call about a case: who of the company's users a contact is, by the local copies."""

from dataclasses import replace
from uuid import UUID

from services.cases.cases.domain.values import Contact
from services.cases.copies import store as copies
from services.cases.copies.store import Found, Question, newest
from shared.errors import NotYetKnown
from shared.mongo import Database, Document
from shared.schemas.case_parts import ContactBody


def questions_about_contact(company_id: UUID, field: str, contact: ContactBody | Contact) -> dict[str, Question]:
    """What to ask the copies for: whose login has the address, and who was picked."""
    active = {"company_id": company_id, "active": True}
    asked = {f"{field}.email": Question(copies.USERS, {"login_email": contact.email, **active})}
    if contact.user_id is not None:
        asked[f"{field}.user_id"] = Question(copies.USERS, {"_id": contact.user_id, **active})
    return asked


def contact_of(field: str, body: ContactBody, found: Found) -> Contact:
    """A contact, with their user as decided now for good: the picked one, or whose verified login has the address.

    Raises NotYetKnown for a user that was picked and is none of the company's.
    """
    user = _picked(field, body, found) or newest(found[f"{field}.email"])
    given = body.model_dump(exclude={"user_id"})
    return Contact(**given, user_id=user["_id"] if user else None)


async def find_contact(db: Database, company_id: UUID, body: ContactBody) -> Contact:
    """A contact of a company's case, as `contact_of` makes it."""
    found = await copies.find_copies(db, questions_about_contact(company_id, "contact", body))
    return contact_of("contact", body, found)


def carried_over(field: str, contact: Contact, found: Found) -> Contact:
    """The contact of a case, for another one that goes on from it: whoever they were, if they still are a user."""
    user = newest(found.get(f"{field}.user_id", [])) or newest(found[f"{field}.email"])
    return replace(contact, user_id=user["_id"] if user else None)


def _picked(field: str, body: ContactBody, found: Found) -> Document | None:
    if body.user_id is None:
        return None
    user = newest(found[f"{field}.user_id"])
    if user is None:
        raise NotYetKnown(f"{field}.user_id")
    # The user's e-mails would go to this address, with their unsubscribe link: another address is another person.
    return user if body.email in (user["login_email"], user["contact_email"]) else None
