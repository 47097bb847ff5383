"""Forms: text to JSON, and errors back to the fields."""

from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import pytest

from services.gateway.fields import FILES, Field, FormSpec, hidden, in_group
from services.gateway.forms import Form, from_json, pairs_of, read_problem, refused, to_json
from services.gateway.pages.account import ACCEPT, SIGN_IN, VERIFY
from services.gateway.pages.case_actions import ACTIONS
from services.gateway.pages.case_form import CASE
from services.gateway.pages.company import INVITATIONS, SITE
from services.gateway.pages.profile import PROFILE
from services.gateway.pages.requests import LONG_FORM_BYTES
from tests.processor import processor_s
from tests.worst import FORM_BOMBS, TEXTS, as_form

SPEC = FormSpec(
    (
        Field("title", "Title"),
        Field("own_reference", "Your reference", optional=True),
        *in_group("contact", "Contact", (Field("first_name", "First name"), Field("email", "E-mail address", "email"))),
        *in_group("secondary_contact", "Other contact", (Field("email", "E-mail address", "email"),)),
        Field("site_id", "Site", "select", is_id=True),
        Field("severity", "Severity", "select", json="number", choices=(("1", "Critical"), ("2", "High"))),
        Field("confidential", "Confidential", "tick", json="flag"),
        hidden("version", json="number"),
    ),
    always=("contact",),
)


def a_problem(*errors: tuple[str, str, str], **other: str) -> dict[str, Any]:
    return {"errors": [{"field": field, "code": code, "message": message} for field, code, message in errors]} | other


def test_dotted_names_become_objects() -> None:
    typed = {"title": "Paper jam", "contact.first_name": "Luc", "contact.email": "luc@example.com"}
    assert to_json(typed, SPEC) == {
        "title": "Paper jam",
        "contact": {"first_name": "Luc", "email": "luc@example.com"},
    }


def test_empty_fields_are_left_out() -> None:
    assert to_json({"title": " ", "own_reference": "", "severity": "", "confidential": ""}, SPEC) == {"contact": {}}


def test_an_object_that_is_always_sent_lets_the_api_name_each_missing_field() -> None:
    assert to_json({}, SPEC)["contact"] == {}
    assert "secondary_contact" not in to_json({}, SPEC)


def test_numbers_and_flags_are_typed_and_what_cannot_be_read_stays_text() -> None:
    assert to_json({"severity": "2", "confidential": "yes"}, SPEC) == {
        "contact": {},
        "severity": 2,
        "confidential": True,
    }
    assert to_json({"confidential": "no"}, SPEC)["confidential"] is False
    assert to_json({"severity": "2.5"}, SPEC)["severity"] == "2.5"
    assert to_json({"severity": "\u0662x"}, SPEC)["severity"] == "\u0662x"
    assert to_json({"confidential": "perhaps"}, SPEC)["confidential"] == "perhaps"


def test_fields_that_the_form_does_not_have_never_reach_the_api() -> None:
    assert to_json({"csrf_token": "secret", "company_id": "another", "$ne": "x"}, SPEC) == {"contact": {}}


def test_what_does_not_count_is_left_out_with_everything_below_it() -> None:
    typed = {"title": "Paper jam", "contact.first_name": "Luc", "site_id": "7"}
    assert to_json(typed, SPEC, without=("contact", "site_id")) == {"title": "Paper jam"}


def test_text_keeps_its_blanks_and_line_breaks() -> None:
    assert to_json({"title": " a\r\nb "}, SPEC)["title"] == " a\r\nb "


def test_an_answer_fills_a_form_and_comes_back_the_same() -> None:
    answer = {
        "title": "Paper jam",
        "severity": 3,
        "confidential": True,
        "contact": {"first_name": "Luc", "email": None},
        "history": [1, 2],
    }
    typed = from_json(answer)
    assert typed == {"title": "Paper jam", "severity": "3", "confidential": "yes", "contact.first_name": "Luc"}
    assert to_json(typed, SPEC) == {
        "title": "Paper jam",
        "severity": 3,
        "confidential": True,
        "contact": {"first_name": "Luc"},
    }


def test_errors_are_shown_at_the_fields_of_the_page() -> None:
    problem = a_problem(("contact.email", "email", "Enter one e-mail address."), ("title", "missing", "Field required"))
    form = refused(SPEC, {"title": "", "contact.email": "luc@"}, problem)
    sentence = "Check this e-mail address: it should look like ana@example.com."
    assert form.errors == {"contact.email": sentence, "title": "Fill this in."}
    assert form.general == ()
    assert form["contact.email"] == "luc@"


