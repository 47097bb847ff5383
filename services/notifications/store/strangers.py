"""Counts the case mails to strangers (addresses that no user signs in with) per user, company and hour."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from pymongo import ASCENDING

from services.notifications.domain.mails import KEPT_FOR, Mail
from services.notifications.store.counters import take_numbers
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
    """Old counts are removed."""
    await db[STRANGER_MAILS].create_index([("expires_at", ASCENDING)], expireAfterSeconds=0)


async def count_stranger_mails(
    db: Database, mails: Sequence[Mail], limits: StrangerLimits, *, of_users: Collection[str]
) -> set[str]:
    """Counts mails in the hours in which they were caused, however late they go; the ids of those that are too many.

    `of_users` are the ids of those that count for the user who caused them, too.
    """
    by_users = [(f"user:{mail.caused_by}", mail) for mail in mails if mail.id in of_users]
    too_many = await _count(db, by_users, limits.per_user)
    by_companies = [(f"company:{mail.company_id}", mail) for mail in mails if mail.id not in too_many]
    return too_many | await _count(db, by_companies, limits.per_company)


async def _count(db: Database, caused: Sequence[tuple[str, Mail]], most: int) -> set[str]:
    """The ids of those beyond the bound. They are counted as well, which does no harm: the hour is full."""
    if most == 0:
        return set()
    hours = {mail.id: f"{whose}:{_hour_of(mail):%Y-%m-%dT%H}" for whose, mail in caused}
    expires = {hours[mail.id]: {"expires_at": _hour_of(mail) + _COUNTED_FOR} for _, mail in caused}
    counts = await take_numbers(db, STRANGER_MAILS, Counter(hours.values()), field="count", first=expires)
    too_many = set()
    for _, mail in caused:
        counts[hours[mail.id]] += 1
        if counts[hours[mail.id]] > most:
            too_many.add(mail.id)
    return too_many


def _hour_of(mail: Mail) -> datetime:
    at = cast("datetime", mail.created_at)  # what the ledger has written it also dates
    return at.replace(minute=0, second=0, microsecond=0)
