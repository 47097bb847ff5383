"""The time after which a refused request may be sent again, in words."""

from babel.dates import format_timedelta

from services.gateway.texts import _
from shared import errors
from shared.i18n import language


def when_again(status: int, retry_after: object) -> str:
    """A sentence for a refusal with this `Retry-After`; empty for any other, whose own sentence says enough."""
    seconds = str(retry_after)
    if status != errors.TooManyRequests.status or not (seconds.isascii() and seconds.isdigit()):
        return ""
    wait = format_timedelta(int(seconds[:9]), locale=language())
    return _("You can try again in about %(wait)s.") % {"wait": wait}
