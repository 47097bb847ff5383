"""How values look on pages: short times, greetings, initials, and the picture of a product line."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date

from services.gateway.texts import _, ngettext
from shared.i18n import day, language, number
from shared.schemas.identity import SessionUser
from shared.text import isolated
from shared.zones import zone_of

_A_WEEK_DAYS = 7
_ENDS_SOON_DAYS = 90
_MORNING, _NOON, _EVENING = 5, 12, 18
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 24 * 3600

# Words of product lines, in the languages that vendors write, by the picture that they get (sprite.html).
_PICTURES = {
    "server": ("server", "serveur", "rack"),
    "storage": ("storage", "stockage", "disk", "disque", "array"),
    "printer": ("print", "imprim", "copier", "copieur", "scanner"),
    "software": ("software", "logiciel", "licen"),
}
_ANY_PICTURE = "box"


def ago(value: str, zone: ZoneInfo, now: datetime) -> str:
    """When something happened, as short as it can be told: 07:41, Yesterday, Sat 28 Nov, 24 Nov, 24 Nov 2025."""
    local, today = datetime.fromisoformat(value).astimezone(zone), now.astimezone(zone).date()
    days = (today - local.date()).days
    if days == 0:
        return f"{local:%H:%M}"
    if days == 1:
        return _("Yesterday")
    if local.year != today.year:
        return day(local.date())
    return _day_of_this_year(local.date(), "EEE d MMM" if 0 < days < _A_WEEK_DAYS else "d MMM", language())


@lru_cache(maxsize=1024)  # a list has one or two times in each row
def _day_of_this_year(value: date, pattern: str, code: str) -> str:
    return format_date(value, pattern, locale=code)


def ago_at(value: str, zone: ZoneInfo, now: datetime) -> str:
    """The same with the time of the day: 07:41, Yesterday, 16:58, 24 Nov, 10:12."""
    local = datetime.fromisoformat(value).astimezone(zone)
    short, time = ago(value, zone, now), f"{local:%H:%M}"
    return time if short == time else f"{short}, {time}"


def window(value: Mapping[str, Any] | str, zone: ZoneInfo, now: datetime) -> str:
    """When to call: as soon as possible, or Tue 2 Dec, 10:00–12:00; of a callback, or as an entry has it."""
    text = value if isinstance(value, str) else f"{value.get('from') or ''}/{value.get('to') or ''}"
    begins, slash, ends = text.partition("/")
    if not (begins and slash and ends):
        return _("as soon as possible")
    first, last = (datetime.fromisoformat(each).astimezone(zone) for each in (begins, ends))
    days = [_weekday(each, now.astimezone(zone)) for each in (first, last)]
    if first.date() == last.date():
        return f"{days[0]}, {first:%H:%M}–{last:%H:%M}"
    return f"{days[0]}, {first:%H:%M} – {days[1]}, {last:%H:%M}"


def _weekday(local: datetime, now: datetime) -> str:
    return _day_of_this_year(local.date(), "EEE d MMM" if local.year == now.year else "EEE d MMM y", language())


def age(value: str, now: datetime) -> str:
    """How long ago it was, in the largest unit: just now, 5 min, 2 h, 3 days."""
    seconds = (now - datetime.fromisoformat(value)).total_seconds()
    if seconds < _MINUTE_S:
        return _("just now")
    if seconds < _HOUR_S:
        return _("%(count)s min") % {"count": int(seconds // _MINUTE_S)}
    if seconds < _DAY_S:
        return _("%(count)s h") % {"count": int(seconds // _HOUR_S)}
    days = int(seconds // _DAY_S)
    return ngettext("%(count)s day", "%(count)s days", days) % {"count": days}


def span(seconds: int) -> str:
    """How long something took, in its two largest units: 5 min, 2 h 10 min, 3 d 4 h; what is smaller is left out."""
    if 0 < seconds < _MINUTE_S:
        return _("less than a minute")
    days, hours, minutes = seconds // _DAY_S, seconds % _DAY_S // _HOUR_S, seconds % _HOUR_S // _MINUTE_S
    if days and hours:
        return _("%(days)s d %(hours)s h") % {"days": number(days), "hours": hours}
    if days:
        return _("%(count)s d") % {"count": number(days)}
    if hours and minutes:
        return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes}
    return _("%(count)s h") % {"count": hours} if hours else _("%(count)s min") % {"count": minutes}


def late_s(first_answer: Mapping[str, str | None], now: datetime) -> int:
    """How many seconds after it was due an answer came, or is missing now; fewer than none before it is due."""
    came = datetime.fromisoformat(answered) if (answered := first_answer["answered_at"]) else now
    return int((came - datetime.fromisoformat(str(first_answer["due_at"]))).total_seconds())


def ends_soon(until: str, now: datetime) -> bool:
    """Whether cover ends within 90 days."""
    return date.fromisoformat(until) - now.date() <= timedelta(days=_ENDS_SOON_DAYS)


def days_left(until: str, zone: ZoneInfo, now: datetime) -> str:
    """How many days follow today until the last one."""
    days = (date.fromisoformat(until) - now.astimezone(zone).date()).days
    return ngettext("%(count)s day", "%(count)s days", days) % {"count": days} if days > 0 else _("Today")


def greeting(user: SessionUser, now: datetime) -> str:
    """By the time of day where the user is."""
    hour = now.astimezone(zone_of(user.time_zone)).hour
    if _MORNING <= hour < _NOON:
        text = _("Good morning, %(name)s")
    elif _NOON <= hour < _EVENING:
        text = _("Good afternoon, %(name)s")
    else:
        text = _("Good evening, %(name)s")
    return text % {"name": isolated(user.first_name or user.name)}


def initials(name: str) -> str:
    """The first letters of the first and the last name."""
    words = [word for word in name.split() if word[0].isalnum()] or name.split()
    return "".join(word[0] for word in dict.fromkeys((words[0], words[-1]))).upper() if words else ""


def pictogram(product_line: str | None) -> str:
    """The icon for a product line; a box for one that no picture fits."""
    line = (product_line or "").casefold()
    return next((name for name, words in _PICTURES.items() if any(word in line for word in words)), _ANY_PICTURE)
