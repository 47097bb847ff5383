"""Actions on a case, one row each: its menu entry, form, confirmation, and its entry in the history."""

from collections.abc import Mapping
from typing import Any

from services.gateway.fields import FILES, YES_OR_NO, Field, FormSpec
from services.gateway.pages.action_row import GROUPS, ActionRow
from services.gateway.pages.case_calls import CALLS, REASON
from services.gateway.pages.case_changes import CHANGES, SEVERITY
from services.gateway.texts import lazy

_MESSAGES = (
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
    ActionRow(name="submit", entry="created", history=lazy("%(name)s created the case"), icon="case"),
    # Agents write these in a place of their own.
    ActionRow(name="reply", entry="reply"),
    ActionRow(name="note", entry="note"),
)
_WORK = (
    ActionRow(
        name="take",
        label=lazy("Take the case"),
        button=lazy("Take the case"),
        explanation=lazy("You look after it from now on, and the customer reads your name."),
        is_of_vendor=True,
        group="work",
        done=lazy("You have taken the case."),
        undone=lazy("You have not taken the case"),
        entry="taken",
        history=lazy("%(name)s took the case"),
        icon="person",
    ),
    ActionRow(
        name="assign",
        label=lazy("Assign the case"),
        button=lazy("Assign the case"),
        explanation=lazy("The agent looks after it from now on, and the customer reads the name."),
        is_of_vendor=True,
        group="work",
        fields=(Field("agent_id", lazy("Support agent"), "select", is_id=True, ask=lazy("Choose an agent.")),),
        done=lazy("The case is assigned."),
        undone=lazy("The case was not assigned"),
        entry="assigned",
        history=lazy("%(name)s assigned the case to %(new)s"),
        value="text",
        icon="person",
    ),
    ActionRow(
        name="set_status",
        label=lazy("Change the status"),
        button=lazy("Change the status"),
        explanation=lazy("The customer sees it at once, and whose turn it is."),
        is_of_vendor=True,
        group="work",
        fields=(Field("status", lazy("Status"), "select", ask=lazy("Choose a status.")),),
        done=lazy("The status is changed."),
        undone=lazy("The status was not changed"),
        entry="status_changed",
        history=lazy("%(name)s changed the status to %(new)s"),
        value="status",
        icon="clock",
    ),
    ActionRow(
        name="change_severity",
        label=lazy("Change the severity"),
        button=lazy("Change the severity"),
        explanation=lazy("The support agents see it at once."),
        explanation_for_vendor=lazy("The customer sees it at once."),
        group="ask",
        fields=(SEVERITY,),
        done=lazy("The severity is changed."),
        undone=lazy("The severity was not changed"),
        entry="severity_changed",
        history=lazy("%(name)s changed the severity from %(old)s to %(new)s"),
        value="severity",
        icon="info",
    ),
)
_END = (
    ActionRow(
        name="reopen",
        label=lazy("Reopen the case"),
        button=lazy("Reopen the case"),
        explanation=lazy("We continue to work on it."),
        group="end",
        fields=(REASON,),
        done=lazy("The case is open again."),
        undone=lazy("The case was not reopened"),
        entry="reopened",
        history=lazy("%(name)s reopened the case"),
        icon="case",
    ),
    ActionRow(
        name="close",
        label=lazy("Close the case"),
        button=lazy("Close the case"),
        explanation=lazy("An e-mail tells everybody on the case. You can reopen it within 14 days."),
        explanation_for_vendor=lazy("An e-mail tells everybody on the case. It can be reopened within 14 days."),
        group="end",
        fields=(
            REASON,
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
        group="end",
        fields=(REASON,),
        done=lazy("The case is cancelled."),
        undone=lazy("The case was not cancelled"),
        entry="cancelled",
        history=lazy("%(name)s cancelled the case"),
        icon="leave",
    ),
)
# In the order of the menu.
ROWS = (*_MESSAGES, *_WORK[:3], *CALLS, *_WORK[3:], *CHANGES, *_END)
ACTIONS: Mapping[str, ActionRow] = {row.name: row for row in ROWS if row.done}
BY_ENTRY: Mapping[str, ActionRow] = {row.entry: row for row in ROWS if row.entry}
_OTHER_ENTRY = ActionRow(name="other", entry="other", history=lazy("%(name)s changed the case"), icon="info")
# The fields of whichever action was posted, for a form that could not be sent.
ANY_ACTION = FormSpec(tuple({field.name: field for row in ROWS for field in row.fields}.values()))


def row_of_entry(kind: str) -> ActionRow:
    """What pages know of an entry; of a kind that only newer releases have, that something has changed."""
    return BY_ENTRY.get(kind, _OTHER_ENTRY)


def allowed(case: Mapping[str, Any], *, by_vendor: bool) -> list[ActionRow]:
    """What the services allow this visitor to do now, of what has a form of its own, in the order of the menu."""
    names = set(case["allowed_actions"])
    of_vendor = set(case.get("allowed_agent_actions", ())) if by_vendor else set()
    rows = [row for row in ACTIONS.values() if row.label and row.name in (of_vendor if row.is_of_vendor else names)]
    return [row.worded_for(case) for row in rows]


def menu(case: Mapping[str, Any], *, by_vendor: bool) -> list[list[ActionRow]]:
    """The same in the parts of the menu; none of them is empty."""
    rows = allowed(case, by_vendor=by_vendor)
    parts = [[row for row in rows if row.group == group] for group in GROUPS]
    return [part for part in parts if part]
