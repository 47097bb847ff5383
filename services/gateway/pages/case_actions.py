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
    undone: str = ""  # above the reasons, where it was refused
    entry: str = ""  # the kind of its entry in the history
    history: str = ""  # with the name of who did it, and the new value; empty for what is a message
    values: Mapping[str, str] | None = None  # labels of the new value that the entry carries
    icon: str = ""  # of its entry; a message has the face of its writer

    @property
    def is_message(self) -> bool:
        """Whether its entry is what somebody wrote or sent, and not only that something happened."""
        return not self.history

    @cached_property
    def form(self) -> FormSpec:
        """What is sent."""
        return FormSpec((hidden("action"), hidden("version", json="number"), *self.fields))


_REASON = Field("reason", lazy("Reason"), "area", rows=3, ask=lazy("Enter the reason."))
ROWS = (
    ActionRow(
        name="comment",
        fields=(Field("text", lazy("Message"), "area", rows=1, ask=lazy("Write a message.")), FILES),
        done=lazy("Your message is sent."),
        undone=lazy("Your message was not sent"),
        entry="comment",
    ),
    ActionRow(
        name="attach",
        fields=(FILES,),
        done=lazy("Your files are added."),
        undone=lazy("Your files were not added"),
        entry="attached",
    ),
    ActionRow(
        name="close",
        label=lazy("Close the case"),
        button=lazy("Close the case"),
        explanation=lazy("An e-mail tells everybody on the case. You can reopen it within 14 days."),
        fields=(
            _REASON,
            Field(
                "resolved",
                lazy("Is the problem solved?"),
                "radios",
                json="flag",
                choices=YES_OR_NO,
                ask=lazy("Choose yes or no."),
            ),
        ),
        done=lazy("The case is closed."),
        undone=lazy("The case was not closed"),
        entry="closed",
        history=lazy("%(name)s closed the case"),
        icon="check",
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
        undone=lazy("The case was not cancelled"),
        entry="cancelled",
        history=lazy("%(name)s cancelled the case"),
        icon="leave",
    ),
    ActionRow(
        name="reopen",
        label=lazy("Reopen the case"),
        button=lazy("Reopen the case"),
        explanation=lazy("We continue to work on it."),
        fields=(_REASON,),
        done=lazy("The case is open again."),
        undone=lazy("The case was not reopened"),
        entry="reopened",
        history=lazy("%(name)s reopened the case"),
        icon="case",
    ),
    ActionRow(
        name="change_severity",
        label=lazy("Change the severity"),
        button=lazy("Change the severity"),
        explanation=lazy("The support agents see it at once."),
        fields=(
            Field(
                "severity",
                lazy("Severity"),
                "select",
                json="number",
                choices=labels.severity_choices,
                ask=lazy("Choose a severity."),
            ),
        ),
        done=lazy("The severity is changed."),
        undone=lazy("The severity was not changed"),
        entry="severity_changed",
        history=lazy("%(name)s changed the severity to %(new)s"),
        values=labels.severities,
        icon="info",
    ),
    ActionRow(name="submit", entry="created", history=lazy("%(name)s created the case"), icon="case"),
    # Agents do these by the API.
    ActionRow(name="take", entry="taken", history=lazy("%(name)s took the case"), icon="person"),
    ActionRow(
        name="assign", entry="assigned", history=lazy("%(name)s assigned the case to %(new)s"), values={}, icon="person"
    ),
    ActionRow(
        name="set_status",
        entry="status_changed",
        history=lazy("%(name)s changed the status to %(new)s"),
        values=labels.statuses,
        icon="clock",
    ),
    ActionRow(name="reply", entry="reply"),
    ActionRow(name="note", entry="note"),
)
ACTIONS: Mapping[str, ActionRow] = {row.name: row for row in ROWS if row.done}
BY_ENTRY: Mapping[str, ActionRow] = {row.entry: row for row in ROWS}
# The fields of whichever action was posted, for a form that could not be sent.
ANY_ACTION = FormSpec(tuple({field.name: field for row in ROWS for field in row.fields}.values()))
