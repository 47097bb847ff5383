"""What a case is and what may be done to it; pure values."""

from services.cases.domain.case import MAX_ENTRIES, MAX_HISTORY_BYTES, REOPEN_WITHIN, Case
from services.cases.domain.numbers import CheckNumber, case_number, read_case_number
from services.cases.domain.refusals import AlreadyTaken, CaseIsClosed, CaseIsFull, CaseIsOpen, ReopenTooLate
from services.cases.domain.values import (
    OPEN,
    Contact,
    Entry,
    Equipment,
    Person,
    PostalAddress,
    Problem,
    Status,
    person_of,
)

__all__ = [
    "MAX_ENTRIES",
    "MAX_HISTORY_BYTES",
    "OPEN",
    "REOPEN_WITHIN",
    "AlreadyTaken",
    "Case",
    "CaseIsClosed",
    "CaseIsFull",
    "CaseIsOpen",
    "CheckNumber",
    "Contact",
    "Entry",
    "Equipment",
    "Person",
    "PostalAddress",
    "Problem",
    "ReopenTooLate",
    "Status",
    "case_number",
    "person_of",
    "read_case_number",
]