def test_errors_of_fields_that_the_page_does_not_have_are_shown_above_the_form() -> None:
    problem = a_problem(*((name, "unknown_site", "In English.") for name in ("body", "other")))
    form = refused(SPEC, {}, problem)
    assert form.errors == {}
    assert form.general == ("Choose one of the company’s sites.",)


def test_a_problem_without_errors_gives_its_detail() -> None:
    assert refused(SPEC, {}, {"detail": "The case is closed.", "errors": []}).general == ("The case is closed.",)
    assert refused(SPEC, {}, {"title": "Please wait."}).general == ("Please wait.",)
    assert refused(SPEC, {}, {}).is_refused


def test_the_first_error_of_a_field_is_shown() -> None:
    problem = a_problem(("title", "one_line", "Use one line only."), ("title", "string_too_long", "at most 120"))
    assert refused(SPEC, {}, problem).errors == {"title": "Use one line only."}


def test_words_of_a_list_become_a_list_and_an_error_of_one_is_shown_at_its_field() -> None:
    spec = FormSpec((FILES,))
    assert to_json({"attachment_ids": "one  two"}, spec) == {"attachment_ids": ["one", "two"]}
    problem = a_problem(("attachment_ids.1", "not_yours", "These files are not yours."))
    assert list(refused(spec, {}, problem).errors) == ["attachment_ids"]


def test_a_form_without_errors_is_not_refused() -> None:
    form = Form(SPEC, {"title": "Paper jam"})
    assert not form.is_refused
    assert form["own_reference"] == ""
    assert form.with_values(title="Battery")["title"] == "Battery"


def test_a_field_of_a_group_is_called_by_both_where_the_group_is_not_seen() -> None:
    assert SPEC.by_name["contact.email"].full_label == "Contact: E-mail address"
    assert SPEC.by_name["title"].full_label == "Title"


def test_an_error_of_a_hidden_field_is_shown_above_the_form() -> None:
    form = refused(SPEC, {}, a_problem(("version", "missing", "")))
    assert (form.errors, form.general) == ({}, ("Fill this in.",))


def test_a_body_that_is_no_problem_reads_as_an_empty_one() -> None:
    assert read_problem(b"<html>") == {}
    assert read_problem(b"[1]") == {}
    assert read_problem(b'{"code": "stale"}') == {"code": "stale"}


def test_errors_come_in_the_order_of_the_page() -> None:
    problem = a_problem(("site_id", "missing", ""), ("contact.email", "missing", ""), ("title", "missing", ""))
    assert list(refused(SPEC, {}, problem).errors) == ["title", "contact.email", "site_id"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"a=1&b=2&a=3",
        b"a=&b&=c&&d=e=f",
        b"name=Jos%C3%a9+%26+Co%2B&x%20y=%",
        "é=ü&a=%zz%4".encode(),
        b"a=%ff\xff&b=%00",
        b"a;b=1;c=2",
    ],
)
def test_a_form_is_read_as_everybody_reads_it(body: bytes) -> None:
    assert pairs_of(body, most=10) == parse_qsl(body.decode(errors="replace"), keep_blank_values=True)


def test_a_form_has_so_many_fields_and_not_one_more() -> None:
    assert len(pairs_of(b"a=1&" * 9 + b"a=1", most=10)) == 10
    with pytest.raises(ValueError, match="more than 10 fields"):
        pairs_of(b"a=1&" * 10 + b"a=1", most=10)


def _read(body: bytes) -> None:
    with suppress(ValueError):
        pairs_of(body, most=1000)


@pytest.mark.usefixtures("nothing_is_collected")
def test_no_form_takes_long_to_read() -> None:
    forms = {kind: bomb(LONG_FORM_BYTES) for kind, bomb in FORM_BOMBS.items()}
    forms |= {f"a field of {kind}": as_form("a", kind, LONG_FORM_BYTES) for kind in TEXTS}
    slow = {}
    for kind, body in forms.items():
        if (took := processor_s(partial(_read, body), enough_s=0.1)) > 0.1:
            slow[kind] = took
    assert slow == {}


@pytest.mark.parametrize(
    "spec", [SIGN_IN, ACCEPT, VERIFY, PROFILE, SITE, INVITATIONS, CASE, *(action.form for action in ACTIONS.values())]
)
def test_whoever_leaves_a_field_out_is_told_what_to_do_and_not_only_that_it_is_empty(spec: FormSpec) -> None:
    must = [field for field in spec.shown if not field.optional and field.kind not in {"files", "tick"}]
    assert [field.name for field in must if not field.ask] == []
