"""What a form of an action is filled in with, and the JSON that it becomes."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from services.gateway.fields import ADDRESS
from services.gateway.forms import FormData, from_json, to_json
from services.gateway.pages.action_row import ActionRow
from services.gateway.pages.case_calls import WINDOW
from services.gateway.texts import _, lazy

_CONTACT = ("first_name", "last_name", "email", "phone")
_WHEN = tuple(field.name for field in WINDOW)
_DAY = lazy("Enter a date, such as 2026-11-22.")
_TIME = lazy("Enter a time of day, such as 14:30.")
# Errors of the JSON, and the fields of the page that they are about.
_PLACES = {"at.from": "from", "at.to": "to", "at": "when", "contact": "who"}


class Mistyped(Exception):
    """What the page itself cannot read: an error for each field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        """By the names of fields."""
        super().__init__(*errors)
        self.errors = errors


# As the case has it


def values_of(row: ActionRow, case: Mapping[str, Any], zone: ZoneInfo, now: datetime) -> dict[str, str]:
    """What stands in the form at first: the present values, so that only what is different has to be typed."""
    if row.part == "callback":
        return _call(row, case, zone, now)
    filled = _FILLED.get(row.name)
    return filled(case) if filled else {}


def _contact(contact: Mapping[str, Any] | None) -> dict[str, str]:
    return {"who": "typed"} | ({f"contact.{name}": str(contact[name]) for name in _CONTACT} if contact else {})


def _place(case: Mapping[str, Any]) -> dict[str, str]:
    site_id = str(case.get("site_id") or "")
    typed = {"where": "site" if site_id else "address", "site_id": site_id, "pin": str(case.get("pin") or "")}
    return typed | from_json(_address(case["equipment_address"]), prefix="equipment_address.")


def _parts(case: Mapping[str, Any]) -> dict[str, str]:
    own = case["parts_address"]
    typed = {"parts": "other" if own else "same"}
    return typed | from_json(_address(own or case["equipment_address"]), prefix="parts_address.")


_FILLED: Mapping[str, Callable[[Mapping[str, Any]], dict[str, str]]] = {
    "change_contact": lambda case: _contact(case["contact"]),
    "change_secondary_contact": lambda case: _contact(case["secondary_contact"]),
    "change_site": _place,
    "change_parts_address": _parts,
    "change_severity": lambda case: {"severity": str(case["severity"])},
    "follow_up": lambda case: {"title": str(case["title"]), "severity": str(case["severity"])},
}


def _address(address: Mapping[str, Any]) -> dict[str, str]:
    return {field.name: str(address.get(field.name) or "") for field in ADDRESS}


def _call(row: ActionRow, case: Mapping[str, Any], zone: ZoneInfo, now: datetime) -> dict[str, str]:
    callback = case.get("callback") or {}
    typed = {
        "when": "asked" if row.name == "confirm_callback" else "now",
        "date": now.astimezone(zone).date().isoformat(),
        "phone": str(callback.get("phone") or case["contact"]["phone"]),
    }
    if callback.get("from") and callback.get("to"):
        begins, ends = (datetime.fromisoformat(callback[name]).astimezone(zone) for name in ("from", "to"))
        typed |= {"date": begins.date().isoformat(), "from": f"{begins:%H:%M}", "to": f"{ends:%H:%M}"}
        typed["when"] = "window" if typed["when"] == "now" else typed["when"]
    return typed


# As the API takes it


def body_of(
    row: ActionRow, typed: FormData, zone: ZoneInfo, colleague: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The JSON of the action; Mistyped where the page cannot read what was typed.

    What the radio buttons leave out does not count, whatever was typed there. `colleague` is the person who was picked.
    """
    own = {"who", "colleague_id", "where", "parts", "when", "pin", *_WHEN}
    chosen = typed.get({"place": "where", "parts": "parts", "contact": "who"}.get(row.part, ""), "")
    body = to_json({**typed, "action": row.name}, row.form, without=own | _left_out(row.part, chosen))
    if row.part == "contact":
        body["contact"] = _picked(typed, chosen, colleague, body.get("contact", {}))
    elif row.part == "parts":
        body["parts_address"] = body.get("parts_address", {}) if chosen == "other" else None
    elif row.part == "place":
        body.setdefault("site_id" if chosen == "site" else "equipment_address", "" if chosen == "site" else {})
        # What is not in the form stays; an empty choice is none.
        body |= {"pin": typed["pin"]} if "pin" in typed else {}
    elif row.part == "callback" and typed.get("when") != "asked":
        body["at"] = _window(typed, zone) if typed.get("when") == "window" else "now"
    return body


def _left_out(part: str, chosen: str) -> set[str]:
    if part == "place":
        return {"equipment_address"} if chosen == "site" else {"site_id"}
    return {"parts_address"} if part == "parts" and chosen != "other" else set()


def _picked(
    typed: FormData, chosen: str, colleague: Mapping[str, Any] | None, as_typed: dict[str, Any]
) -> dict[str, Any] | None:
    if chosen == "nobody":
        return None
    if chosen != "colleague":
        return as_typed
    if colleague is None:
        sentence = _("This person is not an active user of the company any more. Please choose somebody else.")
        raise Mistyped({"colleague_id": sentence if typed.get("colleague_id") else _("Choose a person.")})
    data = {name: str(colleague.get(name) or "") for name in _CONTACT}
    return {name: text for name, text in data.items() if text} | {"user_id": str(colleague["id"])}


def _window(typed: FormData, zone: ZoneInfo) -> dict[str, str]:
    wrong = {}
    for field, read, sentence in zip(WINDOW, (date.fromisoformat, _time, _time), (_DAY, _TIME, _TIME), strict=True):
        text = typed.get(field.name, "").strip()
        try:
            read(text)
        except ValueError:
            wrong[field.name] = str(sentence if text else field.ask)
    if wrong:
        raise Mistyped(wrong)
    day = date.fromisoformat(typed["date"].strip())
    times = {name: _time(typed[name].strip()) for name in ("from", "to")}
    try:
        moments = {name: datetime.combine(day, at, zone).astimezone(UTC) for name, at in times.items()}
        skipped = {name: at for name, at in times.items() if moments[name].astimezone(zone).time() != at}
    except (OverflowError, ValueError) as error:
        raise Mistyped({"date": str(_DAY)}) from error
    if skipped:
        sentence = _("On this day the clocks go forward, and there is no %(time)s. Choose another time.")
        raise Mistyped({name: sentence % {"time": f"{at:%H:%M}"} for name, at in skipped.items()})
    # A time that comes twice, when the clocks go back, is the first of the two.
    return {name: moment.isoformat() for name, moment in moments.items()}


def _time(text: str) -> time:
    return time.fromisoformat(text).replace(tzinfo=None)


def at_fields(problem: Mapping[str, Any]) -> dict[str, Any]:
    """The problem with its errors at the fields of the page."""
    errors = [{**error, "field": _field_of(str(error["field"]))} for error in problem.get("errors", ())]
    return {**problem, "errors": errors} if errors else dict(problem)


def _field_of(name: str) -> str:
    """Of a union the schema names the branch, too: `at.CallbackWindow.from`."""
    if name.startswith("at."):
        name = f"at.{name.rpartition('.')[2]}"
    return _PLACES.get(name, name)
