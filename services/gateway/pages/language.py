"""The language of a page: the user's own, else the one chosen here before, else what the browser likes best."""

import re

from aiohttp import web

from services.gateway.brand import BRAND
from services.gateway.clients import SERVICES
from services.gateway.cookies import COOKIES
from services.gateway.middleware import is_api
from services.gateway.pages.backend import refuse
from services.gateway.pages.rendering import SURROUNDINGS, Surroundings
from services.gateway.pages.requests import local_path, read_public_form, redirect
from services.gateway.session import Visitor, refuse_without_csrf, visitor_if_known, visitor_of
from shared.i18n import LANGUAGES, preferred_language, reading_in
from shared.web.app import CLOCK, Handler

pages = web.RouteTableDef()

_COOKIE = "portico-language"
_CODE = re.compile("|".join(LANGUAGES))
_A_YEAR_S = 365 * 24 * 3600


@web.middleware
async def in_the_readers_language(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Everything within is written for the reader at hand, refusals included."""
    if is_api(request) or request.path.startswith("/static/"):
        return await handler(request)
    # What a form was posted to is shown again under GET.
    path = request.path_qs if request.method in {"GET", "HEAD"} else request.path
    surroundings = SURROUNDINGS.set(Surroundings(request.app[BRAND], path, request.app[CLOCK]()))
    try:
        with reading_in(await _language(request)):
            return await handler(request)
    finally:
        SURROUNDINGS.reset(surroundings)


async def _language(request: web.Request) -> str:
    visitor = await visitor_if_known(request)  # the page itself says what is away
    if visitor is not None:
        return visitor.user.language
    chosen = request.app[COOKIES].read(request, _COOKIE, _CODE)
    return chosen if chosen in LANGUAGES else preferred_language(request.headers.get("Accept-Language", ""))


@pages.post("/language")
async def choose_language(request: web.Request) -> web.Response:
    """Remembers the language in this browser, and in the profile of who is signed in; returns to the page."""
    typed = await read_public_form(request)
    visitor = await visitor_of(request)
    if visitor is not None:
        refuse_without_csrf(request, visitor, typed.get("csrf_token"))
    response = redirect(local_path(typed.get("next")))
    if (chosen := typed.get("to")) in LANGUAGES:
        if visitor is not None:
            await _write_into_profile(request, visitor, chosen)
        request.app[COOKIES].keep(response, _COOKIE, chosen, max_age_s=_A_YEAR_S)
    return response


@pages.get("/language")
async def form_of_every_page(_request: web.Request) -> web.Response:
    """Its address, where it could not be sent."""
    return redirect("/")


async def _write_into_profile(request: web.Request, visitor: Visitor, chosen: str) -> None:
    reply = await request.app[SERVICES].call(
        "identity", "PUT", "/profile/language", visitor=visitor, json={"language": chosen}
    )
    if not reply.ok:
        refuse(reply)
