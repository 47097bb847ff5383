"""Labels of fields, and of what the services name by code, in the reader's language."""

from services.gateway.texts import lazy

fields = {
    "email": lazy("E-mail address"),
    "password": lazy("Password"),
    "code": lazy("Code from the e-mail"),
    "first_name": lazy("First name"),
    "last_name": lazy("Last name"),
    "phone": lazy("Phone"),
    "alternative_phone": lazy("Alternative phone"),
    "job_title": lazy("Job title"),
    "language": lazy("Language"),
    "time_zone": lazy("Time zone"),
    "site_id": lazy("Site"),
    "company_name": lazy("Company name"),
    "address_line_1": lazy("Address"),
    "address_line_2": lazy("Address, second line"),
    "postal_code": lazy("Postal code"),
    "city": lazy("City"),
    "region": lazy("Region or state"),
    "country": lazy("Country"),
    "name": lazy("Name of the site"),
    "emails": lazy("E-mail addresses"),
    "role": lazy("Role"),
    "serial": lazy("Serial number"),
    "said": lazy("Support contract id (SAID)"),
    "product_number": lazy("Product"),
    "title": lazy("Title"),
    "description": lazy("Description"),
    "troubleshooting": lazy("What have you tried?"),
    "severity": lazy("Severity"),
    "problem_type": lazy("Problem type"),
    "error_code": lazy("Error code"),
    "operating_system": lazy("Operating system"),
    "own_reference": lazy("Your reference"),
    "preferred_channel": lazy("How should we contact you?"),
    "preferred_hours": lazy("Best hours to reach you"),
    "confidential": lazy("Confidential"),
    "where": lazy("Where is the equipment?"),
    "text": lazy("Comment"),
    "reason": lazy("Reason"),
    "resolved": lazy("Is the problem solved?"),
    "version": lazy("Version"),
    "action": lazy("Action"),
    "pin": lazy("PIN"),
    "attachment_ids": lazy("Files"),
    "files": lazy("Files"),
    "file": lazy("File"),
}
groups = {
    "contact": lazy("Contact"),
    "secondary_contact": lazy("Other contact"),
    "equipment_address": lazy("Where is the equipment"),
    "parts_address": lazy("Parts shipping address"),
}
# A language is called by its own name, so that whoever reads only that one finds it.
languages = (("en", "English"), ("fr", "Français"))
roles = {
    "member": lazy("Member"),
    "case_manager": lazy("Case manager"),
    "company_admin": lazy("Company administrator"),
    "agent": lazy("Agent"),
    "vendor_admin": lazy("Vendor administrator"),
}
severities = {"1": lazy("Critical"), "2": lazy("High"), "3": lazy("Normal"), "4": lazy("Low")}
severity_choices = (
    ("1", lazy("1 Critical: work has stopped")),
    ("2", lazy("2 High: work is badly hindered")),
    ("3", lazy("3 Normal: work goes on, slower")),
    ("4", lazy("4 Low: a question or a small fault")),
)
statuses = {
    "new": lazy("New"),
    "in_progress": lazy("In progress"),
    "waiting_customer": lazy("Waiting for you"),
    "waiting_parts": lazy("Waiting for parts"),
    "closed": lazy("Closed"),
    "cancelled": lazy("Cancelled"),
}
status_styles = {
    "new": "",
    "in_progress": "progress",
    "waiting_customer": "you",
    "waiting_parts": "",
    "closed": "closed",
    "cancelled": "closed cancelled",
}
views = {"recent": lazy("Recent cases"), "waiting": lazy("Waiting for me"), "submitted": lazy("Submitted by me")}
mail_kinds = {"case_created": lazy("A case was created"), "case_closed": lazy("A case was closed or cancelled")}
agreement_kinds = {
    "service_contract": lazy("Service contract"),
    "warranty_extension": lazy("Warranty extension"),
    "base_warranty": lazy("Base warranty"),
}
history_labels = {
    "created": lazy("created the case"),
    "taken": lazy("took the case"),
    "assigned": lazy("assigned the case"),
    "status_changed": lazy("changed the status"),
    "severity_changed": lazy("changed the severity"),
    "closed": lazy("closed the case"),
    "cancelled": lazy("cancelled the case"),
    "reopened": lazy("reopened the case"),
    "comment": lazy("wrote"),
    "attached": lazy("attached files"),
    "reply": lazy("answered"),
    "note": lazy("noted for agents only"),
}
start_options = {"serial": lazy("a serial number"), "said": lazy("a contract (SAID)")}
channels = {"phone": lazy("Phone"), "email": lazy("E-mail")}
actions = {
    "close": lazy("Close"),
    "cancel": lazy("Cancel the case"),
    "reopen": lazy("Reopen"),
    "change_severity": lazy("Change severity"),
}
