"""What the API's description says of lists is what the services take."""

import pytest

from services.gateway.forwarding import Route
from services.gateway.routes import ROUTES
from tests.e2e.conftest import Customer
from tests.e2e.portal import Visitor

_SORTED = [route for route in ROUTES if route.sorts]


@pytest.mark.parametrize("route", _SORTED, ids=lambda route: route.name)
async def test_a_list_is_sorted_by_exactly_what_is_described(route: Route, vendor: Visitor, customer: Customer) -> None:
    for_vendor = route.path.startswith(("/vendor/", "/agent/"))
    visitor = vendor if for_vendor else customer.admin
    refused = await visitor.call("GET", route.path, params={"sort": "nothing"})
    assert (refused.status, refused.field_codes) == (422, {"sort": "sort"})
    assert refused.body["errors"][0]["params"]["allowed"] == sorted(route.sorts)


def test_every_list_that_can_be_sorted_says_by_what() -> None:
    sortable = {route.name for route in ROUTES if route.query and "sort" in route.query.model_fields}
    # These take the filters of a list without its order.
    assert sortable - {route.name for route in _SORTED} == {"GET /cases/facets"}
