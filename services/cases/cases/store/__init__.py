"""Every query and index of cases; every read says for whom."""

from services.cases.cases.store.cases import (
    CASES,
    NO_LINKS,
    Links,
    find_links,
    find_unverified,
    find_unverified_by_said,
    get_case,
    get_pass,
    visible_to,
)
from services.cases.cases.store.counters import keep_counting, recount
from services.cases.cases.store.counts import count_cases
from services.cases.cases.store.finding import find_cases
from services.cases.cases.store.groups import find_groups
from services.cases.cases.store.history import (
    History,
    append_entry,
    find_entry,
    get_case_with_history,
    get_history,
    get_submitted_case,
    history_as_written,
    turn_at,
)
from services.cases.cases.store.indexes import create_indexes
from services.cases.cases.store.lists import read_order
from services.cases.cases.store.marks import NO_MARK, Mark, add_favourite, find_marks, record_visit, remove_favourite
from services.cases.cases.store.news import find_news, save_case
from services.cases.cases.store.numbers import CaseNumbers, keep_counter_seen, skip_after_restore
from services.cases.cases.store.queues import count_queues, find_queue
from services.cases.cases.store.telling import read_telling
from services.cases.cases.store.turn_times import TurnTimes, find_turn_times
from services.cases.cases.store.waiting import find_waiting

__all__ = [
    "CASES",
    "NO_LINKS",
    "NO_MARK",
    "CaseNumbers",
    "History",
    "Links",
    "Mark",
    "TurnTimes",
    "add_favourite",
    "append_entry",
    "count_cases",
    "count_queues",
    "create_indexes",
    "find_cases",
    "find_entry",
    "find_groups",
    "find_links",
    "find_marks",
    "find_news",
    "find_queue",
    "find_turn_times",
    "find_unverified",
    "find_unverified_by_said",
    "find_waiting",
    "get_case",
    "get_case_with_history",
    "get_history",
    "get_pass",
    "get_submitted_case",
    "history_as_written",
    "keep_counter_seen",
    "keep_counting",
    "read_order",
    "read_telling",
    "record_visit",
    "recount",
    "remove_favourite",
    "save_case",
    "skip_after_restore",
    "turn_at",
    "visible_to",
]
