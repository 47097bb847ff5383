"""The case form: what becomes of its fields, who is told, and the limits of files in words."""

import re
from pathlib import Path
from typing import Any

import services.gateway
from services.gateway.deadlines import Deadlines
from services.gateway.forms import Form, refused
from services.gateway.limits import Limits, why_refused
from services.gateway.pages.case_form import CASE, case_json, placed, unfolded
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


def test_the_place_is_the_devices_own_site_else_the_main_one_else_the_address_of_the_profile() -> None:
    sites = ("here", "there")
    known = Form(CASE, {"site_id": "here", "equipment_address.address_line_1": "1 rue de la Paix"})

    def place(form: Form, device_site: str | None) -> tuple[str, str]:
        found = placed(form, device_site, sites)
        return found["where"], found["site_id"]

    assert place(known, "there") == ("site", "there")
    # A site that is closed, or not the visitor's to choose.
    assert place(known, "elsewhere") == ("site", "here")
    assert place(known, None) == ("site", "here")
    assert place(known.with_values(site_id=""), None) == ("address", "")
    assert place(Form(CASE), None) == ("site", "")
    # What was chosen stays.
    assert place(known.with_values(where="address"), "there") == ("address", "here")
    assert placed(known, "there", ())["where"] == "address"


PERSON = {"first_name": "Luc", "last_name": "Petit", "email": "luc@example.com", "phone": "+33472000000"}
COMPLETE = {f"contact.{name}": text for name, text in PERSON.items()} | {"where": "site", "site_id": "7"}


def test_what_is_known_is_folded_and_what_is_missing_or_wrong_is_not() -> None:
    known = Form(CASE, COMPLETE)
    assert unfolded(known) == set()
    assert unfolded(known.with_values(**{"contact.phone": " "})) == {"contact"}
    assert unfolded(known.with_values(site_id="")) == {"place"}
    assert unfolded(known.with_values(where="address")) == {"place"}
    assert unfolded(known.with_values(parts="other")) == {"place"}
    address = {"company_name": "Acme", "address_line_1": "1", "postal_code": "1", "city": "Lyon", "country": "FR"}
    at_address = {f"equipment_address.{name}": text for name, text in address.items()}
    assert unfolded(known.with_values(where="address", **at_address)) == set()
    assert unfolded(known.with_values(**{"secondary_contact.email": "x"})) == {"other"}
    wrong = {"pin": "more", "contact.phone": "contact", "parts_address.city": "place", "error_code": "more"}
    for name, part in wrong.items():
        assert unfolded(Form(CASE, COMPLETE, {name: "Wrong."})) == {part}, name
    assert unfolded(Form(CASE, COMPLETE, {"secondary_contact.phone": "Wrong."})) == {"contact", "other"}


def test_a_field_that_was_left_out_is_asked_for_by_its_name() -> None:
    def missing(name: str, code: str) -> dict[str, str]:
        return {"field": name, "code": code, "message": "In English."}

    problem = {
        "errors": [missing("title", "missing"), missing("severity", "int_type"), missing("site_id", "uuid_parsing")]
    }
    form = refused(CASE, {"title": " "}, problem)
    assert form.errors == {"title": "Enter a title.", "severity": "Choose a severity.", "site_id": "Choose a site."}
    with reading_in("fr"):
        assert refused(CASE, {}, problem).errors["title"] == "Saisissez un titre."
    # What was typed is wrong in another way.
    assert refused(CASE, {"severity": "x"}, problem).errors["severity"] != "Choose a severity."


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
