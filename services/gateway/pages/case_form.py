"""The fields of the form that creates a case, and the JSON that they become."""

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
from services.gateway.forms import FormData, to_json
from services.gateway.texts import lazy

_CONTACT = (
    *with_help(
        (FIRST_NAME, LAST_NAME, Field("email", lazy("E-mail address"), "email", autocomplete="email")),
        {
            "first_name": lazy("The person whom we ask for on the phone."),
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
        help=lazy("Best a direct number at which the person can be reached beside the device."),
    ),
)
# The browser knows the contact, who is mostly the one before it; of the other person it would only guess.
_OTHER_CONTACT = with_autocomplete(_CONTACT, dict.fromkeys(("first_name", "last_name", "email", "phone"), ""))
_ADDRESS = with_help(
    ADDRESS,
    {
        "company_name": lazy("The name on the door or the gate."),
        "address_line_1": lazy("Street and number; no post-office box, because somebody has to get there."),
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
        help=lazy("It appears in lists and in the subject of e-mails. What fails, and where, is enough."),
    ),
    Field(
        "description",
        lazy("Description"),
        "area",
        hint=lazy("What happens, since when, how often? At least 20 characters."),
        help=lazy(
            "Say what you see, what you expected, and what was changed before it began. Copy messages word for word."
        ),
    ),
    Field(
        "troubleshooting",
        lazy("What have you tried?"),
        "area",
        optional=True,
        rows=3,
        help=lazy("What you tell us here, nobody asks you to do again."),
    ),
    Field(
        "severity",
        lazy("Severity"),
        "select",
        json="number",
        choices=labels.severity_choices,
        help=lazy("How badly work suffers, not how annoying it is. It decides in which order cases are taken."),
    ),
    Field(
        "own_reference",
        lazy("Your reference"),
        optional=True,
        hint=lazy("Your own number for this, to find it again."),
        help=lazy("A ticket or order number of your company. It can be searched for, and appears in exports."),
    ),
    Field(
        "problem_type",
        lazy("Problem type"),
        optional=True,
        help=lazy("One or two words, such as hardware, paper path, network, battery."),
    ),
    Field(
        "error_code",
        lazy("Error code"),
        optional=True,
        help=lazy("The code on the display or in the event log, such as 13.02.00."),
    ),
    Field(
        "operating_system",
        lazy("Operating system"),
        optional=True,
        help=lazy("Where it matters: name and version, such as Windows 11 24H2."),
    ),
    Field(
        "confidential",
        lazy("Confidential"),
        "tick",
        json="flag",
        hint=lazy("Only the submitter, the contacts of the case, your administrators and our support see it."),
        help=lazy("Tick it when colleagues who see the company’s cases should not see this one."),
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
            help=lazy("Whose case it becomes. The history of the case names you as the one who created it."),
        ),
        *_PROBLEM,
        FILES,
        *in_group("contact", lazy("Contact"), _CONTACT),
        Field(
            "preferred_channel",
            lazy("How should we contact you?"),
            "radios",
            choices=(("phone", lazy("By phone")), ("email", lazy("By e-mail"))),
            help=lazy("We use the other way too when this one leads nowhere."),
        ),
        Field(
            "preferred_hours",
            lazy("Best hours to reach you"),
            optional=True,
            help=lazy("Days and hours in the local time of the contact, such as Monday to Friday, 8 to 12."),
        ),
        *in_group("secondary_contact", lazy("Other contact"), _OTHER_CONTACT, optional=True),
        Field(
            "site_id",
            lazy("Site"),
            "select",
            is_id=True,
            help=lazy("The sites that your administrator keeps. The case takes the site’s address as it is today."),
        ),
        *in_group("equipment_address", lazy("Where is the equipment"), _ADDRESS),
        *in_group("parts_address", lazy("Parts shipping address"), _ADDRESS),
        Field(
            "pin",
            lazy("Identification code (PIN)"),
            "select",
            optional=True,
            empty=lazy("No PIN"),
            hint=lazy("A wrong PIN delays the case."),
            help=lazy(
                "A PIN that was agreed with your company tells our agents how to handle the case. "
                "In doubt, leave it out."
            ),
        ),
    ),
    always=("contact", "equipment_address", "parts_address"),
)


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
