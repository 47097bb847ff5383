"""The row of the API that two services answer: coverage, with the open cases of the device."""

from aiohttp import web

from services.gateway.clients import SERVICES, Query, Reply, Services
from services.gateway.forwarding import Route, allowed_user, answer_of
from services.gateway.session import Visitor
from shared import errors
from shared.schemas.contracts import CoverageAnswer

_MOST_OPEN_CASES = 200


async def read_coverage(request: web.Request, _route: Route) -> web.Response:
    """Coverage from contracts, with open cases from cases."""
    visitor = await allowed_user(request)
    query = request.rel_url.raw_query_string
    serial, company_id = request.query.get("serial"), request.query.get("company_id")
    return answer_of(await coverage_of(request.app[SERVICES], visitor, query, serial=serial, company_id=company_id))


async def coverage_of(
    services: Services, visitor: Visitor, query: Query, *, serial: str | None, company_id: str | None
) -> Reply:
    """The answer of contracts, with the numbers of the device's open cases that the visitor may see.

    While cases is unavailable the list is empty: the coverage is useful without it.
    """
    reply = await services.call("contracts", "GET", "/coverage", visitor=visitor, query=query)
    if not reply.ok or serial is None:
        return reply
    coverage = CoverageAnswer.model_validate_json(reply.body)
    known = coverage.device.serial if coverage.device is not None else serial
    composed = coverage.model_copy(update={"open_cases": await _open_cases(services, visitor, known, company_id)})
    return Reply(reply.status, composed.model_dump_json().encode(), reply.headers)


async def _open_cases(services: Services, visitor: Visitor, serial: str, company_id: str | None) -> list[str]:
    query: dict[str, object] = {"serial": serial, "status": "open", "limit": _MOST_OPEN_CASES}
    if company_id is not None:
        query["company_id"] = company_id
    try:
        reply = await services.call("cases", "GET", "/cases", visitor=visitor, query=query)
    except errors.Unavailable:
        return []
    return [row["number"] for row in reply.json()["items"]] if reply.ok else []
