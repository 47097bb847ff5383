"""Failures as problem+json."""

import re

import orjson
import structlog
from aiohttp import web
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shared import errors
from shared.bodies import MOST_FIELDS
from shared.errors import FieldError, Refusal, problem
from shared.logging import origin
from shared.mongo import DatabaseError, is_unavailable

_MOST_ERRORS = 100
_log = structlog.get_logger()


def problem_answer(refusal: Refusal) -> web.Response:
    """A refusal as problem+json."""
    headers = {}
    if (wait := getattr(refusal, "retry_after_s", None)) is not None:
        headers["Retry-After"] = str(wait)
    body = problem(refusal) | {"request_id": origin.get().request_id}
    return web.Response(
        body=orjson.dumps(body, default=str),
        status=refusal.status,
        content_type="application/problem+json",
        headers=headers,
    )


def problem_with_allow(error: web.HTTPException) -> web.Response:
    """An answer of aiohttp as problem+json; it keeps its `Allow` header."""
    response = problem_answer(refusal_of(error))
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


class _AsRefusal(Refusal):
    """An answer that aiohttp itself gave."""

    def __init__(self, error: web.HTTPException) -> None:
        super().__init__(error.reason)
        self.status = error.status  # type: ignore[misc]  # one class for all of aiohttp's own
        self.code = re.sub(r"\W+", "_", error.reason.lower())  # type: ignore[misc]
        self.title = error.reason  # type: ignore[misc]


def refusal_of(error: Exception) -> Refusal:
    """What to answer for anything that was raised; what nobody expected is logged with its trace."""
    match error:
        case Refusal():
            return error
        case web.HTTPNotFound():
            return errors.NotFound()
        case web.HTTPException():
            return _AsRefusal(error)
        case DatabaseError() if is_unavailable(error):
            _log.warning("database_unavailable", reason=f"{type(error).__name__}: {error}")
            return errors.Unavailable()
    _log.error("unhandled", exc_info=error)
    return errors.Broken()


def invalid(error: ValidationError) -> Refusal:
    """What a body or query is refused with: Malformed for what is no JSON, Invalid with every wrong field."""
    if error.error_count() > MOST_FIELDS:
        return errors.Invalid.at("body", "too_many_errors", f"More than {MOST_FIELDS} fields are wrong.")
    # Without what was sent: each missing field would have all of the body beside it.
    problems = error.errors(include_url=False, include_input=False)
    if any(problem["type"] == "json_invalid" for problem in problems):
        return errors.Malformed("The body is not valid JSON.")
    return errors.Invalid(errors=tuple(_field_error(problem) for problem in problems[:_MOST_ERRORS]))


def _field_error(problem: ErrorDetails) -> FieldError:
    field = ".".join(str(part) for part in problem["loc"]) or "body"
    code = problem["type"]
    plain = code.removeprefix("string_")
    if plain not in ("too_short", "too_long"):
        return FieldError(field, code, problem["msg"])
    bound, limit = ("at least", "min_length") if plain == "too_short" else ("at most", "max_length")
    count = problem["ctx"][limit]
    if code != plain:
        return FieldError(field, code, f"Use {bound} {count} character{'' if count == 1 else 's'}.")
    return FieldError(field, code, f"Give {bound} {count} {'entry' if count == 1 else 'entries'}.")
