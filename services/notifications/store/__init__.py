"""Every query and index of the notifications database."""

from services.notifications.store import mails, people, strangers
from services.notifications.store.mails import (
    LEASE,
    MAILS,
    find_case_deliveries,
    find_deliveries,
    find_mail_of_link,
    load,
    put_mails,
    suppress_waiting,
)
from services.notifications.store.people import (
    BOUNCING,
    COMPANIES,
    USERS,
    clear_bouncing,
    find_bouncing,
    find_known,
    find_users,
    put_bouncing,
)
from services.notifications.store.preferences import (
    adopt_preferences,
    find_preferences,
    find_preferences_of,
    put_preferences,
    switch_off_case_mails,
    switch_off_kind,
)
from services.notifications.store.sending import (
    Claim,
    Mark,
    claim_mails,
    due_again,
    failed,
    keep_leases,
    mark,
    mark_outcomes,
    mark_sending,
    name_persons,
    put_back,
    put_claimed,
    stumbled,
    suppressed,
)
from services.notifications.store.strangers import StrangerLimits, count_stranger_mails
from services.notifications.store.turns import note_turns
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
    "USERS",
    "Claim",
    "Mark",
    "StrangerLimits",
    "adopt_preferences",
    "claim_mails",
    "clear_bouncing",
    "count_stranger_mails",
    "create_indexes",
    "due_again",
    "failed",
    "find_bouncing",
    "find_case_deliveries",
    "find_deliveries",
    "find_known",
    "find_mail_of_link",
    "find_preferences",
    "find_preferences_of",
    "find_users",
    "keep_leases",
    "load",
    "mark",
    "mark_outcomes",
    "mark_sending",
    "name_persons",
    "note_turns",
    "put_back",
    "put_bouncing",
    "put_claimed",
    "put_mails",
    "put_preferences",
    "stumbled",
    "suppress_waiting",
    "suppressed",
    "switch_off_case_mails",
    "switch_off_kind",
]
