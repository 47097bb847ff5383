"""Labels of what the services name by code, in the reader's language."""

from services.gateway.texts import lazy

# Each language has its own name, so that people who read only that one find it.
languages = (("en", "English"), ("fr", "Français"))
roles = {
    "member": lazy("Member"),
    "case_manager": lazy("Case manager"),
    "company_admin": lazy("Company administrator"),
    "agent": lazy("Agent"),
    "vendor_admin": lazy("Vendor administrator"),
}
role_choices = (
    ("member", lazy("Member: creates cases and follows their own")),
    (
        "case_manager",
        lazy("Case manager: looks after all cases of the company or of one site, and creates them for colleagues"),
    ),
    ("company_admin", lazy("Company administrator: sees all cases, invites people and adds sites")),
)
severities = {"1": lazy("Critical"), "2": lazy("High"), "3": lazy("Normal"), "4": lazy("Low")}
severity_choices = (
    ("1", lazy("1 Critical: work has stopped")),
    ("2", lazy("2 High: work is much harder")),
    ("3", lazy("3 Normal: work goes on, slower")),
    ("4", lazy("4 Low: a question or a wish")),
)
# Their consequences, where each has a card of its own.
severity_effects = {
    "1": lazy("Work has stopped"),
    "2": lazy("Work is much harder"),
    "3": lazy("Work goes on, slower"),
    "4": lazy("A question or a wish"),
}
statuses = {
    "new": lazy("New"),
    "in_progress": lazy("In progress"),
    "waiting_customer": lazy("Waiting for you"),
    "waiting_parts": lazy("Waiting for parts"),
    "closed": lazy("Closed"),
    "cancelled": lazy("Cancelled"),
}
# The class of a chip (portico.css): its shape and its colour.
status_looks = {
    "new": "new",
    "in_progress": "progress",
    "waiting_customer": "you",
    "waiting_parts": "parts",
    "closed": "closed",
    "cancelled": "cancelled",
}
# Of the agents, by the names of the API, in the order of the navigation.
queues = {
    "unassigned": lazy("Unassigned"),
    "mine": lazy("Mine"),
    "replied": lazy("Customer replied"),
    "first_answers": lazy("First answer due"),
    "callbacks": lazy("Callbacks"),
    "escalations": lazy("Escalations"),
    "waiting_parts": lazy("Waiting for parts"),
    "open": lazy("All open cases"),
}
views = {
    "recent": lazy("Recent cases"),
    "waiting": lazy("Waiting for me"),
    "submitted": lazy("Submitted by me"),
    "favourites": lazy("My favourites"),
    "company": lazy("By company"),
    "site": lazy("By site or product"),
}
start_options = {
    "serial": lazy("Continue with this serial number"),
    "said": lazy("Continue with this contract (SAID)"),
}
# Mails about cases, and why one was not sent, as the ledger names them.
case_mails = {"case_created": lazy("Case created"), "case_closed": lazy("Case closed or cancelled")}
unsent_reasons = {
    "opted_out": lazy("declined such e-mails"),
    "deactivated": lazy("the account is deactivated"),
    "company_suspended": lazy("the company is suspended"),
    "bouncing": lazy("a mail server has refused this address for good"),
    "same_person": lazy("the same person was told at another address"),
    "expired": lazy("it could not be sent within 48 hours"),
    "too_many": lazy("too many e-mails to people without an account"),
    "unexpected": lazy("an unexpected fault"),
}
channels = {"phone": lazy("Phone"), "email": lazy("E-mail")}
# Why an export in the background has no file.
export_failures = {
    "rights_changed": lazy("Your rights have changed since you asked for it. Please export again."),
    "too_large": lazy("The file became too large. Please filter the list, and export it in parts."),
    "storage_low": lazy("There is not enough space for files at the moment. Please try again later."),
    "broken": lazy("Something went wrong. Please export again."),
}
# The types of files that are seen on a page.
pictures = frozenset({"image/png", "image/jpeg", "image/gif"})
