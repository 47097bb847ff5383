"""What is wrong with a request is said of the fields that were sent, in words of ours, once for each."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from shared.schemas.attachments import AttachmentIds
from shared.schemas.base import Request
from shared.schemas.case_actions import AgentAction, CaseAction
from shared.schemas.cases import CaseQuery, SubmitCase
from shared.schemas.contracts import CoverageQuery, NewAgreement
from shared.schemas.identity import NewInvitations, SignIn
from shared.schemas.notifications import BouncingQuery, PreferencesBody
from shared.web.validation import field_errors

_STATUSES = ["new", "in_progress", "waiting_customer", "waiting_parts", "closed", "cancelled", "open"]


def _errors(model: type[BaseModel], sent: object) -> dict[str, tuple[str, Any]]:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(sent)
    found = field_errors(refused.value, model, at_most=100)
    assert len({error.field for error in found}) == len(found)
    assert not [error for error in found if "Input" in error.message or "[" in error.field]
    return {error.field: (error.code, dict(error.params)) for error in found}


def test_the_kind_of_an_action_is_no_part_of_a_fields_name() -> None:
    assert _errors(CaseAction, {"action": "close", "version": 1}) == {
        "reason": ("missing", {}),
        "resolved": ("missing", {}),
    }


@pytest.mark.parametrize("sent", [{"action": "delete"}, {}])
def test_an_action_that_there_is_not_is_wrong_at_its_own_field(sent: object) -> None:
    ((field, (code, params)),) = _errors(AgentAction, sent).items()
    assert (field, code.startswith("union_tag")) == ("action", True)
    assert {"take", "assign", "reply", "note"} <= set(params["allowed"])


def test_what_is_no_object_is_wrong_as_a_whole() -> None:
    assert _errors(CaseAction, []) == {"body": ("model_attributes_type", {})}


@pytest.mark.parametrize("sent", ["foo", ["new", "foo"]])
def test_a_field_of_several_kinds_is_named_once_with_all_that_it_takes(sent: object) -> None:
    assert _errors(CaseQuery, {"status": sent}) == {"status": ("literal_error", {"allowed": _STATUSES})}


def test_a_key_is_named_without_saying_that_it_is_one() -> None:
    assert _errors(PreferencesBody, {"case_emails": True, "kinds": {"x": True, "case_created": 3}}) == {
        "kinds.x": ("literal_error", {"allowed": ["case_created", "case_closed"]}),
        "kinds.case_created": ("bool_parsing", {}),
    }


def test_choices_are_said_as_they_are_sent() -> None:
    wrong = _errors(NewInvitations, {"invitations": [{"email": "a@example.com", "role": "boss"}, 3]})
    assert wrong == {
        "invitations.0.role": ("literal_error", {"allowed": ["member", "case_manager", "company_admin"]}),
        "invitations.1": ("model_type", {}),
    }
    kinds = ["service_contract", "warranty_extension", "base_warranty"]
    assert _errors(NewAgreement, {"kind": "x"})["kind"] == ("enum", {"allowed": kinds})


def test_of_fields_that_exclude_each_other_those_are_named_that_were_sent() -> None:
    ways = {"fields": ["serial", "said", "product_number"]}
    of_none = _errors(CoverageQuery, {})
    assert {field: code for field, (code, _params) in of_none.items()} == dict.fromkeys(ways["fields"], "exactly_one")
    of_two = _errors(CoverageQuery, {"serial": "SN-1", "said": "SA-1"})
    assert list(of_two) == ["serial", "said"]
    assert {params["fields"] == ways["fields"] for _code, params in of_two.values()} == {True}


def test_limits_are_told_as_values() -> None:
    assert _errors(CaseQuery, {"limit": "201", "created_from": "1800-01-01", "sort": "x" * 51}) == {
        "limit": ("less_than_equal", {"limit": 200}),
        "created_from": ("greater_than_equal", {"limit": "1900-01-01", "reason": "date"}),
        "sort": ("string_too_long", {"limit": 50}),
    }
    assert _errors(SignIn, {"email": "a@example.com", "password": ""}) == {
        "password": ("string_too_short", {"limit": 1, "reason": "empty"})
    }


def test_fields_within_fields_are_named_by_their_whole_path() -> None:
    wrong = _errors(SubmitCase, {"contact": {"email": "x", "strange": {"a": 1}}, "attachment_ids": ["a", 1]})
    assert wrong["contact.email"] == ("email", {"reason": "no_at"})
    assert wrong["contact.strange"] == ("extra_forbidden", {})
    assert wrong["contact.first_name"] == ("missing", {})
    assert wrong["attachment_ids.1"] == ("string_type", {})


def test_one_of_several_values_of_a_parameter_is_named_by_its_place() -> None:
    assert _errors(BouncingQuery, {"email": ["a@example.com", "nobody"]}) == {"email.1": ("email", {"reason": "no_at"})}


class _Files(Request):
    files: AttachmentIds


def test_rules_of_our_own_keep_their_words() -> None:
    with pytest.raises(ValidationError) as refused:
        _Files.model_validate({"files": ["a", "a"]})
    (error,) = field_errors(refused.value, _Files, at_most=1)
    assert (error.field, error.code, error.message) == ("files", "unique", "Name each file once.")
