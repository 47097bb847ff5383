"""Numbers of bytes as people say them."""

from babel.numbers import format_decimal

from services.gateway.texts import _
from shared.i18n import language, number

_KB, _MB = 1024, 1024 * 1024


def size(count: int) -> str:
    """A number of bytes as people say it, such as 2 MB or 300 kB."""
    if count >= _MB:
        return _("%(count)s MB") % {"count": format_decimal(round(count / _MB, 1), locale=language())}
    return _("%(count)s kB") % {"count": number(max(1, round(count / _KB)))}
