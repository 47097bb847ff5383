"""What the API's description says of lists is what the services take."""

from typing import get_args

import pytest

from services.gateway.forwarding import Route
from services.gateway.routes import ROUTES
from shared.schemas.cases import QueueName
from tests.e2e.conftest import Customer
from tests.e2e.portal import Visitor

_LISTS = [
    route
    for route in ROUTES
    if route.method == "GET" and (route.query or (route.answer and "items" in route.answer.model_fields))
]
_SORTED = [route for route in ROUTES if route.sorts]


async def asking(route: Route, vendor: Visitor, customer: Customer) -> tuple[Visitor, str]:
    """Who may ask for the list, and its path; of a case, that of one which there is."""
    visitor = vendor if route.path.startswith(("/vendor/", "/agent/")) else customer.admin
    number = (await customer.admin.submit())["number"] if "{number}" in route.path else ""
    return visitor, route.path.format(id=customer.company["id"], number=number)


@pytest.mark.parametrize("route", _LISTS, ids=lambda route: route.name)
async def test_a_list_names_each_parameter_that_it_does_not_take(
    route: Route, vendor: Visitor, customer: Customer
) -> None:
    visitor, path = await asking(route, vendor, customer)
    taken = set(route.query.model_fields) if route.query else set()
    unknown = {name: "1" for name in ("favourites", "page", "limit", "cursor", "sort") if name not in taken}
    answer = await visitor.call("GET", path, params=unknown)
    assert answer.status == 422
    assert {name: answer.field_codes.get(name) for name in unknown} == dict.fromkeys(unknown, "extra_forbidden")


@pytest.mark.parametrize("route", _SORTED, ids=lambda route: route.name)
async def test_a_list_is_sorted_by_exactly_what_is_described(route: Route, vendor: Visitor, customer: Customer) -> None:
    visitor, path = await asking(route, vendor, customer)
    # Each queue has orders of its own; together they have those that are described.
    queues = get_args(QueueName) if route.query and "queue" in route.query.model_fields else ("",)
    allowed = set()
    for queue in queues:
        refused = await visitor.call("GET", path, params={"sort": "nothing"} | ({"queue": queue} if queue else {}))
        assert (refused.status, refused.field_codes) == (422, {"sort": "sort"})
        allowed |= set(refused.body["errors"][0]["params"]["allowed"])
    assert allowed == set(route.sorts)


def test_every_list_that_can_be_sorted_says_by_what() -> None:
    sortable = {route.name for route in ROUTES if route.query and "sort" in route.query.model_fields}
    # These take the filters of a list without its order.
    assert sortable - {route.name for route in _SORTED} == {"GET /cases/facets"}
