"""Every action on a case has its row: words for the page, fields that its route takes, and words for its entry."""

from collections.abc import Mapping
from typing import get_args

import pytest
from pydantic import BaseModel

from services.cases.cases.domain.values import EntryKind
from services.gateway.pages.case_actions import ACTIONS, ANY_ACTION, BY_ENTRY, ActionRow
from shared.i18n import reading_in
from shared.schemas.case_actions import CaseActionUnion

BODIES: Mapping[str, type[BaseModel]] = {
    get_args(body.model_fields["action"].annotation)[0]: body for body in get_args(get_args(CaseActionUnion)[0])
}


def test_a_customer_can_do_on_the_page_what_the_route_takes() -> None:
    assert set(ACTIONS) == set(BODIES)


@pytest.mark.parametrize("row", ACTIONS.values(), ids=lambda row: row.name)
def test_an_action_asks_for_what_its_route_takes(row: ActionRow) -> None:
    body = BODIES[row.name]
    asked = {field.name for field in row.fields}
    required = {name for name, field in body.model_fields.items() if field.is_required()}
    assert asked <= set(body.model_fields)
    assert required - {"action", "version"} <= asked
    assert {field.name for field in row.form.shown} == asked


@pytest.mark.parametrize("row", ACTIONS.values(), ids=lambda row: row.name)
def test_an_action_has_all_its_words(row: ActionRow) -> None:
    assert row.done
    assert row.undone
    if row.label:
        assert row.button
        assert row.explanation


def test_every_kind_of_entry_is_a_message_or_has_words_and_a_picture() -> None:
    assert set(BY_ENTRY) == {kind.value for kind in EntryKind}
    assert {kind for kind, row in BY_ENTRY.items() if row.is_message} == {"comment", "attached", "reply", "note"}
    events = [row for row in BY_ENTRY.values() if not row.is_message]
    assert all(row.icon for row in events)
    # Whole sentences: another language has another order.
    assert all("%(name)s" in row.history and ("%(new)s" in row.history) == (row.values is not None) for row in events)
    with reading_in("fr"):
        assert BY_ENTRY["closed"].history == "%(name)s a clôturé le dossier"


def test_a_field_is_called_the_same_in_every_action() -> None:
    """A form that could not be sent shows its fields by these names, whichever action it was."""
    for row in ACTIONS.values():
        for field in row.fields:
            assert field.label == ANY_ACTION.by_name[field.name].label
