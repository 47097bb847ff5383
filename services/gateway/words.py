"""The portal's words for fields and for what the services call by code, in the reader's language.

A template that is imported keeps its values for ever, so these translate themselves each time they are read.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import overload

from services.gateway.texts import N_, _


class Words(Mapping[str, str]):
    """Texts by code."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def __getitem__(self, code: str) -> str:
        return _(self._texts[code])

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


class Choices(Sequence[tuple[str, str]]):
    """Codes with their texts, in the order in which they are offered."""

    def __init__(self, *choices: tuple[str, str]) -> None:
        self._choices = choices

    @overload
    def __getitem__(self, at: int) -> tuple[str, str]: ...

    @overload
    def __getitem__(self, at: slice) -> list[tuple[str, str]]: ...

    def __getitem__(self, at: int | slice) -> tuple[str, str] | list[tuple[str, str]]:
        return [(code, _(text)) for code, text in self._choices][at]

    def __len__(self) -> int:
        return len(self._choices)


labels = Words(
    {
        "email": N_("E-mail address"),
        "password": N_("Password"),
        "code": N_("Code from the e-mail"),
        "first_name": N_("First name"),
        "last_name": N_("Last name"),
        "phone": N_("Phone"),
        "alternative_phone": N_("Alternative phone"),
        "job_title": N_("Job title"),
        "language": N_("Language"),
        "time_zone": N_("Time zone"),
        "site_id": N_("Site"),
        "company_name": N_("Company name"),
        "address_line_1": N_("Address"),
        "address_line_2": N_("Address, second line"),
        "postal_code": N_("Postal code"),
        "city": N_("City"),
        "region": N_("Region or state"),
        "country": N_("Country"),
        "name": N_("Name of the site"),
        "emails": N_("E-mail addresses"),
        "role": N_("Role"),
        "serial": N_("Serial number"),
        "said": N_("Support contract id (SAID)"),
        "product_number": N_("Product"),
        "title": N_("Title"),
        "description": N_("Description"),
        "troubleshooting": N_("What have you tried?"),
        "severity": N_("Severity"),
        "problem_type": N_("Problem type"),
        "error_code": N_("Error code"),
        "operating_system": N_("Operating system"),
        "own_reference": N_("Your reference"),
        "preferred_channel": N_("How should we contact you?"),
        "preferred_hours": N_("Best hours to reach you"),
        "confidential": N_("Confidential"),
        "where": N_("Where is the equipment?"),
        "text": N_("Comment"),
        "reason": N_("Reason"),
        "resolved": N_("Is the problem solved?"),
        "version": N_("Version"),
        "action": N_("Action"),
        "pin": N_("PIN"),
        "attachment_ids": N_("Files"),
        "files": N_("Files"),
        "file": N_("File"),
    }
)
groups = Words(
    {
        "contact": N_("Contact"),
        "secondary_contact": N_("Other contact"),
        "equipment_address": N_("Where is the equipment"),
        "parts_address": N_("Parts shipping address"),
    }
)
# A language is called by its own name, so that whoever reads only that one finds it.
languages = (("en", "English"), ("fr", "Français"))
roles = Words(
    {
        "member": N_("Member"),
        "case_manager": N_("Case manager"),
        "company_admin": N_("Company administrator"),
        "agent": N_("Agent"),
        "vendor_admin": N_("Vendor administrator"),
    }
)
severities = Words({"1": N_("Critical"), "2": N_("High"), "3": N_("Normal"), "4": N_("Low")})
severity_choices = Choices(
    ("1", N_("1 Critical: work has stopped")),
    ("2", N_("2 High: work is badly hindered")),
    ("3", N_("3 Normal: work goes on, slower")),
    ("4", N_("4 Low: a question or a small fault")),
)
statuses = Words(
    {
        "new": N_("New"),
        "in_progress": N_("In progress"),
        "waiting_customer": N_("Waiting for you"),
        "waiting_parts": N_("Waiting for parts"),
        "closed": N_("Closed"),
        "cancelled": N_("Cancelled"),
    }
)
status_looks = {
    "new": "",
    "in_progress": "progress",
    "waiting_customer": "you",
    "waiting_parts": "",
    "closed": "closed",
    "cancelled": "closed cancelled",
}
views = Words({"recent": N_("Recent cases"), "waiting": N_("Waiting for me"), "submitted": N_("Submitted by me")})
mail_kinds = Words({"case_created": N_("A case was created"), "case_closed": N_("A case was closed or cancelled")})
agreement_kinds = Words(
    {
        "service_contract": N_("Service contract"),
        "warranty_extension": N_("Warranty extension"),
        "base_warranty": N_("Base warranty"),
    }
)
happenings = Words(
    {
        "created": N_("created the case"),
        "taken": N_("took the case"),
        "assigned": N_("assigned the case"),
        "status_changed": N_("changed the status"),
        "severity_changed": N_("changed the severity"),
        "closed": N_("closed the case"),
        "cancelled": N_("cancelled the case"),
        "reopened": N_("reopened the case"),
        "comment": N_("wrote"),
        "attached": N_("attached files"),
        "reply": N_("answered"),
        "note": N_("noted for agents only"),
    }
)
ways = Words({"serial": N_("a serial number"), "said": N_("a contract (SAID)")})
channels = Words({"phone": N_("Phone"), "email": N_("E-mail")})
actions = Words(
    {
        "close": N_("Close"),
        "cancel": N_("Cancel the case"),
        "reopen": N_("Reopen"),
        "change_severity": N_("Change severity"),
    }
)
