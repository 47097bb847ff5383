"""Failures as problem+json."""

import re

import orjson
import structlog
from aiohttp import web
from pydantic import BaseModel, ValidationError

from shared import errors
from shared.bodies import MOST_ENTRIES, MOST_FIELDS
from shared.errors import Refusal, problem
from shared.logging import origin
from shared.mongo import DatabaseError, is_unavailable
from shared.web.validation import field_errors

_MOST_ERRORS = 100
_PLACE = re.compile(r"at line (\d+) column ([1-9]\d*)$")  # column 0 is that of a body that is empty
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
        self.status = error.status
        self.code = re.sub(r"\W+", "_", error.reason.lower())
        self.title = error.reason


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


def invalid(error: ValidationError, model: type[BaseModel]) -> Refusal:
    """What a body or query is refused with: Malformed for what is no JSON, Invalid with every wrong field."""
    if error.error_count() > MOST_FIELDS:
        return too_many_errors()
    for found in error.errors(include_url=False, include_input=False):
        if found["type"] == "json_invalid":
            return _not_json(str(found["ctx"]["error"]))
    return errors.Invalid(errors=field_errors(error, model, at_most=_MOST_ERRORS))


def _not_json(reason: str) -> errors.Malformed:
    place = _PLACE.search(reason)
    if place is None:
        return errors.Malformed("The body is not valid JSON in UTF-8.")
    line, column = map(int, place.groups())
    sentence = f"The body is not valid JSON in UTF-8: look at line {line}, column {column}."
    return errors.Malformed(sentence, params={"line": line, "column": column})


def too_many_errors() -> errors.Invalid:
    """More is wrong than is listed."""
    message = f"More than {MOST_FIELDS} fields are wrong, or more than {MOST_ENTRIES} entries of lists were sent."
    return errors.Invalid.at("body", "too_many_errors", message, {"fields": MOST_FIELDS, "entries": MOST_ENTRIES})
