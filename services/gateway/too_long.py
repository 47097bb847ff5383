"""The page for a request that could not be read, because its cookies or its address are too long."""

import re

from aiohttp import web

from services.gateway.messages import of_refusal
from services.gateway.pages.rendering import render
from services.gateway.texts import _
from shared.errors import AddressTooLong, HeaderTooLong, Refusal
from shared.i18n import LANGUAGES, reading_in

# A browser sends all its cookies with each request: of a few hundred applications, some tens of kilobytes.
LONGEST_HEADER = 32 * 1024
_OF_A_PROGRAM = re.compile(rb"[A-Z]+ /api(?![^/? ])")


def page_of(refusal: Refusal, beginning: bytes) -> web.Response | None:
    """In all languages, because nobody has read which one is wanted; None for a program, and for what is no request."""
    if not isinstance(refusal, AddressTooLong | HeaderTooLong) or _OF_A_PROGRAM.match(beginning):
        return None
    return render(
        "too_long.html", visitor=None, status=refusal.status, told=[_told(code, refusal) for code in LANGUAGES]
    )


def _told(code: str, refusal: Refusal) -> tuple[str, str, str]:
    with reading_in(code):
        return code, _("This page cannot be shown"), of_refusal(refusal)
