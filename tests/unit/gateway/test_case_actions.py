"""Every action on a case has its row: words for the page, fields that its route takes, and words for its entry."""

from collections.abc import Mapping
from typing import get_args

import pytest
from pydantic import BaseModel

from services.cases.cases.domain.values import EntryKind
from services.gateway.pages.action_row import GROUPS, ActionRow
from services.gateway.pages.case_actions import ACTIONS, ANY_ACTION, BY_ENTRY, ROWS, allowed, menu, row_of_entry
from shared.i18n import reading_in
from shared.schemas.case_actions import AgentActionUnion, CaseActionUnion


def _bodies(union: object) -> Mapping[str, type[BaseModel]]:
    found = get_args(get_args(union)[0])
    return {get_args(body.model_fields["action"].annotation)[0]: body for body in found}


BODIES, OF_VENDOR = _bodies(CaseActionUnion), _bodies(AgentActionUnion)
# Agents do these elsewhere on the page; an end has the same form for both sides.
ELSEWHERE = {"reply", "note", "close"}
# What a page asks to know which of its other fields count.
ASIDE = {"who", "colleague_id", "where", "parts", "when", "date", "from", "to"}


def test_everything_that_the_routes_take_can_be_done_on_the_page() -> None:
    assert {row.name for row in ACTIONS.values() if not row.is_of_vendor} == set(BODIES)
    assert {row.name for row in ACTIONS.values() if row.is_of_vendor} == set(OF_VENDOR) - ELSEWHERE


@pytest.mark.parametrize("row", ACTIONS.values(), ids=lambda row: row.name)
def test_an_action_asks_for_what_its_route_takes(row: ActionRow) -> None:
    body = (OF_VENDOR if row.is_of_vendor else BODIES)[row.name]
    asked = {field.name.partition(".")[0] for field in row.fields} - ASIDE
    asked |= {"at"} if row.part == "callback" else set()
    asked |= {"parts_address"} if row.part == "parts" else set()
    required = {name for name, field in body.model_fields.items() if field.is_required()}
    assert asked <= set(body.model_fields)
    assert required - {"action", "version"} <= asked


@pytest.mark.parametrize("row", ACTIONS.values(), ids=lambda row: row.name)
def test_an_action_has_all_its_words(row: ActionRow) -> None:
    assert row.done
    assert row.undone
    if row.label:
        assert row.button
        assert row.explanation


def test_every_kind_of_entry_is_a_message_or_has_words_and_a_picture() -> None:
    assert set(BY_ENTRY) == {kind.value for kind in EntryKind} - {"other"}
    assert {kind for kind, row in BY_ENTRY.items() if row.is_message} == {"comment", "attached", "reply", "note"}
    events = [row for row in BY_ENTRY.values() if not row.is_message]
    assert all(row.icon for row in events)
    # Whole sentences: another language has another order.
    assert all("%(name)s" in row.history for row in events)
    assert all(("%(" in row.history.replace("%(name)s", "")) == bool(row.value) for row in events)
    with reading_in("fr"):
        assert BY_ENTRY["closed"].history == "%(name)s a clôturé le dossier"


@pytest.mark.parametrize("kind", ["other", "teleported"])
def test_of_an_entry_that_only_newer_releases_know_it_is_said_that_something_changed(kind: str) -> None:
    assert row_of_entry(kind).sentence({}) == "%(name)s changed the case"
    with reading_in("fr"):
        assert row_of_entry(kind).sentence({}) == "%(name)s a modifié le dossier"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"from": "Luc", "to": "Eva"}, "%(name)s changed the other contact from %(old)s to %(new)s"),
        ({"from": None, "to": "Eva"}, "%(name)s added %(new)s as other contact"),
        ({"from": "Luc", "to": None}, "%(name)s removed %(old)s as other contact"),
    ],
)
def test_an_entry_names_the_values_that_there_are(changes: Mapping[str, str], said: str) -> None:
    assert ACTIONS["change_secondary_contact"].sentence(changes) == said


def test_a_field_is_called_the_same_in_every_action() -> None:
    """A form that could not be sent shows its fields by these names, whichever action it was."""
    for row in ACTIONS.values():
        for field in row.fields:
            assert field.label == ANY_ACTION.by_name[field.name].label


# The menu


def test_the_menu_has_what_the_services_allow_and_nothing_else() -> None:
    case = {"allowed_actions": ["close", "comment", "take", "fly"], "allowed_agent_actions": ["take", "close"]}
    assert [row.name for row in allowed(case, by_vendor=False)] == ["close"]
    assert [row.name for row in allowed(case, by_vendor=True)] == ["take", "close"]


def test_the_menu_begins_with_the_work_and_ends_with_what_cannot_be_undone() -> None:
    labelled = [row for row in ROWS if row.label]
    names = [row.name for row in labelled]
    parts = menu({"allowed_actions": names, "allowed_agent_actions": names}, by_vendor=True)
    assert [part[0].group for part in parts] == list(GROUPS)
    shown = [row for part in parts for row in part]
    assert sorted(row.name for row in shown) == sorted(names)
    assert [row.name for row in shown if row.is_danger] == [shown[-1].name] == ["cancel"]


def test_a_part_of_the_menu_in_which_nothing_is_allowed_is_left_out() -> None:
    assert [[row.name for row in part] for part in menu({"allowed_actions": ["cancel"]}, by_vendor=False)] == [
        ["cancel"]
    ]
