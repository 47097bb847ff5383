"""A company's PINs to choose from, each with its name and with what it is bound to."""

from collections.abc import Iterable, Mapping
from typing import Any

from services.gateway.texts import _
from shared.text import isolated

MOST_PINS = 200  # a page of the list; a company has no more


def pin_choices(pins: Iterable[Mapping[str, Any]], sites: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """As code and text; the names of sites by their ids."""
    return tuple((pin["pin"], ", ".join(_parts(pin, sites))) for pin in pins)


def _parts(pin: Mapping[str, Any], sites: Mapping[str, str]) -> Iterable[str]:
    yield f"{pin['pin']} · {isolated(pin['label'])}"
    if pin.get("said"):
        yield _("for contract %(said)s only") % {"said": pin["said"]}
    if pin.get("site_id"):
        yield _("at %(site)s only") % {"site": sites.get(str(pin["site_id"]), _("another site"))}
