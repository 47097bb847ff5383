"""With which statuses and codes each route refuses: what follows from its row, and what the row names itself."""

import re
from collections.abc import Iterator, Mapping

from services.gateway.forwarding import Access, Route
from services.gateway.session import SAFE_METHODS

_VARIABLE = re.compile(r"{\w+}")


def refusals_of(route: Route) -> Mapping[int, tuple[str, ...]]:
    """The codes of each status, in order of the statuses."""
    found: dict[int, dict[str, None]] = {}
    for status, codes in (*_usual(route), *route.refusals.items()):
        found.setdefault(status, {}).update(dict.fromkeys(codes))
    return {status: tuple(found[status]) for status in sorted(found)}


def _usual(route: Route) -> Iterator[tuple[int, tuple[str, ...]]]:
    has_body = route.body is not None or route.files is not None
    yield 400, ("malformed",)
    if route.access is Access.SIGNED_IN:
        yield 401, ("not_signed_in",)
        yield 403, ("forbidden", "company_suspended")
    if route.method not in SAFE_METHODS:
        yield 403, ("csrf",)
    if _VARIABLE.search(route.path) or "company_id" in getattr(route.query, "model_fields", ()):
        yield 404, ("not_found",)
    if route.if_match:
        # Where somebody else was faster between the look at the version and the save.
        yield 409, ("stale",)
        yield 412, ("precondition_failed",)
        yield 428, ("precondition_required",)
    if has_body:
        yield 408, ("request_timeout",)
        yield 413, ("too_large",)
    yield 414, ("address_too_long",)
    yield 415, ("wrong_media_type",)
    if has_body or route.query is not None:
        yield 422, ("invalid",)
    if has_body:
        yield 422, ("not_yet_known",)
    if route.takes_key and route.access is Access.SIGNED_IN:
        yield 422, ("idempotency_key_reused",)
    yield 429, ("too_many_requests",)
    yield 431, ("header_too_long",)
    yield 503, ("unavailable", "too_busy")
