"""The fields of the form that creates a case, and the JSON that they become."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from services.gateway import labels
from services.gateway.fields import (
    ADDRESS,
    FILES,
    FIRST_NAME,
    LAST_NAME,
    Field,
    FormSpec,
    hidden,
    in_group,
    with_autocomplete,
    with_help,
)
from services.gateway.forms import Form, FormData, to_json
from services.gateway.texts import lazy

CONTACT = (
    *with_help(
        (
            FIRST_NAME,
            LAST_NAME,
            Field(
                "email",
                lazy("E-mail address"),
                "email",
                autocomplete="email",
                ask=lazy("Enter an e-mail address."),
            ),
        ),
        {
            "first_name": lazy("The person we ask for on the phone."),
            "last_name": lazy("The family name, as the reception of the site knows it."),
            "email": lazy("E-mails about this case go to this address."),
        },
    ),
    Field(
        "phone",
        lazy("Phone"),
        "tel",
        autocomplete="tel",
        hint=lazy("With the country code, and an extension if there is one: +33 4 72 00 00 00 ext. 12."),
        ask=lazy("Enter a phone number."),
    ),
)
# The browser knows the contact, who is mostly the one before it; of the other person it would only guess.
_OTHER_CONTACT = with_autocomplete(CONTACT, dict.fromkeys(("first_name", "last_name", "email", "phone"), ""))
ADDRESS_OF_CASE = with_help(
    ADDRESS,
    {
        "company_name": lazy("The name on the door or the gate."),
        "address_line_1": lazy("Street and number. No PO box: a technician may have to come."),
        "address_line_2": lazy("Building, floor, room, gate: whatever helps to find it."),
        "postal_code": lazy("As it is written in that country."),
        "city": lazy("The town, as in the postal address."),
        "region": lazy("State, province or region, where addresses there have one."),
        "country": lazy("It decides which service team comes and how parts are shipped."),
    },
)
_PROBLEM = (
    Field(
        "title",
        lazy("Title"),
        hint=lazy("In a few words, such as “Paper jam in tray 3”."),
        ask=lazy("Enter a title."),
    ),
    Field(
        "description",
        lazy("Description"),
        "area",
        rows=3,
        hint=lazy("What happens, since when and how often? Error messages and codes help us."),
        ask=lazy("Describe the problem in at least 20 characters."),
    ),
    Field(
        "severity",
        lazy("Severity"),
        "radios",
        json="number",
        choices=labels.severity_choices,
        ask=lazy("Choose a severity."),
    ),
)
_DETAILS = (
    Field(
        "troubleshooting",
        lazy("What have you tried?"),
        "area",
        optional=True,
        rows=3,
        hint=lazy("We will not ask you to try the same things again."),
    ),
    Field(
        "own_reference",
        lazy("Your reference"),
        optional=True,
        hint=lazy("A ticket or order number of your company, to find the case by it."),
    ),
    Field(
        "error_code",
        lazy("Error code"),
        optional=True,
        hint=lazy("The code on the display or in the event log, such as 13.02.00."),
    ),
    Field(
        "operating_system",
        lazy("Operating system"),
        optional=True,
        hint=lazy("If it matters: name and version, such as Windows 11 24H2."),
    ),
    Field(
        "problem_type",
        lazy("Problem type"),
        optional=True,
        hint=lazy("One or two words, such as hardware, paper path, network, battery."),
    ),
    Field(
        "pin",
        lazy("Identification code (PIN)"),
        "select",
        optional=True,
        empty=lazy("No PIN"),
        hint=lazy(
            "It tells our support agents how to handle the case, as agreed with your company. A wrong PIN delays the "
            "case: in doubt, leave it out."
        ),
    ),
    Field(
        "confidential",
        lazy("Confidential"),
        "tick",
        json="flag",
        hint=lazy("Only the submitter, the contacts of the case, your administrators and our support see it."),
    ),
)
# In the order of the page. What a case is about is chosen before, so an error about it is shown above the form.
CASE = FormSpec(
    (
        hidden("serial", lazy("Serial number")),
        hidden("said", lazy("Support contract id (SAID)")),
        hidden("product_number", lazy("Product")),
        hidden("submitter_name", lazy("For whom")),
        Field(
            "submitter_id",
            lazy("For whom"),
            "select",
            is_id=True,
            hint=lazy("The case will belong to this person. Its history shows that you created it."),
            ask=lazy("Choose whom the case is for."),
        ),
        *_PROBLEM,
        FILES,
        *in_group("contact", lazy("Contact"), CONTACT),
        Field(
            "preferred_channel",
            lazy("How should we contact you?"),
            "radios",
            choices=(("phone", lazy("By phone")), ("email", lazy("By e-mail"))),
            hint=lazy("If we cannot reach you this way, we try the other one."),
            ask=lazy("Choose by phone or by e-mail."),
        ),
        Field(
            "preferred_hours",
            lazy("Best hours to reach you"),
            optional=True,
            hint=lazy("Days and hours in the local time of the contact, such as Monday to Friday, 8 to 12."),
        ),
        *in_group("secondary_contact", lazy("Other contact"), _OTHER_CONTACT, optional=True),
        Field(
            "site_id",
            lazy("Site"),
            "select",
            is_id=True,
            hint=lazy("The case keeps the site’s address as it is today."),
            ask=lazy("Choose a site."),
        ),
        *in_group("equipment_address", lazy("Equipment address"), ADDRESS_OF_CASE),
        *in_group("parts_address", lazy("Parts shipping address"), ADDRESS_OF_CASE),
        *_DETAILS,
    ),
    always=("contact", "equipment_address", "parts_address"),
)

# What is asked otherwise of whoever fills the form in for somebody else.
_FOR_ANOTHER: Mapping[str, Mapping[str, Any]] = {
    "preferred_channel": {
        "label": lazy("How should we contact this person?"),
        "hint": lazy("If nobody can be reached this way, we try the other one."),
    },
    "preferred_hours": {"label": lazy("Best hours to reach this person")},
    "troubleshooting": {
        "label": lazy("What has been tried?"),
        "hint": lazy("We will not ask for the same things again."),
    },
    "own_reference": {
        "label": lazy("Own reference"),
        "hint": lazy("A ticket or order number of the company, to find the case by it."),
    },
    "pin": {
        "hint": lazy(
            "It tells support agents how to handle the case, as agreed with the company. A wrong PIN delays the case: "
            "in doubt, leave it out."
        )
    },
}
CASE_FOR_ANOTHER = replace(
    CASE, fields=tuple(replace(field, **_FOR_ANOTHER.get(field.name, {})) for field in CASE.fields)
)

PARTS = {"same": lazy("Parts go there"), "other": lazy("Parts go to another address")}
# What the page folds away, by the field or the object that stands in it.
_FOLDED = {
    "contact": ("contact", "preferred_channel", "preferred_hours", "secondary_contact"),
    "other": ("secondary_contact",),
    "place": ("site_id", "equipment_address", "parts_address"),
    "more": tuple(field.name for field in _DETAILS),
}


def placed(form: Form, device_site: str | None, sites: Collection[str]) -> Form:
    """The form with a place: the device's own site, the main site of the profile, or the address there.

    `sites` are those to choose from; what was chosen in the form stays.
    """
    if not sites:
        return form.with_values(where="address")
    if form["where"]:
        return form
    site_id = next((site for site in (device_site, form["site_id"]) if site in sites), None) or ""
    at_site = site_id or not form["equipment_address.address_line_1"]
    return form.with_values(where="site" if at_site else "address", site_id=site_id)


def unfolded(form: Form) -> set[str]:
    """What the page does not fold away: where something is wrong, or has to be filled in still."""
    wrong = {part for part, names in _FOLDED.items() if any(_belongs_to(error, names) for error in form.errors)}
    if not _is_complete(form, "contact"):
        wrong.add("contact")
    if form["show"] or not (form["site_id"] if form["where"] == "site" else _is_complete(form, "equipment_address")):
        wrong.add("place")
    if form["parts"] == "other" and not _is_complete(form, "parts_address"):
        wrong.add("place")
    if any(form[field.name] for field in CASE.fields if _belongs_to(field.name, ("secondary_contact",))):
        wrong.add("other")
    return wrong


def _belongs_to(name: str, groups: Collection[str]) -> bool:
    return name.partition(".")[0] in groups


def _is_complete(form: Form, group: str) -> bool:
    fields = (field for field in CASE.fields if _belongs_to(field.name, (group,)) and not field.optional)
    return all(form[field.name].strip() for field in fields)


def case_json(typed: FormData) -> dict[str, Any]:
    """The case as the API takes it. What the radio buttons leave out does not count, whatever was typed there."""
    without = ["submitter_name", "equipment_address" if typed.get("where") != "address" else "site_id"]
    if typed.get("parts") != "other":
        without.append("parts_address")
    body = to_json(typed, CASE, without=without)
    if "submitter_id" in body:
        # Cases takes the contact for this user where the address is theirs, too.
        body["contact"]["user_id"] = body["submitter_id"]
    if "equipment_address" in without:
        # Sent even when nothing was chosen, so that the error is shown at the list of sites.
        body.setdefault("site_id", "")
    return body
