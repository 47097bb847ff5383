"""Counts the case mails to strangers (addresses that no user signs in with) per user, company and hour.

All counts of a company's hour are one document, its users' too. Older versions count users' elsewhere: in the hour of
an upgrade a user has the bound twice.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from pymongo import ASCENDING

from services.notifications.domain.mails import KEPT_FOR, Mail
from services.notifications.store.counters import Counters, count_up
from shared.mongo import Database, Document

STRANGER_MAILS = "stranger_mails"

# For as long as a mail of that hour may still wait.
_COUNTED_FOR = KEPT_FOR + timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class StrangerLimits:
    """The most case mails to strangers in an hour; 0 for no bound."""

    per_user: int = 30
    per_company: int = 300

    def allow(self, of_company: int, of_user: int) -> bool:
        """Whether there may be one more than so many."""
        return (of_company < self.per_company or not self.per_company) and (
            of_user < self.per_user or not self.per_user
        )


async def create_indexes(db: Database) -> None:
    """Old counts are removed."""
    await db[STRANGER_MAILS].create_index([("expires_at", ASCENDING)], expireAfterSeconds=0)


async def count_stranger_mails(
    db: Database, mails: Sequence[Mail], limits: StrangerLimits, *, of_users: Collection[str]
) -> set[str]:
    """Counts mails in the hours in which they were caused, however late they go; the ids of those that are too many.

    `of_users` are the ids of those that count for the user who caused them, too.
    """
    of_hours: dict[str, list[Mail]] = {}
    for mail in mails:
        of_hours.setdefault(f"company:{mail.company_id}:{_hour_of(mail):%Y-%m-%dT%H}", []).append(mail)
    fitting: dict[str, set[str]] = {}

    def counted(hour: str, stood: Counters) -> Document:
        before = stood.get(hour, {})
        count: int = before.get("count", 0)
        of_user: Counter[str] = Counter(before.get("users", {}))
        fitting[hour] = set()
        changes: Document = {"expires_at": _hour_of(of_hours[hour][0]) + _COUNTED_FOR}
        for mail in of_hours[hour]:
            user = str(mail.caused_by)
            if limits.allow(count, of_user[user] if mail.id in of_users else 0):
                fitting[hour].add(mail.id)
                count += 1
                if mail.id in of_users:
                    of_user[user] += 1
                    changes[f"users.{user}"] = of_user[user]
        return {**changes, "count": count}

    await count_up(db, STRANGER_MAILS, of_hours, counted, field="count")
    return {mail.id for mail in mails}.difference(*fitting.values())


def _hour_of(mail: Mail) -> datetime:
    at = cast("datetime", mail.created_at)  # what the ledger has written it also dates
    return at.replace(minute=0, second=0, microsecond=0)
