"""Every query and index of the cases database; every read says for whom."""

from services.cases.store import attachments, cases, copies, exports, uncited
from services.cases.store.cases import (
    CASES,
    CaseNumbers,
    count_cases,
    find_cases,
    find_queue,
    find_unverified,
    find_unverified_by_said,
    get_case,
    load_row,
    read_order,
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
from services.cases.store.disk import Disk
from services.cases.store.history import (
    HAS_ROOM,
    History,
    append_entry,
    find_entry,
    get_case_with_history,
    get_history,
    get_submitted_case,
    status_becomes,
)
from shared import quotas
from shared.mongo import Database


async def create_indexes(db: Database) -> None:
    """Every index of this database."""
    await cases.create_indexes(db)
    await copies.create_indexes(db)
    await attachments.create_indexes(db)
    await quotas.create_indexes(db)


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
    "Disk",
    "History",
    "append_entry",
    "attachments",
    "count_cases",
    "create_indexes",
    "exports",
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
    "get_history",
    "get_submitted_case",
    "load_row",
    "read_order",
    "status_becomes",
    "uncited",
    "visible_to",
]
