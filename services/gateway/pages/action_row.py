"""What pages know of an action on a case: its menu entry, form, confirmation, and its entry in the history."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Self

from services.gateway.fields import Field, FormSpec, hidden

# Parts of the menu, in the order of the page: who has the case, what people ask for, its details, its end.
Group = Literal["work", "ask", "details", "end"]
GROUPS: tuple[Group, ...] = ("work", "ask", "details", "end")


@dataclass(frozen=True, kw_only=True)
class ActionRow:
    """An action, by the name that the API knows it by. What a page does not offer yet has only its history."""

    name: str
    label: str = ""  # in the menu, and above its form; empty for what has a place of its own on the page
    label_first: str = ""  # and on its button, where the case has none yet of what it changes
    changed: str = ""  # the part of the case that may not be there yet
    button: str = ""
    explanation: str = ""
    explanation_for_vendor: str = ""  # where the other side reads something else
    dismiss: str = ""  # the way out of the form, where "Cancel" could be taken for the action
    is_danger: bool = False  # it cannot be undone
    is_of_vendor: bool = False  # it goes to the agents' route
    group: Group = "details"
    part: Literal["", "contact", "place", "parts", "callback"] = ""  # of case_action_parts.html, for its fields
    fields: tuple[Field, ...] = ()
    done: str = ""  # on the page that is shown next
    undone: str = ""  # above the reasons, where it was refused
    entry: str = ""  # the kind of its entry in the history
    history: str = ""  # with the name of who did it, and both values; empty for what is a message
    history_first: str = ""  # where there was no value before
    history_last: str = ""  # where there is none any more
    value: Literal["", "text", "severity", "status", "callback"] = ""  # how the values of the entry are read
    icon: str = ""  # of its entry; a message has the face of its writer

    @property
    def is_message(self) -> bool:
        """Whether its entry is what somebody wrote or sent, and not only that something happened."""
        return not self.history

    @cached_property
    def form(self) -> FormSpec:
        """What is sent."""
        return FormSpec((hidden("action"), hidden("version", json="number"), *self.fields))

    def worded_for(self, case: Mapping[str, Any]) -> Self:
        """The same with the words for what the case has now."""
        if not self.label_first or case.get(self.changed):
            return self
        return replace(self, label=self.label_first, button=self.label_first)

    def sentence(self, changes: Mapping[str, Any]) -> str:
        """The words of its entry, by which of its values there are."""
        if self.history_last and not changes.get("to"):
            return self.history_last
        return self.history_first if self.history_first and not changes.get("from") else self.history
