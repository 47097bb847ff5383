"""Every query and index of the cases database; every read says for whom."""

from services.cases.store import attachments, cases, copies
from services.cases.store.cases import (
    CASES,
    HAS_ROOM,
    CaseNumbers,
    append_entry,
    count_cases,
    each_case,
    find_cases,
    find_entry,
    find_queue,
    find_unverified,
    find_unverified_by_said,
    get_case,
    get_case_with_history,
    get_submitted_case,
    load_row,
    read_order,
    status_becomes,
    visible_to,
)
from services.cases.store.copies import (
    AGREEMENTS,
    COMPANIES,
    DEVICES,
    PRODUCTS,
    SITES,
    USERS,
    find_agreements,
    find_copy,
    find_devices_of,
    find_pins,
)
from shared.mongo import Database


async def create_indexes(db: Database) -> None:
    """Every index of this database."""
    await cases.create_indexes(db)
    await copies.create_indexes(db)
    await attachments.create_indexes(db)


__all__ = [
    "AGREEMENTS",
    "CASES",
    "COMPANIES",
    "DEVICES",
    "HAS_ROOM",
    "PRODUCTS",
    "SITES",
    "USERS",
    "CaseNumbers",
    "append_entry",
    "attachments",
    "count_cases",
    "create_indexes",
    "each_case",
    "find_agreements",
    "find_cases",
    "find_copy",
    "find_devices_of",
    "find_entry",
    "find_pins",
    "find_queue",
    "find_unverified",
    "find_unverified_by_said",
    "get_case",
    "get_case_with_history",
    "get_submitted_case",
    "load_row",
    "read_order",
    "status_becomes",
    "visible_to",
]
