"""The people for whom a case may be created: colleagues, and for the vendor's side the users of every customer."""

from uuid import UUID

from services.identity import store
from services.identity.domain.access import refuse_unless_creates_for_others
from services.identity.domain.companies import Company
from services.identity.domain.users import User
from shared.actor import Actor
from shared.errors import Invalid
from shared.mongo import Database
from shared.paging import Page
from shared.schemas.submitters import SubmitterQuery


async def list_submitters(db: Database, actor: Actor, query: SubmitterQuery) -> tuple[Company, Page]:
    """The active users of a company; Invalid where the vendor's side names none, whose own users submit nothing."""
    refuse_unless_creates_for_others(actor)
    if actor.is_vendor and query.company_id is None:
        raise Invalid.at("company_id", "missing", "Name the company.")
    company_id = actor.company_to_read(query.company_id)
    company = await (store.get_customer(db, company_id) if actor.is_vendor else store.get_company(db, company_id))
    return company, await store.find_submitters(db, company_id, query)


async def show_submitter(db: Database, actor: Actor, user_id: UUID) -> tuple[Company, User]:
    """One of them; NotFound for a user who is not active, of another company, or of the vendor."""
    refuse_unless_creates_for_others(actor)
    user = await store.get_submitter(db, actor, user_id)
    return await store.get_customer(db, user.company_id), user
