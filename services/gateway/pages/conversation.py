"""The history of a case as a conversation: the problem first, the newest last, and what lies between them folded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

_Entry = Mapping[str, Any]

_IN_SIGHT = 6
_FOLDED_AT_LEAST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A part of the history, oldest first: the newest entries, or older ones that were asked for."""

    number: str
    files: Sequence[Mapping[str, Any]]  # of the problem
    folded: Sequence[_Entry]
    entries: Sequence[_Entry]
    total: int
    hidden: int  # of this part, because only messages are shown
    only_messages: bool
    is_newest: bool
    older: str | None

    @classmethod
    def of(cls, case: Mapping[str, Any], page: Mapping[str, Any] | None, *, only_messages: bool) -> "Conversation":
        """What came with the case, or the page of older entries that was asked for."""
        items: Sequence[_Entry] = case["history"] if page is None else page["items"]
        later = [entry for entry in items if entry["kind"] != "created"]
        shown = [entry for entry in later if not only_messages or _says_something(entry)]
        folded = len(shown) - _IN_SIGHT if page is None else 0
        folded = folded if folded >= _FOLDED_AT_LEAST else 0
        return cls(
            number=case["number"],
            files=case.get("submitted_attachments", ()),
            folded=shown[:folded],
            entries=shown[folded:],
            total=case.get("history_total", len(items)),
            hidden=len(later) - len(shown),
            only_messages=only_messages,
            is_newest=page is None,
            older=case.get("history_cursor") if page is None else page.get("next_cursor"),
        )

    @property
    def is_whole(self) -> bool:
        """Whether this part is all that there is."""
        return self.is_newest and not self.older

    def address(self, *, before: str | None = None, only_messages: bool = False) -> str:
        """Of a part of the conversation."""
        wanted = {"before": before, "show": "messages" if only_messages else None}
        query = urlencode({name: value for name, value in wanted.items() if value})
        return f"/cases/{self.number}" + (f"?{query}" if query else "")


def _says_something(entry: _Entry) -> bool:
    return bool(entry.get("text") or entry.get("attachments"))
