"""The portal's pages: a form becomes the JSON of an API route, an answer becomes HTML."""

from collections.abc import Mapping

from aiohttp import web

from services.gateway.fields import FormSpec
from services.gateway.pages.account import ACCEPT, SIGN_IN, VERIFY
from services.gateway.pages.account import pages as account
from services.gateway.pages.acting import pages as acting
from services.gateway.pages.answering import ANSWER
from services.gateway.pages.case import pages as case
from services.gateway.pages.case_actions import ANY_ACTION
from services.gateway.pages.case_form import CASE
from services.gateway.pages.case_list import pages as case_list
from services.gateway.pages.columns import pages as columns
from services.gateway.pages.company import INVITATIONS, SITE
from services.gateway.pages.company import pages as company
from services.gateway.pages.components import pages as components
from services.gateway.pages.compression import compress_pages
from services.gateway.pages.exports import pages as exports
from services.gateway.pages.failures import error_pages
from services.gateway.pages.file_forms import KNOWN_LIMITS, KnownLimits
from services.gateway.pages.finding import pages as finding
from services.gateway.pages.for_whom import pages as for_whom
from services.gateway.pages.help import pages as help_page
from services.gateway.pages.language import in_the_readers_language
from services.gateway.pages.language import pages as language
from services.gateway.pages.marks import VISITS, Visits, keep_visits
from services.gateway.pages.marks import pages as marks
from services.gateway.pages.new_case import pages as new_case
from services.gateway.pages.profile import NOTICES, PROFILE
from services.gateway.pages.profile import pages as profile
from services.gateway.pages.queue import pages as queue
from services.gateway.pages.start import pages as start
from services.gateway.pages.static import add_static
from services.gateway.pages.turn_times import pages as turn_times
from services.gateway.pages.unsent_forms import FORM_SPECS
from services.gateway.pages.unsubscribe import pages as unsubscribe
from services.gateway.rate_limits import refuse_over_limit

# The fields of every form with texts, by the path it is posted to: a form that could not be sent shows them again.
FORMS: Mapping[str, FormSpec] = {
    "/sign-in": SIGN_IN,
    "/invitations/{code}": ACCEPT,
    "/verify": VERIFY,
    "/verify/resend": VERIFY,
    "/profile": PROFILE,
    "/profile/notices": NOTICES,
    "/sites": SITE,
    "/users": INVITATIONS,
    "/cases": CASE,
    "/cases/{number}": ANY_ACTION,
    "/cases/{number}/answer": ANSWER,
    "/cases/{number}/do/{action}": ANY_ACTION,
}


def add_pages(app: web.Application) -> None:
    """Registers every page, its stylesheet, and pages in place of problem+json for what goes wrong outside `/api`."""
    # The last middleware is the innermost: it sees a refusal before the one that answers it as JSON.
    app[FORM_SPECS] = FORMS
    app[KNOWN_LIMITS] = KnownLimits()
    app[VISITS] = Visits()
    app.cleanup_ctx.append(keep_visits)
    app.middlewares.extend((compress_pages, in_the_readers_language, error_pages, refuse_over_limit))
    add_static(app)
    for part in (
        start,
        language,
        account,
        profile,
        company,
        for_whom,
        new_case,
        case_list,
        columns,
        marks,
        exports,
        turn_times,
        finding,
        case,
        queue,
        acting,
        unsubscribe,
        help_page,
        components,
    ):
        app.add_routes(part)
