"""What goes wrong on a page is answered as a page."""

import re
from urllib.parse import urlencode

import structlog
from aiohttp import web
from yarl import URL

from services.gateway.forms import Form
from services.gateway.messages import of_refusal
from services.gateway.middleware import is_api, is_for_anybody
from services.gateway.pages.account import SIGN_IN, sign_in_page
from services.gateway.pages.backend import RETRY_AFTER
from services.gateway.pages.finding import MISTYPED
from services.gateway.pages.new_case import address_of_form
from services.gateway.pages.rendering import render
from services.gateway.pages.requests import TYPED, redirect
from services.gateway.pages.unsent_forms import fields_for_sign_in, shown_fields, unsent_fields, unsent_form_page
from services.gateway.session import OldForm, visitor_if_known
from services.gateway.texts import N_, _
from services.gateway.waits import when_again
from shared import errors
from shared.connections import has_left
from shared.errors import Refusal
from shared.web.app import Handler
from shared.web.problems import refusal_of

_log = structlog.get_logger()

HEADINGS = {
    403: N_("Not allowed"),
    404: N_("Page not found"),
    405: N_("This page cannot be opened"),
    409: N_("This is not possible"),
    408: N_("That took too long"),
    413: N_("That is too much at once"),
    422: N_("Please check what you entered"),
    429: N_("Please wait a moment"),
    503: N_("A part of the portal is not reachable"),
}
_PASSING = {408, 429, 500, 503}
_LOST = {403, 404}  # what was meant is out of sight meanwhile, or not to be changed any more
_BEING_CHECKED = "scanning"
_LISTS, _FILE = ("/cases.xlsx", "/cases.csv"), re.compile(r"(/cases/[^/]+)/files/")
_EXPORT = re.compile(r"(/cases/exports)/[^/]+/file$")
_CASE = re.compile(r"/cases/([^/]+)$")
_HEADING = N_("Something went wrong")
_WAITING = (errors.TooManyRequests.status, errors.Unavailable.status)


@web.middleware
async def error_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refusals become pages; visitors without a session sign in and come back. No form loses what was typed.

    Nobody reads a page in place of a stylesheet, and making one asks services who is there.
    """
    if is_api(request) or is_for_anybody(request):
        return await handler(request)
    try:
        return _with_wait_of_service(request, await handler(request))
    except errors.NotSignedIn as refusal:
        return await _ask_to_sign_in(request, refusal)
    except (OldForm, errors.Unavailable, errors.TooManyRequests) as refusal:
        return await _keep(request, refusal)
    except web.HTTPException as error:
        if error.status < 400:  # noqa: PLR2004
            raise
        return await _page(request, refusal_of(error), allow=error.headers.get("Allow"))
    except Exception as error:  # anything becomes a page; what is no refusal is logged
        if isinstance(error, ConnectionError) and has_left(request):
            raise
        return await _page(request, refusal_of(error))


async def _ask_to_sign_in(request: web.Request, refusal: errors.NotSignedIn) -> web.Response:
    try:
        typed = await unsent_fields(request)
    except errors.Unavailable as busy:
        # Whoever went on to the sign-in page would have lost it; the browser sends this one again.
        return await _page(request, busy)
    if typed is None:
        return redirect(f"/sign-in?{urlencode({'next': _path_to_return_to(request)})}")
    form = Form(SIGN_IN, fields_for_sign_in(request, typed))
    return sign_in_page(request, form, status=refusal.status)


async def _keep(request: web.Request, refusal: Refusal) -> web.StreamResponse:
    try:
        typed = await unsent_fields(request)
    except errors.Unavailable:
        typed = None
    if typed is None:
        return await _page(request, refusal)
    return _with_wait(unsent_form_page(request, await visitor_if_known(request), typed, refusal), refusal)


def _path_to_return_to(request: web.Request) -> str:
    """Where the form stood, for a form: its pages answer GET under the same path. For a file, where its link stands."""
    if page := _page_of_download(request):
        return page
    return request.path_qs if request.method in {"GET", "HEAD"} else request.path


async def _page(request: web.Request, refusal: Refusal, *, allow: str | None = None) -> web.Response:
    response = render(
        "error.html",
        visitor=await visitor_if_known(request),
        status=refusal.status,
        title=_(HEADINGS.get(refusal.status, _HEADING)),
        sentence=_sentence(refusal),
        can_retry=request.method == "GET" and (refusal.status in _PASSING or refusal.code == _BEING_CHECKED),
        path=request.path_qs,
        back=_back(request, refusal),
        sought=_sought(request, refusal),
        kept=shown_fields(request) if refusal.status in _LOST else [],
    )
    if allow is not None:
        response.headers["Allow"] = allow
    return _with_wait(response, refusal)


def _back(request: web.Request, refusal: Refusal) -> tuple[str, str]:
    """The page that a download was started from, or the form that was too long; with the text of the link."""
    if page := _page_of_download(request):
        return page, _("Back to the case") if _FILE.match(request.path) else _("Back to the list")
    if request.method != "POST" or refusal.status != errors.TooLarge.status:
        return "", ""
    return _page_of_form(request), _("Back to the form")


def _sought(request: web.Request, refusal: Refusal) -> str | None:
    """What stands in the field to search by on the page, which is there where nothing was found: a case's number."""
    if refusal.status != errors.NotFound.status and refusal.code != MISTYPED:
        return None
    found = _CASE.match(request.path)
    return found[1] if found else ""


def _page_of_download(request: web.Request) -> str:
    """Where the link to a file stands; empty for what is no file."""
    if request.path in _LISTS:
        return str(URL("/cases").with_query(request.query))
    found = _FILE.match(request.path) or _EXPORT.match(request.path)
    return found[1] if found else ""


def _page_of_form(request: web.Request) -> str:
    if request.path == "/cases":
        return address_of_form(request.get(TYPED, {}))
    return request.path.removesuffix("/resend")


def _with_wait(response: web.Response, refusal: Refusal) -> web.Response:
    if (wait := getattr(refusal, "retry_after_s", None)) is not None:
        response.headers["Retry-After"] = str(wait)
    return response


def _with_wait_of_service(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """A form that a service refused comes back with the service's own wait."""
    if RETRY_AFTER in request and response.status in _WAITING and not response.prepared:
        response.headers.setdefault("Retry-After", request[RETRY_AFTER])
    return response


def _sentence(refusal: Refusal) -> str:
    return f"{of_refusal(refusal)} {when_again(refusal.status, getattr(refusal, 'retry_after_s', ''))}".strip()
