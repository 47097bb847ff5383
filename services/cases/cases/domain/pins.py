"""PINs: the special-handling codes of a company, and which of them are valid for a case."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from shared.errors import FieldError, Invalid


class PinNotValid(Invalid):
    """Not a PIN of the company, or bound to another contract or site. `state` lists the PINs that are valid here."""

    code = "pin_not_valid"
    title = "This PIN is not valid for this case."


@dataclass(frozen=True, slots=True)
class Pin:
    """A code as the vendor assigned it; bound to an agreement, to a site, to both, or to nothing."""

    pin: str
    label: str
    instructions: str = ""
    said: str | None = None
    site_id: UUID | None = None

    def fits(self, *, saids: Collection[str], site_id: UUID | None) -> bool:
        """Whether it is valid for a case under these agreements and at this site."""
        return (self.said is None or self.said in saids) and self.site_id in (None, site_id)


def choose_pin(wanted: str, pins: Iterable[Pin], *, saids: Collection[str], site_id: UUID | None) -> Pin:
    """The wanted PIN of a company. Raises PinNotValid with the valid ones: a wrong PIN would delay the case."""
    valid = [pin for pin in pins if pin.fits(saids=saids, site_id=site_id)]
    for pin in valid:
        if pin.pin == wanted:
            return pin
    state = {"valid_pins": [{"pin": pin.pin, "label": pin.label} for pin in valid]}
    raise PinNotValid(errors=(_not_valid(valid),), state=state)


def _not_valid(valid: list[Pin]) -> FieldError:
    named = [f"{pin.pin} ({pin.label})" for pin in valid]
    if not named:
        sentence = f"{PinNotValid.title} Leave it out: no PIN of your company is valid for it."
        return FieldError("pin", PinNotValid.code, sentence, {"reason": "none_valid"})
    return FieldError("pin", PinNotValid.code, f"{PinNotValid.title} Valid are: {', '.join(named)}.", {"pins": named})
