"""Actions that change what a case says: its contacts, its place, who sees it; and its follow-up."""

from dataclasses import replace

from services.gateway import labels
from services.gateway.fields import Field, in_group
from services.gateway.pages.action_row import ActionRow
from services.gateway.pages.case_form import ADDRESS_OF_CASE, CASE, CONTACT
from services.gateway.texts import lazy

_CHOOSE = lazy("Choose one of these.")
SEVERITY = Field(
    "severity",
    lazy("Severity"),
    "select",
    json="number",
    choices=labels.severity_choices,
    ask=lazy("Choose a severity."),
)
# Whom they name: somebody of the company, whose data are in the profile, or a person that is typed.
_PERSON = (
    Field("who", lazy("Who?"), "radios", ask=_CHOOSE),
    Field("colleague_id", lazy("Person"), "select", is_id=True, ask=lazy("Choose a person.")),
    *in_group("contact", lazy("Contact"), CONTACT),
)
CHANGES = (
    ActionRow(
        name="change_contact",
        label=lazy("Change the contact"),
        button=lazy("Change the contact"),
        explanation=lazy(
            "The person we call about this case. E-mails about it go to this person, too; a user of the portal sees it."
        ),
        part="contact",
        fields=_PERSON,
        done=lazy("The contact is changed."),
        undone=lazy("The contact was not changed"),
        entry="contact_changed",
        history=lazy("%(name)s changed the contact from %(old)s to %(new)s"),
        value="text",
        icon="person",
    ),
    ActionRow(
        name="change_secondary_contact",
        label=lazy("Change the other contact"),
        label_first=lazy("Add another contact"),
        changed="secondary_contact",
        button=lazy("Change the other contact"),
        explanation=lazy(
            "A second person whom we may call. E-mails about the case go to this person, too; a user of the portal "
            "sees it."
        ),
        part="contact",
        fields=_PERSON,
        done=lazy("The other contact is saved."),
        undone=lazy("The other contact was not changed"),
        entry="secondary_contact_changed",
        history=lazy("%(name)s changed the other contact from %(old)s to %(new)s"),
        history_first=lazy("%(name)s added %(new)s as other contact"),
        history_last=lazy("%(name)s removed %(old)s as other contact"),
        value="text",
        icon="person",
    ),
    ActionRow(
        name="change_site",
        label=lazy("Change the place"),
        button=lazy("Change the place"),
        explanation=lazy("A technician comes to this place if needed. It decides which service team comes."),
        part="place",
        fields=(
            Field("where", lazy("Where is the equipment?"), "radios", ask=_CHOOSE),
            Field("site_id", lazy("Site"), "select", is_id=True, ask=lazy("Choose a site.")),
            *in_group("equipment_address", lazy("Equipment address"), ADDRESS_OF_CASE),
            CASE.by_name["pin"],
        ),
        done=lazy("The place is changed."),
        undone=lazy("The place was not changed"),
        entry="site_changed",
        history=lazy("%(name)s changed the place of the equipment from %(old)s to %(new)s"),
        value="text",
        icon="info",
    ),
    ActionRow(
        name="change_parts_address",
        label=lazy("Change the shipping address"),
        button=lazy("Change the shipping address"),
        explanation=lazy("We ship parts to this address if any are needed."),
        part="parts",
        fields=(
            Field("parts", lazy("Parts shipping address"), "radios", ask=_CHOOSE),
            *in_group("parts_address", lazy("Parts shipping address"), ADDRESS_OF_CASE),
        ),
        done=lazy("The shipping address is changed."),
        undone=lazy("The shipping address was not changed"),
        entry="parts_address_changed",
        history=lazy("%(name)s changed the shipping address of parts from %(old)s to %(new)s"),
        history_first=lazy("%(name)s has parts shipped to %(new)s, no longer to the equipment"),
        history_last=lazy("%(name)s has parts shipped to the equipment, no longer to %(old)s"),
        value="text",
        icon="box",
    ),
    ActionRow(
        name="mark_confidential",
        label=lazy("Mark as confidential"),
        button=lazy("Mark as confidential"),
        explanation=lazy(
            "From then on only the people on the case, the company’s administrators and support see it. All other "
            "colleagues who see it now lose sight of it."
        ),
        done=lazy("The case is confidential."),
        undone=lazy("The case was not marked as confidential"),
        entry="marked_confidential",
        history=lazy("%(name)s marked the case as confidential"),
        icon="lock",
    ),
    ActionRow(
        name="unmark_confidential",
        label=lazy("No longer confidential"),
        button=lazy("Make it visible again"),
        explanation=lazy(
            "From then on colleagues see the case with all its messages and files, as far as the company’s setting "
            "lets them see cases of others."
        ),
        done=lazy("The case is no longer confidential."),
        undone=lazy("The case is still confidential"),
        entry="unmarked_confidential",
        history=lazy("%(name)s made the case visible to colleagues again"),
        icon="lock",
    ),
    ActionRow(
        name="follow_up",
        label=lazy("Create a follow-up"),
        button=lazy("Create the follow-up"),
        explanation=lazy(
            "A new case for the same equipment, linked with this one both ways. Place, contacts, PIN and shipping "
            "address are copied as they stand here; messages and files stay in this case."
        ),
        group="end",
        fields=(CASE.by_name["title"], CASE.by_name["description"], replace(SEVERITY, optional=True)),
        done=lazy("The follow-up is created."),
        undone=lazy("The follow-up was not created"),
    ),
)
