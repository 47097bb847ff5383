"""The case form: what becomes of its fields, who is told, and the limits of files in words."""

import re
from pathlib import Path
from typing import Any

import services.gateway
from services.gateway.deadlines import Deadlines
from services.gateway.limits import Limits, why_refused
from services.gateway.pages.case_form import CASE, case_json
from services.gateway.pages.file_forms import Posted
from services.gateway.pages.new_case import told_by_mail
from services.gateway.sizes import size
from shared.i18n import reading_in

LIMITS = Limits(3, 2 * 1024 * 1024, 6 * 1024 * 1024, ("png", "txt"))
ADDRESS = {f"{group}.city": "Lyon" for group in ("equipment_address", "parts_address")}


def a_contact(**fields: str | None) -> dict[str, Any]:
    return {"first_name": "Luc", "last_name": "Petit", "email": "luc@example.com", "user_id": None} | fields


def test_the_address_that_is_not_chosen_does_not_count_whatever_was_typed_there() -> None:
    at_site = case_json({**ADDRESS, "where": "site", "site_id": "7", "parts": "same"})
    assert at_site["site_id"] == "7"
    assert "equipment_address" not in at_site
    assert "parts_address" not in at_site
    elsewhere = case_json({**ADDRESS, "where": "address", "site_id": "7", "parts": "other"})
    assert "site_id" not in elsewhere
    assert elsewhere["equipment_address"] == elsewhere["parts_address"] == {"city": "Lyon"}


def test_a_missing_site_is_sent_so_that_its_error_is_shown_at_the_list() -> None:
    assert case_json({"where": "site"})["site_id"] == ""


def test_the_ids_of_files_become_a_list_and_their_names_stay_out() -> None:
    body = case_json({"attachment_ids": "one two", "attachment_name.one": "a.png", "where": "site"})
    assert body["attachment_ids"] == ["one", "two"]
    assert "attachment_name" not in body
    assert "attachment_ids" not in case_json({"attachment_ids": "", "where": "site"})


def test_an_empty_pin_and_an_empty_second_contact_are_left_out() -> None:
    body = case_json({"pin": "", "secondary_contact.email": " ", "where": "site"})
    assert "pin" not in body
    assert "secondary_contact" not in body
    assert case_json({"pin": "4711", "where": "site"})["pin"] == "4711"


def test_each_person_gets_the_e_mail_once() -> None:
    submitter = {"user_id": "1", "name": "Ana Duarte"}
    case = {"submitter": submitter, "contact": a_contact(user_id="1"), "secondary_contact": None}
    assert told_by_mail(case, {}) == ["Ana Duarte"]
    case = {"submitter": submitter, "contact": a_contact(), "secondary_contact": a_contact()}
    assert told_by_mail(case, {}) == ["Ana Duarte", "Luc Petit (luc@example.com)"]


def test_whoever_is_a_contact_under_the_address_of_their_profile_is_named_once() -> None:
    submitter = {"user_id": "1", "name": "Luc Petit"}
    case = {"submitter": submitter, "contact": a_contact(), "secondary_contact": None}
    assert told_by_mail(case, {"1": {"login@example.com", "luc@example.com"}}) == ["Luc Petit"]
    assert told_by_mail(case, {"2": {"luc@example.com"}}) == ["Luc Petit", "Luc Petit (luc@example.com)"]


def test_sizes_are_written_in_units_for_people() -> None:
    assert [size(count) for count in (1, 300_000, 2 * 1024 * 1024, 1_600_000)] == ["1 kB", "293 kB", "2 MB", "1.5 MB"]
    with reading_in("fr"):
        assert size(1_600_000) == "1,5 Mo"


def test_a_refused_file_hears_its_rule_and_its_limit() -> None:
    sentences = LIMITS.sentences()
    assert sentences["too_large"] == "The file is too large. A file may have at most 2 MB."
    assert sentences["file_type"] == "Files of this kind are not accepted. Accepted are: png, txt."
    assert all(sentences.values())
    error = {"field": "file.0", "code": "new_rule", "message": "What the service says of it."}
    assert why_refused({"errors": [error]}) == "What the service says of it."
    assert why_refused({"code": "unavailable"}) == sentences["unavailable"]


def test_a_form_with_a_refused_file_keeps_what_was_typed_and_gets_another_key_for_files() -> None:
    form = Posted({"title": "Paper jam", "upload_key": "old"}, ("a.exe: No.", "b.exe: No.")).form(CASE)
    assert form["title"] == "Paper jam"
    assert form["upload_key"] not in {"", "old"}
    assert form.errors == {"attachment_ids": "a.exe: No.\nb.exe: No."}
    assert Posted({}).form(CASE).errors == {}


def test_a_browser_waits_for_a_file_longer_than_the_gateway() -> None:
    module = (Path(services.gateway.__file__).parent / "static" / "upload.js").read_text()
    waits = re.search(r"request\.timeout = ([\d_]+);", module)
    assert waits is not None
    deadlines = Deadlines()
    assert int(waits[1]) / 1000 > deadlines.upload_s + deadlines.answer_s
