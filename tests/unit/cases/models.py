"""Models of a case, written from the words of its rules and from nothing else, to hold the code against.

A step is an action by one kind of person after some hours. Which person sees a case is told from what stands on it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import settings

# Every run tries the same: what fails on one machine fails on all.
SETTINGS = settings(derandomize=True, database=None, deadline=None)

WHO = ("owner", "contact", "manager", "admin", "colleague", "agent")
_ENDED = ("closed", "cancelled")
_CHANGES = ("contact", "secondary_contact", "site", "parts_address", "severity")


@dataclass(frozen=True)
class Model:
    """What the actions of a case depend on, in plain words; `history` is the kinds of its entries."""

    status: str = "new"
    closed_at: datetime | None = None
    call: str = ""  # or "asked", "confirmed"
    escalation: str = ""  # or "requested", "accepted", "declined"
    confidential: bool = False
    taken: bool = False
    history: tuple[str, ...] = ()

    @property
    def turn(self) -> str | None:
        """Who has to act."""
        if self.status in _ENDED:
            return None
        return "customer" if self.status == "waiting_customer" else "vendor"

    def allowed(self, who: str, now: datetime) -> set[str]:
        """The names of the actions of both sides."""
        return {name for name, is_so in self._both_sides(who, now) if is_so}

    def allowed_to_agents(self, who: str) -> set[str]:
        """The names of the actions of agents."""
        if who != "agent" or self.status in _ENDED:
            return set()
        names = {"assign", "reply", "note", "set_status", "close"}
        names |= set() if self.taken else {"take"}
        names |= {"finish_callback"} if self.call else set()
        names |= {"confirm_callback"} if self.call == "asked" else set()
        return names | ({"accept_escalation", "decline_escalation"} if self.escalation == "requested" else set())

    def _both_sides(self, who: str, now: datetime) -> Iterator[tuple[str, bool]]:
        is_open = self.status not in _ENDED
        may_change = who in ("owner", "manager", "admin", "agent")
        for name in ("comment", "attach"):
            yield name, is_open and (may_change or who == "contact")
        for name in (*(f"change_{what}" for what in _CHANGES), "close", "cancel"):
            yield name, is_open and may_change
        yield "request_callback", is_open and may_change and not self.call
        yield "change_callback", is_open and may_change and bool(self.call)
        yield "cancel_callback", is_open and may_change and bool(self.call)
        yield "request_escalation", is_open and may_change and self.escalation in ("", "declined")
        may_mark = who in ("owner", "admin", "agent")
        yield "mark_confidential", may_mark and not self.confidential
        yield "unmark_confidential", may_mark and self.confidential
        in_time = self.closed_at is not None and now - self.closed_at <= timedelta(days=14)
        yield "reopen", may_change and self.status == "closed" and in_time
        yield "follow_up", may_change and not is_open

    def after(self, action: str, who: str, now: datetime, status: str = "") -> "Model":
        """The case once the action was done; `status` is what an agent sets."""
        changed = replace(self, **(_SETS.get(action, {}) | self._moves(action, who, now, status)))
        return replace(changed, history=(*self.history, _KINDS.get(action, "")))

    def _moves(self, action: str, who: str, now: datetime, status: str) -> dict[str, Any]:
        if action in ("close", "cancel"):
            end = "closed" if action == "close" else "cancelled"
            return {"status": end, "closed_at": now, "call": "", "escalation": ""}
        if action == "reopen":
            return {"status": "in_progress", "closed_at": None}
        if action == "set_status":
            return {"status": status}
        if action in _BEGINS and self.status == "new":
            return {"status": "in_progress"}
        if action in ("comment", "attach") and who != "agent" and self.status == "waiting_customer":
            return {"status": "in_progress"}
        return {}


_BEGINS = (
    *("take", "assign", "reply"),
    *("confirm_callback", "finish_callback", "accept_escalation", "decline_escalation"),
)
_SETS: Mapping[str, dict[str, Any]] = {
    "request_callback": {"call": "asked"},
    "change_callback": {"call": "asked"},
    "cancel_callback": {"call": ""},
    "confirm_callback": {"call": "confirmed"},
    "finish_callback": {"call": ""},
    "request_escalation": {"escalation": "requested"},
    "accept_escalation": {"escalation": "accepted"},
    "decline_escalation": {"escalation": "declined"},
    "mark_confidential": {"confidential": True},
    "unmark_confidential": {"confidential": False},
    "take": {"taken": True},
    "assign": {"taken": True},
}
_KINDS: Mapping[str, str] = {
    "comment": "comment",
    "attach": "attached",
    **{f"change_{what}": f"{what}_changed" for what in _CHANGES},
    "request_callback": "callback_requested",
    "change_callback": "callback_changed",
    "cancel_callback": "callback_cancelled",
    "confirm_callback": "callback_confirmed",
    "finish_callback": "callback_done",
    "request_escalation": "escalation_requested",
    "accept_escalation": "escalation_accepted",
    "decline_escalation": "escalation_declined",
    "mark_confidential": "marked_confidential",
    "unmark_confidential": "unmarked_confidential",
    "close": "closed",
    "cancel": "cancelled",
    "reopen": "reopened",
    "take": "taken",
    "assign": "assigned",
    "reply": "reply",
    "note": "note",
    "set_status": "status_changed",
}


@dataclass(frozen=True)
class Reader:
    """Somebody who may see a case, as the table of roles has it."""

    user: UUID
    company: UUID
    role: str
    visibility: str = "company"
    scope: frozenset[UUID] | None = None  # None: not limited
    main_site: UUID | None = None

    def sees(self, *, company: UUID, own: set[UUID], site: UUID | None, confidential: bool) -> bool:
        """Whether they see a case of this company, whose own it is, at this site."""
        if self.role in ("agent", "vendor_admin"):
            return True
        if self.company != company:
            return False
        if self.role == "company_admin" or self.user in own:
            return True
        return not confidential and self._sees_colleagues_at(site)

    def _sees_colleagues_at(self, site: UUID | None) -> bool:
        if self.role == "member" and self.visibility == "own":
            return False
        sites = self.scope
        if self.role == "member" and self.visibility == "site" and sites is None:
            sites = frozenset() if self.main_site is None else frozenset({self.main_site})
        return site is None or sites is None or site in sites
