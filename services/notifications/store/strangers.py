"""Counts the case mails to strangers (addresses that no user signs in with) per user, company and hour.

All counts of a company's hour are one document, its users' too. Older versions count users' elsewhere: in the hour of
an upgrade a user has the bound twice.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from pymongo import ASCENDING

from services.notifications.domain.mails import KEPT_FOR, Mail
from shared import counters
from shared.counters import Share, Wanted
from shared.mongo import Database

STRANGER_MAILS = "stranger_mails"

# For as long as a mail of that hour may still wait.
_COUNTED_FOR = KEPT_FOR + timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class StrangerLimits:
    """The most case mails to strangers in an hour; 0 for no bound."""

    per_user: int = 30
    per_company: int = 300


async def create_indexes(db: Database) -> None:
    """Old counts are removed; those of older versions by a field of their own."""
    await counters.create_indexes(db, STRANGER_MAILS)
    await db[STRANGER_MAILS].create_index([("expires_at", ASCENDING)], expireAfterSeconds=0)


async def count_stranger_mails(
    db: Database, mails: Sequence[Mail], limits: StrangerLimits, *, of_users: Collection[str]
) -> set[str]:
    """Counts mails in the hours in which they were caused, however late they go; the ids of those that are too many.

    `of_users` are the ids of those that count for the user who caused them, too.
    """
    asked = [_wanted(mail, limits, of_user=mail.id in of_users) for mail in mails]
    full = await counters.count(counters.not_by_majority(db, STRANGER_MAILS), asked)
    return {mail.id for mail, share in zip(mails, full, strict=True) if share is not None}


def _wanted(mail: Mail, limits: StrangerLimits, *, of_user: bool) -> Wanted:
    hour = _hour_of(mail)
    ends_at = hour + _COUNTED_FOR
    shares = [Share("count", limits.per_company, ends_at)]
    if of_user:
        shares.append(Share(f"users.{mail.caused_by}", limits.per_user, ends_at))
    return Wanted(f"company:{mail.company_id}:{hour:%Y-%m-%dT%H}", [share for share in shares if share.most])


def _hour_of(mail: Mail) -> datetime:
    at = cast("datetime", mail.created_at)  # what the ledger has written it also dates
    return at.replace(minute=0, second=0, microsecond=0)
