"""Changes of whom to call, of where the equipment is, and of who sees a case."""

from dataclasses import replace
from datetime import datetime

from services.cases.cases.domain.case import Case, refuse_out_of_scope
from services.cases.cases.domain.refusals import Unchanged
from services.cases.cases.domain.values import Change, Changes, Contact, EntryKind, Place, PostalAddress
from shared.actor import Actor
from shared.errors import Refusal

# Rules


def is_not_confidential(case: Case, _by: Actor, _now: datetime) -> Refusal | None:
    """Nothing would change."""
    return Unchanged() if case.confidential else None


def is_confidential(case: Case, _by: Actor, _now: datetime) -> Refusal | None:
    """Nothing would change."""
    return None if case.confidential else Unchanged()


# What is changed


def change_contact(case: Case, change: Change, *, contact: Contact) -> Case:
    """Another person to call."""
    if contact == case.contact:
        raise Unchanged
    entry = change.entry(EntryKind.CONTACT_CHANGED, changes=_named(case.contact, contact))
    return replace(case, contact=contact).after(entry)


def change_secondary_contact(case: Case, change: Change, *, contact: Contact | None) -> Case:
    """Another person to call where the contact cannot be reached, or nobody."""
    if contact == case.secondary_contact:
        raise Unchanged
    entry = change.entry(EntryKind.SECONDARY_CONTACT_CHANGED, changes=_named(case.secondary_contact, contact))
    return replace(case, secondary_contact=contact).after(entry)


def _named(before: Contact | None, after: Contact | None) -> Changes:
    is_same_name = before is not None and after is not None and before.name == after.name

    def shown(contact: Contact | None) -> str | None:
        if contact is None:
            return None
        return f"{contact.name}, {contact.email}, {contact.phone}" if is_same_name else contact.name

    return {"from": shown(before), "to": shown(after)}


def change_site(case: Case, change: Change, *, place: Place) -> Case:
    """Another place of the equipment, with the PIN that is valid there."""
    before = Place(case.site_id, case.site_name, case.equipment_address, case.pin, case.pin_instructions)
    if place == before:
        raise Unchanged
    if change.by.user_id != case.owner.user_id:
        refuse_out_of_scope(place.site_id, change.by)
    changed = replace(
        case,
        site_id=place.site_id,
        site_name=place.site_name,
        equipment_address=place.address,
        pin=place.pin,
        pin_instructions=place.pin_instructions,
    )
    changes: Changes = {"from": before.name, "to": place.name}
    # A site is called by its name.
    changes = {**changes, **_countries(*(None if each.site_name else each.address for each in (before, place)))}
    if place.pin != before.pin:
        changes = {**changes, "pin_from": before.pin, "pin_to": place.pin}
    return changed.after(change.entry(EntryKind.SITE_CHANGED, changes=changes))


def change_parts_address(case: Case, change: Change, *, parts_address: PostalAddress | None) -> Case:
    """Another address for parts; without one they go to the equipment."""
    before = case.parts_address
    if parts_address == before:
        raise Unchanged
    changes: Changes = {
        "from": before.line if before else None,
        "to": parts_address.line if parts_address else None,
        **_countries(before, parts_address),
    }
    entry = change.entry(EntryKind.PARTS_ADDRESS_CHANGED, changes=changes)
    return replace(case, parts_address=parts_address).after(entry)


def _countries(before: PostalAddress | None, after: PostalAddress | None) -> Changes:
    """The codes at the ends of the lines, which readers see as names in their language."""
    addresses = {"country_from": before, "country_to": after}
    return {name: address.country for name, address in addresses.items() if address}


def mark_confidential(case: Case, change: Change) -> Case:
    """Colleagues do not see it any more."""
    return replace(case, confidential=True).after(change.entry(EntryKind.MARKED_CONFIDENTIAL))


def unmark_confidential(case: Case, change: Change) -> Case:
    """Colleagues see it as the company's settings say."""
    return replace(case, confidential=False).after(change.entry(EntryKind.UNMARKED_CONFIDENTIAL))
