"""Time zones: which names may be chosen, and what a name means that was chosen on another machine."""

from collections.abc import Mapping
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

# In the database, or beside it on some systems, but no place's time: the machine's own, and none at all.
_NO_ZONES = frozenset({"localtime", "posixrules", "Factory", "Etc/Unknown"})
_COPIES = ("posix/", "right/", "SystemV/")  # some with leap seconds, or of long ago


def find_zone(typed: str) -> str | None:
    """The name of a zone as the database writes it, however it was typed; None where there is none."""
    return _by_small_letters().get(typed.strip().replace(" ", "_").casefold())


def zone_of(name: str | None) -> ZoneInfo:
    """The zone; UTC for a name that this machine does not know, because another one may have known it."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


@cache  # it reads the whole folder of them, each time
def zone_names() -> frozenset[str]:
    """Every name that may be chosen."""
    return frozenset(name for name in available_timezones() - _NO_ZONES if not name.startswith(_COPIES))


@cache
def _by_small_letters() -> Mapping[str, str]:
    return {name.casefold(): name for name in zone_names()}
