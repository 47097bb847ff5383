"""What a browser sends to a page, and where the page sends it next: posted forms, local paths, redirects."""

import re
import secrets
from collections.abc import Mapping
from functools import partial

from aiohttp import web

from services.gateway.forms import FormData, pairs_of
from services.gateway.session import Visitor, refuse_cross_site, refuse_without_csrf
from shared import errors
from shared.bodies import MOST_FIELDS, parse_in_thread, read_bytes
from shared.schemas.base import BODY_BYTES, SMALL_BODY_BYTES
from shared.schemas.cases import SubmitCase
from shared.text import clean_line, cleaned_anyhow, is_seen
from shared.web.headers import IDEMPOTENCY_HEADER

# The fields of the form at hand, once they were read.
TYPED: web.RequestKey[FormData] = web.RequestKey("typed", dict)

FORM_TYPE = "application/x-www-form-urlencoded"
# A form with long texts, and one that carries such a form along; what a browser adds to it has room, too.
LONG_FORM_BYTES = SubmitCase.max_body_bytes + BODY_BYTES
LONGEST_ASKED = 500
_LONGEST_READ = 4 * LONGEST_ASKED  # what nobody sees takes room, too
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_LOCAL_PATH = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")


def asked_for(query: Mapping[str, str], name: str) -> str:
    """What an address asks for, as words in one line: of a longer text only as much as a search takes."""
    cleaned = cleaned_anyhow(query.get(name, "")[:_LONGEST_READ], clean_line)
    return " ".join(cleaned.split())[:LONGEST_ASKED] if is_seen(cleaned) else ""


async def read_form(request: web.Request, visitor: Visitor, *, at_most: int = SMALL_BODY_BYTES) -> FormData:
    """The fields of a form that this visitor sent from a page of their session; CrossSiteRequest, or OldForm."""
    typed = await read_public_form(request, at_most=at_most)
    refuse_without_csrf(request, visitor, typed.get("csrf_token"))
    return typed


async def read_public_form(request: web.Request, *, at_most: int = SMALL_BODY_BYTES) -> FormData:
    """The fields of a form that anybody may send from this site: no token is asked for, so no session may be used.

    Of a repeated field the first counts. CrossSiteRequest for a form of another site.
    """
    refuse_cross_site(request)
    typed: dict[str, str] = {}
    for name, text in await read_pairs(request, at_most=at_most):
        typed.setdefault(name, text)
    request[TYPED] = typed
    return typed


async def read_pairs(request: web.Request, *, at_most: int = SMALL_BODY_BYTES) -> list[tuple[str, str]]:
    """Names and texts of a posted form, as they came; what is no UTF-8 is replaced, as in an address."""
    if request.content_type != FORM_TYPE:
        raise errors.WrongMediaType(f"Send {FORM_TYPE}.")
    body = await read_bytes(request, at_most=at_most)
    try:
        return await parse_in_thread(partial(pairs_of, most=MOST_FIELDS), body)
    except ValueError as error:
        params = {"reason": "fields", "limit": MOST_FIELDS}
        raise errors.TooLarge(f"A form may have at most {MOST_FIELDS} fields.", params=params) from error


def new_idempotency_key() -> str:
    """An Idempotency-Key, made when a form is shown: however often it is sent, it acts once."""
    return secrets.token_urlsafe(16)


def idempotency_header(typed: FormData) -> dict[str, str]:
    """The header that makes a form act once."""
    key = typed.get("idempotency_key", "")
    return {IDEMPOTENCY_HEADER: key if _KEY.fullmatch(key) else new_idempotency_key()}


def local_path(text: str | None) -> str:
    """A path of this site to go back to; the start page for anything else."""
    return text if text and _LOCAL_PATH.fullmatch(text) else "/"


def redirect(path: str) -> web.Response:
    """Shows another page after a form, so that reloading does not send it again."""
    return web.Response(status=303, headers={"Location": path, "Cache-Control": "no-store"})
