"""Actions on a case, one row each: its menu entry, dialog, fields, confirmation, and its entry in the history."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from services.gateway import labels
from services.gateway.fields import FILES, YES_OR_NO, Field, FormSpec, hidden
from services.gateway.texts import lazy


@dataclass(frozen=True, kw_only=True)
class ActionRow:
    """An action, by the name that the API knows it by. What a page does not offer yet has only its history."""

    name: str
    label: str = ""  # in the menu, and above its dialog; empty for what has a place of its own on the page
    button: str = ""
    explanation: str = ""
    dismiss: str = ""  # the way out of the dialog, where "Cancel" could be taken for the action
    is_danger: bool = False  # it cannot be undone
    fields: tuple[Field, ...] = ()
    done: str = ""  # on the page that is shown next
    entry: str = ""  # the kind of its entry in the history
    history: str = ""  # what the entry says, behind the name of who did it
    values: Mapping[str, str] | None = None  # labels of the new value that the entry carries

    @cached_property
    def form(self) -> FormSpec:
        """What is sent."""
        return FormSpec((hidden("action"), hidden("version", json="number"), *self.fields))


_REASON = Field("reason", lazy("Reason"), "area", rows=3)
ROWS = (
    ActionRow(
        name="comment",
        fields=(Field("text", lazy("Comment"), "area", rows=3), FILES),
        done=lazy("Your comment is added."),
        entry="comment",
        history=lazy("wrote"),
    ),
    ActionRow(
        name="attach",
        fields=(FILES,),
        done=lazy("Your files are added."),
        entry="attached",
        history=lazy("attached files"),
    ),
    ActionRow(
        name="close",
        label=lazy("Close"),
        button=lazy("Close the case"),
        explanation=lazy("An e-mail tells everybody on the case. You can reopen it within 14 days."),
        fields=(
            _REASON,
            Field("resolved", lazy("Is the problem solved?"), "radios", json="flag", choices=YES_OR_NO),
        ),
        done=lazy("The case is closed."),
        entry="closed",
        history=lazy("closed the case"),
    ),
    ActionRow(
        name="cancel",
        label=lazy("Cancel the case"),
        button=lazy("Cancel the case"),
        explanation=lazy(
            "We stop working on it, and an e-mail tells everybody on the case. A cancelled case cannot be reopened."
        ),
        dismiss=lazy("Keep the case as it is"),
        is_danger=True,
        fields=(_REASON,),
        done=lazy("The case is cancelled."),
        entry="cancelled",
        history=lazy("cancelled the case"),
    ),
    ActionRow(
        name="reopen",
        label=lazy("Reopen"),
        button=lazy("Reopen the case"),
        explanation=lazy("We continue to work on it."),
        fields=(_REASON,),
        done=lazy("The case is open again."),
        entry="reopened",
        history=lazy("reopened the case"),
    ),
    ActionRow(
        name="change_severity",
        label=lazy("Change severity"),
        button=lazy("Change the severity"),
        explanation=lazy("The support agents see it at once."),
        fields=(Field("severity", lazy("Severity"), "select", json="number", choices=labels.severity_choices),),
        done=lazy("The severity is changed."),
        entry="severity_changed",
        history=lazy("changed the severity"),
        values=labels.severities,
    ),
    ActionRow(name="submit", entry="created", history=lazy("created the case")),
    # Agents do these by the API.
    ActionRow(name="take", entry="taken", history=lazy("took the case")),
    ActionRow(name="assign", entry="assigned", history=lazy("assigned the case"), values={}),
    ActionRow(name="set_status", entry="status_changed", history=lazy("changed the status"), values=labels.statuses),
    ActionRow(name="reply", entry="reply", history=lazy("answered")),
    ActionRow(name="note", entry="note", history=lazy("noted for agents only")),
)
ACTIONS: Mapping[str, ActionRow] = {row.name: row for row in ROWS if row.done}
BY_ENTRY: Mapping[str, ActionRow] = {row.entry: row for row in ROWS}
# The fields of whichever action was posted, for a form that could not be sent.
ANY_ACTION = FormSpec(tuple({field.name: field for row in ROWS for field in row.fields}.values()))
