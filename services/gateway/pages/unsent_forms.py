"""A form that could not be processed: the page keeps what was typed, and one press sends it again."""

import re
from collections.abc import Iterator, Mapping

from aiohttp import web

from services.gateway.echo import CUT, shortened
from services.gateway.fields import Field, FormSpec
from services.gateway.forms import FormData
from services.gateway.messages import of_refusal
from services.gateway.pages.file_forms import IDS, LOST_FILES, names_of_files, read_unproven_fields
from services.gateway.pages.rendering import render
from services.gateway.pages.requests import TYPED, local_path
from services.gateway.session import SESSIONS, OldForm, Visitor, refuse_cross_site
from services.gateway.texts import _
from services.gateway.waits import when_again
from shared import errors
from shared.errors import Refusal
from shared.i18n import language, reading_in

# The page has a token of its own, and a password must not be in a page.
_LEFT_OUT = frozenset({"csrf_token", "password"})
_PREFIX, _PATH = "kept.", "kept_path"
FORM_SPECS = web.AppKey("form_specs", Mapping[str, FormSpec])


async def unsent_fields(request: web.Request) -> FormData | None:
    """The fields of a posted form of this site; None for anything else, Unavailable where there is no room for them."""
    if request.method != "POST":
        return None
    try:
        # Else another site could make a visitor send its text with one press.
        refuse_cross_site(request)
        typed = request[TYPED] if TYPED in request else await read_unproven_fields(request)
    except errors.Unavailable:
        raise
    except (Refusal, web.HTTPException):
        return None
    kept = {name: text for name, text in typed.items() if name not in _LEFT_OUT and not name.startswith(_PREFIX)}
    return kept or None


def unsent_form_page(request: web.Request, visitor: Visitor | None, typed: FormData, refusal: Refusal) -> web.Response:
    """What was typed into the form that was posted, with a button that sends it again."""
    sentence = f"{of_refusal(refusal)} {when_again(refusal.status, getattr(refusal, 'retry_after_s', ''))}".strip()
    if isinstance(refusal, OldForm):
        sentence = _("You have signed in again, or changed the company, since this page was opened.")
        if visitor is not None:
            sentence = f"{sentence} {here_now(visitor)}"
    return _page(request, visitor, request.path, typed, sentence, status=refusal.status)


def fields_for_sign_in(request: web.Request, typed: FormData) -> FormData:
    """The fields of the sign-in page, which carries another form along."""
    return {"next": request.path, _PATH: request.path} | {_PREFIX + name: text for name, text in typed.items()}


async def unsent_form_after_sign_in(request: web.Request, typed: FormData, token: str) -> web.Response | None:
    """The page of the form that the sign-in page carried along, for the user who just signed in; None without one."""
    kept = {name.removeprefix(_PREFIX): text for name, text in typed.items() if name.startswith(_PREFIX)}
    if not kept:
        return None
    try:
        visitor = await request.app[SESSIONS].visitor(token)
    except errors.Unavailable:
        visitor = None
    kept |= {CUT: typed[CUT]} if CUT in typed else {}
    # The request had no session: only now is the user's language known.
    with reading_in(visitor.user.language if visitor else language()):
        sentence = _("You are signed in again.") if visitor is None else here_now(visitor)
        return _page(request, visitor, local_path(typed.get(_PATH)), kept, sentence, status=200)


def here_now(visitor: Visitor) -> str:
    """Names whose session it is: the form may have been filled in by somebody else, or for another company."""
    user = visitor.user
    return _("You are now signed in as %(email)s, in the portal of %(company)s.") % {
        "email": user.email,
        "company": user.company_name,
    }


def _page(
    request: web.Request, visitor: Visitor | None, path: str, typed: FormData, sentence: str, *, status: int
) -> web.Response:
    typed, is_cut = shortened(typed)
    return render(
        "unsent_form.html",
        visitor=visitor,
        status=status,
        sentence=sentence,
        path=path,
        fields=list(_fields(typed)),
        shown=_readable(request, path, typed),
        is_cut=is_cut,
        files=names_of_files(typed),
        lost_files=LOST_FILES in typed,
    )


def shown_fields(request: web.Request) -> list[tuple[Field, str]]:
    """What was typed into the form at hand, to be copied where it cannot be sent again."""
    typed, _is_cut = shortened(request.get(TYPED, {}))
    return _readable(request, request.path, typed)


def _readable(request: web.Request, path: str, typed: FormData) -> list[tuple[Field, str]]:
    fields = spec_at(request.app[FORM_SPECS], path).fields
    return [(each, typed[each.name]) for each in fields if each.is_readable and typed.get(each.name, "").strip()]


def _fields(typed: FormData) -> Iterator[tuple[str, str]]:
    for name, text in typed.items():
        if name == IDS:
            yield from ((IDS, file) for file in text.split())
        elif name not in {LOST_FILES, CUT}:
            yield name, text


def spec_at(specs: Mapping[str, FormSpec], path: str) -> FormSpec:
    """The form that is posted to this path; an empty one where the path has none with texts."""
    for template, spec in specs.items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            return spec
    return FormSpec()
