"""The row of the API that two services answer: who was told of a case, for whoever sees the case."""

from aiohttp import web

from services.gateway.clients import SERVICES, Query, Reply, Services, fill
from services.gateway.forwarding import Route, allowed_user, answer_of
from services.gateway.session import Visitor
from shared.case_passes import CASE_HEADER


async def read_case_deliveries(request: web.Request, _route: Route) -> web.Response:
    """Refused as the case itself is."""
    visitor = await allowed_user(request)
    number, query = request.match_info["number"], request.rel_url.raw_query_string or None
    return answer_of(await deliveries_of(request.app[SERVICES], visitor, number, query))


async def deliveries_of(
    services: Services, visitor: Visitor, number: str, query: Query, *, within_s: float | None = None
) -> Reply:
    """The ledger about a case from notifications, which asks for the pass that cases gives; or what cases refuses with.

    `within_s` is for each of the two.
    """
    path = fill("/cases/{number}", number=number)
    granted = await services.call("cases", "GET", f"{path}/pass", visitor=visitor, within_s=within_s)
    if not granted.ok:
        return granted
    headers = {CASE_HEADER: granted.json()["token"]}
    return await services.call(
        "notifications", "GET", f"{path}/deliveries", visitor=visitor, query=query, headers=headers, within_s=within_s
    )
