"""Every query and index of the notifications database."""

from services.notifications.store import mails, people, strangers
from services.notifications.store.mails import (
    LEASE,
    MAILS,
    UnreadableRow,
    claim_mail,
    find_before,
    find_deliveries,
    find_mail_of_link,
    keep_sending,
    load,
    mark_counted,
    mark_due_again,
    mark_failed,
    mark_outcome,
    mark_sending,
    mark_stumble,
    mark_suppressed,
    name_person,
    put_mails,
    suppress_waiting,
)
from services.notifications.store.people import (
    BOUNCING,
    COMPANIES,
    USERS,
    clear_bouncing,
    find_bouncing,
    find_key,
    find_person,
    is_bouncing,
    is_suspended,
    put_bouncing,
)
from services.notifications.store.preferences import (
    PREFERENCES,
    adopt_preferences,
    find_preferences,
    put_preferences,
    switch_off_case_mails,
    switch_off_kind,
)
from services.notifications.store.strangers import StrangerLimits, count_stranger_mail
from services.notifications.store.turns import TURNS, note_turn
from shared.mongo import Database


async def create_indexes(db: Database) -> None:
    """Every index of this database."""
    await mails.create_indexes(db)
    await people.create_indexes(db)
    await strangers.create_indexes(db)


__all__ = [
    "BOUNCING",
    "COMPANIES",
    "LEASE",
    "MAILS",
    "PREFERENCES",
    "TURNS",
    "USERS",
    "StrangerLimits",
    "UnreadableRow",
    "adopt_preferences",
    "claim_mail",
    "clear_bouncing",
    "count_stranger_mail",
    "create_indexes",
    "find_before",
    "find_bouncing",
    "find_deliveries",
    "find_key",
    "find_mail_of_link",
    "find_person",
    "find_preferences",
    "is_bouncing",
    "is_suspended",
    "keep_sending",
    "load",
    "mark_counted",
    "mark_due_again",
    "mark_failed",
    "mark_outcome",
    "mark_sending",
    "mark_stumble",
    "mark_suppressed",
    "name_person",
    "note_turn",
    "put_bouncing",
    "put_mails",
    "put_preferences",
    "suppress_waiting",
    "switch_off_case_mails",
    "switch_off_kind",
]
