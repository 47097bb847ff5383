"""Cases as owners of files: an entry of the history cites them, and who sees the entry gets them."""

from uuid import UUID

from services.cases.attachments.domain.files import Owner
from services.cases.attachments.store.owners import OwnerRules
from services.cases.cases.store.cases import CASES, visible_to
from shared.actor import Actor
from shared.mongo import Database, Document

KIND = "case"


def entry_of(case_id: UUID, entry_id: UUID) -> Owner:
    """An entry of a case, as the owner of its files."""
    return Owner(KIND, case_id, entry_id)


async def _has_entry(db: Database, owner: Owner) -> bool:
    entry = {"_id": owner.id, "history.id": owner.entry_id}
    return await db[CASES.collection].find_one(entry, {"_id": 1}) is not None


async def _shows_entry(db: Database, actor: Actor, owner: Owner) -> bool:
    entry: Document = {"id": owner.entry_id}
    if not actor.is_vendor:
        entry["internal"] = False
    wanted = {"_id": owner.id, "history": {"$elemMatch": entry}, **visible_to(actor)}
    return await db[CASES.collection].find_one(wanted, {"_id": 1}) is not None


RULES = OwnerRules(_has_entry, _shows_entry)
