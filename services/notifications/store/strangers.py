"""Counts the case mails to strangers (addresses that no user signs in with) per user, company and hour."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from pymongo import ReturnDocument, WriteConcern

from services.notifications.domain.mails import KEPT_FOR, Mail
from services.notifications.store.people import USERS
from shared.mongo import Database, Document

STRANGER_MAILS = "stranger_mails"

# For as long as a mail of that hour may still wait.
_COUNTED_FOR = KEPT_FOR + timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class StrangerLimits:
    """The most case mails to strangers in an hour; 0 for no bound."""

    per_user: int = 30
    per_company: int = 300


async def create_indexes(db: Database) -> None:
    """Old counts are removed."""
    await db[STRANGER_MAILS].create_index("expires_at", expireAfterSeconds=0)


async def count_stranger_mail(db: Database, mail: Mail, limits: StrangerLimits) -> bool:
    """Counts a mail in the hour in which it was caused, however late it goes; whether it is within the limits."""
    hour = (mail.created_at or await db.now()).replace(minute=0, second=0, microsecond=0)
    if (
        mail.caused_by is not None
        and await _is_of_the_company(db, mail)
        and not await _count(db, f"user:{mail.caused_by}", hour, limits.per_user)
    ):
        return False
    return await _count(db, f"company:{mail.company_id}", hour, limits.per_company)


async def _is_of_the_company(db: Database, mail: Mail) -> bool:
    """Whether the user is of the case's company. Vendor users close many companies' cases: only the company counts."""
    user = await db[USERS].find_one({"_id": mail.caused_by}, {"company_id": 1})
    return user is None or user["company_id"] == mail.company_id


async def _count(db: Database, whose: str, hour: datetime, most: int) -> bool:
    """Whether it is within the bound. What is beyond is counted as well, which does no harm: the hour is full."""
    # A count that is lost with a server does no harm, and no mail should wait for a disk because of it.
    counts = db[STRANGER_MAILS].with_options(write_concern=WriteConcern(1))
    counted = await counts.find_one_and_update(
        {"_id": f"{whose}:{hour:%Y-%m-%dT%H}"},
        {"$inc": {"count": 1}, "$setOnInsert": {"expires_at": hour + _COUNTED_FOR}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    # The upsert answers the document as it is afterwards: it is always there.
    return most == 0 or cast("Document", counted)["count"] <= most
